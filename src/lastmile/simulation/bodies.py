"""
What moves, as shapes made once and placed anew for each turn of the lidar.

No mesh is built while the world runs: a mesh of everybody costs 2 ms a turn, placing the shapes of
hundred bodies 0.1 ms.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from lastmile.simulation import meshes
from lastmile.simulation.people import RADIUS_M
from lastmile.simulation.rays import RayScene

STEP_M, STEPS_HZ = 0.25, 0.9
CYCLIST_LENGTH_M = 2.5
"""Vehicles shorter than this are cyclists."""


_ORIGIN = np.zeros(2)
SHAPES = (
    RayScene(meshes.column(_ORIGIN, 0.07, 0.0, 0.85, 4)[:8]),  # walls only
    RayScene(meshes.column(_ORIGIN, RADIUS_M - 0.03, 0.8, 1.7, 8)),
    RayScene(
        np.concatenate(
            [
                meshes.box(_ORIGIN, 0.0, (1.8, 0.15), -0.12, 0.95),
                meshes.column(_ORIGIN, 0.22, 0.6, 1.7, 8),
            ]
        )
    ),
    RayScene(
        np.concatenate(
            [
                meshes.box(_ORIGIN, 0.0, (3.2, 1.8), -0.12, 0.1),
                meshes.box(_ORIGIN, 0.0, (4.5, 1.8), 0.1, 0.8),
                meshes.box(_ORIGIN, 0.0, (2.5, 1.6), 0.8, 1.4),
            ]
        )
    ),
)
LEG, TRUNK, CYCLIST, CAR = range(len(SHAPES))


@dataclass(frozen=True)
class Bodies:
    """Placed shapes: index into SHAPES (N,), position (N, 2) [m] and yaw (N,) in map."""

    shape: np.ndarray
    positions: np.ndarray
    yaws: np.ndarray

    @functools.cached_property
    def rays(self) -> RayScene:
        """All of them, to cast rays against."""
        return RayScene.of_shapes([SHAPES[i] for i in self.shape], self.positions, self.yaws)


def place_bodies(
    positions: np.ndarray,
    velocities: np.ndarray,
    ids: np.ndarray,
    vehicles: np.ndarray,
    stamp_s: float,
) -> Bodies:
    """Place two legs that step and a trunk per person, and vehicles (V, 6) as in GroundTruth."""
    speed = np.hypot(*velocities.T)[:, None]
    ahead = np.where(speed > 0.05, velocities / np.maximum(speed, 0.05), [1.0, 0.0])
    left = np.column_stack([-ahead[:, 1], ahead[:, 0]])
    swing = np.sin(2.0 * np.pi * STEPS_HZ * stamp_s + ids)[:, None]
    stride = STEP_M * np.minimum(1.0, speed) * swing * ahead
    legs = [positions + side * (0.1 * left + stride) for side in (-1.0, 1.0)]
    people = len(positions)
    cyclist = vehicles[:, 5] < CYCLIST_LENGTH_M
    return Bodies(
        shape=np.concatenate(
            [np.repeat([LEG, TRUNK], [2 * people, people]), np.where(cyclist, CYCLIST, CAR)]
        ),
        positions=np.concatenate([*legs, positions, vehicles[:, 1:3]]),
        yaws=np.concatenate([np.zeros(3 * people), vehicles[:, 3]]),
    )
