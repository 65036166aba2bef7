"""Meshes of what moves, placed anew for each turn of the lidar from shapes made once."""

from __future__ import annotations

import numpy as np

from lastmile.simulation import meshes
from lastmile.simulation.people import RADIUS_M

_ORIGIN = np.zeros(2)
TRUNK = meshes.column(_ORIGIN, RADIUS_M - 0.03, 0.8, 1.7, 8)
LEG = meshes.column(_ORIGIN, 0.07, 0.0, 0.85, 4)[:8]  # walls only
CYCLIST = np.concatenate(
    [
        meshes.box(_ORIGIN, 0.0, (1.8, 0.15), -0.12, 0.95),
        meshes.column(_ORIGIN, 0.22, 0.6, 1.7, 8),
    ]
)
CAR = np.concatenate(
    [
        meshes.box(_ORIGIN, 0.0, (3.2, 1.8), -0.12, 0.1),
        meshes.box(_ORIGIN, 0.0, (4.5, 1.8), 0.1, 0.8),
        meshes.box(_ORIGIN, 0.0, (2.5, 1.6), 0.8, 1.4),
    ]
)
STEP_M, STEPS_HZ = 0.25, 0.9


def people_triangles(
    positions: np.ndarray, velocities: np.ndarray, ids: np.ndarray, stamp_s: float
) -> np.ndarray:
    """Give each person (N, 2) two legs that step, and a trunk."""
    if len(positions) == 0:
        return meshes.NO_TRIANGLES
    speed = np.hypot(*velocities.T)[:, None]
    ahead = np.where(speed > 0.05, velocities / np.maximum(speed, 0.05), [1.0, 0.0])
    left = np.column_stack([-ahead[:, 1], ahead[:, 0]])
    swing = np.sin(2.0 * np.pi * STEPS_HZ * stamp_s + ids)[:, None]
    stride = STEP_M * np.minimum(1.0, speed) * swing * ahead
    legs = [_place(LEG, positions + s * (0.1 * left + stride)) for s in (-1.0, 1.0)]
    return np.concatenate([*legs, _place(TRUNK, positions)])


def vehicle_triangles(vehicles: np.ndarray) -> np.ndarray:
    """Place cars and cyclists, (V, 6) as in GroundTruth."""
    cyclist = vehicles[:, 5] < 2.5
    return np.concatenate(
        [
            _place(CYCLIST, vehicles[cyclist, 1:3], vehicles[cyclist, 3]),
            _place(CAR, vehicles[~cyclist, 1:3], vehicles[~cyclist, 3]),
        ]
    )


def _place(shape: np.ndarray, positions: np.ndarray, yaws: np.ndarray | None = None) -> np.ndarray:
    """Copy a shape (T, 3, 3) to many places: triangles (N T, 3, 3)."""
    placed = np.repeat(shape[None], len(positions), axis=0)
    if yaws is not None:
        c, s = np.cos(yaws)[:, None, None], np.sin(yaws)[:, None, None]
        x, y = placed[..., 0].copy(), placed[..., 1].copy()
        placed[..., 0], placed[..., 1] = c * x - s * y, s * x + c * y
    placed[..., :2] += positions[:, None, None, :]
    return placed.reshape(-1, 3, 3)
