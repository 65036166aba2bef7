"""Poses as homogeneous transforms, for tests that go through three dimensions."""

from __future__ import annotations

import numpy as np


def to_matrix(pose_a_b: np.ndarray) -> np.ndarray:
    """Write a pose as the homogeneous (4, 4) transform with z = 0."""
    x, y, yaw = (float(v) for v in pose_a_b)
    T = np.eye(4)
    T[:2, :2] = [[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]]
    T[:2, 3] = [x, y]
    return T
