"""
Rolling grid in odom: what the sensors know of the ground around the robot.

A cell is FREE only when ground was seen in it, or between two returns of one column whose rays pass
it low; everything else stays UNKNOWN. Obstacle returns count up, free ground counts down, so that a
cell clears two scans after the thing went. Things known to move are not entered at all, since the
obstacle list has them with their predicted paths: they leave no trail. What was free beside the
robot stays free while it stands there: the lidar looks over that ground, and what comes there has
to cross ground that it sees. What came there goes again, which nobody sees: it is forgotten sooner
than what stands still, and the ground below it is free as before. Curbs and drop-offs need two
sightings and go only when near ground was often seen without them. Low things (under about 0.2 m)
between two far rings are seen only when the robot comes nearer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lastmile.geometry.se2 import wrap_angle
from lastmile.perception import _cost_map
from lastmile.perception.clusters import Clusters
from lastmile.perception.config import CostMapConfig
from lastmile.perception.ground import Terrain
from lastmile.perception.sweep import Sweep
from lastmile.types import Cell, LocalCostMap

LONG_AGO_S = -1e6
SEE_THROUGH_M = 6.0
"""Cells up to this distance are cleared by rays that pass where their hits were."""
LATELY_S = 0.25
"""Rings skip cells from scan to scan, so that the last scan alone would miss them."""
BLIND_M = 2.0
"""Nearer than this the lidar does not see the ground beside the robot."""
STANDS_M, STANDS_RAD, STANDS_S = 0.02, 0.02, 0.5
"""A robot stands that has not moved by more than this for so long."""
BEYOND_M = 0.25
"""A ray passes a cell when it goes on for this much."""


FREE_HERE, FREE_ALL_ROUND = 1, 2
"""What `Freshness.at` holds; 0 for all else."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """
    What of the clusters stands where the ground was free before.

    `share` (C,) is the share of points that do, of `known` (C,) on known cells; NaN where those are
    less than half. `at` (M,) is uint8 by row of `Clusters.xy`: FREE_ALL_ROUND for what `share`
    counts, FREE_HERE where only the point's own cell was free.
    """

    share: np.ndarray
    known: np.ndarray
    at: np.ndarray


class CostMap:
    """
    The grid and its evidence.

    Times are kept against the first stamp, in float32, which is exact to 4 ms within 9 hours.
    """

    def __init__(self, config: CostMapConfig, footprint: np.ndarray):
        self.config = config
        self._footprint = footprint
        n = round(config.size_m / config.resolution_m)
        self._shape = (n, n)
        self._corner: np.ndarray | None = None
        """Index of cell (0, 0) on the endless grid of odom: column, row."""
        self._hits = np.zeros(self._shape, np.uint8)
        self._steps = np.zeros(self._shape, np.uint8)
        self._step_kind = np.zeros(self._shape, np.uint8)
        self._known_s = np.full(self._shape, LONG_AGO_S, np.float32)
        self._hit_s = np.full(self._shape, LONG_AGO_S, np.float32)
        self._low = np.full(self._shape, 1e6, np.float32)
        self._high = np.full(self._shape, -1e6, np.float32)
        self._came = np.zeros(self._shape, bool)
        """Where hits began on known ground while the robot stood."""
        self._cells = np.full(self._shape, Cell.UNKNOWN, np.int8)
        middle, reach = n // 2, round(BLIND_M / config.resolution_m)
        near = slice(max(middle - reach, 0), middle + reach + 1)
        self._near = near, near
        """The ground that the lidar may not see."""
        self._start_s = 0.0
        self._now_s = np.float32(0.0)
        self._stands_at, self._stands_since_s = np.zeros(3), self._now_s

    def move_to(self, pose_odom_base: np.ndarray, stamp_s: float) -> None:
        """Roll the window so that the robot stands in its middle."""
        n = self._shape[0]
        corner = np.floor(pose_odom_base[:2] / self.config.resolution_m).astype(int) - n // 2
        if self._corner is None:
            self._corner = corner
            self._start_s = stamp_s
        shift = corner - self._corner
        self._corner = corner
        self._now_s = np.float32(stamp_s - self._start_s)
        moved = pose_odom_base - self._stands_at
        if np.hypot(*moved[:2]) > STANDS_M or abs(wrap_angle(moved[2])) > STANDS_RAD:
            self._stands_at, self._stands_since_s = pose_odom_base.copy(), self._now_s
        if shift.any():
            for grid, empty in (
                (self._hits, 0),
                (self._steps, 0),
                (self._step_kind, 0),
                (self._known_s, LONG_AGO_S),
                (self._hit_s, LONG_AGO_S),
                (self._low, 1e6),
                (self._high, -1e6),
                (self._came, False),
            ):
                _roll(grid, int(shift[1]), int(shift[0]), empty)

    def freshness(self, clusters: Clusters, pose_odom_base: np.ndarray) -> Freshness:
        """
        Tell for each thing how much of it stands where the ground was free before.

        Only a thing that moved can do so: things that come into view stand where nothing was
        known. Call after `move_to`, before `update`.
        """
        total = np.diff(clusters.start)
        inside, fresh = np.zeros(len(total), np.int32), np.zeros(len(total), np.int32)
        free_at = np.zeros(len(clusters.xy), np.uint8)
        _cost_map.count_fresh(
            clusters.xy,
            clusters.start,
            self._hits,
            self._known_s,
            self._now_s - np.float32(2.0),
            self._window(pose_odom_base),
            inside,
            fresh,
            free_at,
        )
        share = np.where(2 * inside >= np.maximum(total, 1), fresh / np.maximum(inside, 1), np.nan)
        return Freshness(share, inside, free_at)

    def update(
        self,
        pairs: list[tuple[Sweep, Terrain]],
        clusters: Clusters,
        moving: np.ndarray,
        pose_odom_base: np.ndarray,
        turned_rad: float,
    ) -> None:
        """
        Fold the sweeps of one instant in, the lidar's first.

        `moving` is bool by cluster number, `turned_rad` how far the robot turned during the
        lidar's turn. Call `move_to` before.
        """
        seen = np.zeros(self._shape, np.uint8)
        window = self._window(pose_odom_base)
        moving = np.ascontiguousarray(moving, np.uint8)
        offset = 0
        for sweep, terrain in pairs:
            shape, size = sweep.label.shape, sweep.label.size
            _cost_map.observe(
                sweep.points,
                terrain.label,
                terrain.height,
                clusters.cluster[offset : offset + size].reshape(shape),
                moving,
                window,
                float(sweep.origin[2]),
                self.config.clearance_max_m,
                self.config.overhang_m,
                self.config.step_clear_m,
                np.empty(shape[1], np.int32),
                seen,
                self._low,
                self._high,
            )
            _cost_map.mark_edges(terrain.edges, window, seen)
            offset += size
        # The robot stands on free ground.
        (back, right), (front, left) = self._footprint.min(axis=0), self._footprint.max(axis=0)
        _cost_map.stand(window, back, front, right, left, seen)
        lidar, terrain = pairs[0]
        columns = lidar.label.shape[1]
        skew = abs(turned_rad) * columns / (4.0 * np.pi)
        _cost_map.see_through(
            lidar.points,
            terrain.label,
            window,
            float(lidar.origin[2]),
            SEE_THROUGH_M,
            BEYOND_M,
            # The kernel looks so many columns to either side, and goes round once at most.
            int(np.ceil(min(skew, columns // 4))),
            np.empty(len(lidar.points)),
            seen,
            self._hits,
            self._low,
            self._high,
        )
        self._fold(seen)

    def _fold(self, seen: np.ndarray) -> None:
        """Fold what was seen of each cell, flags (N, N), into the evidence, and write the cells."""
        c = self.config
        self._keep_blind()
        bare = self._hits[self._near] == 0
        _cost_map.update(
            seen,
            np.array([c.hit, c.clear, c.evidence_max, c.occupied_from, c.step_hit, c.step_from,
                      c.memory_s], float),
            self._now_s,
            self._hits,
            self._steps,
            self._step_kind,
            self._known_s,
            self._hit_s,
            self._low,
            self._high,
            self._cells,
        )  # fmt: skip
        self._note_visitors(bare)

    def _keep_blind(self) -> None:
        """
        Let what is known of the ground near the robot, in the window's middle, not grow old.

        Ground below what stands there is known for as long as that is seen: once it went, nobody
        would see the ground again. Below a visitor it is known on, as it was before.
        """
        hits, came, hit_s = (grid[self._near] for grid in (self._hits, self._came, self._hit_s))
        gone = came & (hit_s < self._now_s - np.float32(self.config.visitor_memory_s))
        hits[gone] = 0
        self._low[self._near][gone], self._high[self._near][gone] = 1e6, -1e6
        known_s, memory_s = self._known_s[self._near], np.float32(self.config.memory_s)
        lasting = (hits == 0) | came
        until_s = np.where(lasting, self._now_s - memory_s / 2, hit_s)
        np.maximum(known_s, until_s, out=known_s, where=known_s > self._now_s - memory_s)

    def _note_visitors(self, bare: np.ndarray) -> None:
        """Note what appeared on known ground, `bare` (N, N) before, while the robot stood."""
        hits, came, known_s = (grid[self._near] for grid in (self._hits, self._came, self._known_s))
        came &= hits > 0
        if self._now_s - self._stands_since_s > STANDS_S:
            came |= bare & (hits > 0) & (known_s > self._now_s - np.float32(self.config.memory_s))

    def seen_free(self, points_odom: np.ndarray) -> np.ndarray:
        """Tell for points (N, 2) in odom whether free ground was seen there lately."""
        points = np.asarray(points_odom, float).reshape(-1, 2)
        column, row = (np.floor(points / self.config.resolution_m).astype(int) - self._corner).T
        inside = (row >= 0) & (column >= 0) & (row < self._shape[0]) & (column < self._shape[1])
        row, column = row * inside, column * inside
        lately = self._known_s[row, column] > self._now_s - np.float32(LATELY_S)
        return inside & lately & (self._hits[row, column] == 0)

    def read(self, stamp_s: float) -> LocalCostMap:
        """Give the map as it is published."""
        return LocalCostMap(
            stamp_s,
            self._corner * self.config.resolution_m,
            self.config.resolution_m,
            self._cells.copy(),
        )

    def _window(self, pose_odom_base: np.ndarray) -> np.ndarray:
        """Cosine, sine, x, y of the base; x, y of the corner; cell size: as the kernels read it."""
        x, y, yaw = (float(v) for v in pose_odom_base)
        resolution = self.config.resolution_m
        cx, cy = self._corner * resolution
        return np.array([np.cos(yaw), np.sin(yaw), x, y, cx, cy, resolution])


def _roll(grid: np.ndarray, rows: int, columns: int, empty) -> None:
    """Move the content of a grid by whole cells towards its corner, filling with `empty`."""
    n, m = grid.shape
    old = grid.copy()
    grid[...] = empty
    if abs(rows) >= n or abs(columns) >= m:
        return
    grid[max(0, -rows) : n - max(0, rows), max(0, -columns) : m - max(0, columns)] = old[
        max(0, rows) : n - max(0, -rows), max(0, columns) : m - max(0, -columns)
    ]
