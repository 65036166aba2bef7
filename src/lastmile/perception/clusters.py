"""
Obstacle points joined to things.

Neighbours in the range image whose planar gap is small for their distance are one thing
(union-find); pieces that meet in bird's eye view, such as legs and trunk or what lidar and depth
sensor see of one thing, are joined then.

What the planner gets, twice: the cost map holds every obstacle point, walls included. The obstacle
list holds compact things only (people, poles, bins, bicycles, cars), because the convex outline of
a wall would cover free ground and its centre would wander along it. Long, tall and hollow things
are `structure` and stay out of the list.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from lastmile.perception import _clusters
from lastmile.perception.config import ClusterConfig
from lastmile.perception.ground import Terrain
from lastmile.perception.sweep import OBSTACLE, Sweep

GRID_HALF_M = 40.0
ROW_GAP_PER_M = 0.03
"""Neighbouring rows meet leaning surfaces (bonnets, backs) farther apart the farther they are."""
LONGEST_M = 16.0
"""Longer clusters are no things at all: walls, which only the cost map has."""
OVERHEAD_GAP_M = 0.6
HOLLOW_SAMPLES = 100
HIDDEN_BY_M = 0.25
"""What hides an end of a thing is nearer by at least this."""
CUT_HEIGHT_M = 1.6
"""What leaves the top of the image this high up is higher than a car."""
SLANT_SLACK_M, SLANT_SLACK_PER_M = 0.06, 0.008
"""How well a return must lie on the line through two others to be of the same slanted surface."""


@dataclass(frozen=True, slots=True)
class Thing:
    """
    One thing seen in one scan, in base.

    `outline` (K, 2) is convex and counter-clockwise; `length_m`, `width_m` and `yaw` are those of
    its smallest box about `centre`. `mean` (2,) is the mean of its points, steadier than the
    centre for small things. `tall` says that it goes on above the height up to which things are
    passed under: a wall, a pole, a lorry. `hidden` says that something nearer hides an end of it,
    so that its centre tells little. `structure` says that it is long, or tall and not
    slender, or hollow.
    """

    index: int
    centre: np.ndarray
    mean: np.ndarray
    outline: np.ndarray
    length_m: float
    width_m: float
    yaw: float
    height_m: float
    points: int
    tall: bool
    hidden: bool
    structure: bool


@dataclass(frozen=True, slots=True)
class Clusters:
    """
    The points of all sweeps of one instant, flat, and the things among them.

    `points` is float32 (N, 4), `label` uint8 (N,), `height` float32 (N,); `cluster` int32 (N,) is
    the index of the cluster or -1. `order` int32 (M,) are the numbers of the points of the clusters
    one after the other and `xy` float32 (M, 2) where they are, those of cluster c from `start[c]`
    (int32) to `start[c + 1]`. `things` are the clusters that stand out of the ground and are no
    longer than LONGEST_M.
    """

    points: np.ndarray
    label: np.ndarray
    height: np.ndarray
    cluster: np.ndarray
    order: np.ndarray
    xy: np.ndarray
    start: np.ndarray
    things: tuple[Thing, ...]


def find_clusters(pairs: list[tuple[Sweep, Terrain]], config: ClusterConfig) -> Clusters:
    """Join the obstacle points of all sweeps of one instant to things."""
    points = np.concatenate([sweep.points.reshape(-1, 4) for sweep, _ in pairs])
    label = np.concatenate([terrain.label.ravel() for _, terrain in pairs])
    height = np.concatenate([terrain.height.ravel() for _, terrain in pairs])
    members = np.flatnonzero(label == OBSTACLE).astype(np.int32)
    cluster, count = number(pairs, points, label, members, config)
    return describe(pairs, points, label, height, cluster, count, config)


def number(
    pairs: list[tuple[Sweep, Terrain]],
    points: np.ndarray,
    label: np.ndarray,
    members: np.ndarray,
    config: ClusterConfig,
) -> tuple[np.ndarray, int]:
    """Join those points, `members`, that are labelled OBSTACLE, and number their clusters."""
    parent = np.arange(len(points), dtype=np.int32)
    offset = 0
    for sweep, _ in pairs:
        shape, size = sweep.label.shape, sweep.label.size
        step = 2.0 * np.pi / shape[1] if sweep.wraps else 0.0
        _clusters.link_neighbours(
            sweep.points,
            label[offset : offset + size].reshape(shape),
            sweep.wraps,
            config.gap_m,
            config.gap_steps * step,
            ROW_GAP_PER_M if sweep.wraps else 0.0,
            config.slant_gap_m,
            SLANT_SLACK_M,
            SLANT_SLACK_PER_M,
            offset,
            parent,
        )
        offset += size
    cells = int(np.ceil(2.0 * GRID_HALF_M / config.merge_cell_m))
    owner = np.full((cells, cells), -1, np.int32)
    _clusters.join_in_plane(points, members, config.merge_cell_m, owner, parent)
    cluster = np.full(len(points), -1, np.int32)
    size = np.zeros(len(points), np.int32)
    count = _clusters.number_clusters(members, parent, config.points_min, cluster, size)
    return cluster, count


def order_points(
    members: np.ndarray, points: np.ndarray, height: np.ndarray, cluster: np.ndarray, count: int
) -> tuple[np.ndarray, ...]:
    """Line the points up by cluster: starts, order, x and y, boxes with tops (C, 5), means."""
    start = np.empty(count + 1, np.int32)
    order = np.empty(len(members), np.int32)
    _clusters.order_by_cluster(members, cluster, start, order)
    order = order[: start[count]]
    xy = np.empty((start[count], 2), np.float32)
    box, mean = np.empty((count, 5), np.float32), np.empty((count, 2))
    _clusters.measure(points, height, start, order, xy, box, mean)
    return start, order, xy, box, mean


def describe(
    pairs: list[tuple[Sweep, Terrain]],
    points: np.ndarray,
    label: np.ndarray,
    height: np.ndarray,
    cluster: np.ndarray,
    count: int,
    config: ClusterConfig,
) -> Clusters:
    """Measure numbered clusters and describe the things among them."""
    members = np.flatnonzero(label == OBSTACLE).astype(np.int32)
    start, order, xy, box, mean = order_points(members, points, height, cluster, count)
    seen = (*_reach_overhead(pairs, cluster, count), _ends_hidden(pairs, cluster, count))
    origin = pairs[0][0].origin[:2]
    things = _describe_all(xy, start, box, mean, seen, origin, config)
    return Clusters(points, label, height, cluster, order, xy, start, things)


def _describe_all(
    xy: np.ndarray,
    start: np.ndarray,
    box: np.ndarray,
    mean: np.ndarray,
    seen: tuple[np.ndarray, np.ndarray, np.ndarray],
    origin: np.ndarray,
    config: ClusterConfig,
) -> tuple[Thing, ...]:
    """Describe those clusters that are things."""
    longest = np.maximum(box[:, 1] - box[:, 0], box[:, 3] - box[:, 2])
    chosen = np.flatnonzero((box[:, 4] >= config.height_min_m) & ~(longest > LONGEST_M))
    corners, corner_start = np.empty_like(xy), np.empty(len(chosen) + 1, np.int32)
    _clusters.outlines(xy, start, chosen.astype(np.int32), corners, corner_start)
    outlines = corners[: corner_start[-1]].astype(float)
    bounds, corner_bounds, tops_m = start.tolist(), corner_start.tolist(), box[:, 4].tolist()
    flags = np.stack(seen, axis=1).tolist()
    return tuple(
        _describe(
            i,
            xy[bounds[i] : bounds[i + 1]],
            mean[i],
            outlines[corner_bounds[n] : corner_bounds[n + 1]],
            tops_m[i],
            flags[i],
            origin,
            config,
        )
        for n, i in enumerate(chosen.tolist())
    )


def _reach_overhead(
    pairs: list[tuple[Sweep, Terrain]], cluster: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Tell which clusters go on overhead in half of their columns, and which may, being cut."""
    tops, overheads, opens = (np.zeros(count, np.int32) for _ in range(3))
    offset = 0
    for sweep, terrain in pairs:
        shape, size = sweep.label.shape, sweep.label.size
        part = cluster[offset : offset + size].reshape(shape)
        _clusters.count_tops(
            sweep.points,
            terrain.label,
            part,
            OVERHEAD_GAP_M,
            CUT_HEIGHT_M,
            tops,
            overheads,
            opens,
        )
        offset += size
    tops = np.maximum(tops, 1)
    return 2 * overheads >= tops, 2 * (overheads + opens) >= tops


