"""Clearance fields."""

import cv2
import numpy as np
import pytest

from lastmile.geometry.grid import FAR_M, ClearanceField, clearance_field


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


def bilinear(field: ClearanceField, points: np.ndarray, outside_m: float) -> np.ndarray:
    """Sample a field in plain NumPy."""
    rows, columns = field.distance_m.shape
    f = (points - field.origin) / field.resolution_m - 0.5
    inside = (f >= 0.0).all(-1) & (f[..., 0] < columns - 1) & (f[..., 1] < rows - 1)
    x, y = np.where(inside, f[..., 0], 0.0), np.where(inside, f[..., 1], 0.0)
    j, i = x.astype(int), y.astype(int)
    a, b, d = x - j, y - i, field.distance_m
    low = (1 - a) * d[i, j] + a * d[i, j + 1]
    high = (1 - a) * d[i + 1, j] + a * d[i + 1, j + 1]
    return np.where(inside, (1 - b) * low + b * high, outside_m)


def test_sample_is_bilinear_within_a_part_of_a_field_and_outside_of_it():
    rng = np.random.default_rng(7)
    part = rng.normal(size=(30, 40)).astype(np.float32)[3:25, 5:37]
    field = ClearanceField(part, np.array([-1.3, 2.1]), 0.1)
    points = field.origin + rng.uniform(-0.5, 3.7, size=(50, 8, 2))
    points[0, 0] = np.nan
    sampled = field.sample(points, -2.0)
    assert (sampled == -2.0).any() and (sampled != -2.0).any()
    np.testing.assert_array_equal(sampled, bilinear(field, points, -2.0))
    assert field.sample(points[3, 3], -2.0) == sampled[3, 3]
