"""
The command gate: decides who may move the robot, and brakes when anything needed is missing.

E-stop goes before a person's steering, that before docking, that before the planner. Whatever
wins is limited in speed and acceleration. A cause that forbids motion brakes along the last plan.
A gate that hung or was deactivated begins from a stand: a base left alone stops by itself.

After the e-stop or the bumper was released the robot stands for `GateConfig.release_s` before
anybody may move it, counted from when it stands and nobody steers by hand. It then drives on by
itself. A site where a person must start it again holds the e-stop until that person comes, or sets
the time high and restarts the gate's node.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np

from lastmile.control.config import GateConfig
from lastmile.control.inputs import Inbox
from lastmile.control.tracking import (
    brake_twist,
    follow,
    limit_twist,
    sample_trajectory,
    tracking_error,
)
from lastmile.types import (
    Command,
    LocalizationState,
    SafetyLevel,
    SafetyState,
    Trajectory,
    TrajectorySource,
)
from lastmile.vehicle.description import MotionLimits

PLAN_TOPICS = {
    TrajectorySource.PLANNER: "plan",
    TrajectorySource.DOCKING: "docking/plan",
}
STEP_S = 0.02
"""Time that a step counts for when its stamp lies before that of the last."""
STEP_MAX_S = 0.1
"""A gate that itself was late does not make up for the lost time with one large change."""
EARLY_MAX = 1000
"""Inputs kept before the first step."""
STANDS_MAX = 0.05
"""A robot slower than this stands, in m/s and rad/s."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Who drives, what forbids it, and how hard to brake then."""

    source: str
    plan: Trajectory | None
    causes: tuple[str, ...]
    emergency: bool


