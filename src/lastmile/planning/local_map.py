"""
The ground around the robot as the planner uses it: blocked, free, and how far from either.

Unknown is not free. What was seen before and is hidden now is remembered for a while; obstacles
that stand are drawn in, those that move are taken out, because predictions speak for them. Kerbs,
drop-offs and unknown ground stay whatever moves above them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from lastmile.geometry.grid import ClearanceField, clearance_field, close_gaps, shifted
from lastmile.planning.config import LocalMapConfig
from lastmile.types import Cell, LocalCostMap, Obstacle

BORDER_M = 4.0
"""Obstacles whose middle is so far outside do not reach in."""


@dataclass(frozen=True, slots=True)
class LocalMap:
    """
    Free space in odom.

    `clearance` is the signed distance to blocked cells, `known` that to cells that are blocked or
    unknown.
    """

    stamp_s: float
    clearance: ClearanceField
    known: ClearanceField
    unknown: np.ndarray
    """bool (rows, columns)."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.unknown.shape

    def cell_of(self, point: np.ndarray) -> tuple[int, int] | None:
        """Row and column of a point, None outside."""
        j, i = np.floor((point - self.clearance.origin) / self.clearance.resolution_m).astype(int)
        rows, columns = self.shape
        return (int(i), int(j)) if 0 <= i < rows and 0 <= j < columns else None

    def around(self, points: np.ndarray, reach_m: float) -> LocalMap:
        """Give the part of the map with all cells this near to points (K, 2), as a view."""
        field = self.clearance
        cells = (points - field.origin) / field.resolution_m
        reach = reach_m / field.resolution_m
        corners = np.stack([cells.min(axis=0) - reach, cells.max(axis=0) + reach + 1.0])
        (j0, i0), (j1, i1) = np.clip(corners, 0, self.shape[::-1]).astype(int).tolist()
        part = (slice(i0, i1), slice(j0, j1))
        origin = field.origin + field.resolution_m * np.array([j0, i0])
        return LocalMap(
            self.stamp_s,
            ClearanceField(field.distance_m[part], origin, field.resolution_m),
            ClearanceField(self.known.distance_m[part], origin, field.resolution_m),
            self.unknown[part],
        )


