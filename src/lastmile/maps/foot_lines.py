"""
From foot ways to segments, with the crossings of roads made out.

A crossing is a whole way tagged so, or the stretch of a foot way about a node that it shares with
a road (or a point where the two meet on the ground without a node), from kerb to kerb.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import shapely

from lastmile.geometry.polyline import arc_lengths, sample
from lastmile.maps.foot_rules import (
    DEFAULT_KERB_AT_CROSSING,
    DEFAULT_WIDTH_M,
    FootAttributes,
    foot_attributes,
    is_crossing_way,
    is_signalled,
)
from lastmile.maps.ground import Ground
from lastmile.maps.osm_extract import OsmWay
from lastmile.maps.site import Road
from lastmile.types import EdgeKind

_KERB_MARGIN_M = 0.5
"""A crossing reaches this far beyond the road's edge."""

_MINOR_ROAD_SPEED_MPS = 30.0 / 3.6
"""For a tagged crossing of something that is not a road here: a drive, rails, a cycle way."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A straight piece of the network; an incline holds from `start` to `end`."""

    start: int
    end: int
    attributes: FootAttributes


def make_segments(
    ways: list[OsmWay],
    road_ways: list[tuple[OsmWay, Road]],
    node_tags: dict[int, dict[str, str]],
    ground: Ground,
) -> list[Segment]:
    """Cut usable foot ways into segments, those on a road being crossings."""
    roads_at = _roads_at_nodes(road_ways)
    lines = _meet_roads([(way, list(way.refs)) for way in ways], road_ways, roads_at, ground)
    segments: list[Segment] = []
    signalled_ways: set[str] = set()
    for way, vertices in lines:
        attributes = foot_attributes(way.tags)
        if is_crossing_way(way.tags):
            crossing_id = f"w{way.id}"
            on_road = [True] * (len(vertices) - 1)
            ids = [crossing_id] * len(on_road)
            if is_signalled(way.tags):
                signalled_ways.add(crossing_id)
        else:
            vertices, ids = _cut_at_roads(vertices, roads_at, ground)
        for start, end, crossing_id in zip(vertices[:-1], vertices[1:], ids, strict=True):
            if start == end:
                continue
            piece = _as_crossing(attributes, crossing_id) if crossing_id else attributes
            segments.append(Segment(start, end, piece))
    return _describe_crossings(segments, roads_at, node_tags, signalled_ways)


def _roads_at_nodes(road_ways: list[tuple[OsmWay, Road]]) -> dict[int, list[Road]]:
    roads_at: dict[int, list[Road]] = defaultdict(list)
    for way, road in road_ways:
        for ref in way.refs:
            roads_at[ref].append(road)
    return roads_at


def _meet_roads(
    lines: list[tuple[OsmWay, list[int]]],
    road_ways: list[tuple[OsmWay, Road]],
    roads_at: dict[int, list[Road]],
    ground: Ground,
) -> list[tuple[OsmWay, list[int]]]:
    """Put a vertex where a foot way meets a road of the same layer without a shared node."""
    pieces = [(way, road, a, b) for way, road in road_ways for a, b in pairwise(way.refs)]
    if not pieces:
        return lines
    tree = shapely.STRtree(shapely.linestrings([ground.line(p[2:]) for p in pieces]))
    met = []
    for way, vertices in lines:
        refined = vertices[:1]
        for start, end in pairwise(vertices):
            segment = shapely.LineString(ground.line((start, end)))
            meetings = []
            for i in tree.query(segment, predicate="crosses"):
                road_way, road, a, b = pieces[i]
                if {start, end} & {a, b} or _level(way) != _level(road_way):
                    continue
                point = shapely.intersection(segment, tree.geometries[i])
                meetings.append((segment.project(point), np.array(point.coords[0]), road))
            for _, point, road in sorted(meetings, key=lambda m: m[0]):
                vertex = ground.add(point)
                roads_at[vertex].append(road)
                refined.append(vertex)
            refined.append(end)
        met.append((way, refined))
    return met


def _level(way: OsmWay) -> tuple[str, bool]:
    bridge = way.tags.get("bridge") not in (None, "no")
    return way.tags.get("layer", "1" if bridge else "0"), bridge