class CommandGate:
    """Turns plans into commands, one `step` at a time."""

    def __init__(self, config: GateConfig, limits: MotionLimits):
        self.inbox = Inbox(config.timeouts)
        self._config = config
        self._limits = limits
        self._last = np.zeros(2)
        self._now_s = -np.inf
        self._early: deque[tuple[str, Any]] = deque(maxlen=EARLY_MAX)
        self._braking_plan: Trajectory | None = None
        self._plan_time_s = 0.0
        self._stop_cause = ""
        self._stood_since_s = np.inf

    def receive(self, topic: str, value: Any) -> None:
        """
        Take an input; the time of its arrival is that of the last step.

        Before the first step nothing tells a stamp from the future: inputs wait for it.
        """
        if math.isfinite(self._now_s):
            self.inbox.put(topic, value, self._now_s)
        else:
            self._early.append((topic, value))

    def step(self, stamp_s: float) -> tuple[Command, SafetyState]:
        """Command for this moment, and why it is what it is."""
        if not math.isfinite(stamp_s):
            raise ValueError(f"stamp is {stamp_s!r}, it must be finite")
        if stamp_s < self._now_s:
            self._set_back(stamp_s)
        gap_s = max(stamp_s - self._now_s, 0.0)
        if gap_s > self._config.command_timeout_s:
            self._begin_anew()
        dt_s = min(gap_s, STEP_MAX_S)
        self._now_s = stamp_s
        while self._early:
            self.inbox.put(*self._early.popleft(), self._now_s)
        decision = self._decide()
        if decision.emergency:
            twist = self._brake(dt_s, self._limits.emergency_braking_mps2, None)
        elif decision.causes or decision.source == "none":
            twist = self._brake_along_plan(dt_s)
        else:
            twist = limit_twist(self._wanted(decision), self._last, dt_s, self._limits)
            self._braking_plan = decision.plan
            if decision.plan is not None:
                self._plan_time_s = self._now_s - decision.plan.stamp_s
        self._last = twist
        command = Command(stamp_s, float(twist[0]), float(twist[1]))
        return command, SafetyState(stamp_s, _level(decision), decision.source, decision.causes)

    def _begin_anew(self) -> None:
        """
        Begin from a stand: without commands for so long the base stood or stopped by itself.

        Braking from the last command, or along the plan of then, would set it moving again.
        """
        self._last = np.zeros(2)
        self._braking_plan = None

    def _set_back(self, stamp_s: float) -> None:
        """
        Go on when the clock of the steps was set back: nothing gets younger by it.

        Plans are dropped, for they hold at times of the clock before; the robot brakes until its
        inputs come with stamps of the new one. A step counts for the time that steps take.
        """
        by_s = self._now_s - stamp_s + STEP_S
        self.inbox.set_back(by_s, tuple(PLAN_TOPICS.values()))
        self._stood_since_s -= by_s
        self._now_s = stamp_s - STEP_S

    def _decide(self) -> Decision:
        limits, now_s = self._config.timeouts, self._now_s
        base = self.inbox.value("base/state")
        if base is not None and (base.estop or base.bumper):
            causes = [text for text, on in (("e-stop", base.estop), ("bumper", base.bumper)) if on]
            self._stop_cause, self._stood_since_s = " and ".join(causes), np.inf
            return Decision("none", None, tuple(causes), emergency=True)
        causes = [self.inbox.stale("base/state", limits.base_state_s, now_s)]
        causes.append(self._release_cause())
        if self._teleop_asks():
            causes.append(self._bay_cause(moves=True))
            return Decision("teleop", None, _listed(causes), emergency=False)
        source, plan, conflict = self._choose_plan()
        causes += [self._bay_cause(moves=plan is not None and _moves(plan)), conflict]
        causes += [
            self.inbox.stale("odometry", limits.odometry_s, now_s),
            self.inbox.stale("localization/status", limits.localization_s, now_s),
            self.inbox.stale("obstacles", limits.obstacles_s, now_s),
        ]
        if source is TrajectorySource.PLANNER:
            causes.append(self._localization_cause())
        if plan is not None:
            causes += [self._tracking_cause(plan), self._certificate_cause(plan)]
        return Decision(source.value if source else "none", plan, _listed(causes), emergency=False)

    def _release_cause(self) -> str:
        """Hold the robot for a while after the e-stop or the bumper was released."""
        if not self._stop_cause:
            return ""
        odometry, teleop = self.inbox.value("odometry"), self.inbox.value("teleop/cmd_vel")
        rolls = odometry is not None and np.abs(odometry.twist_base).max() > STANDS_MAX
        steers = self._teleop_asks() and max(abs(teleop.speed_mps), abs(teleop.yaw_rate)) > 0.0
        if rolls or steers or np.abs(self._last).max() > 0.0:
            self._stood_since_s = np.inf
        else:
            self._stood_since_s = min(self._stood_since_s, self._now_s)
        if self._now_s - self._stood_since_s >= self._config.release_s:
            self._stop_cause = ""
            return ""
        return (
            f"{self._stop_cause} was released: the robot stands for "
            f"{self._config.release_s:.1f} s without steering first"
        )

    def _bay_cause(self, moves: bool) -> str:
        bay = self.inbox.value("bay/command")
        if bay is None:
            # A parcel may lie in the gap since before the gate was started.
            return "bay/command: nothing received" if moves else ""
        # Held until the handoff itself lets go: a silent handoff may have a parcel in the gap.
        return "bay/command: BUSY, a parcel is being handed over" if bay.busy else ""

    def _teleop_asks(self) -> bool:
        return self.inbox.age_s("teleop/cmd_vel", self._now_s) <= self._config.timeouts.teleop_s

    def _choose_plan(self) -> tuple[TrajectorySource | None, Trajectory | None, str]:
        """Pick the plan to follow: source, plan, and what is wrong about the plans."""
        limits = self._config.timeouts
        limit_s = {
            TrajectorySource.PLANNER: limits.plan_s,
            TrajectorySource.DOCKING: limits.docking_plan_s,
        }
        fresh, moving, stale = {}, {}, []
        for source, topic in PLAN_TOPICS.items():
            plan = self.inbox.value(topic)
            if plan is None:
                dropped = self.inbox.dropped(topic)
                if dropped is not None and _moves(dropped):
                    stale.append(
                        f"{topic}: none came since odometry began anew or the clock was set back"
                    )
                continue
            late = self.inbox.stale(topic, limit_s[source], self._now_s)
            if not late:
                fresh[source] = plan
                moving[source] = _moves(plan)
            elif _moves(plan):
                # A source that went silent while it was driving died; one that stood is done.
                stale.append(late)
        if all(moving.get(source) for source in PLAN_TOPICS):
            return None, None, "plan and docking/plan both ask for motion"
        for source in (TrajectorySource.DOCKING, TrajectorySource.PLANNER):
            if moving.get(source):
                return source, fresh[source], ""
        if fresh:
            source = next(iter(fresh))
            return source, fresh[source], ""
        return None, None, "; ".join(stale)

    def _localization_cause(self) -> str:
        status = self.inbox.value("localization/status")
        unfit = (LocalizationState.LOST, LocalizationState.INITIALIZING)
        if status is not None and status.state in unfit:
            return f"localization is {status.state.value}: {status.reason}".rstrip(": ")
        return ""

    def _tracking_cause(self, plan: Trajectory) -> str:
        odometry = self.inbox.value("odometry")
        if odometry is None:
            return ""
        error = tracking_error(plan, odometry, self._now_s)
        if not error.beyond(self._config.tracking):
            return ""
        return (
            f"{plan.source.value}: robot is {np.hypot(error.along_m, error.lateral_m):.2f} m and "
            f"{abs(error.heading):.2f} rad off its plan, limits "
            f"{self._config.tracking.error_max_m:.2f} m, "
            f"{self._config.tracking.error_max_rad:.2f} rad"
        )

    def _certificate_cause(self, plan: Trajectory) -> str:
        """Let a plan that was not found free only brake: that is better than any other way."""
        if plan.certified or not (np.diff(np.abs(plan.twists), axis=0) > 1e-6).any():
            return ""
        return f"{plan.source.value}: not certified free"

    def _wanted(self, decision: Decision) -> np.ndarray:
        if decision.plan is None:
            teleop = self.inbox.value("teleop/cmd_vel")
            return np.array([teleop.speed_mps, teleop.yaw_rate])
        odometry = self.inbox.value("odometry")
        wanted = follow(decision.plan, odometry, self._now_s, self._config.tracking)
        if not decision.plan.certified:
            wanted = np.clip(wanted, -np.abs(self._last), np.abs(self._last))
        return wanted

    def _brake_along_plan(self, dt_s: float) -> np.ndarray:
        """Brake, and keep to the path of the last plan, which was checked free."""
        plan = self._braking_plan
        if plan is None:
            return self._brake(dt_s, self._limits.braking_mps2, None)
        _, wanted = sample_trajectory(plan, self._plan_time_s)
        if abs(wanted[0]) < 0.05 or abs(self._last[0]) < 0.05 or wanted[0] * self._last[0] < 0.0:
            return self._brake(dt_s, self._limits.braking_mps2, None)
        # The plan is walked through at the pace of the speed that is left.
        self._plan_time_s += dt_s * min(1.0, float(self._last[0] / wanted[0]))
        return self._brake(dt_s, self._limits.braking_mps2, float(wanted[1] / wanted[0]))

    def _brake(self, dt_s: float, braking_mps2: float, curvature: float | None) -> np.ndarray:
        yaw_braking = self._limits.yaw_acceleration_max
        return brake_twist(self._last, dt_s, braking_mps2, yaw_braking, curvature)


def _moves(plan: Trajectory) -> bool:
    return bool(np.abs(plan.twists).max() > 1e-6)


def _listed(causes: list[str]) -> tuple[str, ...]:
    return tuple(cause for cause in causes if cause)


def _level(decision: Decision) -> SafetyLevel:
    if decision.emergency:
        return SafetyLevel.EMERGENCY
    if decision.causes:
        return SafetyLevel.BRAKE
    if decision.source == "none":
        return SafetyLevel.STAND
    return SafetyLevel.DRIVE
