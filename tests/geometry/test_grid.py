"""Clearance fields."""

import numpy as np

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
