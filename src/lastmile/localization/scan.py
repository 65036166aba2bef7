"""From a lidar turn to the planar points that a map of buildings can explain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lastmile.geometry.se2 import between
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
    points, columns = _farthest_surfaces(
        cloud.points[:, :: config.column_step], T_base_lidar, config
    )
    offsets_s = cloud.offset_s[:: config.column_step][columns].astype(float)
    points = _move_to_stamp(points, offsets_s, sweep)
    return _thin(float(cloud.stamp_s), points, config)


def _farthest_surfaces(
    points_lidar: np.ndarray, T_base_lidar: np.ndarray, config: ScanConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Give the points (n, 2) in base and the column of each."""
    x, y, height = np.einsum(
        "ij,rcj->irc", T_base_lidar[:3, :3].astype(np.float32), points_lidar
    ) + T_base_lidar[:3, 3].astype(np.float32).reshape(3, 1, 1)
    reach = np.hypot(x, y)
    with np.errstate(invalid="ignore"):
        valid = (
            (reach > config.min_range_m)
            & (reach < config.max_range_m)
            & (height > config.min_height_m)
            & (height < config.max_height_m)
        )
    reach = np.where(valid, reach, -np.inf)
    surface, upright = _upright(reach, config)
    # Where the farthest return stands alone (a wire, a treetop), the next surface is taken.
    second, second_upright = _upright(np.where(surface, -np.inf, reach), config)
    surface = np.where(upright, surface, second)
    columns = np.flatnonzero(upright | second_upright)
    surface = surface[:, columns]
    count = surface.sum(axis=0)
    planar = [np.where(surface, axis[:, columns], 0.0).sum(axis=0) / count for axis in (x, y)]
    return np.stack(planar, axis=-1).astype(float), columns


def _upright(reach: np.ndarray, config: ScanConfig) -> tuple[np.ndarray, np.ndarray]:
    """Mark the returns of each column's farthest surface, and the columns where it is upright."""
    farthest = reach.max(axis=0)
    surface = (reach > farthest - config.upright_tolerance_m) & np.isfinite(reach)
    return surface, surface.sum(axis=0) >= config.upright_returns


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
