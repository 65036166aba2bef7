"""The gate's inputs: what was taken, when it arrived, and what was turned away and why."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from lastmile.checks import (
    Rejected,
    check_finite,
    check_localization,
    check_obstacles,
    check_odometry,
    odometry_breaks,
)
from lastmile.control.config import TimeoutConfig
from lastmile.types import (
    BaseState,
    BayCommand,
    Command,
    OdometryEstimate,
    Trajectory,
)

PLAN_STEPS_MAX = 1000
IN_ODOM = ("plan", "docking/plan", "obstacles")
"""Topics whose values hold in the odom of their stamp."""


class Inbox:
    """
    Newest good value of each topic with the time of its arrival.

    Arrival is the stamp of the last step, so that it is on the clock of the gate's own node and
    errs to the old side.
    """

    def __init__(self, timeouts: TimeoutConfig):
        self._timeouts = timeouts
        self._values: dict[str, Any] = {}
        self._arrivals: dict[str, float] = {}
        self._last_stamps_s: dict[str, float] = {}
        self._odom_since_s = -np.inf
        self._dropped: dict[str, Any] = {}
        self.rejections: dict[str, int] = {}
        self.last_rejection = ""

    def put(self, topic: str, value: Any, now_s: float) -> bool:
        """Take a value, or count its rejection and tell False."""
        try:
            check = CHECKS.get(topic)
            if check is None:
                raise Rejected("the gate does not read this topic")
            check(value)
            self._check_stamp(topic, value.stamp_s, now_s)
        except Rejected as error:
            self.rejections[topic] = self.rejections.get(topic, 0) + 1
            self.last_rejection = f"{topic}: {error}"
            return False
        if topic == "odometry":
            self._note_break(value)
        self._values[topic] = value
        self._dropped.pop(topic, None)
        self._arrivals[topic] = now_s
        self._last_stamps_s[topic] = value.stamp_s
        return True

    def set_back(self, by_s: float, dropped: tuple[str, ...]) -> None:
        """Keep ages when the clock is set back; stamps begin anew, and some topics are dropped."""
        self._drop(dropped)
        self._arrivals = {topic: s - by_s for topic, s in self._arrivals.items()}
        self._last_stamps_s.clear()
        self._odom_since_s = -np.inf

    def value(self, topic: str) -> Any:
        """Give the newest value, None before the first."""
        return self._values.get(topic)

    def dropped(self, topic: str) -> Any:
        """Give the value that was dropped, None once there is a newer one."""
        return self._dropped.get(topic)

    def age_s(self, topic: str, now_s: float) -> float:
        """Time since the newest value arrived, infinite before the first."""
        arrival = self._arrivals.get(topic)
        return np.inf if arrival is None else now_s - arrival

    def stale(self, topic: str, limit_s: float, now_s: float) -> str:
        """Say that a topic is older than its limit, empty when it is fresh."""
        age_s = self.age_s(topic, now_s)
        if age_s <= limit_s:
            return ""
        if math.isinf(age_s):
            return f"{topic}: nothing received"
        return f"{topic}: {age_s:.2f} s old, limit {limit_s:.2f} s"

    def _note_break(self, odometry: OdometryEstimate) -> None:
        """Drop what holds in an odom that is no more."""
        before = self._values.get("odometry")
        if before is not None and odometry_breaks(before, odometry):
            self._odom_since_s = odometry.stamp_s
            self._drop(IN_ODOM)

    def _drop(self, topics: tuple[str, ...]) -> None:
        for topic in topics:
            if topic in self._values:
                self._dropped[topic] = self._values.pop(topic)
                self._arrivals.pop(topic)

    def _check_stamp(self, topic: str, stamp_s: float, now_s: float) -> None:
        if not math.isfinite(stamp_s):
            raise Rejected(f"stamp is {stamp_s!r}, it must be finite")
        if stamp_s < now_s - self._timeouts.stamp_age_s:
            raise Rejected(
                f"stamp {stamp_s:.3f} s is {now_s - stamp_s:.3f} s old at arrival, "
                f"limit {self._timeouts.stamp_age_s:.3f} s"
            )
        if stamp_s > now_s + self._timeouts.stamp_ahead_s + 0.02:
            raise Rejected(
                f"stamp {stamp_s:.3f} s is {stamp_s - now_s:.3f} s ahead, "
                f"limit {self._timeouts.stamp_ahead_s:.3f} s"
            )
        last_s = self._last_stamps_s.get(topic, -np.inf)
        if stamp_s < last_s or (stamp_s == last_s and topic not in MAY_REPEAT):
            raise Rejected(f"stamp {stamp_s:.3f} s is not after the last, {last_s:.3f} s")
        if topic in IN_ODOM and stamp_s < self._odom_since_s:
            raise Rejected(
                f"stamp {stamp_s:.3f} s is before the break of odometry at "
                f"{self._odom_since_s:.3f} s"
            )


def _check_plan(plan: Trajectory) -> None:
    steps = len(plan.poses)
    if not 1 <= steps <= PLAN_STEPS_MAX:
        raise Rejected(f"plan has {steps} poses, it must have 1 to {PLAN_STEPS_MAX}")
    check_finite("poses", plan.poses, (steps, 3))
    check_finite("twists", plan.twists, (steps, 2))
    if not (math.isfinite(plan.dt_s) and 0.0 < plan.dt_s <= 1.0):
        raise Rejected(f"step of the plan is {plan.dt_s!r} s, it must be in (0, 1]")
    if np.abs(plan.twists[-1]).max() > 1e-6:
        raise Rejected(f"plan ends with twist {plan.twists[-1].tolist()!r}, it must end in a stop")


def _check_command(value: Command) -> None:
    if not (math.isfinite(value.speed_mps) and math.isfinite(value.yaw_rate)):
        raise Rejected(f"command is {value.speed_mps!r} m/s, {value.yaw_rate!r} rad/s, not finite")


def _accept(value: BaseState | BayCommand) -> None:
    """Booleans and stamps only; the stamp is checked for every topic."""


MAY_REPEAT = frozenset({"bay/command", "teleop/cmd_vel"})
"""Topics whose values may come twice with one stamp; older ones are turned away as elsewhere."""

CHECKS: dict[str, Callable[[Any], None]] = {
    "plan": _check_plan,
    "docking/plan": _check_plan,
    "teleop/cmd_vel": _check_command,
    "odometry": check_odometry,
    "localization/status": check_localization,
    "obstacles": check_obstacles,
    "base/state": _accept,
    "bay/command": _accept,
}
