"""
The route as the planner follows it: in odom, with the correction map -> odom of a certain moment.

Planning acts in odom, which never jumps. The correction that localization gives is latched; small
changes are taken over gently, a large one at once, and then the robot goes slowly for a while.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lastmile.geometry import polyline
from lastmile.geometry.se2 import transform, wrap_angle
from lastmile.types import EdgeKind, Route, RouteSpan

JUMP_M = 0.2
JUMP_RAD = 0.1
SLIDE_MPS = 0.1
SLIDE_RADPS = 0.05
SETTLE_S = 2.0
SPACING_M = 0.25
BACK_M = 2.0
AHEAD_M = 6.0


@dataclass(frozen=True, slots=True)
class Stretch:
    """Samples of the route near the robot, in odom: arc lengths (K,), points (K, 2)."""

    arcs_m: np.ndarray
    points: np.ndarray


class Latch:
    """The correction `pose_map_odom` that planning uses."""

    def __init__(self):
        self.pose_map_odom: np.ndarray | None = None
        self.jumps = 0
        self._stamp_s = -np.inf
        self._settled_s = -np.inf

    def update(self, pose_map_odom: np.ndarray, at: np.ndarray, stamp_s: float) -> None:
        """
        Follow the correction of localization.

        What a correction does to the robot is measured at its place `at` in odom, because a small
        turn far from the origin moves things a long way.
        """
        wanted = np.array(pose_map_odom, float)
        elapsed_s = float(np.clip(stamp_s - self._stamp_s, 0.0, 0.5))
        self._stamp_s = stamp_s
        if self.pose_map_odom is None:
            self.pose_map_odom = wanted
            return
        held = self.pose_map_odom
        shift = transform(wanted, at) - transform(held, at)
        turn = float(wrap_angle(wanted[2] - held[2]))
        distance = float(np.hypot(*shift))
        if distance > JUMP_M or abs(turn) > JUMP_RAD:
            self.pose_map_odom = wanted
            self.jumps += 1
            self._settled_s = stamp_s + SETTLE_S
            return
        # The place of the robot slides and the frame turns about it.
        part = min(1.0, SLIDE_MPS * elapsed_s / max(distance, 1e-9))
        yaw = held[2] + float(np.clip(turn, -SLIDE_RADPS * elapsed_s, SLIDE_RADPS * elapsed_s))
        place = transform(held, at) + part * shift
        turned = transform(np.array([0.0, 0.0, yaw]), at)
        self.pose_map_odom = np.array([*(place - turned), yaw])

    def settling(self, stamp_s: float) -> bool:
        """Tell whether a jump is recent."""
        return stamp_s < self._settled_s


class RouteReference:
    """A route, and how far along it the robot is."""

    def __init__(self, route: Route):
        self.route = route
        self.points_map = polyline.resample(np.asarray(route.points, float), SPACING_M)
        self.arcs_m = polyline.arc_lengths(self.points_map)
        self.length_m = float(self.arcs_m[-1])
        self.progress_m = 0.0
        self.offset_m = 0.0
        self._started = False

    def locate(self, position_map: np.ndarray) -> float:
        """Project the robot on the route near where it was, and give the distance to it."""
        if self._started:
            start_m, end_m = self.progress_m - BACK_M, self.progress_m + AHEAD_M
        else:
            start_m, end_m = -np.inf, np.inf
        spot = polyline.project(self.points_map, position_map, start_m, end_m)
        self._started = True
        self.progress_m, self.offset_m = spot.arc_m, spot.offset_m
        return spot.distance_m

    @property
    def remaining_m(self) -> float:
        """Way that is left along the route."""
        return self.length_m - self.progress_m

    def goal_map(self) -> np.ndarray:
        """Pose at the end; the heading is NaN where any will do."""
        return np.array([*self.points_map[-1], self.route.goal_yaw])

    def crossing_ahead(self, within_m: float) -> RouteSpan | None:
        """Next crossing that the robot is on or reaches within a distance."""
        for span in self.route.spans:
            if span.kind is not EdgeKind.CROSSING:
                continue
            if span.end_m > self.progress_m and span.start_m < self.progress_m + within_m:
                return span
        return None

    def stretch(self, pose_odom_map: np.ndarray, back_m: float, ahead_m: float) -> Stretch:
        """Take the samples of the route about the robot, in odom."""
        near = (self.arcs_m >= self.progress_m - back_m) & (
            self.arcs_m <= self.progress_m + ahead_m
        )
        points = transform(pose_odom_map, self.points_map[near])
        return Stretch(self.arcs_m[near], points)

    def speed_limits(
        self, arcs_m: np.ndarray, default_mps: float, crossing_mps: float
    ) -> np.ndarray:
        """Speed limit at arc lengths: the map's, but brisk over roads where the map lets it."""
        speeds = np.full(len(arcs_m), default_mps)
        for span in self.route.spans:
            inside = (arcs_m >= span.start_m) & (arcs_m <= span.end_m)
            brisk = span.kind is EdgeKind.CROSSING and span.speed_mps >= default_mps
            limit_mps = crossing_mps if brisk else min(default_mps, max(span.speed_mps, 0.2))
            speeds[inside] = limit_mps
        return speeds

    def half_widths(self, arcs_m: np.ndarray) -> np.ndarray:
        """Half of the mapped width at arc lengths."""
        halves = np.full(len(arcs_m), 1.0)
        for span in self.route.spans:
            inside = (arcs_m >= span.start_m) & (arcs_m <= span.end_m)
            halves[inside] = 0.5 * span.width_m
        return halves
