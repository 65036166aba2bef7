"""
What moves, as shapes made once and placed anew for each turn of the lidar.

A ray is taken into a shape's own frame and cast there, so that no mesh is built while the world
runs: a mesh of everybody costs 2 ms a turn, and most rays of a turn pass far from all bodies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lastmile.simulation import meshes
from lastmile.simulation.people import RADIUS_M
from lastmile.simulation.rays import RayScene

STEP_M, STEPS_HZ = 0.25, 0.9
CYCLIST_LENGTH_M = 2.5
"""Vehicles shorter than this are cyclists."""


class Shape:
    """A mesh about the vertical axis, and a ball around it with its middle on that axis."""

    def __init__(self, triangles: np.ndarray) -> None:
        """Take triangles (N, 3, 3)."""
        self.rays = RayScene(triangles)
        corners = triangles.reshape(-1, 3)
        self.middle_m = 0.5 * float(corners[:, 2].min() + corners[:, 2].max())
        self.radius_m = float(np.linalg.norm(corners - [0.0, 0.0, self.middle_m], axis=1).max())


_ORIGIN = np.zeros(2)
SHAPES = (
    Shape(meshes.column(_ORIGIN, 0.07, 0.0, 0.85, 4)[:8]),  # walls only
    Shape(meshes.column(_ORIGIN, RADIUS_M - 0.03, 0.8, 1.7, 8)),
    Shape(
        np.concatenate(
            [
                meshes.box(_ORIGIN, 0.0, (1.8, 0.15), -0.12, 0.95),
                meshes.column(_ORIGIN, 0.22, 0.6, 1.7, 8),
            ]
        )
    ),
    Shape(
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
_MIDDLES = np.array([shape.middle_m for shape in SHAPES])
_RADII = np.array([shape.radius_m for shape in SHAPES], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Bodies:
    """Placed shapes: index into SHAPES (N,), position (N, 2) [m] and yaw (N,) in map."""

    shape: np.ndarray
    positions: np.ndarray
    yaws: np.ndarray

    @property
    def middles(self) -> np.ndarray:
        """Middle (N, 3) of the ball around each body."""
        middles = np.column_stack([self.positions, _MIDDLES[self.shape]])
        return middles.astype(np.float32)

    @property
    def radii(self) -> np.ndarray:
        """Radius (N,) of the ball around each body."""
        return _RADII[self.shape]

    def cast(
        self,
        origins: np.ndarray,
        directions: np.ndarray,
        limits: np.ndarray,
        pairs: tuple[np.ndarray, np.ndarray],
    ) -> np.ndarray:
        """
        Find how far rays go.

        Parameters
        ----------
        origins, directions, limits : ndarray
            As for `RayScene.cast`.
        pairs : tuple of ndarray of int
            Ray and body of each pair that may meet; no others are looked at.

        Returns
        -------
        ndarray of float32, shape (N,)
            Distance of the nearest hit, the limit without one.

        """
        reach = limits.copy()
        rays, bodies = pairs
        kinds = self.shape[bodies]
        for kind in np.unique(kinds):
            chosen = kinds == kind
            ray, body = rays[chosen], bodies[chosen]
            start, along = origins[ray], directions[ray]
            start[:, :2] -= self.positions[body]
            c, s = np.cos(self.yaws[body]), np.sin(self.yaws[body])
            distance = SHAPES[kind].rays.cast(_turn(start, c, s), _turn(along, c, s), limits[ray])
            np.minimum.at(reach, ray, distance)
        return reach


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


def _turn(vectors: np.ndarray, c: np.ndarray, s: np.ndarray) -> np.ndarray:
    """Turn vectors (N, 3) into frames whose yaw has cosine and sine `c` and `s` (N,)."""
    x, y, z = vectors.T
    return np.stack([c * x + s * y, c * y - s * x, z], axis=1).astype(np.float32)
