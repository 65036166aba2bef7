"""
A lidar map of a site from one drive with estimated poses.

Scans are matched to the local map of the scans before them, places that are passed again close
loops, and the poses that the drive's own localizer gave (satellites and the imported map) hold the
whole in `map`, weakly, for their errors last over many metres. Where the robot knew its pose well
(before the markers of a locker, under open sky with RTK, or where it is told), an anchor holds it
firmly: deliveries need the lidar map to agree with the site's lockers above all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lastmile.checks import odometry_breaks
from lastmile.geometry.se2 import advance, between, compose, rotate, transform
from lastmile.geometry.wgs84 import MapProjection
from lastmile.localization.anchors import pose_from_markers
from lastmile.localization.config import LocalizationConfig, MappingConfig
from lastmile.localization.pose_graph import PoseGraph
from lastmile.localization.ray_map import map_from_scans
from lastmile.localization.scan import PlanarScan, extract_surfaces, sweep_of
from lastmile.localization.scan_matching import Match, ScanMatcher
from lastmile.maps.likelihood import distance_field
from lastmile.maps.site import OccupancyMap, Site
from lastmile.types import (
    FixType,
    GnssFix,
    LocalizationState,
    MarkerArray,
    OdometryEstimate,
    PointGrid,
    PoseEstimate,
)

PROTECTION_SIGMAS = 3.0
"""A protection level is taken for this many standard deviations of the drive's pose."""
SUBMAP_REACH_M = 60.0
STEP_ERROR_M, STEP_ERROR_RAD = 1.0, 0.3
"""Odometry from keyframe to keyframe, slip of the wheels included, is not further off than this."""
ANCHOR_PERIOD_S = 1.0
"""Anchors come at most this often, for successive ones share their error."""
ODOMETRY_REACH_S = 0.2


@dataclass(frozen=True, slots=True)
class Keyframe:
    """
    A scan with the drive's own idea of its pose; `sigma` (3,) in map.

    It is `joined` to the one before unless odometry broke between them.
    """

    scan: PlanarScan
    pose_odom_base: np.ndarray
    pose_map_base: np.ndarray
    sigma: np.ndarray
    joined: bool


@dataclass(frozen=True, slots=True)
class Anchor:
    """A pose of a keyframe, by its index, that is known well; `sigma` (3,) in map."""

    keyframe: int
    pose_map_base: np.ndarray
    sigma: np.ndarray


@dataclass(frozen=True, slots=True)
class LidarMap:
    """
    A map made from a drive, the poses (k, 3) that it was made with, and how it went.

    `anchors` counts the poses that were known well; `step_m` is the median way between keyframes.
    """

    occupancy: OccupancyMap
    stamps_s: np.ndarray
    poses_map_base: np.ndarray
    loops: int
    anchors: int
    step_m: float
    largest_correction_m: float


