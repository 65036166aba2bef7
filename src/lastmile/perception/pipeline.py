"""One scan through the whole room: sweeps, ground, things, tracks, cost map."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lastmile.geometry import se2
from lastmile.perception.clusters import Clusters, find_clusters
from lastmile.perception.config import PerceptionConfig
from lastmile.perception.cost_map import CostMap
from lastmile.perception.detections import to_detections
from lastmile.perception.ground import Terrain, find_ground
from lastmile.perception.parting import part_people
from lastmile.perception.prediction import predict_paths
from lastmile.perception.sweep import Sweep, make_sweep
from lastmile.perception.tracker import Tracker
from lastmile.types import Obstacle, ObstacleArray, ObstacleKind, PointGrid

LIDAR_MISSING_RANGE_M = 7.0
DEPTH_MISSING_RANGE_M = 1.3
"""Rows that meet level ground nearer than this tell of drop-offs by missing returns."""
STRUCTURE_FRESH_MIN = 0.2
"""Structure that covers so much ground which was free is a lorry, not a wall."""


@dataclass(frozen=True, slots=True)
class Scan:
    """The stages of one scan, for pictures and tests."""

    pose_odom_base: np.ndarray
    pairs: list[tuple[Sweep, Terrain]]
    clusters: Clusters
    moving: np.ndarray
    """bool by cluster number."""


class Pipeline:
    """State of the room between scans: the tracks and the grid."""

    def __init__(self, config: PerceptionConfig, robot):
        self.config = config
        self.robot = robot
        self.tracker = Tracker(config.tracker)
        self.cost_map = CostMap(config.cost_map, robot.footprint)

    def update(
        self,
        stamp_s: float,
        lidar: PointGrid,
        depths: list[PointGrid],
        pose_odom_base: np.ndarray,
        twist_base: np.ndarray,
    ) -> Scan:
        """
        Take one lidar turn and the depth images that go with it, all checked.

        Everything is brought to `stamp_s`, at which `pose_odom_base` holds.
        """
        pairs = [self._terrain(_restamped(lidar, stamp_s), twist_base, True)]
        pairs += [self._terrain(_restamped(grid, stamp_s), twist_base, False) for grid in depths]
        self.cost_map.move_to(pose_odom_base, stamp_s)
        clusters, fresh = self._clusters(pairs, pose_odom_base)
        detections = to_detections(self._trackable(clusters, fresh), fresh, pose_odom_base)
        self.tracker.update(stamp_s, detections, self.cost_map.seen_free)
        moving = np.zeros(len(fresh), bool)
        for track, moves in zip(self.tracker.tracks, self.tracker.moving, strict=True):
            if moves and track.thing >= 0:
                moving[track.thing] = True
        turned = float(twist_base[1]) * float(np.ptp(lidar.offset_s))
        self.cost_map.update(pairs, clusters, moving, pose_odom_base, turned)
        return Scan(pose_odom_base, pairs, clusters, moving)

    def obstacles(self, stamp_s: float) -> ObstacleArray:
        """
        Give all confirmed tracks with their predicted paths, static ones as far as they matter.

        Those farther off are half of all tracks in a town, and cost each reader.
        """
        tracker = self.tracker
        kinds = {i: tracker.kind(i) for i, t in enumerate(tracker.tracks) if t.confirmed}
        near_m = self.config.tracker.static_range_max_m
        index = [
            i
            for i, kind in kinds.items()
            if kind is not ObstacleKind.STATIC or tracker.tracks[i].range_m <= near_m
        ]
        if not index:
            return ObstacleArray(stamp_s, ())
        position = tracker.positions()[index]
        velocity = tracker.velocities()[index]
        covariance = tracker.covariances()[index]
        paths, sigmas = predict_paths(position, velocity, covariance, self.config.prediction)
        step_s = self.config.prediction.step_s
        told = []
        for k, i in enumerate(index):
            track = tracker.tracks[i]
            told.append(
                Obstacle(
                    id=track.id,
                    kind=kinds[i],
                    position=position[k],
                    velocity=velocity[k],
                    covariance=covariance[k],
                    footprint=track.outline + position[k],
                    height_m=track.height_m,
                    age_s=stamp_s - track.first_s,
                    observed=track.thing >= 0,
                    predicted_path=paths[k],
                    predicted_sigma=sigmas[k],
                    prediction_dt_s=step_s,
                )
            )
        return ObstacleArray(stamp_s, tuple(told))

    def _terrain(self, grid: PointGrid, twist_base, lidar: bool) -> tuple[Sweep, Terrain]:
        sweep = make_sweep(
            grid,
            self.robot.mount(grid.frame_id),
            twist_base,
            self.robot.footprint,
            self.config.input,
            wraps=lidar,
        )
        missing = LIDAR_MISSING_RANGE_M if lidar else DEPTH_MISSING_RANGE_M
        return sweep, find_ground(sweep, self.config.ground, missing)

    def _clusters(
        self, pairs: list[tuple[Sweep, Terrain]], pose_odom_base: np.ndarray
    ) -> tuple[Clusters, np.ndarray]:
        """Find clusters, people apart, and which share of each is on ground that was free."""
        found = find_clusters(pairs, self.config.clusters)
        fresh = self.cost_map.freshness(found, pose_odom_base)
        walkers_odom = self.tracker.walkers(pairs[0][0].stamp_s)
        walkers_base = se2.transform(se2.invert(pose_odom_base), walkers_odom)
        parted = part_people(pairs, found, fresh, walkers_base, self.config.clusters)
        if parted is found:
            return found, fresh.share
        return parted, self.cost_map.freshness(parted, pose_odom_base).share

    def _trackable(self, clusters: Clusters, fresh: np.ndarray) -> list:
        """Compact things, and structure that moves."""
        range_max = self.config.tracker.range_max_m
        return [
            t
            for t in clusters.things
            if (not t.structure or fresh[t.index] > STRUCTURE_FRESH_MIN)
            and math.hypot(*t.mean) < range_max
        ]


def _restamped(grid: PointGrid, stamp_s: float) -> PointGrid:
    """Write a grid with its offsets against another stamp."""
    offset_s = np.asarray(grid.offset_s, float) + (grid.stamp_s - stamp_s)
    return PointGrid(stamp_s, grid.frame_id, grid.points, grid.intensity, offset_s)
