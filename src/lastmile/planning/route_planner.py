"""
Search of a way along a site's network, from where the robot stands to a locker or a point.

Dijkstra's algorithm on the edges of the site, weighted by how gladly a sidewalk robot takes each;
both ends are joined to the network by straight connectors that are checked free of what stands
there.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

import numpy as np
import shapely
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from lastmile.geometry.polyline import arc_lengths, project, sample
from lastmile.maps.lockers import locker_outline, staging_pose
from lastmile.maps.site import POINT_RADIUS_M, Locker, RouteEdge, Site
from lastmile.types import EdgeKind, Route, RouteSpan

FARTHEST_FROM_NETWORK_M = 12.0
LEAST_M = 0.01
BESIDE_M = 3.0
"""A goal this near is driven to straight, not by way of the network."""
CONNECTOR_CLEARANCE_M = 0.35
"""Half the robot's width and a little: what a connector keeps from anything that stands."""

CONNECTOR_SPEED_MPS = 1.0
CONNECTOR_WIDTH_M = 1.5
SPACING_M = 0.5
CORNER_CUT_M = 0.6
"""Where a corner's rounding begins; its deviation at a right angle is 0.21 m."""

_ROUGH_FACTOR = {"asphalt": 1.0, "concrete": 1.0, "paving_stones": 1.0, "paved": 1.0}
_OTHER_SURFACE_FACTOR = 1.2
_KIND_FACTOR = {EdgeKind.SERVICE: 1.4, EdgeKind.PATH: 1.1}
_NARROW_M, _NARROW_FACTOR = 1.5, 1.3
_COVERED_FACTOR = 1.5
_UPHILL_FACTOR = 10.0
_SIGNALLED_COST_M = 25.0
_UNSIGNALLED_COST_M, _LANE_COST_M = 15.0, 15.0
_FAST_ROAD_MPS, _FAST_ROAD_COST_M = 8.5, 400.0
"""What comes faster, or at a speed that the map does not tell, is hardly seen far enough to cross
without a signal."""
_RAISED_KERB_COST_M = 50.0
_NEVER = np.inf


class RouteError(ValueError):
    """No route; the message names both ends and the reason."""


