"""Lidar and near-field depth: rays against what stands and what moves, with noise."""

from __future__ import annotations

import numpy as np

from lastmile.simulation import _ranges
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


class NoiseBank:
    """
    Numbers by chance, drawn once and taken from a place drawn anew for each image.

    Drawing all anew takes 0.5 ms for a turn of the lidar, as long as casting its rays. The bank is
    long enough that one ray meets the same number again only after thousands of images.
    """

    IMAGES = 8

    def __init__(self, shape: tuple[int, int], rng: np.random.Generator) -> None:
        """Fill the bank for images of a shape."""
        self._shape, self._size, self._rng = shape, shape[0] * shape[1], rng
        count = self.IMAGES * self._size
        self._normal = rng.standard_normal(count, dtype=np.float32)
        self._uniform = rng.random(count, dtype=np.float32)

    def draw(self) -> tuple[np.ndarray, np.ndarray]:
        """Give numbers for an image: standard normal, and uniform in [0, 1)."""
        places = self._rng.integers((self.IMAGES - 1) * self._size, size=2).tolist()
        return tuple(
            bank[place : place + self._size].reshape(self._shape)
            for bank, place in zip((self._normal, self._uniform), places, strict=True)
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
        self._bank = NoiseBank(shape, rng)
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
        rays = self._still.cast(
            standing,
            np.stack([T_first, T_last]),
            lambda: self._aim(T_first, T_last),
            self.config.range_max_m,
        )
        ranges = moving.cast(*rays).reshape(self._directions.shape[:2])
        return self.measure(stamp_s, ranges, self.offset_s)

    def _aim(self, T_first: np.ndarray, T_last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Origins and directions (N, 3), ring by ring: quickest beside others that go alike."""
        rotations, origins = self._poses(T_first, T_last)
        directions = np.empty_like(self._directions)
        _ranges.aim(self._directions, rotations, directions)
        return np.tile(origins, (len(directions), 1)), directions.reshape(-1, 3)

    def _poses(self, T_first: np.ndarray, T_last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rotation (columns, 3, 3) and origin (columns, 3) of the lidar, linear over the turn."""
        a, b = T_first @ self._T_base_lidar, T_last @ self._T_base_lidar
        share = (self.offset_s / TURN_S)[:, None]
        origins = (a[:3, 3] + share * (b[:3, 3] - a[:3, 3])).astype(np.float32)
        start = a[:3, :3]
        turn = start.T @ b[:3, :3]
        # Turns of at most 0.2 rad: the second-order series is exact to 1e-3 of that.
        skew = 0.5 * (turn - turn.T)
        terms = np.stack([start, start @ skew, 0.5 * start @ skew @ skew])
        powers = np.column_stack([np.ones_like(share), share, share * share])
        rotations = (powers @ terms.reshape(3, 9)).astype(np.float32)
        return rotations.reshape(-1, 3, 3), origins

    def measure(self, stamp_s: float, ranges: np.ndarray, offset_s: np.ndarray) -> PointGrid:
        """
        Make a cloud of the true ranges (rings, columns), with noise, losses and ghosts.

        `offset_s` (columns,) is when each column was seen, after `stamp_s`.
        """
        config, rng = self.config, self._rng
        noise, chance = self._bank.draw()
        ghosts = None
        if self._ghost > 0.0:
            seen = rng.random(ranges.shape, dtype=np.float32) < self._ghost
            near = rng.uniform(0.6, 8.0, ranges.shape).astype(np.float32)
            ghosts = np.where(seen, near, np.float32(np.inf))
        points, intensity = np.empty_like(self._directions), np.empty_like(ranges)
        _ranges.measure(
            ranges,
            noise,
            chance,
            ghosts,
            self._directions,
            config.range_min_m,
            config.range_max_m,
            config.range_sigma_m,
            config.range_sigma_ratio,
            self._dropout,
            points,
            intensity,
        )
        return PointGrid(stamp_s, "lidar_link", points, intensity, offset_s)


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
        self._still = StillRays()
        self._T_base_optical = T_base_optical
        half = np.tan(0.5 * np.radians([config.horizontal_deg, config.vertical_deg]))
        x, y = np.meshgrid(
            np.linspace(-half[0], half[0], config.columns),
            np.linspace(-half[1], half[1], config.rows),
        )
        rays = np.stack([x, y, np.ones_like(x)], axis=-1)
        self.rays = rays.astype(np.float32)
        """Rays (rows, columns, 3) with z = 1."""
        self.stretch = np.linalg.norm(rays, axis=-1).astype(np.float32)
        """Their lengths (rows, columns)."""
        self._directions = (self.rays / self.stretch[..., None]).reshape(-1, 3)
        self._intensity = np.full(self.stretch.shape, 100.0, dtype=np.float32)
        self._bank = NoiseBank(self.stretch.shape, rng)
        self._offset_s = np.zeros(config.columns, dtype=np.float32)

    def scan(self, stamp_s: float, T_map_base: np.ndarray, standing: RayScene, moving: RayScene):
        """Take an image at `stamp_s`; all pixels at once (global shutter)."""
        config = self.config
        T = T_map_base @ self._T_base_optical
        rays = self._still.cast(standing, T, lambda: self._aim(T), 1.5 * config.range_max_m)
        return self.measure(stamp_s, moving.cast(*rays).reshape(self.stretch.shape))

    def measure(self, stamp_s: float, reach: np.ndarray) -> PointGrid:
        """Make an image of how far its rays (rows, columns) go, with noise and losses."""
        config = self.config
        points = np.empty_like(self.rays)
        _ranges.measure_depth(
            reach,
            self.stretch,
            *self._bank.draw(),
            self.rays,
            config.range_min_m,
            config.range_max_m,
            config.sigma_ratio,
            config.dropout_ratio,
            points,
        )
        return PointGrid(stamp_s, self.frame_id, points, self._intensity, self._offset_s)

    def _aim(self, T_map_optical: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Origins and directions (N, 3), row by row."""
        T = T_map_optical.astype(np.float32)
        directions = np.ascontiguousarray(self._directions @ T[:3, :3].T)
        return np.tile(T[:3, 3], (len(directions), 1)), directions
