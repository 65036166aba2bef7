"""Clearance fields."""

import cv2
import numpy as np
import pytest

from lastmile.geometry.grid import FAR_M, clearance_field


def test_clearance_field_gives_signed_distance_to_the_edge_of_taken_cells():
    taken = np.zeros((80, 80), np.uint8)
    taken[10:15, 10:15] = 1
    distance_m = clearance_field(taken, np.zeros(2), 0.1).distance_m
    assert distance_m.dtype == np.float32
    row_m = distance_m[12, [9, 10, 12, 14, 18]]
    np.testing.assert_allclose(row_m, [0.05, -0.05, -0.25, -0.05, 0.35], atol=1e-6)
    np.testing.assert_allclose(distance_m[17, 18], 0.1 * (5.0 - 0.5), atol=1e-6)
    assert distance_m[79, 79] == FAR_M


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (60, 90), (200, 200)])
@pytest.mark.parametrize("share", [0.0, 0.0005, 0.02, 0.5, 0.98, 1.0])
def test_clearance_field_is_two_distance_transforms(shape, share):
    taken = (np.random.default_rng(4).random(shape) < share).astype(np.uint8)
    outside, inside = (
        cv2.distanceTransform(cells, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        for cells in (1 - taken, taken)
    )
    plain_m = np.clip(0.1 * (outside - inside + taken - 0.5), -FAR_M, FAR_M)
    distance_m = clearance_field(taken, np.zeros(2), 0.1).distance_m
    np.testing.assert_allclose(distance_m, plain_m, atol=1e-6)
