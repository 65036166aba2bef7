"""
Keeping the network off what stands on the ground.

OpenStreetMap's foot ways and building outlines come from different hands: ways graze corners, end
inside of doors, or lead through buildings. Each piece that comes too near is resolved in one of
these ways, and counted: it is tagged as a passage and stays, marked as covered; it is shifted out;
or it is removed.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import shapely

from lastmile.geometry.polyline import resample
from lastmile.maps.foot_lines import Segment
from lastmile.maps.ground import Ground

CLEARANCE_M = 0.6
"""Between the middle of an edge and a facade where there is a choice: half a robot and 0.3 m."""

LEAST_CLEARANCE_M = 0.35
FARTHEST_SHIFT_M = 2.5
_ROUNDS_AROUND = 4


@dataclass(slots=True)
class Resolved:
    """Metres of network by how a conflict with a building or a barrier was resolved."""

    metres: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def add(self, how: str, length_m: float) -> None:
        """Count a length."""
        self.metres[how] += float(length_m)


class Obstruction:
    """The union of all buildings, and where to go to keep a distance to it."""

    def __init__(self, buildings: list[shapely.Polygon]) -> None:
        self.solid = shapely.union_all(buildings) if buildings else shapely.Polygon()
        self.keep_out = self.solid.buffer(CLEARANCE_M, quad_segs=4)
        self._boundary = self.keep_out.boundary
        self.near = self.solid.buffer(LEAST_CLEARANCE_M, quad_segs=4)
        for shape in (self.solid, self.keep_out, self.near):
            shapely.prepare(shape)

    def too_near(self, line: np.ndarray) -> bool:
        """Tell whether a line comes nearer than the wanted clearance."""
        return bool(self.keep_out.intersects(shapely.LineString(line)))

    def free(self, line: np.ndarray) -> bool:
        """Tell whether a line keeps the least clearance."""
        return not self.near.intersects(shapely.LineString(line))

    def overlap_m(self, line: np.ndarray) -> float:
        """Length of a line inside of buildings."""
        shape = shapely.LineString(line)
        return float(self.solid.intersection(shape).length) if self.solid.intersects(shape) else 0.0

    def shifted(self, points: np.ndarray) -> np.ndarray | None:
        """Points (K, 2) moved to the wanted clearance, None where one would go too far."""
        inside = shapely.contains_xy(self.keep_out, points[:, 0], points[:, 1])
        moved = points.copy()
        for i in np.nonzero(inside)[0]:
            there = shapely.shortest_line(shapely.Point(points[i]), self._boundary)
            if there.length > FARTHEST_SHIFT_M:
                return None
            moved[i] = there.coords[1]
        return moved


def keep_off_buildings(
    segments: list[Segment], obstruction: Obstruction, ground: Ground, resolved: Resolved
) -> list[Segment]:
    """Shift, keep as passage or remove each segment that comes too near a building."""
    if not segments:
        return []
    touching = _segments_too_near(segments, obstruction, ground)
    covered = {v for s in segments if s.attributes.covered for v in (s.start, s.end)}
    overlaps = {i: obstruction.overlap_m(_line(segments[i], ground)) for i in touching}
    vertices = {v for i in touching for v in (segments[i].start, segments[i].end)} - covered
    for vertex in sorted(vertices):
        moved = obstruction.shifted(ground.point(vertex)[None])
        if moved is not None:
            ground.move(vertex, moved[0])
    kept: list[Segment] = []
    for i, segment in enumerate(segments):
        if i not in touching and not obstruction.too_near(_line(segment, ground)):
            kept.append(segment)
            continue
        kept.extend(_resolve(segment, overlaps.get(i, 0.0), obstruction, ground, resolved))
    return kept


def keep_off_barriers(
    segments: list[Segment],
    barriers: list[tuple[frozenset[int], np.ndarray]],
    ground: Ground,
    resolved: Resolved,
) -> list[Segment]:
    """
    Remove segments that lead through a wall, fence or hedge where no gate is mapped.

    A barrier is its node ids and its line. Where the way shares a node with it, there is an
    opening.
    """
    if not barriers:
        return segments
    tree = shapely.STRtree([shapely.LineString(line) for _, line in barriers])
    kept = []
    for segment in segments:
        line = shapely.LineString(_line(segment, ground))
        hit = [
            i
            for i in tree.query(line, predicate="intersects")
            if not barriers[i][0] & {segment.start, segment.end}
        ]
        if hit:
            resolved.add("removed: through a wall or fence", line.length)
        else:
            kept.append(segment)
    return kept


def _segments_too_near(
    segments: list[Segment], obstruction: Obstruction, ground: Ground
) -> set[int]:
    lines = shapely.linestrings([_line(s, ground) for s in segments])
    return set(np.nonzero(shapely.intersects(obstruction.keep_out, lines))[0].tolist())


def _resolve(
    segment: Segment,
    overlap_m: float,
    obstruction: Obstruction,
    ground: Ground,
    resolved: Resolved,
) -> list[Segment]:
    line = _line(segment, ground)
    length = float(np.hypot(*(line[1] - line[0])))
    if length < 0.01:
        return [segment]
    if segment.attributes.covered:
        resolved.add("kept: tagged as a passage", overlap_m)
        return [segment]
    if not obstruction.too_near(line):
        if overlap_m > 0.05:
            resolved.add("shifted", overlap_m)
        return [segment]
    moved = _led_around(line, obstruction)
    if moved is not None:
        if overlap_m > 0.05:
            resolved.add("shifted", overlap_m)
        chain = [segment.start, *(ground.add(p) for p in moved[1:-1]), segment.end]
        return [Segment(a, b, segment.attributes) for a, b in pairwise(chain)]
    if obstruction.free(line):
        return [segment]
    if obstruction.overlap_m(line) > 0.0 or overlap_m > 0.0:
        resolved.add("removed: through a building, no passage tagged", overlap_m)
    else:
        resolved.add("removed: too tight along a building", length)
    return []


def _led_around(line: np.ndarray, obstruction: Obstruction) -> np.ndarray | None:
    """Bend a line out of what it grazes with its ends held, None where that leads too far."""
    length = float(np.hypot(*(line[1] - line[0])))
    bent = line
    for _ in range(_ROUNDS_AROUND):
        moved = obstruction.shifted(resample(bent, 0.4))
        if moved is None:
            return None
        bent = np.vstack([line[:1], moved[1:-1], line[-1:]])
        # Between two points that moved to different sides of a corner the line still cuts it.
        if obstruction.free(bent):
            detour = float(np.hypot(*np.diff(bent, axis=0).T).sum()) - length
            simple = np.array(shapely.LineString(bent).simplify(0.05).coords)
            return simple if detour < 0.5 * length + 2.0 and len(simple) > 2 else None
    return None


def _line(segment: Segment, ground: Ground) -> np.ndarray:
    return ground.line((segment.start, segment.end))
