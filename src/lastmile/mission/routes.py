"""Routes to lockers: what the mission asks of the route planner, and what it closes to it."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from lastmile.geometry import polyline
from lastmile.geometry.se2 import between, wrap_angle
from lastmile.maps.site import Locker, Site
from lastmile.planning.route_planner import RouteError, RoutePlanner
from lastmile.types import Route

AHEAD_M = 2.0
"""What blocks the robot stands about this far ahead on the route."""


class LockerRoutes:
    """Routes on one site from where the robot is to a locker's staging pose."""

    def __init__(self, site: Site) -> None:
        self._site = site

    @cached_property
    def _planner(self) -> RoutePlanner:
        """Made at the first question: it takes a moment that a mission without orders can save."""
        return RoutePlanner(self._site)

    def plan(self, pose_map_base: np.ndarray, locker_id: str, closed: set[str]) -> Route:
        """
        Plan around what is closed; where that leaves no way, as if nothing were.

        Raises
        ------
        RouteError
            If there is no way at all.

        """
        start = np.asarray(pose_map_base[:2], dtype=float)
        try:
            return self._planner.plan(start, locker_id, closed=frozenset(closed))
        except RouteError:
            if not closed:
                raise
            return self._planner.plan(start, locker_id)

    def detour_m(self, pose_map_base: np.ndarray, locker_id: str, closed: set[str]) -> float:
        """Length of the way around what is closed, infinite where there is none."""
        if self._planner.is_beside(pose_map_base[:2], locker_id):
            return np.inf
        try:
            route = self._planner.plan(pose_map_base[:2], locker_id, closed=frozenset(closed))
        except RouteError:
            return np.inf
        return float(polyline.arc_lengths(route.points)[-1])

    def edge_ahead(self, route: Route, progress_m: float) -> str:
        """Id of the site's edge where a robot that is blocked at `progress_m` cannot go on."""
        point = polyline.sample(route.points, np.array([progress_m + AHEAD_M]))[0]
        best_id, best_m = "", np.inf
        for edge in self._site.edges:
            low, high = edge.points.min(axis=0) - best_m, edge.points.max(axis=0) + best_m
            if (point < low).any() or (point > high).any():
                continue
            distance_m = polyline.project(edge.points, point).distance_m
            if distance_m < best_m:
                best_id, best_m = edge.id, distance_m
        return best_id


def locker_ahead(lockers: tuple[Locker, ...], pose_map_base: np.ndarray) -> Locker | None:
    """Find the locker that the robot stands nose-in at, too near to drive off forwards."""
    for locker in lockers:
        x, y, yaw = between(locker.pose_map_port, pose_map_base)
        facing = abs(float(wrap_angle(yaw - np.pi))) < np.radians(45.0)
        if facing and 0.0 < x < 1.1 and abs(y) < 0.5:
            return locker
    return None
