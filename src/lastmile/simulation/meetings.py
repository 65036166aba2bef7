"""
People who are sent to meet the robot on its way, so that a short drive sees enough of them.

Meetings are spread evenly over the expected route. When the robot gets to one, somebody sets out
towards it, across its way, or after it at a faster pace.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely

from lastmile.simulation.network import Walk

RADIUS_M = 0.25
OVERTAKING_MPS = 1.65
KINDS, SHARES = ("towards", "across", "after"), (0.6, 0.25, 0.15)
OFF_ROUTE_M = 10.0


@dataclass(frozen=True, slots=True)
class Invitation:
    """A way (K, 2) for somebody to walk, its crossings, and how fast at least."""

    points: np.ndarray
    crossing: tuple[str, ...]
    least_speed_mps: float = 0.0


class Meetings:
    """The plan of meetings and how far the robot has come on its route."""

    def __init__(
        self, route: Walk, count: int, solid: shapely.STRtree, rng: np.random.Generator
    ) -> None:
        """Spread `count` meetings over the route, none near its end."""
        self._route = route
        self._solid = solid
        self._rng = rng
        length = float(len(route.points))
        even = (np.arange(count) + 0.3) / count * max(1.0, length - 15.0)
        self.arcs_m = list(even + rng.uniform(0.0, 0.4, count) * length / count)
        """Arc lengths of the meetings to come."""
        self._arc_m = 0.0

    def due(self, robot: np.ndarray) -> bool:
        """Follow the robot (2,) along the route; tell whether a meeting is due."""
        points = self._route.points
        first = max(0, int(self._arc_m) - 3)
        near = np.hypot(*(points[first : int(self._arc_m) + 15] - robot).T)
        if not self.arcs_m or len(near) == 0 or near.min() > OFF_ROUTE_M:
            return False
        self._arc_m = max(self._arc_m, float(first + int(np.argmin(near))))
        return self._arc_m >= self.arcs_m[0]

    def note(self, sent: bool) -> None:
        """Go on to the next meeting, or try this one again 3 m on."""
        if not sent:
            self.arcs_m[0] += 3.0
        if sent or self.arcs_m[0] > len(self._route.points):
            self.arcs_m.pop(0)

    def invite(self) -> Invitation | None:
        """Draw a way for somebody; None where there is no room for it."""
        here = int(self._arc_m)
        kind = self._rng.choice(KINDS, p=SHARES)
        if kind == "across":
            across = self._across(here)
            if across is not None:
                return across
        if kind == "after" and here > 14:
            part, least = self._part(here - 12, len(self._route.points)), OVERTAKING_MPS
        else:
            start = min(here + int(self._rng.integers(18, 32)), len(self._route.points) - 1)
            part, least = self._part(0, start + 1).reversed(), 0.0
        if len(part.points) < 3 or part.crossing[0]:
            return None
        return Invitation(offset_points(part, self._rng), part.crossing, least)

    def _across(self, here: int) -> Invitation | None:
        """Cross the robot's way over the width of the sidewalk, then go on along it."""
        points = self._route.points
        at = here + int(self._rng.integers(9, 15))
        if at + 1 >= len(points) or self._route.crossing[at]:
            return None
        along = points[at + 1] - points[at]
        normal = np.array([-along[1], along[0]]) / max(1e-6, np.hypot(*along))
        reach = float(np.clip(self._route.half_width[at] - RADIUS_M, 0.8, 6.0))
        side = self._rng.choice([-1.0, 1.0])
        line = points[at] + np.linspace(side * reach, -side * reach, 8)[:, None] * normal
        if len(self._solid.query(shapely.LineString(line).buffer(RADIUS_M), "intersects")):
            return None
        last = min(len(points), at + 40)
        way = np.concatenate([line, points[at:last] - side * 0.5 * reach * normal])
        return Invitation(way, ("",) * len(line) + self._route.crossing[at:last])

    def _part(self, first: int, last: int) -> Walk:
        route, first = self._route, max(0, first)
        return Walk(
            route.points[first:last], route.half_width[first:last], route.crossing[first:last]
        )


def offset_points(walk: Walk, rng: np.random.Generator) -> np.ndarray:
    """Shift a way sideways by a share of the sidewalk's width that is a person's own."""
    along = np.gradient(walk.points, axis=0) if len(walk.points) > 1 else np.zeros((1, 2))
    length = np.maximum(np.hypot(*along.T), 1e-6)
    normal = np.column_stack([-along[:, 1], along[:, 0]]) / length[:, None]
    room = np.clip(walk.half_width - RADIUS_M - 0.15, 0.0, 2.5)
    # Walking on the right is the habit; most keep a little to it.
    share = float(np.clip(rng.normal(-0.25, 0.5), -1.0, 1.0))
    return walk.points + (share * room)[:, None] * normal
