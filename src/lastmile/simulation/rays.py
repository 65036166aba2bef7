"""Rays against triangle meshes, by Embree (Wald et al. 2014, Embree: a kernel framework)."""

from __future__ import annotations

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

STILL = 1e-4
"""A sensor whose pose changes by less (metres, radians) sees what it saw."""


class RayScene:
    """A triangle mesh that rays are cast against."""

    def __init__(self, triangles: np.ndarray) -> None:
        """Take triangles (N, 3, 3); none at all makes an empty scene."""
        self.triangles = np.ascontiguousarray(triangles, dtype=np.float32).reshape(-1, 3, 3)
        self._scene = None
        if len(self.triangles):
            self._scene = EmbreeScene()
            TriangleMesh(self._scene, self.triangles)

    def cast(self, origins: np.ndarray, directions: np.ndarray, limits: np.ndarray) -> np.ndarray:
        """
        Find how far rays go.

        Parameters
        ----------
        origins, directions : ndarray of float32, shape (N, 3)
            Start and unit direction of each ray.
        limits : ndarray of float32, shape (N,)
            How far each may go.

        Returns
        -------
        ndarray of float32, shape (N,)
            Distance of the nearest hit, the limit without one.

        """
        if self._scene is None:
            return limits.copy()
        return self._scene.run(origins, directions, dists=limits.copy(), query="DISTANCE")

    def heights(self, points: np.ndarray, top: float = 50.0, missing: float = 0.0) -> np.ndarray:
        """Height (N,) of the surface at points (N, 2), looked at from above."""
        origins = np.empty((len(points), 3), dtype=np.float32)
        origins[:, :2] = points
        origins[:, 2] = top
        down = np.zeros_like(origins)
        down[:, 2] = -1.0
        reach = np.full(len(points), 2.0 * top, dtype=np.float32)
        distance = self.cast(origins, down, reach)
        return np.where(distance < 2.0 * top, top - distance, missing)


class StillRays:
    """Rays that are cast anew only once their sensor has moved, as it seldom has at a locker."""

    def __init__(self) -> None:
        """Nothing is cast yet."""
        self._poses = np.full((4, 4), np.inf)
        self._reach = np.zeros(0, dtype=np.float32)

    def cast(
        self,
        scene: RayScene,
        poses: np.ndarray,
        origins: np.ndarray,
        directions: np.ndarray,
        limits: np.ndarray,
    ) -> np.ndarray:
        """Find how far the rays go from a sensor at `poses` (..., 4, 4) in a scene that stays."""
        if np.abs(poses - self._poses).max() > STILL:
            self._poses, self._reach = poses, scene.cast(origins, directions, limits)
        return self._reach
