"""From scans at known poses to an occupancy map: hits against rays that pass."""

from __future__ import annotations

import numpy as np

from lastmile.geometry.se2 import transform
from lastmile.localization import _rays
from lastmile.localization.config import MappingConfig
from lastmile.maps.site import OccupancyMap

TAIL_M = 0.2
"""A ray frees the cells up to this far before its hit: range noise and relief of the facade."""


def map_from_scans(
    scans_base: list[np.ndarray], poses_map_base: np.ndarray, config: MappingConfig
) -> OccupancyMap:
    """
    Count hits and passing rays; occupied is what is hit often enough against what passes.

    People who walked through are seen from other keyframes as free, and vanish.

    Parameters
    ----------
    scans_base : list of ndarray, shape (n, 2)
        Surface points of each keyframe, in base.
    poses_map_base : ndarray, shape (k, 3)
        Pose of each keyframe.
    config : MappingConfig
        Resolution and thresholds.

    Raises
    ------
    ValueError
        If there is no keyframe.

    """
    if not len(scans_base):
        raise ValueError("0 keyframes, a map needs at least one")
    resolution = config.resolution_m
    low = np.floor((poses_map_base[:, :2].min(axis=0) - config.margin_m) / resolution) * resolution
    high = poses_map_base[:, :2].max(axis=0) + config.margin_m
    columns, rows = np.ceil((high - low) / resolution).astype(int)
    passed, hits = np.zeros((rows, columns), np.uint16), np.zeros((rows, columns), np.uint16)
    for points_base, pose in zip(scans_base, poses_map_base, strict=True):
        ends = np.ascontiguousarray(transform(pose, points_base))
        _rays.count_rays(
            ends,
            float(pose[0]),
            float(pose[1]),
            float(low[0]),
            float(low[1]),
            resolution,
            config.ray_limit_m,
            TAIL_M,
            passed,
        )
        near = np.hypot(*points_base.T) < config.ray_limit_m
        cells = np.floor((ends[near] - low) / resolution).astype(int)
        inside = (cells >= 0).all(axis=1) & (cells[:, 0] < columns) & (cells[:, 1] < rows)
        np.add.at(hits, (cells[inside, 1], cells[inside, 0]), 1)
    occupied = (hits >= config.min_hits) & (
        hits > config.min_hit_share * (hits.astype(float) + passed)
    )
    cells = np.where(occupied, 100, np.where(passed > 0, 0, -1)).astype(np.int8)
    return OccupancyMap(low, resolution, cells, "lidar")
