"""The planner's inputs: checked at the door, and how old each is."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from lastmile.checks import (
    Rejected,
    check_cost_map,
    check_localization,
    check_obstacles,
    check_odometry,
    odometry_breaks,
)
from lastmile.planning.config import InputsConfig
from lastmile.types import (
    BaseState,
    Route,
    SignalStates,
)

IN_ODOM = ("localization/status", "obstacles", "cost_map")
"""Topics whose values hold in the odom of their stamp."""


class Inbox:
    """
    Newest good value of each topic, and what was turned away and why.

    After a break of odometry, at `odom_since_s`, values in odom from before it are turned away.
    """

    def __init__(self, config: InputsConfig):
        self._limits = {
            "odometry": config.odometry_s,
            "localization/status": config.localization_s,
            "obstacles": config.obstacles_s,
            "cost_map": config.cost_map_s,
            "signals": config.signals_s,
            "base/state": config.base_state_s,
        }
        self._ahead_s = config.ahead_s
        self._values: dict[str, Any] = {}
        self.odom_since_s = -np.inf
        self.rejections: dict[str, int] = {}
        self.last_rejection = ""

    def put(self, topic: str, value: Any, now_s: float) -> None:
        """Take a value, or count its rejection."""
        try:
            check = CHECKS.get(topic)
            if check is None:
                raise Rejected("the planner does not read this topic")
            if not math.isfinite(value.stamp_s):
                raise Rejected(f"stamp is {value.stamp_s!r}, it must be finite")
            if value.stamp_s > now_s + self._ahead_s:
                raise Rejected(f"stamp {value.stamp_s:.3f} s is ahead of the clock, {now_s:.3f} s")
            last = self._values.get(topic)
            if last is not None and value.stamp_s <= last.stamp_s:
                raise Rejected(f"stamp {value.stamp_s:.3f} s is not after {last.stamp_s:.3f} s")
            check(value)
            if topic in IN_ODOM and value.stamp_s < self.odom_since_s:
                raise Rejected(
                    f"stamp {value.stamp_s:.3f} s is before the break of odometry at "
                    f"{self.odom_since_s:.3f} s"
                )
        except Rejected as error:
            self.rejections[topic] = self.rejections.get(topic, 0) + 1
            self.last_rejection = f"{topic}: {error}"
            return
        if topic == "odometry" and last is not None and odometry_breaks(last, value):
            self.odom_since_s = value.stamp_s
            for name in IN_ODOM:
                self._values.pop(name, None)
        self._values[topic] = value

    def forget(self) -> None:
        """Forget all values: the clock was set back, and their stamps mean nothing any more."""
        self._values.clear()
        self.odom_since_s = -np.inf

    def value(self, topic: str) -> Any:
        """Give the newest value, None before the first."""
        return self._values.get(topic)

    def stale(self, topic: str, now_s: float) -> str:
        """Say that a topic is missing or too old, empty when it is fresh."""
        value = self._values.get(topic)
        if value is None:
            return f"{topic}: nothing received"
        age_s, limit_s = now_s - value.stamp_s, self._limits[topic]
        return f"{topic}: {age_s:.2f} s old, limit {limit_s:.2f} s" if age_s > limit_s else ""


def check_route(route: Route) -> None:
    """Raise `Rejected` for a route that cannot be followed."""
    points = np.asarray(route.points)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2:
        raise Rejected(f"route has points of shape {points.shape}, it must be (2 or more, 2)")
    if not np.isfinite(points).all():
        raise Rejected("points of the route must be finite")
    steps = np.hypot(*np.diff(points, axis=0).T)
    if steps.max() > 5.0:
        raise Rejected(f"points of the route are {steps.max():.1f} m apart, at most 5 m is allowed")
    if steps.sum() < 1e-3:
        raise Rejected("the route has no length")
    if np.isinf(route.goal_yaw):
        raise Rejected(f"goal heading is {route.goal_yaw!r}, it must be finite or NaN")
    for span in route.spans:
        if not (np.isfinite([span.start_m, span.end_m, span.width_m, span.speed_mps]).all()):
            raise Rejected(f"span {span!r} must be finite")
        if not (span.end_m >= span.start_m and span.width_m > 0.0 and span.speed_mps > 0.0):
            raise Rejected(f"{span!r} must not end before it starts, and have a width and a speed")


def _accept(value: BaseState | SignalStates) -> None:
    """Nothing but the stamp, which is checked for every topic."""


CHECKS: dict[str, Callable[[Any], None]] = {
    "odometry": check_odometry,
    "localization/status": check_localization,
    "obstacles": check_obstacles,
    "cost_map": check_cost_map,
    "signals": _accept,
    "base/state": _accept,
}
