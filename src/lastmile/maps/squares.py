"""
Ways across squares.

A pedestrian area is a surface; the ways that lead to it end on its outline. People cross it
straight, and so does the robot: between each two entries that see each other inside the area a way
is laid, thinned to the Gabriel graph (no third entry in the circle over two).
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import shapely

from lastmile.maps.ground import Ground
from lastmile.maps.osm_extract import Extract, OsmWay
from lastmile.maps.standing import area_polygons

_WALKED = frozenset({"pedestrian", "footway"})


def lay_ways_across_squares(
    extract: Extract, ways: list[OsmWay], ground: Ground, obstruction
) -> list[OsmWay]:
    """Make ways between the entries of each pedestrian area; ids are negative."""
    entered = {ref for way in ways for ref in way.refs}
    laid: list[OsmWay] = []
    for area in extract.areas:
        if area.tags.get("highway") not in _WALKED:
            continue
        for (outer, holes), polygon in zip(area.rings, area_polygons(area, ground), strict=False):
            ring = {ref for part in (outer, *holes) for ref in part}
            entries = sorted(ring & entered)
            inside = polygon.buffer(0.2)
            shapely.prepare(inside)
            for a, b in _gabriel_pairs(entries, ground):
                line = ground.line((a, b))
                if inside.covers(shapely.LineString(line)) and obstruction.overlap_m(line) == 0.0:
                    tags = {**area.tags, "highway": "footway"}
                    laid.append(OsmWay(-1 - len(laid), tags, (a, b)))
    return laid


def _gabriel_pairs(entries: list[int], ground: Ground) -> list[tuple[int, int]]:
    points = ground.line(entries)
    pairs = []
    for i, j in combinations(range(len(entries)), 2):
        middle = 0.5 * (points[i] + points[j])
        radius = 0.5 * np.hypot(*(points[i] - points[j]))
        others = np.delete(points, [i, j], axis=0)
        if radius > 0.0 and (np.hypot(*(others - middle).T) >= radius - 1e-6).all():
            pairs.append((entries[i], entries[j]))
    return pairs