@dataclass(frozen=True, slots=True)
class _Joint:
    """Where an end of the route meets the network: edge, arc length on it, free straight way."""

    edge: int
    arc_m: float
    point: np.ndarray


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Part of a route with one description."""

    points: np.ndarray
    span: RouteSpan


class RoutePlanner:
    """Routes on one site; building it once costs more than a search."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._edges = [e for e in site.edges if arc_lengths(e.points)[-1] > 0.0]
        if not self._edges:
            raise RouteError(f"site {site.name!r} has no network")
        self._lengths = np.array([arc_lengths(e.points)[-1] for e in self._edges])
        self._lines = shapely.STRtree([shapely.LineString(e.points) for e in self._edges])
        self._obstacles = shapely.STRtree(_standing(site))
        self._roads = shapely.STRtree([shapely.LineString(r.points) for r in site.roads])
        self._lockers = {locker.id: locker for locker in site.lockers}
        ends = np.array([(e.source, e.target) for e in self._edges])
        self._rows = np.concatenate([ends[:, 0], ends[:, 1]])
        self._columns = np.concatenate([ends[:, 1], ends[:, 0]])
        forward = [edge_cost(e, n) for e, n in zip(self._edges, self._lengths, strict=True)]
        backward = [
            edge_cost(replace(e, incline=-e.incline), n)
            for e, n in zip(self._edges, self._lengths, strict=True)
        ]
        self._costs = np.array([forward, backward])
        self._open_graph = self._graph(self._costs)

    def plan(
        self,
        start: np.ndarray | str,
        goal: np.ndarray | str,
        *,
        goal_yaw: float = np.nan,
        closed: frozenset[str] = frozenset(),
    ) -> Route:
        """
        Find the cheapest route.

        Parameters
        ----------
        start, goal : ndarray, shape (2,) or (3,), or str
            Position in map, or the id of a locker, meaning its staging pose: 1.5 m before the
            port, facing it.
        goal_yaw : float
            Heading wanted at a goal that is a position, NaN for any.
        closed : frozenset of str
            Ids of edges, and of crossings, that must not be used. They do not bar the straight way
            to a goal that `is_beside` the start.

        Raises
        ------
        RouteError
            If there is none; the message says which end is off the network and by how much, or
            that the ends are not joined, or that closures part them.

        """
        start_point, start_name, _ = self._end(start, "start")
        goal_point, goal_name, locker = self._end(goal, "goal")
        yaw = float(staging_pose(locker)[2]) if locker else float(goal_yaw)
        if self.is_beside(start, goal):
            return _assemble([_connector(_apart(start_point, goal_point, yaw), goal_point)], yaw)
        shut = self._shut(closed)
        joint_start = self._join(start_point, start_name, None, shut, leaving=True)
        joint_goal = self._join(goal_point, goal_name, locker, shut, leaving=False)
        stretches = self._search(joint_start, joint_goal, shut, start_name, goal_name)
        stretches = [
            _connector(start_point, joint_start.point, self._edges[joint_start.edge].kind),
            *stretches,
            _connector(joint_goal.point, goal_point, self._edges[joint_goal.edge].kind),
        ]
        return _assemble(stretches, yaw)

    def is_beside(self, start: np.ndarray | str, goal: np.ndarray | str) -> bool:
        """Tell whether a short free line leads to the goal, so that the network is no help."""
        start_point, _, _ = self._end(start, "start")
        goal_point, _, locker = self._end(goal, "goal")
        near = float(np.hypot(*(goal_point - start_point))) < BESIDE_M
        return near and self._connector_is_free(start_point, goal_point, True, locker)

    def _shut(self, closed: frozenset[str]) -> np.ndarray:
        if not closed:
            return np.zeros(len(self._edges), bool)
        return np.array([e.id in closed or (e.crossing_id or None) in closed for e in self._edges])

    def _end(self, end: np.ndarray | str, which: str) -> tuple[np.ndarray, str, Locker | None]:
        if isinstance(end, str):
            if end not in self._lockers:
                known = ", ".join(sorted(self._lockers)) or "none"
                raise RouteError(f"{which}: site {self._site.name!r} has no locker {end!r}; "
                                 f"it has {known}")  # fmt: skip
            locker = self._lockers[end]
            return staging_pose(locker)[:2], f"locker {end!r}", locker
        point = np.asarray(end, dtype=float)
        if point.shape not in ((2,), (3,)) or not np.isfinite(point).all():
            raise RouteError(f"{which}: {end!r} is not a finite position x, y in map")
        return point[:2], f"{which} ({point[0]:.1f}, {point[1]:.1f})", None

    def _join(
        self, point: np.ndarray, name: str, locker: Locker | None, shut: np.ndarray, leaving: bool
    ) -> _Joint:
        """Find the best free straight way between a point and the network."""
        here = shapely.Point(point)
        near = self._lines.query(here, predicate="dwithin", distance=FARTHEST_FROM_NETWORK_M)
        near = np.sort([i for i in near if not shut[i]]).astype(int)
        if not near.size:
            shapes = [self._lines.geometries[i] for i in np.nonzero(~shut)[0]]
            distance = min((here.distance(s) for s in shapes), default=np.inf)
            raise RouteError(
                f"{name} is {distance:.1f} m off the open network of site {self._site.name!r}; "
                f"at most {FARTHEST_FROM_NETWORK_M:.0f} m can be bridged"
            )
        candidates = [
            (cost, int(i), float(arc))
            for i in near
            for arc, cost in self._feet(int(i), point, locker)
        ]
        for _, i, arc in sorted(candidates):
            foot = np.array(self._lines.geometries[i].interpolate(arc).coords[0])
            if self._connector_is_free(point, foot, leaving, locker):
                return _Joint(i, arc, foot)
        raise RouteError(
            f"{name} cannot be joined to the network of site {self._site.name!r}: every straight "
            f"way of at most {FARTHEST_FROM_NETWORK_M:.0f} m is obstructed"
        )

    def _feet(self, i: int, point: np.ndarray, locker: Locker | None) -> list[tuple[float, float]]:
        """Arc lengths on an edge where a connector may meet it, with what it costs."""
        edge = self._edges[i]
        nearest = project(edge.points, point)
        arcs = {nearest.arc_m}
        for offset in (-6.0, -4.0, -2.0, 2.0, 4.0, 6.0):
            arcs.add(float(np.clip(nearest.arc_m + offset, 0.0, self._lengths[i])))
        preferred = None
        if locker is not None:
            yaw = locker.pose_map_port[2]
            reach = FARTHEST_FROM_NETWORK_M * np.array([np.cos(yaw), np.sin(yaw)])
            axis = shapely.LineString([point, point + reach])
            meeting = shapely.intersection(axis, self._lines.geometries[i])
            if meeting.geom_type == "Point" and not meeting.is_empty:
                preferred = float(self._lines.geometries[i].project(meeting))
                arcs.add(preferred)
        # On a crossing a robot must not turn off, and straight ahead of a port is best.
        extra = 50.0 if edge.kind is EdgeKind.CROSSING else 0.0
        feet = []
        for arc in arcs:
            foot = np.array(self._lines.geometries[i].interpolate(arc).coords[0])
            cost = float(np.hypot(*(foot - point))) + extra - (1.0 if arc == preferred else 0.0)
            feet.append((arc, cost))
        return feet

    def _connector_is_free(
        self, point: np.ndarray, foot: np.ndarray, leaving: bool, locker: Locker | None
    ) -> bool:
        length = float(np.hypot(*(foot - point)))
        if length > FARTHEST_FROM_NETWORK_M:
            return False
        # Where the robot stands it stands: what touches it there does not bar it from leaving.
        tail = min(0.6, length) / length if leaving and length > 0.0 else 0.0
        line = shapely.LineString([point + tail * (foot - point), foot])
        if self._roads.query(line, predicate="crosses").size:
            return False
        hits = self._obstacles.query(line, predicate="dwithin", distance=CONNECTOR_CLEARANCE_M)
        return not hits.size

    def _search(
        self, start: _Joint, goal: _Joint, shut: np.ndarray, start_name: str, goal_name: str
    ) -> list[_Stretch]:
        """Find the stretches of edges between two joints."""
        costs = np.where(shut, _NEVER, self._costs)
        first, last = self._edges[start.edge], self._edges[goal.edge]
        from_nodes = np.array([first.source, first.target])
        graph = self._graph(costs) if shut.any() else self._open_graph
        distance, before = dijkstra(graph, indices=from_nodes, return_predecessors=True)
        done_first = start.arc_m / self._lengths[start.edge]
        done_last = goal.arc_m / self._lengths[goal.edge]
        leave = np.array(
            [done_first * costs[1, start.edge], (1 - done_first) * costs[0, start.edge]]
        )
        enter = np.array([done_last * costs[0, goal.edge], (1 - done_last) * costs[1, goal.edge]])
        to_nodes = np.array([last.source, last.target])
        total = leave[:, None] + distance[:, to_nodes] + enter[None, :]
        best = np.unravel_index(np.argmin(total), total.shape)
        direct = _NEVER
        if start.edge == goal.edge:
            way = costs[0 if done_last >= done_first else 1, start.edge]
            direct = abs(done_last - done_first) * way
        if direct <= total[best] and np.isfinite(direct):
            return [self._stretch(start.edge, start.arc_m, goal.arc_m)]
        if not np.isfinite(total[best]):
            why = (
                "the closed edges part them"
                if shut.any() and self._joined_when_open(start, goal)
                else "they lie in parts of the network that are not joined"
            )
            raise RouteError(f"no way from {start_name} to {goal_name}: {why}")
        stretches = [
            self._stretch(
                start.edge, start.arc_m, 0.0 if best[0] == 0 else self._lengths[start.edge]
            )
        ]
        node, chain = int(to_nodes[best[1]]), []
        while node != from_nodes[best[0]]:
            previous = int(before[best[0], node])
            chain.append((previous, node))
            node = previous
        for a, b in reversed(chain):
            stretches.append(self._edge_between(a, b, costs))
        stretches.append(
            self._stretch(goal.edge, 0.0 if best[1] == 0 else self._lengths[goal.edge], goal.arc_m)
        )
        return stretches

    def _graph(self, costs: np.ndarray) -> csr_matrix:
        """Cheapest edge between each two nodes; parallel edges would be added up otherwise."""
        count = len(self._site.nodes)
        flat = costs.ravel()
        usable = np.isfinite(flat) & (self._rows != self._columns)
        order = np.nonzero(usable)[0]
        order = order[np.argsort(flat[order], kind="stable")]
        key = self._rows[order].astype(np.int64) * count + self._columns[order]
        _, first = np.unique(key, return_index=True)
        chosen = order[first]
        return csr_matrix(
            (flat[chosen], (self._rows[chosen], self._columns[chosen])), shape=(count, count)
        )

    def _joined_when_open(self, start: _Joint, goal: _Joint) -> bool:
        reach = dijkstra(self._open_graph, indices=self._edges[start.edge].source)
        return bool(np.isfinite(reach[self._edges[goal.edge].source]))

    def _edge_between(self, a: int, b: int, costs: np.ndarray) -> _Stretch:
        fits = np.nonzero((self._rows == a) & (self._columns == b))[0]
        i = int(fits[np.argmin(costs.ravel()[fits])])
        index, backward = i % len(self._edges), i >= len(self._edges)
        length = self._lengths[index]
        return self._stretch(index, length if backward else 0.0, 0.0 if backward else length)

    def _stretch(self, i: int, start_m: float, end_m: float) -> _Stretch:
        edge = self._edges[i]
        low, high = min(start_m, end_m), max(start_m, end_m)
        points = _part(edge.points, low, high)
        return _Stretch(points if end_m >= start_m else points[::-1], _span(edge))


