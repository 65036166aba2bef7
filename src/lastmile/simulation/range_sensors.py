"""Lidar and near-field depth: rays against what stands and what moves, with noise."""

from __future__ import annotations

import numpy as np

from lastmile.simulation.config import DepthConfig, LidarConfig
from lastmile.simulation.rays import RayScene, StillRays
from lastmile.simulation.scenario import WeatherScenario
from lastmile.types import PointGrid

TURN_S = 0.1
UPPER_RINGS_DEG, LOWER_RINGS_DEG = (4.0, -4.0), (-5.0, -30.0)


def lidar_elevations() -> np.ndarray:
    """Elevation (32,) of the rings, top to bottom: 16 about the horizon, 16 towards the ground."""
    return np.radians(
        np.concatenate([np.linspace(*UPPER_RINGS_DEG, 16), np.linspace(*LOWER_RINGS_DEG, 16)])
    )


class Lidar:
    """Rotating lidar; a turn ends when it is read, and its first column is a turn older."""

    def __init__(
        self,
        T_base_lidar: np.ndarray,
        config: LidarConfig,
        weather: WeatherScenario,
        rng: np.random.Generator,
    ) -> None:
        """Lay out the rays of a turn."""
        self.config = config
        self._rng = rng
        self._still = StillRays()
        self._T_base_lidar = T_base_lidar
        self._dropout = 1.0 - (1.0 - config.dropout_ratio) * (1.0 - weather.lidar_dropout_ratio)
        self._ghost = weather.ghost_ratio
        elevation = lidar_elevations()[:, None]
        azimuth = -np.pi + 2.0 * np.pi * np.arange(config.columns) / config.columns
        shape = (len(elevation), config.columns)
        self._directions = np.stack(
            [
                np.cos(elevation) * np.cos(azimuth),
                np.cos(elevation) * np.sin(azimuth),
                np.broadcast_to(np.sin(elevation), shape),
            ],
            axis=-1,
        ).astype(np.float32)
        self.offset_s = (TURN_S * np.arange(config.columns) / config.columns).astype(np.float32)

    def scan(
        self,
        stamp_s: float,
        T_first: np.ndarray,
        T_last: np.ndarray,
        standing: RayScene,
        moving: RayScene,
    ) -> PointGrid:
        """
        Take a turn.

        Parameters
        ----------
        stamp_s : float
            Time of the first column.
        T_first, T_last : ndarray, shape (4, 4)
            `T_map_base` at the first column and a turn later.
        standing : RayScene
            What stands.
        moving : RayScene
            What moves, where it is in the middle of the turn.

        Returns
        -------
        PointGrid
            In `lidar_link`, each point as seen at the time of its column.

        """
        rotation, origin = self._poses(T_first, T_last)
        # (columns, rings, 3) @ (columns, 3, 3): one small product per column.
        by_column = np.matmul(self._directions.transpose(1, 0, 2), rotation.transpose(0, 2, 1))
        # Ring by ring, because rays are cast quickest beside others that go alike.
        directions = np.ascontiguousarray(by_column.transpose(1, 0, 2)).reshape(-1, 3)
        shape = self._directions.shape[:2]
        origins = np.tile(origin, (shape[0], 1))
        reach = np.full(len(directions), self.config.range_max_m, dtype=np.float32)
        reach = self._still.cast(
            standing, np.stack([T_first, T_last]), origins, directions, reach
        )
        ranges = moving.cast(origins, directions, reach).reshape(shape)
        return self._grid(stamp_s, ranges)

    def _poses(self, T_first: np.ndarray, T_last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rotation (columns, 3, 3) and origin (columns, 3) of the lidar, linear over the turn."""
        a, b = T_first @ self._T_base_lidar, T_last @ self._T_base_lidar
        share = (self.offset_s / TURN_S)[:, None]
        origin = (a[:3, 3] + share * (b[:3, 3] - a[:3, 3])).astype(np.float32)
        turn = a[:3, :3].T @ b[:3, :3]
        vector = 0.5 * np.array(
            [turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]]
        )
        # Turns of at most 0.2 rad: the second-order series is exact to 1e-3 of that.
        x, y, z = (share * vector).T
        zero = np.zeros_like(x)
        skew = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(-1, 3, 3)
        small = np.eye(3) + skew + 0.5 * skew @ skew
        return (a[:3, :3] @ small).astype(np.float32), origin

    def _grid(self, stamp_s: float, ranges: np.ndarray) -> PointGrid:
        config = self.config
        noise = self._rng.standard_normal(ranges.shape, dtype=np.float32)
        chance = self._rng.random(ranges.shape, dtype=np.float32)
        missed = ranges >= config.range_max_m
        # A lost return is more likely far away: the echo falls with the square of the range.
        lost = chance < self._dropout + 0.05 * (ranges / config.range_max_m) ** 2
        measured = ranges + noise * (config.range_sigma_m + config.range_sigma_ratio * ranges)
        if self._ghost > 0.0:
            ghost = self._rng.random(ranges.shape, dtype=np.float32) < self._ghost
            near = self._rng.uniform(0.6, 8.0, ranges.shape).astype(np.float32)
            measured = np.where(ghost & (near < ranges), near, measured)
            missed &= ~ghost
        intensity = np.clip(200.0 / (1.0 + 0.05 * measured) + 10.0 * noise, 0.0, 255.0)
        measured[missed] = np.inf
        bad = lost | (measured < config.range_min_m)
        measured[bad] = np.nan
        with np.errstate(invalid="ignore"):
            points = self._directions * measured[..., None]
        points[missed & ~bad] = np.inf
        intensity[missed | bad] = 0.0
        return PointGrid(stamp_s, "lidar_link", points, intensity.astype(np.float32), self.offset_s)


class DepthSensor:
    """A near-field depth sensor that looks down at the ground."""

    def __init__(
        self,
        frame_id: str,
        T_base_optical: np.ndarray,
        config: DepthConfig,
        rng: np.random.Generator,
    ) -> None:
        """Lay out the rays of an image, z ahead and x to the right."""
        self.frame_id = frame_id
        self.config = config
        self._rng = rng
        self._still = StillRays()
        self._T_base_optical = T_base_optical
        half = np.tan(0.5 * np.radians([config.horizontal_deg, config.vertical_deg]))
        x, y = np.meshgrid(
            np.linspace(-half[0], half[0], config.columns),
            np.linspace(-half[1], half[1], config.rows),
        )
        rays = np.stack([x, y, np.ones_like(x)], axis=-1)
        self._rays = rays.astype(np.float32)
        self._stretch = np.linalg.norm(rays, axis=-1).astype(np.float32)
        self._offset_s = np.zeros(config.columns, dtype=np.float32)

    def scan(self, stamp_s: float, T_map_base: np.ndarray, standing: RayScene, moving: RayScene):
        """Take an image at `stamp_s`; all pixels at once (global shutter)."""
        config = self.config
        T = (T_map_base @ self._T_base_optical).astype(np.float32)
        directions = ((self._rays / self._stretch[..., None]) @ T[:3, :3].T).reshape(-1, 3)
        directions = np.ascontiguousarray(directions)
        origins = np.broadcast_to(T[:3, 3], directions.shape).copy()
        limit = config.range_max_m * 1.5
        reach = np.full(len(directions), limit, dtype=np.float32)
        reach = self._still.cast(standing, T, origins, directions, reach)
        reach = moving.cast(origins, directions, reach)
        depth = reach.reshape(self._stretch.shape) / self._stretch
        noise = self._rng.standard_normal(depth.shape, dtype=np.float32)
        lost = self._rng.random(depth.shape, dtype=np.float32) < config.dropout_ratio
        measured = depth + noise * config.sigma_ratio * depth**2
        points = self._rays * measured[..., None]
        points[lost | (depth < config.range_min_m)] = np.nan
        points[depth > config.range_max_m] = np.inf
        intensity = np.full(depth.shape, 100.0, dtype=np.float32)
        return PointGrid(stamp_s, self.frame_id, points, intensity, self._offset_s)
