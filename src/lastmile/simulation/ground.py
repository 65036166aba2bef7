"""
The ground: sidewalks at height zero, carriageways a kerb lower, dropped kerbs at crossings.

Carriageways are the roads of the site at their width, less the robot's own network where it is no
crossing (a continuous sidewalk over a side street, a service way). Where a crossing meets the kerb
the sidewalk slopes down to a lip of 0 to 2 cm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely

from lastmile.maps.site import Site
from lastmile.simulation import meshes
from lastmile.types import EdgeKind

KERB_M = 0.12
RAMP_M = 1.5
LIP_MAX_M = 0.02
LEAST_HALF_WIDTH_M = 0.8
TILE_M = 100.0


@dataclass(frozen=True, slots=True)
class Ground:
    """Triangles (N, 3, 3) of the ground, and where carriageways and ramps are."""

    triangles: np.ndarray
    carriageway: shapely.Geometry
    ramps: shapely.Geometry


def build_ground(site: Site, extent: tuple[float, float, float, float], rng: np.random.Generator):
    """Lay the ground of a site over `extent` (x min, y min, x max, y max)."""
    carriageway = _carriageway(site)
    corridors = [
        shapely.LineString(edge.points).buffer(0.5 * edge.width_m + 0.3, cap_style="square")
        for edge in site.edges
        if edge.kind == EdgeKind.CROSSING
    ]
    near_kerb = carriageway.buffer(RAMP_M, join_style="mitre") if corridors else carriageway
    ramps = shapely.intersection(shapely.union_all(corridors), near_kerb).difference(carriageway)
    shapely.prepare(carriageway)
    lips = rng.uniform(0.0, LIP_MAX_M, max(1, len(shapely.get_parts(ramps))))
    ramp_parts = [p for p in shapely.get_parts(ramps) if p.geom_type == "Polygon"]
    pieces = _flats(carriageway, ramps, extent)
    ramp_slopes = []
    for polygon, lip in zip(ramp_parts, lips, strict=False):
        # Distances to the whole town's carriageway would take a minute.
        road = shapely.intersection(carriageway, polygon.envelope.buffer(2.0 * RAMP_M))
        slope = _slope(road, float(lip))
        ramp_slopes.append((polygon, slope))
        pieces.append(meshes.surface(polygon, slope))
        pieces.append(_ramp_sides(polygon, road, slope))
    pieces.append(_kerbs(carriageway, ramps, ramp_slopes))
    return Ground(np.concatenate(pieces), carriageway, ramps)


def _carriageway(site: Site) -> shapely.Geometry:
    roads = [shapely.LineString(r.points).buffer(0.5 * r.width_m, 4) for r in site.roads]
    own = [
        shapely.LineString(e.points).buffer(max(0.5 * e.width_m, LEAST_HALF_WIDTH_M), 4)
        for e in site.edges
        if e.kind != EdgeKind.CROSSING
    ]
    own += [
        meshes.rectangle(_ahead(locker.pose_map_port, 1.5), locker.pose_map_port[2], 4.0, 4.0)
        for locker in site.lockers
    ]
    area = shapely.union_all(roads).difference(shapely.union_all(own))
    # Slivers narrower than a metre are no carriageway.
    return area.buffer(-0.5, 2).buffer(0.5, 2).simplify(0.02)


def _ahead(pose: np.ndarray, distance: float) -> np.ndarray:
    return pose[:2] + distance * np.array([np.cos(pose[2]), np.sin(pose[2])])


def _slope(carriageway: shapely.Geometry, lip: float):
    """Height on a ramp: a lip above the carriageway at its edge, zero at the ramp's upper end."""

    def height(points: np.ndarray) -> np.ndarray:
        away = shapely.distance(shapely.points(points), carriageway)
        return -(KERB_M - lip) * np.clip(1.0 - away / (RAMP_M - 0.05), 0.0, 1.0)

    return height


def _flats(carriageway, ramps, extent) -> list[np.ndarray]:
    """Sidewalk and carriageway, tile by tile so that no triangulation gets large."""
    x0, y0, x1, y1 = extent
    tiles = [
        shapely.box(x, y, min(x + TILE_M, x1), min(y + TILE_M, y1))
        for x in np.arange(x0, x1, TILE_M)
        for y in np.arange(y0, y1, TILE_M)
    ]
    road_parts = shapely.STRtree(shapely.get_parts(carriageway))
    ramp_parts = shapely.STRtree(shapely.get_parts(ramps))
    pieces = []
    for tile in tiles:
        road = shapely.union_all(road_parts.geometries[road_parts.query(tile)])
        road = shapely.intersection(road, tile)
        slopes = shapely.union_all(ramp_parts.geometries[ramp_parts.query(tile)])
        pieces.append(meshes.flat(road, -KERB_M))
        pieces.append(meshes.flat(tile.difference(road).difference(slopes), 0.0))
    return pieces


def _segments(line: shapely.Geometry) -> tuple[np.ndarray, np.ndarray]:
    parts = shapely.get_parts(line)
    parts = parts[shapely.get_dimensions(parts) == 1]
    coordinates, index = shapely.get_coordinates(parts, return_index=True)
    same = index[1:] == index[:-1]
    return coordinates[:-1][same], coordinates[1:][same]


def _ramp_sides(polygon, carriageway, slope) -> np.ndarray:
    """Close the cheeks between a ramp and the sidewalk beside it."""
    a, b = _segments(polygon.boundary.difference(carriageway.buffer(0.02)))
    if len(a) == 0:
        return meshes.NO_TRIANGLES
    zero = np.zeros(len(a))
    low_a, low_b = slope(a), slope(b)
    top = [np.column_stack([p, zero]) for p in (a, b)]
    low = [np.column_stack([a, low_a]), np.column_stack([b, low_b])]
    return np.concatenate(
        [np.stack([low[0], low[1], top[1]], axis=1), np.stack([low[0], top[1], top[0]], axis=1)]
    )


def _kerbs(carriageway, ramps, ramp_slopes) -> np.ndarray:
    boundary = shapely.union_all(shapely.boundary(shapely.get_parts(carriageway)))
    a, b = _segments(boundary.difference(ramps.buffer(0.02)))
    count = len(a)
    pieces = [strip for strip in (_full_kerb(a, b, count),) if len(strip)]
    for polygon, slope in ramp_slopes:
        a, b = _segments(boundary.intersection(polygon.buffer(0.03)))
        if len(a):
            pieces.append(meshes.strips(a, b, np.full(len(a), -KERB_M), slope(a), slope(b)))
    return np.concatenate(pieces) if pieces else meshes.NO_TRIANGLES


def _full_kerb(a: np.ndarray, b: np.ndarray, count: int) -> np.ndarray:
    zero = np.zeros(count)
    return meshes.strips(a, b, np.full(count, -KERB_M), zero, zero)
