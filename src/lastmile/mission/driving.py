"""The driving steps of a delivery: which task to send, and when a way has to be given up."""

from __future__ import annotations

import numpy as np

from lastmile.checks import is_fresh
from lastmile.errors import UserError
from lastmile.maps.site import Site
from lastmile.mission.config import MissionConfig
from lastmile.mission.order import Delivery
from lastmile.mission.routes import LockerRoutes, locker_ahead
from lastmile.types import (
    DockGoal,
    FollowRouteGoal,
    LocalizationState,
    PlannerState,
    PlannerStatus,
    PoseEstimate,
    Route,
)

DETOUR_MPS = 1.0
"""How fast a robot gets ahead in the long run, people and crossings counted."""
FIT = (LocalizationState.TRACKING, LocalizationState.DEGRADED)


class NoWay(Exception):
    """The drive cannot begin, and waiting does not help; the message tells why."""


class Driving:
    """What the mission knows of pose, route and progress."""

    def __init__(self, site: Site, config: MissionConfig) -> None:
        if config.blocked_timeout_max_s < config.blocked_timeout_s:
            raise UserError(
                f"blocked_timeout_max_s {config.blocked_timeout_max_s:g} must be at least "
                f"blocked_timeout_s {config.blocked_timeout_s:g}"
            )
        self._site = site
        self._config = config
        self._routes = LockerRoutes(site)
        self._pose: PoseEstimate | None = None
        self._status: PlannerStatus | None = None
        self._route: Route | None = None
        self._no_pose_since_s: float | None = None
        self._blocked_since_s: float | None = None
        self._patience_s: float | None = None

    def receive_pose(self, status: PoseEstimate) -> None:
        """Take a pose."""
        self._pose = status

    def receive_progress(self, status: PlannerStatus) -> None:
        """Take the planner's progress."""
        self._status = status

    def follow_clock(self, by_s: float) -> None:
        """Count waits on by a clock that was set by so much; pose and progress must come anew."""
        self._pose = self._status = None
        if self._no_pose_since_s is not None:
            self._no_pose_since_s += by_s
        if self._blocked_since_s is not None:
            self._blocked_since_s += by_s

    def goal(
        self, stamp_s: float, delivery: Delivery, task_id: str
    ) -> FollowRouteGoal | DockGoal | None:
        """
        Make the goal of a drive: a route, or first to leave the locker that is in the way.

        Returns
        -------
        goal or None
            None while there is no pose to plan from.

        Raises
        ------
        NoWay
            If there is no pose for too long.
        RouteError
            If there is no way on the map.

        """
        pose_map_base = self._usable_pose(stamp_s)
        if pose_map_base is None:
            self._wait_for_pose(stamp_s)
            return None
        self._no_pose_since_s = self._blocked_since_s = None
        locker = locker_ahead(self._site.lockers, pose_map_base)
        if locker is not None:
            return DockGoal(task_id, locker.id, True)
        self._route = self._routes.plan(pose_map_base, delivery.locker_id, delivery.closed)
        return FollowRouteGoal(task_id, self._route)

    def hears_planner(self, stamp_s: float) -> bool:
        """Tell whether the planner reports progress on this very route."""
        status = self._status
        if status is None or self._route is None or status.state is PlannerState.IDLE:
            return False
        fresh = is_fresh(status.stamp_s, stamp_s, self._config.input_age_max_s)
        return fresh and status.route_id == self._route.id

    def blocked_too_long(self, stamp_s: float, delivery: Delivery) -> bool:
        """
        Tell whether the way has been blocked for so long that another one is wanted.

        What blocks it is mostly people, who go. Whoever waits as long as the detour would take
        loses at most twice what the better choice would have cost (the ski rental problem: Karlin,
        Manasse, Rudolph and Sleator, 1988, "Competitive snoopy caching").
        """
        if not self.hears_planner(stamp_s):
            return False
        if self._status.state is not PlannerState.BLOCKED:
            self._blocked_since_s = None
            return False
        if self._blocked_since_s is None:
            self._blocked_since_s, self._patience_s = stamp_s, None
        blocked_s = stamp_s - self._blocked_since_s
        if blocked_s <= self._config.blocked_timeout_s:
            return False
        if self._patience_s is None:
            self._patience_s = self._detour_s(stamp_s, delivery)
        return blocked_s > self._patience_s

    def _detour_s(self, stamp_s: float, delivery: Delivery) -> float:
        """Time that the way around what blocks the robot would take more, as far as it counts."""
        pose_map_base = self._usable_pose(stamp_s)
        if pose_map_base is None:
            return self._config.blocked_timeout_max_s
        closed = delivery.closed | {self.blocked_edge()}
        way_m = self._routes.detour_m(pose_map_base, delivery.locker_id, closed)
        return min((way_m - self.remaining_m()) / DETOUR_MPS, self._config.blocked_timeout_max_s)

    def blocked_edge(self) -> str:
        """Edge of the map where the robot is blocked now, empty when it is not."""
        status = self._status
        if self._route is None or status is None or self._blocked_since_s is None:
            return ""
        if not np.isfinite(status.progress_m):
            return ""
        return self._routes.edge_ahead(self._route, status.progress_m)

    def remaining_m(self) -> float:
        """Rest of the route being driven."""
        status = self._status
        if self._route is None or status is None or status.route_id != self._route.id:
            return 0.0
        return max(0.0, status.length_m - status.progress_m)

    def _usable_pose(self, stamp_s: float) -> np.ndarray | None:
        status = self._pose
        if status is None or status.state not in FIT:
            return None
        fresh = is_fresh(status.stamp_s, stamp_s, self._config.input_age_max_s)
        finite = bool(np.isfinite(status.pose_map_base).all())
        return status.pose_map_base if fresh and finite else None

    def _wait_for_pose(self, stamp_s: float) -> None:
        if self._no_pose_since_s is None:
            self._no_pose_since_s = stamp_s
        limit_s = self._config.localization_wait_s
        if stamp_s - self._no_pose_since_s > limit_s:
            self._no_pose_since_s = None
            raise NoWay(f"no pose in map within {limit_s:g} s")