def _cut_at_roads(
    vertices: list[int], roads_at: dict[int, list[Road]], ground: Ground
) -> tuple[list[int], list[str]]:
    """Add the kerbs of each road on the line; returns vertices and a crossing id per segment."""
    arcs = arc_lengths(ground.line(vertices))
    spans = [
        (arcs[i] - half, arcs[i] + half, vertex)
        for i, vertex in enumerate(vertices)
        if roads_at.get(vertex)
        for half in [0.5 * max(r.width_m for r in roads_at[vertex]) + _KERB_MARGIN_M]
    ]
    if not spans:
        return vertices, [""] * (len(vertices) - 1)
    kerbs = [c for low, high, _ in spans for c in (low, high)]
    marks = [(float(arc), vertex) for arc, vertex in zip(arcs, vertices, strict=True)]
    for arc in kerbs:
        if 0.3 < arc < arcs[-1] - 0.3 and min(abs(arc - a) for a, _ in marks) > 0.3:
            point = sample(ground.line(vertices), np.array([arc]))[0]
            marks.append((float(arc), ground.add(point)))
    marks.sort(key=lambda mark: mark[0])
    ids = []
    for (a, _), (b, _) in pairwise(marks):
        middle = 0.5 * (a + b)
        inside = [vertex for low, high, vertex in spans if low < middle < high]
        ids.append(f"n{inside[0]}" if inside else "")
    return [vertex for _, vertex in marks], ids


def _as_crossing(attributes: FootAttributes, crossing_id: str) -> FootAttributes:
    guessed = attributes.guessed
    width, kerb = attributes.width_m, attributes.kerb
    if attributes.kind is not EdgeKind.CROSSING:
        guessed = guessed | {"kerb"}
        kerb = DEFAULT_KERB_AT_CROSSING
        if "width" in guessed:
            width = DEFAULT_WIDTH_M[EdgeKind.CROSSING]
    return replace(
        attributes,
        kind=EdgeKind.CROSSING,
        crossing_id=crossing_id,
        width_m=width,
        kerb=kerb,
        guessed=guessed,
    )


def _describe_crossings(
    segments: list[Segment],
    roads_at: dict[int, list[Road]],
    node_tags: dict[int, dict[str, str]],
    signalled_ways: set[str],
) -> list[Segment]:
    """
    Give the pieces of one crossing one id, and what they know of road and signals.

    Pieces are one crossing if they meet on a road: ways are often split in its middle.
    """
    group_of = _join_crossings(segments, roads_at)
    vertices: dict[str, set[int]] = defaultdict(set)
    signalled: set[str] = set()
    for segment in segments:
        crossing_id = segment.attributes.crossing_id
        if crossing_id:
            group = group_of[crossing_id]
            vertices[group].update((segment.start, segment.end))
            if crossing_id in signalled_ways:
                signalled.add(group)
    described = {}
    for group, members in vertices.items():
        crossed = [roads_at[v] for v in members if roads_at.get(v)]
        described[group] = {
            "crossing_id": group,
            "signalled": group in signalled
            or any(is_signalled(node_tags.get(v, {})) for v in members),
            # Two pieces of one road meet at a node: count its lanes once.
            "lanes": sum(max(r.lanes for r in roads) for roads in crossed) or 1,
            "road_speed_mps": max(
                (r.speed_mps for roads in crossed for r in roads), default=_MINOR_ROAD_SPEED_MPS
            ),
        }
    complete = []
    for segment in segments:
        if crossing_id := segment.attributes.crossing_id:
            values = described[group_of[crossing_id]]
            segment = replace(segment, attributes=replace(segment.attributes, **values))
        complete.append(segment)
    return complete


def _join_crossings(segments: list[Segment], roads_at: dict[int, list[Road]]) -> dict[str, str]:
    parent: dict[str, str] = {}

    def root(crossing_id: str) -> str:
        while parent[crossing_id] != crossing_id:
            crossing_id = parent[crossing_id]
        return crossing_id

    first_at: dict[int, str] = {}
    for segment in segments:
        crossing_id = segment.attributes.crossing_id
        if not crossing_id:
            continue
        parent.setdefault(crossing_id, crossing_id)
        for vertex in (segment.start, segment.end):
            if roads_at.get(vertex):
                a, b = root(first_at.setdefault(vertex, crossing_id)), root(crossing_id)
                parent[max(a, b)] = min(a, b)
    return {crossing_id: root(crossing_id) for crossing_id in parent}