def _apart(start: np.ndarray, goal: np.ndarray, yaw: float) -> np.ndarray:
    """Give a start a little behind the goal where both are one: a route has a length."""
    if np.hypot(*(goal - start)) > LEAST_M:
        return start
    yaw = yaw if np.isfinite(yaw) else 0.0
    return goal - LEAST_M * np.array([np.cos(yaw), np.sin(yaw)])


def _connector(a: np.ndarray, b: np.ndarray, kind: EdgeKind = EdgeKind.FOOTWAY) -> _Stretch:
    kind = EdgeKind.FOOTWAY if kind is EdgeKind.CROSSING else kind
    span = RouteSpan(0.0, 0.0, kind, CONNECTOR_WIDTH_M, CONNECTOR_SPEED_MPS, "", False, 0, 0.0)
    return _Stretch(np.array([a, b]), span)


def edge_cost(edge: RouteEdge, length_m: float) -> float:
    """Cost of an edge along its direction, in metres of good sidewalk."""
    factor = _ROUGH_FACTOR.get(edge.surface.split(":")[0], _OTHER_SURFACE_FACTOR)
    factor *= _KIND_FACTOR.get(edge.kind, 1.0)
    if edge.width_m < _NARROW_M:
        factor *= _NARROW_FACTOR
    if edge.covered:
        factor *= _COVERED_FACTOR
    cost = length_m * (factor + _UPHILL_FACTOR * max(edge.incline, 0.0))
    if edge.kind is EdgeKind.CROSSING:
        cost += _SIGNALLED_COST_M if edge.signalled else _unsignalled_cost(edge)
    if edge.kerb == "raised":
        cost += _RAISED_KERB_COST_M
    return cost


