"""From a lidar turn to the planar points that a map of buildings can explain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lastmile.geometry.se2 import between
from lastmile.localization import _surfaces
from lastmile.localization.config import ScanConfig
from lastmile.types import PointGrid

KNOTS = 6
"""Poses by which the motion during a turn is followed."""


@dataclass(frozen=True, slots=True)
class PlanarScan:
    """
    Upright surfaces around the robot at one moment.

    `points_base` (n, 2) are in `base` at `stamp_s`, in the order of their azimuth.
    `surface_length_m` is the length of surface that they were thinned from.
    """

    stamp_s: float
    points_base: np.ndarray
    surface_length_m: float


@dataclass(frozen=True, slots=True)
class Sweep:
    """Where base was during a turn: `poses_stamp_base` (k, 3) in base at the cloud's stamp."""

    offsets_s: np.ndarray
    poses_stamp_base: np.ndarray


def sweep_of(cloud: PointGrid, pose_at: Callable[[float], np.ndarray]) -> Sweep:
    """
    Follow base through a turn, by its pose (3,) in odom at any stamp.

    The yaw rate changes within a turn: with that at its begin alone, a robot that starts to turn
    sees walls 20 m away shifted by some tenths of a metre.
    """
    offsets_s = np.linspace(cloud.offset_s.min(), cloud.offset_s.max(), KNOTS).astype(float)
    first = pose_at(cloud.stamp_s)
    poses = [between(first, pose_at(cloud.stamp_s + offset_s)) for offset_s in offsets_s]
    return Sweep(offsets_s, np.array(poses))


def extract_surfaces(
    cloud: PointGrid, T_base_lidar: np.ndarray, sweep: Sweep, config: ScanConfig
) -> PlanarScan:
    """
    Take the farthest upright surface of each lidar column, in `base` at the cloud's stamp.

    What stands in front of a facade (people, parked cars, bins) is mostly not in the map, so the
    farthest surface is the one to match; it must be seen by several rings at the same range, which
    drops the ground, roofs and single stray returns.

    Parameters
    ----------
    cloud : PointGrid
        Organised cloud in the lidar's frame.
    T_base_lidar : ndarray, shape (4, 4)
        Mount of the lidar.
    sweep : Sweep
        Motion during the turn, by which each column is moved to the cloud's stamp.
    config : ScanConfig
        Choice of returns.

    Returns
    -------
    PlanarScan
        Possibly without points.

    """
    points, columns = _farthest_surfaces(cloud.points, T_base_lidar, config)
    offsets_s = cloud.offset_s[:: config.column_step][columns].astype(float)
    points = _move_to_stamp(points, offsets_s, sweep)
    return _thin(float(cloud.stamp_s), points, config)


def _farthest_surfaces(
    points_lidar: np.ndarray, T_base_lidar: np.ndarray, config: ScanConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Give the points (n, 2) in base and which of the used columns each is of."""
    rows, columns = points_lidar.shape[0], -(-points_lidar.shape[1] // config.column_step)
    limits = (
        config.min_range_m,
        config.max_range_m,
        config.min_height_m,
        config.max_height_m,
        config.upright_tolerance_m,
    )
    points, used = np.empty((columns, 2)), np.empty(columns, np.intp)
    count = _surfaces.farthest_surfaces(
        np.ascontiguousarray(points_lidar, np.float32),
        np.ascontiguousarray(T_base_lidar, float),
        np.array(limits),
        config.upright_returns,
        config.column_step,
        np.empty((4, rows)),
        np.empty(rows, np.intc),
        points,
        used,
    )
    return points[:count], used[:count]


def _move_to_stamp(points: np.ndarray, offsets_s: np.ndarray, sweep: Sweep) -> np.ndarray:
    """Undo the motion during the turn: each point into base at the cloud's stamp."""
    x, y, yaw = (np.interp(offsets_s, sweep.offsets_s, axis) for axis in sweep.poses_stamp_base.T)
    c, s = np.cos(yaw), np.sin(yaw)
    return np.stack(
        [x + c * points[:, 0] - s * points[:, 1], y + s * points[:, 0] + c * points[:, 1]], axis=-1
    )


def _thin(stamp_s: float, points: np.ndarray, config: ScanConfig) -> PlanarScan:
    """Keep one point of each cell, then evenly no more than the most."""
    cells = np.floor(points / config.cell_m).astype(np.int64)
    _, first = np.unique(cells[:, 0] * (1 << 32) + cells[:, 1], return_index=True)
    kept = np.sort(first)
    length_m = len(kept) * config.cell_m
    if len(kept) > config.max_points:
        kept = kept[np.linspace(0, len(kept) - 1, config.max_points).astype(int)]
    return PlanarScan(stamp_s, np.ascontiguousarray(points[kept]), length_m)
