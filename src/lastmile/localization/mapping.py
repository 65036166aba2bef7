"""
A lidar map of a site from one drive with estimated poses.

Scans are matched to the local map of the scans before them, places that are passed again close
loops, and the poses that the drive's own localizer gave (satellites and the imported map) hold the
whole in `map`, weakly, for their errors last over many metres. Where the robot knew its pose well
(docked, or at its start), an anchor holds it firmly: deliveries need the lidar map to agree with
the site's lockers above all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lastmile.geometry.se2 import advance, between, compose, transform
from lastmile.localization.config import LocalizationConfig, MappingConfig
from lastmile.localization.pose_graph import PoseGraph
from lastmile.localization.ray_map import map_from_scans
from lastmile.localization.scan import PlanarScan, extract_surfaces
from lastmile.localization.scan_matching import Match, ScanMatcher
from lastmile.maps.likelihood import distance_field
from lastmile.maps.site import OccupancyMap
from lastmile.types import LocalizationState, OdometryEstimate, PointGrid, PoseEstimate

PROTECTION_SIGMAS = 3.0
"""A protection level is taken for this many standard deviations of the drive's pose."""
SUBMAP_REACH_M = 60.0


@dataclass(frozen=True, slots=True)
class Keyframe:
    """A scan with the drive's own idea of its pose; `sigma` (3,) in map."""

    scan: PlanarScan
    pose_odom_base: np.ndarray
    pose_map_base: np.ndarray
    sigma: np.ndarray


@dataclass(frozen=True, slots=True)
class LidarMap:
    """A map made from a drive, the poses (k, 3) that it was made with, and how it went."""

    occupancy: OccupancyMap
    stamps_s: np.ndarray
    poses_map_base: np.ndarray
    loops: int
    largest_correction_m: float