def _ends_hidden(pairs: list[tuple[Sweep, Terrain]], cluster: np.ndarray, count: int) -> np.ndarray:
    """Tell which clusters end behind something nearer in a quarter of their row ends."""
    ends, hidden = np.zeros(count, np.int32), np.zeros(count, np.int32)
    offset = 0
    for sweep, terrain in pairs:
        shape, size = sweep.label.shape, sweep.label.size
        part = cluster[offset : offset + size].reshape(shape)
        _clusters.count_hidden_ends(
            sweep.points, terrain.label, part, sweep.wraps, HIDDEN_BY_M, ends, hidden
        )
        offset += size
    return 4 * hidden >= np.maximum(ends, 1)


def _describe(
    index: int,
    xy: np.ndarray,
    mean: np.ndarray,
    outline: np.ndarray,
    height_m: float,
    seen: list[bool],
    origin: np.ndarray,
    config: ClusterConfig,
) -> Thing:
    """
    Box and class of shape of one cluster of points (N, 2) with the corners (K, 2) of its outline.

    `seen` is tall, cut and hidden; `origin` (2,) is the sensor.
    """
    tall, cut, hidden = seen
    if len(outline) < 3:
        outline = _thicken(outline)
    centre, (length, width), degrees = cv2.minAreaRect(outline.astype(np.float32))
    yaw = math.radians(degrees)
    if width > length:
        length, width, yaw = width, length, yaw + 0.5 * math.pi
    structure = length > config.compact_max_m or (
        length > config.tall_max_m
        and (tall or cut or _hollow(xy, outline, origin) > config.hollow_m)
    )
    return Thing(
        index,
        np.array(centre),
        mean,
        outline,
        length,
        width,
        yaw,
        height_m,
        len(xy),
        tall,
        hidden,
        structure,
    )


