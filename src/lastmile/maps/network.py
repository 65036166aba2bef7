"""From segments to route edges between junctions, and to the component that the robot uses."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np
import shapely
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from lastmile.geometry.polyline import arc_lengths
from lastmile.maps.foot_lines import Segment
from lastmile.maps.foot_rules import FootAttributes
from lastmile.maps.ground import Ground
from lastmile.maps.site import RouteEdge
from lastmile.types import EdgeKind

_SIMPLIFY_M = 0.08


@dataclass(frozen=True, slots=True)
class Network:
    """Nodes (N, 2) in map and the edges between them."""

    nodes: np.ndarray
    edges: tuple[RouteEdge, ...]


def edge_length(edge: RouteEdge) -> float:
    """Length of an edge [m]."""
    return float(arc_lengths(edge.points)[-1])


def contract(segments: list[Segment], ground: Ground) -> Network:
    """Join segments that follow on each other and are alike; crossings that end on a road go."""
    segments = _drop_stubs(_unique(segments))
    at: dict[int, list[int]] = defaultdict(list)
    for i, segment in enumerate(segments):
        at[segment.start].append(i)
        at[segment.end].append(i)
    used = [False] * len(segments)
    chains: list[tuple[list[int], FootAttributes]] = []
    junctions = [v for v, touching in at.items() if not _passes(v, touching, segments)]
    for vertex in junctions:
        for i in at[vertex]:
            if not used[i]:
                chains.append(_walk(vertex, i, segments, at, used))
    for i in range(len(segments)):  # What is left are rings without a junction.
        if not used[i]:
            chains.append(_walk(segments[i].start, i, segments, at, used))
    return _network(chains, ground)


def components(network: Network) -> list[list[int]]:
    """Edge indices of each connected part, the longest first."""
    ends = np.array([(e.source, e.target) for e in network.edges]).reshape(-1, 2)
    count = len(network.nodes)
    graph = coo_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(count, count))
    _, label = connected_components(graph, directed=False)
    parts: dict[int, list[int]] = defaultdict(list)
    for i, edge in enumerate(network.edges):
        parts[int(label[edge.source])].append(i)
    lengths = {key: sum(edge_length(network.edges[i]) for i in part) for key, part in parts.items()}
    return [parts[key] for key in sorted(parts, key=lambda key: -lengths[key])]


def keep(network: Network, indices: list[int]) -> Network:
    """Keep some edges and the nodes they need, numbered anew."""
    edges = [network.edges[i] for i in sorted(indices)]
    nodes = sorted({n for e in edges for n in (e.source, e.target)})
    number = {node: i for i, node in enumerate(nodes)}
    renumbered = tuple(
        replace(e, id=f"e{i}", source=number[e.source], target=number[e.target])
        for i, e in enumerate(edges)
    )
    return Network(network.nodes[nodes], renumbered)


def _unique(segments: list[Segment]) -> list[Segment]:
    """Keep one of segments that join the same vertices: ways drawn twice."""
    seen = set()
    unique = []
    for segment in segments:
        key = frozenset((segment.start, segment.end))
        if key not in seen and len(key) == 2:
            seen.add(key)
            unique.append(segment)
    return unique


def _drop_stubs(segments: list[Segment]) -> list[Segment]:
    """Drop crossings that lead onto a road and not off it again."""
    while True:
        degree: dict[int, int] = defaultdict(int)
        for segment in segments:
            degree[segment.start] += 1
            degree[segment.end] += 1
        kept = [
            s
            for s in segments
            if s.attributes.kind is not EdgeKind.CROSSING
            or (degree[s.start] > 1 and degree[s.end] > 1)
        ]
        if len(kept) == len(segments):
            return kept
        segments = kept


def _passes(vertex: int, touching: list[int], segments: list[Segment]) -> bool:
    """Tell whether two like segments merely follow on each other at a vertex."""
    if len(touching) != 2:
        return False
    arriving, leaving = (segments[i] for i in touching)
    return _along(arriving, arriving.end == vertex) == _along(leaving, leaving.start == vertex)


def _along(segment: Segment, forward: bool) -> FootAttributes:
    """Give a segment's attributes as seen by who walks it this way."""
    attributes = segment.attributes
    if forward or attributes.incline == 0.0:
        return attributes
    return replace(attributes, incline=-attributes.incline)


def _walk(
    start: int,
    first: int,
    segments: list[Segment],
    at: dict[int, list[int]],
    used: list[bool],
) -> tuple[list[int], FootAttributes]:
    """Follow like segments from a junction to the next."""
    chain = [start]
    i, vertex = first, start
    attributes = _along(segments[first], segments[first].start == start)
    while True:
        used[i] = True
        segment = segments[i]
        vertex = segment.end if segment.start == vertex else segment.start
        chain.append(vertex)
        onward = [j for j in at[vertex] if not used[j]]
        if len(onward) != 1 or not _passes(vertex, at[vertex], segments):
            return chain, attributes
        i = onward[0]


def _network(chains: list[tuple[list[int], FootAttributes]], ground: Ground) -> Network:
    ends = sorted({v for chain, _ in chains for v in (chain[0], chain[-1])})
    number = {vertex: i for i, vertex in enumerate(ends)}
    edges = tuple(
        RouteEdge(
            id=f"e{i}",
            source=number[chain[0]],
            target=number[chain[-1]],
            points=_simplified(ground.line(chain)),
            kind=attributes.kind,
            width_m=attributes.width_m,
            surface=attributes.surface,
            incline=attributes.incline,
            kerb=attributes.kerb,
            speed_mps=attributes.speed_mps,
            crossing_id=attributes.crossing_id,
            signalled=attributes.signalled,
            lanes=attributes.lanes,
            road_speed_mps=attributes.road_speed_mps,
            guessed=attributes.guessed,
            covered=attributes.covered,
        )
        for i, (chain, attributes) in enumerate(chains)
    )
    return Network(ground.line(ends), edges)


def _simplified(points: np.ndarray) -> np.ndarray:
    return np.array(shapely.LineString(points).simplify(_SIMPLIFY_M).coords)
