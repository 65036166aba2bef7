"""
What stands on the ground, from OpenStreetMap: buildings, barriers, kerbs, trees, poles, furniture.

Buildings that are only roofs, and what lies below ground or on another level, are left out: a
lidar on the pavement does not see their outline.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import shapely

from lastmile.maps.foot_rules import parse_metres
from lastmile.maps.ground import Ground
from lastmile.maps.osm_extract import Extract, OsmArea
from lastmile.maps.site import Footprint, RouteEdge
from lastmile.types import EdgeKind

_STOREY_M = 3.2
_DEFAULT_BUILDING_M = 10.0
_ROOFS = frozenset({"roof", "carport", "bridge", "canopy", "no"})
_BARRIER_HEIGHT_M = {
    "fence": 1.5, "wall": 1.8, "city_wall": 4.0, "hedge": 1.4, "retaining_wall": 1.0,
    "guard_rail": 0.8, "railing": 1.0, "handrail": 1.0, "jersey_barrier": 0.9,
}  # fmt: skip
_KERB_HEIGHT_M = {"raised": 0.12, "lowered": 0.03, "flush": 0.0, "no": 0.0}
_RAISED_KERB_M = _KERB_HEIGHT_M["raised"]
_DROPPED_KERB_M = 0.02
_POINTS = {
    ("natural", "tree"): ("tree", 6.0),
    ("natural", "stone"): ("furniture", 0.8),
    ("highway", "street_lamp"): ("pole", 5.0),
    ("power", "pole"): ("pole", 8.0),
    ("man_made", "flagpole"): ("pole", 8.0),
    ("barrier", "bollard"): ("pole", 0.9),
    ("barrier", "block"): ("furniture", 0.6),
    ("amenity", "bench"): ("furniture", 0.8),
    ("amenity", "waste_basket"): ("furniture", 1.0),
    ("amenity", "post_box"): ("furniture", 1.2),
    ("amenity", "recycling"): ("furniture", 1.5),
    ("amenity", "clock"): ("pole", 4.0),
}
_OPENING_M = 0.8
"""Half the gap left in a barrier, or dropped in a kerb, where an edge leads through."""

_CLEAR_OF_EDGE_M = 0.6
"""
A point mapped nearer than this to the middle of an edge is left out: bollards are drawn on the way
that leads between them, and the position across it says nothing.
"""


@dataclass(frozen=True, slots=True)
class Building:
    """A building on the ground; its outline may have courtyards."""

    id: str
    outline: shapely.Polygon
    height_m: float


@dataclass(frozen=True, slots=True)
class Barrier:
    """A wall, fence or hedge; `vertices` are its nodes."""

    id: str
    vertices: frozenset[int]
    line: np.ndarray
    height_m: float


def read_buildings(extract: Extract, ground: Ground) -> list[Building]:
    """List buildings that reach the ground."""
    buildings = []
    for area in extract.areas:
        tags = area.tags
        if tags.get("building", "no") in _ROOFS or not _on_ground(tags):
            continue
        for i, outline in enumerate(area_polygons(area, ground)):
            if outline.area > 1.0:
                buildings.append(Building(f"{area.id}-{i}", outline, _building_height(tags)))
    return buildings


def area_polygons(area: OsmArea, ground: Ground) -> list[shapely.Polygon]:
    """Give the valid polygons of an area in map."""
    polygons: list[shapely.Polygon] = []
    for outer, holes in area.rings:
        if len(outer) < 3:
            continue
        shape = shapely.Polygon(ground.line(outer), [ground.line(h) for h in holes if len(h) >= 3])
        shape = shapely.make_valid(shape)
        parts = getattr(shape, "geoms", [shape])
        polygons.extend(p for p in parts if p.geom_type == "Polygon" and not p.is_empty)
    return polygons


def read_barriers(extract: Extract, ground: Ground) -> list[Barrier]:
    """List walls, fences and hedges on the ground."""
    return [
        Barrier(
            f"w{way.id}",
            frozenset(way.refs),
            ground.line(way.refs),
            parse_metres(way.tags.get("height")) or _BARRIER_HEIGHT_M[way.tags["barrier"]],
        )
        for way in extract.ways
        if way.tags.get("barrier") in _BARRIER_HEIGHT_M and _on_ground(way.tags)
    ]


def make_footprints(
    extract: Extract,
    ground: Ground,
    buildings: list[Building],
    barriers: list[Barrier],
    edges: tuple[RouteEdge, ...],
    area: shapely.Polygon,
) -> tuple[Footprint, ...]:
    """Write down everything within `area` (map) that stands clear of the network's edges."""
    openings = _Openings(edges)
    shapely.prepare(area)
    footprints = _building_footprints(buildings, area)
    for barrier in barriers:
        line = shapely.LineString(barrier.line).intersection(area)
        left = line.difference(openings.about(line))
        footprints.extend(_lines(f"barrier-{barrier.id}", "barrier", left, barrier.height_m))
    for way in extract.ways:
        if way.tags.get("barrier") == "kerb" and _on_ground(way.tags):
            line = shapely.LineString(ground.line(way.refs)).intersection(area)
            height = _KERB_HEIGHT_M.get(way.tags.get("kerb", ""), _RAISED_KERB_M)
            dropped = openings.about(line)
            name = f"kerb-w{way.id}"
            footprints.extend(_lines(name, "kerb", line.difference(dropped), height))
            footprints.extend(
                _lines(f"{name}-dropped", "kerb", line.intersection(dropped), _DROPPED_KERB_M)
            )
    footprints.extend(_point_footprints(extract, ground, buildings, openings, area))
    return tuple(footprints)