class LidarMapper:
    """
    Collects a drive and makes its map.

    Feed it what the localizer read and said (`lidar/points`, `odometry`, `localization/status`),
    in the order of arrival; then `build`.
    """

    def __init__(self, T_base_lidar: np.ndarray, config: LocalizationConfig) -> None:
        self._T_base_lidar = T_base_lidar
        self._config = config.mapping
        self._scan = replace(config.scan, column_step=1, cell_m=0.1, max_points=1200)
        self._matching = replace(
            config.matcher,
            wide_scale_m=0.5,
            max_scale_m=0.2,
            surface_length_m=0.5,
            inlier_distance_m=0.3,
            field_limit_m=2.0,
        )
        self.keyframes: list[Keyframe] = []
        self._anchors: list[tuple[int, np.ndarray, np.ndarray]] = []
        self._odometry: OdometryEstimate | None = None
        self._status: PoseEstimate | None = None

    def receive(self, topic: str, value: Any) -> None:
        """Take a value of the drive; topics that make no map are passed over."""
        if isinstance(value, OdometryEstimate):
            self._odometry = value
        elif isinstance(value, PoseEstimate):
            self._status = value
        elif isinstance(value, PointGrid) and topic == "lidar/points":
            self._take_cloud(value)

    def anchor(self, pose_map_base: np.ndarray, sigma_m: float, sigma_rad: float) -> None:
        """Hold the newest keyframe at a pose that is known otherwise, as at a locker."""
        if not self.keyframes or self._odometry is None:
            raise ValueError("an anchor needs a keyframe and odometry before it")
        newest = self.keyframes[-1]
        back = between(self._odometry.pose_odom_base, newest.pose_odom_base)
        sigma = np.array([sigma_m, sigma_m, sigma_rad])
        self._anchors.append((len(self.keyframes) - 1, compose(pose_map_base, back), sigma))

    def build(self) -> LidarMap:
        """
        Make the map.

        Raises
        ------
        ValueError
            If the drive gave fewer than two keyframes.

        """
        if len(self.keyframes) < 2:
            raise ValueError(f"drive has {len(self.keyframes)} keyframes, a map needs at least 2")
        first = np.array([keyframe.pose_map_base for keyframe in self.keyframes])
        poses, loops = first, 0
        for _ in range(self._config.rounds):
            graph = self._graph_of_priors()
            self._add_motion(graph, poses)
            poses = graph.solve(poses)
            loops = self._add_loops(graph, poses)
            poses = graph.solve(poses)
        occupancy = map_from_scans(
            [keyframe.scan.points_base for keyframe in self.keyframes], poses, self._config
        )
        return LidarMap(
            occupancy,
            np.array([keyframe.scan.stamp_s for keyframe in self.keyframes]),
            poses,
            loops,
            float(np.hypot(*(poses - first)[:, :2].T).max()),
        )

    def _take_cloud(self, cloud: PointGrid) -> None:
        odometry, status = self._odometry, self._status
        if odometry is None or status is None:
            return
        if status.state in (LocalizationState.INITIALIZING, LocalizationState.LOST):
            return
        # The cloud's stamp lies within some hundredths of a second of the newest odometry.
        lag_s = cloud.stamp_s - odometry.stamp_s
        pose_odom_base = advance(odometry.pose_odom_base, odometry.twist_base, lag_s)
        if self.keyframes and not self._is_far(pose_odom_base):
            return
        scan = extract_surfaces(cloud, self._T_base_lidar, odometry.twist_base, self._scan)
        if len(scan.points_base) < self._matching.min_points:
            return
        level_m = max(status.protection_along_m, status.protection_lateral_m)
        sigma = np.array([level_m, level_m, status.protection_yaw_rad]) / PROTECTION_SIGMAS
        pose_map_base = compose(status.pose_map_odom, pose_odom_base)
        self.keyframes.append(Keyframe(scan, pose_odom_base, pose_map_base, sigma))

    def _is_far(self, pose_odom_base: np.ndarray) -> bool:
        step = between(self.keyframes[-1].pose_odom_base, pose_odom_base)
        return bool(
            np.hypot(*step[:2]) >= self._config.keyframe_distance_m
            or abs(step[2]) >= self._config.keyframe_angle_rad
        )

    def _graph_of_priors(self) -> PoseGraph:
        """Odometry, the drive's own poses and the anchors."""
        graph, config = PoseGraph(), self._config
        rolling = _information(config.odometry_sigma_m, config.odometry_sigma_rad)
        for k, keyframe in enumerate(self.keyframes):
            variances = np.square(keyframe.sigma) * config.pose_correlation
            graph.add_prior(k, keyframe.pose_map_base, np.diag(1.0 / variances))
            if k:
                before = self.keyframes[k - 1].pose_odom_base
                graph.add_edge(k - 1, k, between(before, keyframe.pose_odom_base), rolling)
        for k, pose, sigma in self._anchors:
            graph.add_prior(k, pose, np.diag(1.0 / np.square(sigma)))
        return graph

    def _add_motion(self, graph: PoseGraph, poses: np.ndarray) -> None:
        """Match each scan to the local map of the ones before it."""
        poses = poses.copy()
        for k in range(1, len(poses)):
            odometry = between(
                self.keyframes[k - 1].pose_odom_base, self.keyframes[k].pose_odom_base
            )
            start = max(0, k - self._config.submap_keyframes)
            match = self._match(range(start, k), poses, k, compose(poses[k - 1], odometry))
            # The local map carries on with the matched poses, so that it stays sharp.
            poses[k] = match.pose_map_base if match.accepted else compose(poses[k - 1], odometry)
            if match.accepted:
                self._add_match(graph, k - 1, k, poses[k - 1], match)

    def _add_loops(self, graph: PoseGraph, poses: np.ndarray) -> int:
        """Match scans to the local maps of earlier passes of the same place."""
        config, loops = self._config, 0
        for k in range(config.loop_gap, len(poses), config.loop_step):
            apart = np.hypot(*(poses[: k - config.loop_gap + 1, :2] - poses[k, :2]).T)
            j = int(np.argmin(apart))
            if apart[j] > config.loop_radius_m:
                continue
            half = config.submap_keyframes // 2
            around = range(max(0, j - half), min(j + half, k - config.loop_gap // 2))
            match = self._match(around, poses, k, poses[k])
            if match.accepted and match.inlier_share >= config.loop_inlier_share:
                self._add_match(graph, j, k, poses[j], match)
                loops += 1
        return loops

    def _add_match(
        self, graph: PoseGraph, i: int, k: int, pose_map_i: np.ndarray, match: Match
    ) -> None:
        """Add a match, made in map, as a measurement of k in i."""
        c, s = np.cos(pose_map_i[2]), np.sin(pose_map_i[2])
        R = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
        information = R.T @ match.information @ R
        floor = np.square(
            [self._config.match_sigma_m, self._config.match_sigma_m, self._config.match_sigma_rad]
        )
        covariance = np.linalg.inv(information + 1e-3 * np.eye(3)) + np.diag(floor)
        relative = between(pose_map_i, match.pose_map_base)
        graph.add_edge(i, k, relative, np.linalg.inv(covariance))

    def _match(self, local: range, poses: np.ndarray, k: int, start: np.ndarray) -> Match:
        points = np.concatenate(
            [transform(poses[i], self.keyframes[i].scan.points_base) for i in local]
        )
        field = distance_field(
            _local_map(points, start[:2], self._config), self._matching.field_limit_m
        )
        return ScanMatcher(field, self._matching).match(self.keyframes[k].scan, start)


def _local_map(points_map: np.ndarray, centre: np.ndarray, config: MappingConfig) -> OccupancyMap:
    """Cells that points fall into, around a place."""
    count = int(2.0 * SUBMAP_REACH_M / config.resolution_m)
    origin = centre - SUBMAP_REACH_M
    cells = np.full((count, count), -1, np.int8)
    at = np.floor((points_map - origin) / config.resolution_m).astype(int)
    at = at[((at >= 0) & (at < count)).all(axis=1)]
    cells[at[:, 1], at[:, 0]] = 100
    return OccupancyMap(origin, config.resolution_m, cells)


def _information(sigma_m: float, sigma_rad: float) -> np.ndarray:
    return np.diag(1.0 / np.square([sigma_m, sigma_m, sigma_rad]))
