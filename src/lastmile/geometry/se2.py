"""
Transforms of the plane, SE(2), as arrays [x, y, yaw].

The last axis holds the three numbers, so that all functions work on one pose or on many. One pose
takes a way of its own through plain numbers: thousands are chained each second, and small arrays
cost five times as much.
"""

from __future__ import annotations

import math

import numpy as np


def wrap_angle(angle):
    """Bring angles [rad] into (-pi, pi]."""
    if isinstance(angle, float):
        return -((-angle + np.pi) % (2.0 * np.pi)) + np.pi
    return -np.remainder(-np.asarray(angle, dtype=float) + np.pi, 2.0 * np.pi) + np.pi


def compose(pose_a_b: np.ndarray, pose_b_c: np.ndarray) -> np.ndarray:
    """Chain two poses: the pose of c in a."""
    a = np.asarray(pose_a_b, dtype=float)
    b = np.asarray(pose_b_c, dtype=float)
    if a.ndim == b.ndim == 1:
        ax, ay, a_yaw = a.tolist()
        bx, by, b_yaw = b.tolist()
        c, s = math.cos(a_yaw), math.sin(a_yaw)
        return np.array([ax + c * bx - s * by, ay + s * bx + c * by, wrap_angle(a_yaw + b_yaw)])
    c, s = np.cos(a[..., 2]), np.sin(a[..., 2])
    return np.stack(
        [
            a[..., 0] + c * b[..., 0] - s * b[..., 1],
            a[..., 1] + s * b[..., 0] + c * b[..., 1],
            wrap_angle(a[..., 2] + b[..., 2]),
        ],
        axis=-1,
    )


def invert(pose_a_b: np.ndarray) -> np.ndarray:
    """Give the pose of a in b."""
    p = np.asarray(pose_a_b, dtype=float)
    if p.ndim == 1:
        x, y, yaw = p.tolist()
        c, s = math.cos(yaw), math.sin(yaw)
        return np.array([-c * x - s * y, s * x - c * y, wrap_angle(-yaw)])
    c, s = np.cos(p[..., 2]), np.sin(p[..., 2])
    return np.stack(
        [
            -c * p[..., 0] - s * p[..., 1],
            s * p[..., 0] - c * p[..., 1],
            wrap_angle(-p[..., 2]),
        ],
        axis=-1,
    )


def between(pose_w_a: np.ndarray, pose_w_b: np.ndarray) -> np.ndarray:
    """Give the pose of b in a, both known in w."""
    return compose(invert(pose_w_a), pose_w_b)


def transform(pose_a_b: np.ndarray, points_b: np.ndarray) -> np.ndarray:
    """Take points (..., 2) from frame b to frame a."""
    pose = np.asarray(pose_a_b, dtype=float)
    return rotate(float(pose[2]), points_b) + pose[:2]


def rotate(yaw: float, vectors: np.ndarray) -> np.ndarray:
    """Turn vectors (..., 2) by yaw [rad]."""
    vectors = np.asarray(vectors, dtype=float)
    c, s = math.cos(yaw), math.sin(yaw)
    if vectors.ndim == 1:
        x, y = vectors.tolist()
        return np.array([c * x - s * y, s * x + c * y])
    return vectors @ np.array([[c, s], [-s, c]])


def advance(pose: np.ndarray, twist_base: np.ndarray, dt_s: float) -> np.ndarray:
    """
    Move a pose along the arc of a constant twist [v, yaw rate] for a time.

    Velocity motion model, Thrun, Burgard and Fox (2005), section 5.3; exact for a turn of zero by
    the limit of its chord.
    """
    x, y, yaw = np.asarray(pose, dtype=float).tolist()
    v, w = float(twist_base[0]), float(twist_base[1])
    half = 0.5 * w * dt_s
    chord = v * dt_s * (math.sin(half) / half if half != 0.0 else 1.0)
    heading = yaw + half
    return np.array(
        [
            x + chord * math.cos(heading),
            y + chord * math.sin(heading),
            wrap_angle(yaw + w * dt_s),
        ]
    )


def from_matrix(T_a_b: np.ndarray) -> np.ndarray:
    """Read x, y and the heading of the x axis out of a homogeneous (4, 4) transform."""
    return np.array([T_a_b[0, 3], T_a_b[1, 3], np.arctan2(T_a_b[1, 0], T_a_b[0, 0])])