def _unsignalled_cost(edge: RouteEdge) -> float:
    fast = not 0.0 < edge.road_speed_mps <= _FAST_ROAD_MPS
    return _UNSIGNALLED_COST_M + _LANE_COST_M * edge.lanes + (_FAST_ROAD_COST_M if fast else 0.0)


def _standing(site: Site) -> list[shapely.Geometry]:
    """Everything that bars a connector: footprints but lowered kerbs, and lockers."""
    shapes: list[shapely.Geometry] = []
    for footprint in site.footprints:
        if footprint.kind == "kerb" and footprint.height_m <= 0.03:
            continue
        if footprint.closed:
            shapes.append(shapely.Polygon(footprint.points))
        elif len(footprint.points) == 1:
            radius = POINT_RADIUS_M.get(footprint.kind, 0.0)
            shapes.append(shapely.Point(footprint.points[0]).buffer(radius, quad_segs=4))
        else:
            shapes.append(shapely.LineString(footprint.points))
    shapes.extend(shapely.Polygon(locker_outline(locker)) for locker in site.lockers)
    return shapes


def _part(points: np.ndarray, low_m: float, high_m: float) -> np.ndarray:
    """Vertices of a polyline between two arc lengths, both ends included."""
    arcs = arc_lengths(points)
    inner = points[(arcs > low_m) & (arcs < high_m)]
    ends = np.stack([np.interp([low_m, high_m], arcs, points[:, k]) for k in range(2)], axis=-1)
    return np.vstack([ends[:1], inner, ends[1:]])


