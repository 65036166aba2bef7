"""Ways over the robot's network: the robot's expected route and the walks of people."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import rustworkx

from lastmile.geometry import polyline
from lastmile.maps.site import RouteEdge, Site


@dataclass(frozen=True, slots=True)
class Walk:
    """A way along edges: points (K, 2), and for each the half width and its crossing or ''."""

    points: np.ndarray
    half_width: np.ndarray
    crossing: tuple[str, ...]

    def reversed(self) -> Walk:
        """Give the same way the other way round."""
        return Walk(self.points[::-1], self.half_width[::-1], self.crossing[::-1])


class Network:
    """The route graph of a site."""

    def __init__(self, site: Site) -> None:
        """Index edges by node, their points one metre apart."""
        self.edges = site.edges
        self.nodes = site.nodes
        self._fine = [polyline.resample(edge.points, 1.0) for edge in site.edges]
        self._graph = rustworkx.PyGraph(multigraph=True)
        self._graph.add_nodes_from(range(len(site.nodes)))
        for i, edge in enumerate(site.edges):
            length = float(polyline.arc_lengths(edge.points)[-1])
            self._graph.add_edge(edge.source, edge.target, (i, length))
        self._at_node: list[list[int]] = [[] for _ in site.nodes]
        for i, edge in enumerate(site.edges):
            self._at_node[edge.source].append(i)
            self._at_node[edge.target].append(i)
        self._points = np.concatenate(self._fine) if self._fine else np.zeros((0, 2))
        self._owner = np.repeat(np.arange(len(self._fine)), [len(p) for p in self._fine])

    def nearest(self, point: np.ndarray) -> tuple[int, float]:
        """Edge index nearest to a point, and its distance."""
        if len(self._points) == 0:
            raise ValueError("the site's route graph has no edges")
        distance = np.hypot(*(self._points - np.asarray(point)[:2]).T)
        i = int(np.argmin(distance))
        return int(self._owner[i]), float(distance[i])

    def direction(self, index: int, point: np.ndarray) -> np.ndarray:
        """Give the direction (2,) of an edge at its point nearest to a place, forwards."""
        fine = self._fine[index]
        i = int(np.argmin(np.hypot(*(fine - point).T)))
        along = fine[min(i + 1, len(fine) - 1)] - fine[max(i - 1, 0)]
        return along / max(1e-9, float(np.hypot(*along)))

    def edges_within(self, point: np.ndarray, least_m: float, most_m: float) -> np.ndarray:
        """Points (N, 3) of edge index, x, y that lie in a ring about a point."""
        distance = np.hypot(*(self._points - np.asarray(point)[:2]).T)
        ring = (distance >= least_m) & (distance <= most_m)
        return np.column_stack([self._owner[ring], self._points[ring]])

    def walk(self, steps: list[tuple[int, bool]]) -> Walk:
        """Join edges, each taken forwards or backwards."""
        points, widths, crossings = [], [], []
        for index, forward in steps:
            edge = self.edges[index]
            fine = self._fine[index] if forward else self._fine[index][::-1]
            points.append(fine)
            widths.append(np.full(len(fine), 0.5 * edge.width_m))
            crossings += [edge.crossing_id] * len(fine)
        return Walk(np.concatenate(points), np.concatenate(widths), tuple(crossings))

    def way(self, start: np.ndarray, goal: np.ndarray) -> Walk:
        """Shortest way between the places of the network nearest to two points."""
        first, _ = self.nearest(start)
        last, _ = self.nearest(goal)
        if first == last:
            return _cut(self.walk([(first, True)]), start, goal)
        best: tuple[float, list[int]] | None = None
        for a in {self.edges[first].source, self.edges[first].target}:
            paths = rustworkx.dijkstra_shortest_paths(self._graph, a, weight_fn=lambda e: e[1])
            for b in {self.edges[last].source, self.edges[last].target}:
                nodes = [a] if a == b else list(paths[b]) if b in paths else None
                if nodes is None:
                    continue
                cost = sum(self._between(u, v)[1] for u, v in itertools.pairwise(nodes))
                cost += np.hypot(*(self.nodes[a] - start[:2]))
                cost += np.hypot(*(self.nodes[b] - goal[:2]))
                if best is None or cost < best[0]:
                    best = (float(cost), nodes)
        if best is None:
            raise ValueError(f"no way on the network from {start[:2]} to {goal[:2]}")
        return _cut(self.walk(self._steps(best[1], first, last)), start, goal)

    def wander(self, index: int, forward: bool, length_m: float, rng: np.random.Generator) -> Walk:
        """Walk on from an edge, at each node by chance, back only from a dead end."""
        steps, length = [(index, forward)], 0.0
        while length < length_m:
            index, forward = steps[-1]
            length += len(self._fine[index])
            node = self.edges[index].target if forward else self.edges[index].source
            onward = [i for i in self._at_node[node] if i != index] or [index]
            chosen = onward[rng.integers(len(onward))]
            edge: RouteEdge = self.edges[chosen]
            steps.append((chosen, edge.source == node if chosen != index else not forward))
        return self.walk(steps)

    def _between(self, u: int, v: int) -> tuple[int, float]:
        return min(self._graph.get_all_edge_data(u, v), key=lambda e: e[1])

    def _steps(self, nodes: list[int], first: int, last: int) -> list[tuple[int, bool]]:
        steps = []
        for u, v in itertools.pairwise(nodes):
            index, _ = self._between(u, v)
            steps.append((index, self.edges[index].source == u))
        if not steps or steps[0][0] != first:
            steps.insert(0, (first, self.edges[first].target == nodes[0]))
        if steps[-1][0] != last:
            steps.append((last, self.edges[last].source == nodes[-1]))
        return steps


def _cut(walk: Walk, start: np.ndarray, goal: np.ndarray) -> Walk:
    """Keep the part between the points nearest to start and goal."""
    i = int(np.argmin(np.hypot(*(walk.points - start[:2]).T)))
    j = int(np.argmin(np.hypot(*(walk.points - goal[:2]).T)))
    a, b = min(i, j), max(i, j)
    part = Walk(walk.points[a : b + 1], walk.half_width[a : b + 1], walk.crossing[a : b + 1])
    return part if i <= j else part.reversed()