class LocalMapper:
    """Turns cost maps and obstacles into local maps; `update` keeps the memory."""

    def __init__(self, config: LocalMapConfig, footprint: np.ndarray):
        self._config = config
        self._footprint = footprint
        self._cells: np.ndarray | None = None
        self._seen_s: np.ndarray | None = None
        self._origin = np.zeros(2)
        self._resolution_m = 0.0

    def update(
        self, cost_map: LocalCostMap, obstacles: tuple[Obstacle, ...], pose_odom_base: np.ndarray
    ) -> LocalMap:
        """Take a cost map in and give the local map."""
        self._remember(cost_map, pose_odom_base)
        cells = self._cells
        unseen = cells == Cell.UNKNOWN
        blocked = (~unseen & (cells != Cell.FREE)).astype(np.uint8)
        self._draw_obstacles(blocked, obstacles)
        unknown = unseen.astype(np.uint8)
        unknown = close_gaps(unknown, self._config.unknown_gap_m, self._resolution_m)
        unknown[blocked > 0] = 0
        clearance = clearance_field(blocked, self._origin, self._resolution_m)
        taken = np.maximum(blocked, unknown)
        known = clearance_field(taken, self._origin, self._resolution_m)
        return LocalMap(cost_map.stamp_s, clearance, known, unknown > 0)

    def _remember(self, cost_map: LocalCostMap, pose: np.ndarray) -> None:
        """
        Keep what was seen in cells that are unknown now.

        Cells near the robot keep it without end: it hides them itself, and they were seen when it
        came. Only where it starts is the ground below and beside it taken as free unseen.
        """
        cells = np.array(cost_map.cells, np.int8)
        unseen = cells == Cell.UNKNOWN
        seen_s = np.where(unseen, -np.inf, cost_map.stamp_s)
        same_grid = (
            self._cells is not None
            and self._cells.shape == cells.shape
            and abs(self._resolution_m - cost_map.resolution_m) < 1e-9
        )
        if same_grid:
            shift = np.rint((cost_map.origin - self._origin) / cost_map.resolution_m).astype(int)
            old_cells = shifted(self._cells, shift, np.int8(Cell.UNKNOWN))
            old_seen_s = shifted(self._seen_s, shift, -np.inf)
            recent = unseen & (old_seen_s > cost_map.stamp_s - self._config.memory_s)
            np.copyto(cells, old_cells, where=recent)
            np.copyto(seen_s, old_seen_s, where=recent)
        self._cells, self._seen_s = cells, seen_s
        self._origin = np.array(cost_map.origin, float)
        self._resolution_m = cost_map.resolution_m
        if not same_grid:
            start = np.zeros(cells.shape, np.uint8)
            self._fill(start, self._outline(pose, self._config.start_margin_m), 1)
            start = (start > 0) & unseen
            cells[start], seen_s[start] = Cell.FREE, cost_map.stamp_s
        near = np.zeros(cells.shape, np.uint8)
        self._fill(near, self._outline(pose, self._config.near_m), 1)
        near = (near > 0) & (cells != Cell.UNKNOWN)
        seen_s[near] = cost_map.stamp_s

    def _draw_obstacles(self, blocked: np.ndarray, obstacles: tuple[Obstacle, ...]) -> None:
        size_m = self._resolution_m * np.array(blocked.shape[::-1])
        low, high = self._origin - BORDER_M, self._origin + size_m + BORDER_M
        positions = np.array([o.position for o in obstacles]).reshape(-1, 2)
        inside = ((positions > low) & (positions < high)).all(axis=1)
        obstacles = [o for o, near in zip(obstacles, inside, strict=True) if near]
        theirs, standing = np.zeros(blocked.shape, np.uint8), []
        for obstacle in obstacles:
            if is_moving(obstacle, self._config.moving_mps):
                self._fill(theirs, _grown(obstacle.footprint, self._config.erase_margin_m), 1)
            else:
                standing.append(obstacle)
        blocked[(theirs > 0) & (self._cells == Cell.OCCUPIED)] = 0
        for obstacle in standing:
            self._fill(blocked, obstacle.footprint, 1)

    def _fill(self, grid: np.ndarray, outline: np.ndarray, value: int) -> None:
        """Draw a convex outline in odom; cells that it touches count."""
        if len(outline) < 3:
            return
        # Fixed-point coordinates keep parts of a cell; cells are named by their middles.
        pixels = ((outline - self._origin) / self._resolution_m - 0.5) * 16.0
        if np.abs(pixels).max() < 1e6:
            cv2.fillConvexPoly(grid, np.rint(pixels).astype(np.int32), value, shift=4)

    def _outline(self, pose: np.ndarray, margin_m: float) -> np.ndarray:
        c, s = np.cos(pose[2]), np.sin(pose[2])
        points = _grown(self._footprint, margin_m)
        return points @ np.array([[c, s], [-s, c]]) + pose[:2]


def is_moving(obstacle: Obstacle, moving_mps: float) -> bool:
    """Tell whether predictions speak for an obstacle rather than the map."""
    return math.hypot(*obstacle.velocity.tolist()) > moving_mps


def _grown(outline: np.ndarray, margin_m: float) -> np.ndarray:
    """Push the corners of a convex outline away from its middle."""
    if len(outline) == 0:
        return outline
    middle = outline.sum(axis=0) / len(outline)
    away = outline - middle
    length = np.maximum(np.hypot(*away.T), 1e-6)[:, None]
    return middle + away * (1.0 + np.sqrt(2.0) * margin_m / length)