def without_courtyards(polygon: shapely.Polygon) -> list[np.ndarray]:
    """Cut a polygon with holes into outlines (K, 2) without any, counter-clockwise."""
    if polygon.interiors:
        x0, y0, x1, y1 = polygon.bounds
        x, y = shapely.Polygon(polygon.interiors[0]).representative_point().coords[0]
        if x1 - x0 > y1 - y0:
            halves = (shapely.box(x0, y0, x, y1), shapely.box(x, y0, x1, y1))
        else:
            halves = (shapely.box(x0, y0, x1, y), shapely.box(x0, y, x1, y1))
        outlines = []
        for half in halves:
            part = polygon.intersection(half)
            for piece in getattr(part, "geoms", [part]):
                if piece.geom_type == "Polygon" and piece.area > 0.01:
                    outlines.extend(without_courtyards(piece))
        return outlines
    ring = shapely.geometry.polygon.orient(polygon.simplify(0.05)).exterior
    return [np.array(ring.coords)[:-1]]


class _Openings:
    """Where edges lead through what stands: half a gap about each, a crossing's whole width."""

    def __init__(self, edges: tuple[RouteEdge, ...]) -> None:
        self._half_widths = [
            max(_OPENING_M, 0.5 * e.width_m) if e.kind is EdgeKind.CROSSING else _OPENING_M
            for e in edges
        ]
        self._lines = shapely.STRtree([shapely.LineString(e.points) for e in edges])

    def about(self, shape: shapely.Geometry) -> shapely.Geometry:
        """Give the ground of the openings that may touch a shape."""
        near = self._lines.query(shape, predicate="dwithin", distance=max(self._half_widths))
        return shapely.union_all(
            [self._lines.geometries[i].buffer(self._half_widths[i]) for i in near]
        )

    def holds(self, point: shapely.Point) -> bool:
        """Tell whether a point lies too near the middle of an edge to be believed."""
        near = self._lines.query(point, predicate="dwithin", distance=_CLEAR_OF_EDGE_M)
        return bool(near.size)


def _building_footprints(buildings: list[Building], area: shapely.Polygon) -> list[Footprint]:
    footprints = []
    for building in buildings:
        if area.intersects(building.outline):
            outlines = without_courtyards(building.outline)
            footprints.extend(
                Footprint(f"building-{building.id}-{i}", "building", o, building.height_m, True)
                for i, o in enumerate(outlines)
            )
    return footprints


def _point_footprints(
    extract: Extract,
    ground: Ground,
    buildings: list[Building],
    openings: _Openings,
    area: shapely.Polygon,
) -> list[Footprint]:
    tree = shapely.STRtree([b.outline for b in buildings])
    footprints = []
    for node, tags in extract.node_tags.items():
        described = [v for k, v in _POINTS.items() if tags.get(k[0]) == k[1]]
        if not described or not _on_ground(tags):
            continue
        kind, height = described[0]
        position = ground.point(node)
        point = shapely.Point(position)
        if (
            area.contains(point)
            and not openings.holds(point)
            and not tree.query(point, predicate="intersects").size
        ):
            height = parse_metres(tags.get("height")) or height
            footprints.append(Footprint(f"{kind}-n{node}", kind, position[None], height, False))
    return footprints


def _lines(name: str, kind: str, shape: shapely.Geometry, height_m: float) -> list[Footprint]:
    merged = shapely.line_merge(shape) if shape.geom_type == "MultiLineString" else shape
    parts = [p for p in getattr(merged, "geoms", [merged]) if p.geom_type == "LineString"]
    return [
        Footprint(f"{name}-{i}", kind, np.array(part.simplify(0.05).coords), height_m, False)
        for i, part in enumerate(parts)
        if part.length > 0.05
    ]


def _on_ground(tags: dict[str, str]) -> bool:
    layer = tags.get("layer", "0")
    return (
        layer in ("0", "")
        and tags.get("location") not in ("underground", "roof", "indoor")
        and tags.get("indoor") in (None, "no")
        and tags.get("tunnel") in (None, "no")
        and tags.get("level", "0") in ("0", "")
        and parse_metres(tags.get("min_height")) is None
    )


def _building_height(tags: dict[str, str]) -> float:
    stated = parse_metres(tags.get("height"))
    if stated is not None:
        return min(stated, 300.0)
    levels = tags.get("building:levels", "")
    if re.fullmatch(r"\d{1,2}", levels) and int(levels) > 0:
        return int(levels) * _STOREY_M + 1.0
    return _DEFAULT_BUILDING_M
