"""
Local search: a way through the free cells that leads along the route.

The route's centre line is only a suggestion, because maps and localization are off by up to a
metre. A search over the local map finds the way that makes most progress, keeps clear of blocked
cells and stays near the route; the controller then follows that.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from lastmile.geometry import polyline
from lastmile.planning import _grid
from lastmile.planning.config import GuideConfig
from lastmile.planning.local_map import LocalMap
from lastmile.planning.reference import Stretch

SPACING_M = 0.2
ESCAPE_M = 0.7
SMOOTHING_SWEEPS = 60
SMOOTHING_GIVE_M = 0.005
DIRECT_M = 0.4
GOAL_ZONE_M = 2.0
REACH_MARGIN_M = 0.5
"""More than a distance to the route, taken over cells, is off the straight one."""


@dataclass(frozen=True, slots=True)
class Guide:
    """A way in odom: `points` (K, 2), arc lengths along itself, arc lengths of the route."""

    points: np.ndarray
    arcs_m: np.ndarray
    route_arcs_m: np.ndarray
    moves_nearer: bool
    """It leads on; a guide that does not is only the place where the robot is."""


def find_guide(
    config: GuideConfig,
    local_map: LocalMap,
    stretch: Stretch,
    half_widths_m: np.ndarray,
    pose: np.ndarray,
    goal: np.ndarray | None,
    last: Guide | None,
) -> Guide | None:
    """
    Search a way from a pose along a stretch of the route; `goal` (2,) ends it when within reach.

    Gives None when the robot is outside the map or shut in.
    """
    if local_map.cell_of(pose[:2]) is None or len(stretch.points) < 2:
        return None
    # No way leads farther from the route: most of the map need not be looked at.
    reach_m = config.offset_max_m + float(half_widths_m.max()) + REACH_MARGIN_M
    near = local_map.around(np.concatenate([stretch.points, pose[None, :2]]), reach_m)
    start = near.cell_of(pose[:2])
    label, offset_m = _nearest_samples(near, stretch)
    cell_cost = _cell_costs(config, near, offset_m, half_widths_m[label], pose, last)
    arcs = stretch.arcs_m[label]
    left_m = stretch.arcs_m[-1] - arcs + 0.3 * offset_m
    if goal is not None:
        to_goal_m = _distances(near, goal)
        if to_goal_m[start] < DIRECT_M and cell_cost[near.cell_of(goal)] > 0.0:
            return _straight_to(goal, pose, stretch)
        left_m = np.where(left_m < GOAL_ZONE_M, to_goal_m, left_m)
    rows, columns = near.shape
    cost, parent = np.empty(rows * columns), np.empty(rows * columns, np.int32)
    first = start[0] * columns + start[1]
    left = config.progress_gain * left_m.ravel()
    _grid.cheapest_ways(cell_cost, first, left / near.clearance.resolution_m, cost, parent)
    worth = cost * near.clearance.resolution_m + left
    end = int(np.argmin(worth))
    if not np.isfinite(worth[end]):
        return None
    if end == first:
        return Guide(
            np.repeat(pose[None, :2], 2, axis=0),
            np.zeros(2),
            arcs[start] * np.ones(2),
            moves_nearer=False,
        )
    cells = _trace(parent, end)
    points = _middles(near, cells, columns)
    points[0] = pose[:2]
    if goal is not None and to_goal_m.ravel()[end] < 0.15:
        points[-1] = goal
    return _finish(config, local_map, points, stretch)


def _straight_to(goal: np.ndarray, pose: np.ndarray, stretch: Stretch) -> Guide:
    """Lead straight to a goal that is nearer than the grid can tell directions."""
    points = polyline.resample(np.stack([pose[:2], goal]), 0.5 * SPACING_M)
    arcs_m = polyline.arc_lengths(points)
    return Guide(points, arcs_m, stretch.arcs_m[-1] - arcs_m[::-1], moves_nearer=True)


def _finish(config, local_map, points, stretch: Stretch) -> Guide:
    """Smooth the chain of cells, and tell where it is along the route."""
    points = smooth(polyline.resample(points, SPACING_M), local_map, config)
    points = polyline.resample(points, SPACING_M)
    distance = np.hypot(*(points[:, None] - stretch.points[None]).transpose(2, 0, 1))
    route_arcs = np.maximum.accumulate(stretch.arcs_m[distance.argmin(axis=1)])
    return Guide(points, polyline.arc_lengths(points), route_arcs, moves_nearer=True)


def smooth(points: np.ndarray, local_map: LocalMap, config: GuideConfig) -> np.ndarray:
    """
    Pull a chain straight where that keeps its clearance; both ends stay.

    A point moves only if it keeps the wanted clearance or comes no nearer to anything.
    """
    field = local_map.clearance
    cells = np.ascontiguousarray((points - field.origin) / field.resolution_m - 0.5)
    enough = 0.5 * (config.clearance_min_m + config.clearance_wanted_m)
    _grid.relax(field.distance_m, cells, enough, SMOOTHING_GIVE_M, SMOOTHING_SWEEPS)
    return (cells + 0.5) * field.resolution_m + field.origin


def _nearest_samples(local_map: LocalMap, stretch: Stretch) -> tuple[np.ndarray, np.ndarray]:
    """Index of the nearest sample of the route for each cell, and the distance to it [m]."""
    rows, columns = local_map.shape
    field = local_map.clearance
    cells = np.floor((stretch.points - field.origin) / field.resolution_m).astype(int)
    inside = (cells >= 0).all(1) & (cells[:, 0] < columns) & (cells[:, 1] < rows)
    seeds = np.ones((rows, columns), np.uint8)
    owner = np.zeros(rows * columns + 1, int)
    if not inside.any():
        return np.zeros((rows, columns), int), np.full((rows, columns), np.inf)
    kept = np.flatnonzero(inside)
    seeds[cells[kept, 1], cells[kept, 0]] = 0
    distance, labels = cv2.distanceTransformWithLabels(
        seeds, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    # Where two samples share a cell the later one owns it.
    owner[labels[cells[kept, 1], cells[kept, 0]]] = kept
    return owner[labels], distance * field.resolution_m


def _cell_costs(config, local_map, offset_m, half_width_m, pose, last) -> np.ndarray:
    clearance = local_map.clearance.distance_m
    lack = np.maximum(config.clearance_wanted_m - clearance, 0.0)
    cost = 1.0 + config.clearance_cost * lack**2
    # Off the way is worse than on it, off the mapped width worse still.
    beyond = np.maximum(offset_m - half_width_m, 0.0)
    cost += config.offset_cost * np.minimum(offset_m, 5.0) ** 2 + 2.0 * np.minimum(beyond, 5.0)
    cost[local_map.unknown] += config.unknown_cost
    if last is not None:
        cost[_near_last(local_map, last)] *= config.keep_gain
    least = np.full_like(clearance, config.clearance_min_m)
    here = float(local_map.clearance.sample(pose[:2], 0.0))
    if here < config.clearance_min_m:
        # A robot that stands too near to something must be able to leave.
        near = _distances(local_map, pose[:2]) < ESCAPE_M
        least[near] = np.minimum(least[near], max(here - 0.05, 0.05))
    shut = (clearance < least) | (beyond > config.offset_max_m)
    start = local_map.cell_of(pose[:2])
    cost = cost.astype(np.float32)
    cost[shut] = -1.0
    cost[start] = abs(cost[start])
    return np.ascontiguousarray(cost)


def _near_last(local_map: LocalMap, last: Guide) -> np.ndarray:
    field = local_map.clearance
    mask = np.zeros(local_map.shape, np.uint8)
    pixels = np.rint((last.points - field.origin) / field.resolution_m - 0.5).astype(np.int32)
    width = max(1, int(0.5 / field.resolution_m))
    cv2.polylines(mask, [pixels.reshape(-1, 1, 2)], False, 1, thickness=width)
    return mask > 0


def _distances(local_map: LocalMap, point: np.ndarray) -> np.ndarray:
    """Distance of every cell's middle from a point."""
    rows, columns = local_map.shape
    field = local_map.clearance
    x = field.origin[0] + (np.arange(columns) + 0.5) * field.resolution_m - point[0]
    y = field.origin[1] + (np.arange(rows) + 0.5) * field.resolution_m - point[1]
    return np.sqrt((x * x)[None, :] + (y * y)[:, None])


def _trace(parent: np.ndarray, end: int) -> list[int]:
    cells = [end]
    while parent[cells[-1]] >= 0:
        cells.append(int(parent[cells[-1]]))
    return cells[::-1]


def _middles(local_map: LocalMap, cells: list[int], columns: int) -> np.ndarray:
    field = local_map.clearance
    i, j = np.divmod(np.array(cells), columns)
    return np.stack([j + 0.5, i + 0.5], axis=-1) * field.resolution_m + field.origin