class LidarMapper:
    """
    Collects a drive and makes its map.

    Feed it what the localizer read and said (`lidar/points`, `gnss/fix`, `odometry`,
    `localization/status`) and the `markers`, in the order of arrival; then `build`.
    """

    def __init__(
        self, config: LocalizationConfig, site: Site, mounts: Mapping[str, np.ndarray]
    ) -> None:
        """Make maps of a site with sensors at `mounts` (4, 4), by frame, in base."""
        self._mounts = mounts
        self._lockers = site.lockers
        origin = site.origin
        self._projection = MapProjection(origin.latitude_deg, origin.longitude_deg, origin.epsg)
        self._config = config.mapping
        self._scan = replace(config.scan, column_step=1, cell_m=0.1, max_points=1200)
        self._matching = replace(
            config.matcher,
            wide_scale_m=0.5,
            max_scale_m=0.2,
            surface_length_m=0.1,
            inlier_distance_m=0.3,
            field_limit_m=2.0,
        )
        self.keyframes: list[Keyframe] = []
        self.anchors: list[Anchor] = []
        self._anchored_s = -np.inf
        self._odometry: deque[OdometryEstimate] = deque(maxlen=100)
        self._status: PoseEstimate | None = None
        self._broke = False

    def receive(self, topic: str, value: Any) -> None:
        """Take a value of the drive; topics that make no map are passed over."""
        if isinstance(value, OdometryEstimate):
            self._take_odometry(value)
        elif isinstance(value, PoseEstimate):
            self._status = value
        elif isinstance(value, PointGrid) and topic == "lidar/points":
            self._take_cloud(value)
        elif isinstance(value, GnssFix):
            self._take_fix(value)
        elif isinstance(value, MarkerArray):
            self._take_markers(value)

    def anchor(
        self, stamp_s: float, pose_map_base: np.ndarray, sigma_m: float, sigma_rad: float
    ) -> None:
        """
        Hold the drive at a pose that is known otherwise.

        Raises
        ------
        ValueError
            If there is no keyframe, or no odometry about the stamp yet.

        """
        odometry = self._odometry_at(stamp_s)
        if not self.keyframes or odometry is None:
            raise ValueError(f"anchor at {stamp_s:.3f} s needs a keyframe and odometry before it")
        sigma = np.array([sigma_m, sigma_m, sigma_rad])
        k, base_keyframe = self._newest_keyframe(odometry)
        self.anchors.append(Anchor(k, compose(pose_map_base, base_keyframe), sigma))
        self._anchored_s = stamp_s

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
            if not loops:
                break
            poses = graph.solve(poses)
        occupancy = map_from_scans(
            [keyframe.scan.points_base for keyframe in self.keyframes], poses, self._config
        )
        return LidarMap(
            occupancy,
            np.array([keyframe.scan.stamp_s for keyframe in self.keyframes]),
            poses,
            loops,
            len(self.anchors),
            float(np.median(np.hypot(*np.diff(poses[:, :2], axis=0).T))),
            float(np.hypot(*(poses - first)[:, :2].T).max()),
        )

    def _take_odometry(self, odometry: OdometryEstimate) -> None:
        """After a break nothing is told from the keyframes before it until there is a new one."""
        if self._odometry and odometry_breaks(self._odometry[-1], odometry):
            self._odometry.clear()
            self._broke = True
        self._odometry.append(odometry)

    def _take_cloud(self, cloud: PointGrid) -> None:
        odometry, status = self._odometry_at(cloud.stamp_s), self._status
        if odometry is None or status is None:
            return
        if status.state in (LocalizationState.INITIALIZING, LocalizationState.LOST):
            return
        if self.keyframes and not (self._broke or self._is_far(odometry.pose_odom_base)):
            return
        lidar = self._mounts[self._scan.lidar_frame]
        sweep = sweep_of(cloud, lambda stamp_s: self._pose_at(stamp_s, odometry))
        scan = extract_surfaces(cloud, lidar, sweep, self._scan)
        if len(scan.points_base) < self._matching.min_points:
            return
        level_m = max(status.protection_along_m, status.protection_lateral_m)
        sigma = np.array([level_m, level_m, status.protection_yaw_rad]) / PROTECTION_SIGMAS
        pose_map_base = compose(status.pose_map_odom, odometry.pose_odom_base)
        joined = bool(self.keyframes) and not self._broke
        self.keyframes.append(Keyframe(scan, odometry.pose_odom_base, pose_map_base, sigma, joined))
        self._broke = False

    def _take_fix(self, fix: GnssFix) -> None:
        """Anchor the position, not the heading, by a fix with carrier phase."""
        odometry = self._odometry_at(fix.stamp_s)
        recent = self._broke or fix.stamp_s < self._anchored_s + ANCHOR_PERIOD_S
        if fix.fix_type != FixType.RTK or not self.keyframes or odometry is None or recent:
            return
        antenna = self._projection.to_map(fix.latitude_deg, fix.longitude_deg)
        heading = compose(self._status.pose_map_odom, odometry.pose_odom_base)[2]
        arm = rotate(float(heading), self._mounts["gnss_link"][:2, 3])
        pose = np.array([*(antenna - arm), heading])
        self.anchor(fix.stamp_s, pose, self._config.rtk_sigma_m, np.pi)

    def _take_markers(self, markers: MarkerArray) -> None:
        """Anchor the pose before a locker."""
        recent = self._broke or markers.stamp_s < self._anchored_s + ANCHOR_PERIOD_S
        if recent or not self.keyframes or self._odometry_at(markers.stamp_s) is None:
            return
        T_base_camera = self._mounts[markers.frame_id]
        pose = pose_from_markers(markers.markers, T_base_camera, self._lockers)
        if pose is not None:
            sigma_m, sigma_rad = self._config.marker_sigma_m, self._config.marker_sigma_rad
            self.anchor(markers.stamp_s, pose, sigma_m, sigma_rad)

    def _odometry_at(self, stamp_s: float) -> OdometryEstimate | None:
        """Odometry moved to a stamp from the nearest one, None where none is near."""
        if not self._odometry:
            return None
        nearest = min(self._odometry, key=lambda odometry: abs(odometry.stamp_s - stamp_s))
        lag_s = stamp_s - nearest.stamp_s
        if abs(lag_s) > ODOMETRY_REACH_S:
            return None
        pose = advance(nearest.pose_odom_base, nearest.twist_base, lag_s)
        return replace(nearest, stamp_s=stamp_s, pose_odom_base=pose)

    def _pose_at(self, stamp_s: float, otherwise: OdometryEstimate) -> np.ndarray:
        """Pose in odom at a stamp within a turn, by an odometry of its begin where none is near."""
        odometry = self._odometry_at(stamp_s)
        if odometry is not None:
            return odometry.pose_odom_base
        lag_s = stamp_s - otherwise.stamp_s
        return advance(otherwise.pose_odom_base, otherwise.twist_base, lag_s)

    def _newest_keyframe(self, odometry: OdometryEstimate) -> tuple[int, np.ndarray]:
        """Index of the newest keyframe, and its pose in the base of an odometry."""
        newest = self.keyframes[-1]
        return len(self.keyframes) - 1, between(odometry.pose_odom_base, newest.pose_odom_base)

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
            if keyframe.joined:
                before = self.keyframes[k - 1].pose_odom_base
                graph.add_edge(k - 1, k, between(before, keyframe.pose_odom_base), rolling, True)
        for anchor in self.anchors:
            information = np.diag(1.0 / np.square(anchor.sigma))
            graph.add_prior(anchor.keyframe, anchor.pose_map_base, information)
        return graph

    def _add_motion(self, graph: PoseGraph, poses: np.ndarray) -> None:
        """Match each scan to the local map of the ones before it."""
        poses = poses.copy()
        for k in range(1, len(poses)):
            odometry = between(
                self.keyframes[k - 1].pose_odom_base, self.keyframes[k].pose_odom_base
            )
            # The local map carries on with the matched poses, so that it stays sharp.
            poses[k] = compose(poses[k - 1], odometry)
            start = max(0, k - self._config.submap_keyframes)
            match = self._match(range(start, k), poses, k, poses[k])
            if match.accepted and _near(match.pose_map_base, poses[k]):
                poses[k] = match.pose_map_base
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
                self._add_match(graph, j, k, poses[j], match, doubted=True)
                loops += 1
        return loops

    def _add_match(
        self,
        graph: PoseGraph,
        i: int,
        k: int,
        pose_map_i: np.ndarray,
        match: Match,
        doubted: bool = False,
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
        graph.add_edge(i, k, relative, np.linalg.inv(covariance), doubted)

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
    return OccupancyMap(origin, config.resolution_m, cells, "lidar")


def _near(pose_a: np.ndarray, pose_b: np.ndarray) -> bool:
    """Say whether a match lies where odometry over one step can have led."""
    apart = between(pose_a, pose_b)
    return bool(np.hypot(*apart[:2]) < STEP_ERROR_M and abs(apart[2]) < STEP_ERROR_RAD)


def _information(sigma_m: float, sigma_rad: float) -> np.ndarray:
    return np.diag(1.0 / np.square([sigma_m, sigma_m, sigma_rad]))