def _span(edge: RouteEdge) -> RouteSpan:
    return RouteSpan(
        0.0, 0.0, edge.kind, edge.width_m, edge.speed_mps, edge.crossing_id, edge.signalled,
        edge.lanes, edge.road_speed_mps,
    )  # fmt: skip


def _assemble(stretches: list[_Stretch], goal_yaw: float) -> Route:
    """Chain stretches into a route: corners rounded, points at most `SPACING_M` apart."""
    points, spans = [stretches[0].points[0]], []
    for stretch in stretches:
        for point in stretch.points[1:]:
            if np.hypot(*(point - points[-1])) > 1e-3:
                points.append(point)
                spans.append(stretch.span)
    if not spans:  # Start and goal are the same place.
        points.append(points[0])
        spans.append(stretches[0].span)
    # A goal that lies within the last millimetre was left out above; the route ends on it.
    points[-1] = stretches[-1].points[-1]
    points, spans = _rounded(np.array(points), spans)
    arcs = arc_lengths(points)
    dense = sample(points, _subdivided(arcs, SPACING_M))
    merged: list[RouteSpan] = []
    first = 0
    for i, span in enumerate(spans):
        if i + 1 == len(spans) or spans[i + 1] != span:
            start, end = float(arcs[first]), float(arcs[i + 1])
            merged.append(replace(span, start_m=start, end_m=end))
            first = i + 1
    name = f"route-{zlib.crc32(dense.round(3).tobytes()):08x}"
    return Route(name, dense, tuple(merged), goal_yaw)


def _subdivided(arcs: np.ndarray, spacing_m: float) -> np.ndarray:
    """Put arc lengths between the given ones until none are farther apart than the spacing."""
    steps = np.diff(arcs)
    counts = np.maximum(np.ceil(steps / spacing_m), 1).astype(int)
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    within = np.arange(counts.sum()) - np.repeat(first, counts)
    dense = np.repeat(arcs[:-1], counts) + within * np.repeat(steps / counts, counts)
    return np.append(dense, arcs[-1])


def _rounded(points: np.ndarray, spans: list[RouteSpan]) -> tuple[np.ndarray, list[RouteSpan]]:
    """Round each corner by a parabola; its halves keep the spans of the sides they lie on."""
    lengths = np.hypot(*np.diff(points, axis=0).T)
    out, out_spans = [points[0]], []
    for i in range(1, len(points) - 1):
        cut = min(CORNER_CUT_M, 0.45 * lengths[i - 1], 0.45 * lengths[i])
        before = points[i] + (points[i - 1] - points[i]) * cut / lengths[i - 1]
        after = points[i] + (points[i + 1] - points[i]) * cut / lengths[i]
        t = np.linspace(0.0, 1.0, 7)[:, None]
        curve = (1 - t) ** 2 * before + 2 * t * (1 - t) * points[i] + t**2 * after
        out.extend(curve)
        out_spans.extend([*[spans[i - 1]] * 4, *[spans[i]] * 3])
    out.append(points[-1])
    out_spans.append(spans[-1])
    return np.array(out), out_spans
