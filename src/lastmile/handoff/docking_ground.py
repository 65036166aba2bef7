"""
The ground around a docking robot: what is blocked, what was seen, and the locker's front.

The robot must touch the locker, so that a strip about the port is free to it whatever the cost map
says there: as wide as the robot and a little more, `front_ignore_m` deep before the front, because
a wall blurs over a cell or two, and as deep behind it. What stands in that strip cannot be told
from the locker; everything beside it, the rest of the locker too, blocks as it does on a route.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lastmile.geometry.grid import ClearanceField, clearance_field, close_gaps, shifted
from lastmile.geometry.se2 import invert, transform
from lastmile.handoff.config import DockingConfig
from lastmile.types import Cell, LocalCostMap

NEAR_M = 1.5
"""Ground this near to the robot, once seen free, stays seen: the robot hides it itself."""
REACH_M = 2.5
"""No docking motion reaches farther before it ends in a stop."""
START_MARGIN_M = np.array([0.2, 0.05])
"""Where it begins, also after a break of odometry, ground so near before and behind the robot, and
beside it, is taken as seen: no sensor sees it, and without it no robot would leave a locker."""
BESIDE_M = 0.15
"""Half the strip's width beyond half the robot's."""


@dataclass(frozen=True, slots=True)
class DockGround:
    """Signed distances to blocked cells, and to those that are blocked or unknown."""

    clearance: ClearanceField
    known: ClearanceField


class GroundWatch:
    """Keeps the newest cost map and remembers which ground near the robot was seen free."""

    def __init__(self, config: DockingConfig, footprint: np.ndarray) -> None:
        self._gap_m = config.unknown_gap_m
        self._front_m = config.front_ignore_m
        self._half_m = float(np.abs(footprint[:, 1]).max()) + BESIDE_M
        self._start = footprint.min(axis=0) - START_MARGIN_M, footprint.max(axis=0) + START_MARGIN_M
        self.forget()

    def forget(self) -> None:
        """Begin with nothing seen."""
        self._map: LocalCostMap | None = None
        self._seen = np.zeros((0, 0), bool)

    def update(self, cost_map: LocalCostMap, pose_odom_base: np.ndarray) -> None:
        """Take a cost map in, with the robot at a pose (3,) in odom."""
        seen = cost_map.cells == Cell.FREE
        old = self._map
        if old is None:
            seen |= self._is_below(cost_map, pose_odom_base)
        elif (
            old.cells.shape == cost_map.cells.shape
            and old.resolution_m == cost_map.resolution_m
        ):
            shift = np.rint((cost_map.origin - old.origin) / cost_map.resolution_m).astype(int)
            remembered = shifted(self._seen, shift, False)
            remembered &= cost_map.cells == Cell.UNKNOWN
            seen |= _only_near(remembered, cost_map, pose_odom_base[:2])
        self._map, self._seen = cost_map, seen

    def _is_below(self, cost_map: LocalCostMap, pose_odom_base: np.ndarray) -> np.ndarray:
        """Tell which cells lie below the robot or right beside it."""
        middles = _middles(cost_map.cells.shape, cost_map.origin, cost_map.resolution_m)
        low, high = self._start
        at = transform(invert(pose_odom_base), middles)
        return ((at >= low) & (at <= high)).all(axis=-1)

    def around(self, position: np.ndarray, pose_odom_port: np.ndarray | None) -> DockGround:
        """
        Give the ground within reach; nowhere is the locker where its port is not known.

        Of a map that lies away from the robot nothing is used: no ground is known.
        """
        resolution_m = self._map.resolution_m
        middle = np.floor((position - self._map.origin) / resolution_m)
        if (middle < 0).any() or (middle >= self._map.cells.shape[::-1]).any():
            unseen = ClearanceField(np.full((1, 1), -1.0, np.float32), position, resolution_m)
            return DockGround(unseen, unseen)
        middle = middle.astype(int)
        half = int(REACH_M / resolution_m)
        low = np.maximum(middle - half, 0)
        window = (slice(low[1], middle[1] + half), slice(low[0], middle[0] + half))
        origin = self._map.origin + low * resolution_m
        cells = self._map.cells[window]
        blocked = (cells >= Cell.CURB).astype(np.uint8)
        unknown = ((cells == Cell.UNKNOWN) & ~self._seen[window]).astype(np.uint8)
        if pose_odom_port is not None:
            middles = _middles(cells.shape, origin, resolution_m)
            x, y = transform(invert(pose_odom_port), middles).transpose(2, 0, 1)
            locker = (np.abs(x) <= self._front_m) & (np.abs(y) <= self._half_m)
            blocked[locker] = unknown[locker] = 0
        unknown = close_gaps(unknown, self._gap_m, resolution_m)
        unknown[blocked > 0] = 0
        taken = np.maximum(blocked, unknown)
        return DockGround(
            clearance_field(blocked, origin, resolution_m),
            clearance_field(taken, origin, resolution_m),
        )


def _only_near(mask: np.ndarray, cost_map: LocalCostMap, position: np.ndarray) -> np.ndarray:
    """Leave of a mask of cells what is near a position; only there are distances worked out."""
    rows, columns = mask.shape
    origin, resolution_m = cost_map.origin, cost_map.resolution_m
    x = origin[0] + (np.arange(columns) + 0.5) * resolution_m - position[0]
    y = origin[1] + (np.arange(rows) + 0.5) * resolution_m - position[1]
    window = np.ix_(np.flatnonzero(np.abs(y) < NEAR_M), np.flatnonzero(np.abs(x) < NEAR_M))
    near = np.zeros_like(mask)
    near[window] = np.hypot(x[window[1]], y[window[0]]) < NEAR_M
    return near & mask


def _middles(shape: tuple[int, int], origin: np.ndarray, resolution_m: float) -> np.ndarray:
    """Middles (rows, columns, 2) of the cells of a grid."""
    rows, columns = shape
    grid = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1)
    return origin + (grid + 0.5) * resolution_m