def _thicken(line: np.ndarray) -> np.ndarray:
    """Give points in a row an outline with an area: 2 cm to each side."""
    a, b = line[0], line[-1]
    d = b - a
    norm = float(np.hypot(*d))
    d = d / norm if norm > 1e-6 else np.array([1.0, 0.0])
    n = np.array([-d[1], d[0]])
    e = 0.02
    return np.array([a - e * d - e * n, b + e * d - e * n, b + e * d + e * n, a - e * d + e * n])


def _hollow(xy: np.ndarray, outline: np.ndarray, origin: np.ndarray) -> float:
    """
    Depth of the empty space between a convex outline and the points, seen from the sensor.

    A car's points lie on the near side of its outline; those of an inner corner of a wall lie
    deep in it. The 80 % quantile over the points of the way from entering the outline to the
    point [m].
    """
    a = outline - origin
    edge = np.concatenate([a[1:], a[:1]]) - a
    normal = np.stack([edge[:, 1], -edge[:, 0]], axis=1)
    facing = (normal * a).sum(axis=1) < 0.0
    step = max(1, len(xy) // HOLLOW_SAMPLES)
    depth = np.empty(-(-len(xy) // step))
    _clusters.depths_within(xy, a[facing], normal[facing], origin[0], origin[1], step, depth)
    depth.sort()
    return float(depth[int(0.8 * (len(depth) - 1))])
