"""The planner as a component of the stack: serves `follow_route`, publishes plans."""

from __future__ import annotations

from typing import Any

import numpy as np

from lastmile.checks import is_set_back
from lastmile.planning.config import PlannerConfig
from lastmile.planning.inputs import Inbox, Rejected, check_route
from lastmile.planning.planner import LocalPlanner, Plan, Scene
from lastmile.types import (
    Diagnostic,
    DiagnosticLevel,
    FollowRouteGoal,
    PlannerState,
    PlannerStatus,
    TaskCancel,
    TaskFeedback,
    TaskOutcome,
    TaskResult,
    Trajectory,
    TrajectorySource,
)

NEEDED = ("odometry", "localization/status", "obstacles", "cost_map", "base/state")
FEEDBACK_S = 0.5
RENEWAL_S = 0.1
"""The planner acts on every message of obstacles, and after this time if none comes."""


class PlannerComponent:
    """Runs at most one route at a time."""

    def __init__(self, config: PlannerConfig, robot: Any):
        self._config = config
        self._robot = robot
        self._inbox = Inbox(config.inputs)
        self._received: list[tuple[str, Any]] = []
        self._times_set_back = 0
        self._now_s = -np.inf
        self._goal: FollowRouteGoal | None = None
        self._planner: LocalPlanner | None = None
        self._canceling = False
        self._out: list[tuple[str, Any]] = []
        self._fed_back_s = -np.inf
        self._plan: Plan | None = None
        self._acted_s = -np.inf
        self._acted_on: Any = None
        self._sensed_stamp_s = np.nan
        self._state = PlannerState.IDLE
        self._reason = ""

    def receive(self, topic: str, value: Any) -> None:
        """Take an input, a goal or a cancel."""
        if topic == "follow_route/goal":
            self._accept(value)
        elif topic == "follow_route/cancel":
            self._cancel(value)
        else:
            # Looked at in the next step, whose stamp tells the future from a step that came late.
            self._received.append((topic, value))

    def step(self, stamp_s: float) -> list[tuple[str, Any]]:
        """Plan and tell the state, if there are new obstacles or what was last told gets old."""
        if is_set_back(self._now_s, stamp_s):
            self._begin_anew()
        self._now_s = stamp_s
        received, self._received = self._received, []
        odom_since_s = self._inbox.odom_since_s
        for topic, value in received:
            self._inbox.put(topic, value, stamp_s)
        if self._planner is not None and self._inbox.odom_since_s > odom_since_s:
            self._planner = self._planner.anew()
        published, self._out = self._out, []
        if not self._is_due(stamp_s):
            return published
        if self._planner is not None:
            plan = self._make_plan(stamp_s)
            self._plan = plan
            published.append(("plan", self._trajectory(plan, stamp_s)))
            self._state, self._reason = self._judge(plan, stamp_s)
            published += self._feedback(stamp_s)
            published += self._finish(plan, stamp_s)
        published.append(("planner/status", self._status(stamp_s)))
        return published

    def diagnose(self, stamp_s: float) -> list[Diagnostic]:
        """Tell what holds the robot up, and what was rejected."""
        values = {"state": self._state.value, "clock set back": str(self._times_set_back)}
        level, message = DiagnosticLevel.OK, self._reason or self._state.value
        if self._planner is not None:
            values["uncertified plans"] = str(self._planner.uncertified)
            values["way chosen"] = self._planner.choice
            stale = self._missing(stamp_s)
            if stale or self._state is PlannerState.BLOCKED:
                level = DiagnosticLevel.WARN
        for topic, count in sorted(self._inbox.rejections.items()):
            values[f"rejected {topic}"] = str(count)
        if self._inbox.last_rejection:
            values["last rejection"] = self._inbox.last_rejection
        return [Diagnostic("planner", level, message, values)]

    def close(self) -> None:
        """Nothing is held."""

    def _begin_anew(self) -> None:
        """Go on when the clock was set back: whatever is remembered by its stamp is forgotten."""
        self._inbox.forget()
        self._times_set_back += 1
        self._fed_back_s = -np.inf
        if self._planner is not None:
            self._planner = self._planner.anew()

    # ------------------------------------------------------------------------------ the action

    def _accept(self, goal: FollowRouteGoal) -> None:
        try:
            check_route(goal.route)
        except Rejected as error:
            self._result(goal.goal_id, TaskOutcome.FAILED, f"route refused: {error}")
            return
        if self._goal is not None:
            self._result(self._goal.goal_id, TaskOutcome.CANCELED, "replaced by another route")
        self._goal = goal
        self._planner = LocalPlanner(self._config, self._robot, goal.route)
        self._acted_s = -np.inf
        self._canceling = False
        self._fed_back_s = -np.inf
        self._out.append(("route", goal.route))

    def _cancel(self, cancel: TaskCancel) -> None:
        if self._goal is not None and cancel.goal_id == self._goal.goal_id:
            self._canceling = True

    def _result(self, goal_id: str, outcome: TaskOutcome, text: str) -> None:
        stamp_s = float(self._now_s) if np.isfinite(self._now_s) else 0.0
        data = {}
        if self._planner is not None:
            data["progress_m"] = self._planner.reference.progress_m
            data["uncertified_plans"] = float(self._planner.uncertified)
        self._out.append(("follow_route/result", TaskResult(goal_id, stamp_s, outcome, text, data)))

    def _feedback(self, stamp_s: float) -> list[tuple[str, Any]]:
        if stamp_s - self._fed_back_s < FEEDBACK_S - 1e-6:
            return []
        self._fed_back_s = stamp_s
        reference = self._planner.reference
        feedback = TaskFeedback(
            self._goal.goal_id,
            stamp_s,
            self._state.value,
            reference.progress_m,
            reference.length_m,
            self._reason,
        )
        return [("follow_route/feedback", feedback)]

    # ---------------------------------------------------------------------------- the planning

    def _is_due(self, stamp_s: float) -> bool:
        obstacles = self._inbox.value("obstacles")
        old = abs(stamp_s - self._acted_s) > RENEWAL_S - 1e-3
        if obstacles is self._acted_on and not old:
            return False
        self._acted_s, self._acted_on = stamp_s, obstacles
        return True

    def _missing(self, stamp_s: float) -> str:
        stale = (self._inbox.stale(topic, stamp_s) for topic in NEEDED)
        return "; ".join(cause for cause in stale if cause)

    def _make_plan(self, stamp_s: float) -> Plan:
        inbox = self._inbox
        odometry = inbox.value("odometry")
        self._sensed_stamp_s = np.nan
        reason = "canceled" if self._canceling else self._missing(stamp_s)
        if reason:
            return self._planner.brake(odometry, stamp_s, reason)
        base = inbox.value("base/state")
        if base.estop or base.bumper:
            cause = "e-stop" if base.estop else "bumper"
            return self._planner.brake(odometry, stamp_s, cause)
        self._sensed_stamp_s = inbox.value("obstacles").stamp_s
        signals = None if inbox.stale("signals", stamp_s) else inbox.value("signals")
        scene = Scene(
            stamp_s,
            odometry,
            inbox.value("localization/status"),
            inbox.value("obstacles"),
            inbox.value("cost_map"),
            signals,
        )
        return self._planner.plan(scene)

    def _judge(self, plan: Plan, stamp_s: float) -> tuple[PlannerState, str]:
        if plan.arrived:
            return PlannerState.ARRIVED, plan.reason
        stuck = self._planner.stuck_s(stamp_s) > self._config.arrival.blocked_s
        if stuck or (self._planner.barred and not plan.motion.moves):
            return PlannerState.BLOCKED, plan.reason
        if not plan.motion.moves:
            return PlannerState.WAITING, plan.reason
        return PlannerState.DRIVING, plan.reason

    def _finish(self, plan: Plan, stamp_s: float) -> list[tuple[str, Any]]:
        """End the task when it is over."""
        arrival, crossing = self._config.arrival, self._config.crossing
        goal_id = self._goal.goal_id
        stuck_s = self._planner.stuck_s(stamp_s)
        waited_s = self._planner.crossing_waited_s(stamp_s)
        if plan.arrived:
            self._result(goal_id, TaskOutcome.SUCCEEDED, plan.reason)
        elif self._canceling and not plan.motion.moves:
            self._result(goal_id, TaskOutcome.CANCELED, "canceled")
        elif plan.failure and not plan.motion.moves:
            self._result(goal_id, TaskOutcome.FAILED, plan.failure)
        elif stuck_s > arrival.fail_s:
            self._result(goal_id, TaskOutcome.FAILED, f"blocked for {stuck_s:.0f} s: {plan.reason}")
        elif waited_s > crossing.fail_s:
            self._result(
                goal_id, TaskOutcome.FAILED, f"blocked: waited {waited_s:.0f} s: {plan.reason}"
            )
        else:
            return []
        self._goal = self._planner = None
        published, self._out = self._out, []
        return published

    def _trajectory(self, plan: Plan, stamp_s: float) -> Trajectory:
        motion = plan.motion
        return Trajectory(
            stamp_s,
            TrajectorySource.PLANNER,
            motion.step_s,
            motion.poses,
            motion.twists,
            plan.certified,
            plan.reason,
            self._sensed_stamp_s,
        )

    def _status(self, stamp_s: float) -> PlannerStatus:
        if self._planner is None:
            state = self._state if self._state is PlannerState.ARRIVED else PlannerState.IDLE
            return PlannerStatus(stamp_s, state, "", 0.0, 0.0, np.nan, "")
        reference = self._planner.reference
        return PlannerStatus(
            stamp_s,
            self._state,
            self._goal.route.id,
            reference.progress_m,
            reference.length_m,
            np.nan,
            self._reason,
        )


def build(config: PlannerConfig, context: Any) -> PlannerComponent:
    """Make the component of the node `planner`."""
    return PlannerComponent(config, context.robot)
