"""A toy component in a table of its own, run as a node process by the tests."""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass

import numpy as np

from lastmile import types
from lastmile.config import param
from lastmile.stack.table import NodeSpec


@dataclass(frozen=True)
class ToyConfig:
    """Settings of the toy."""

    gain: float = param(1.0, "Factor of the answer.", unit="m/s", low=0.0, high=2.0)
    fail_at: int = param(0, "Step at which the toy raises, 0 for never.", low=0)


SPEC = NodeSpec(
    name="toy",
    component="toy:build",
    config="toy:ToyConfig",
    period_s=0.05,
    subscribes=("imu", "lidar/points"),
    publishes=("cmd_vel", "safety_state"),
    text="Answers each inertial sample by a command.",
    trigger="imu",
    serves=("dock",),
)
CALLER = NodeSpec(
    name="caller",
    component="toy:build_caller",
    config="toy:ToyConfig",
    period_s=0.05,
    subscribes=("cmd_vel",),
    publishes=("mission/state",),
    text="Docks twice: once to the end, once canceled; tells what came back.",
    calls=("dock", "hand_over"),
)

COURIER = NodeSpec(
    name="courier",
    component="toy:build_courier",
    config="toy:ToyConfig",
    period_s=0.05,
    subscribes=(),
    publishes=(),
    text="Serves deliveries as the mission does.",
    serves=("deliver",),
)


class Toy:
    """Answers samples; a dock goal takes three steps, or ends when it is canceled."""

    def __init__(self, config: ToyConfig):
        self.config = config
        self.samples = []
        self.goals = {}
        self.canceled = set()
        self.points = 0
        self.steps = 0

    def receive(self, topic, value):
        if topic == "imu":
            self.samples.append(value)
        elif topic == "lidar/points":
            self.points += value.points.shape[0] * value.points.shape[1]
        elif topic == "dock/goal":
            self.goals[value.goal_id] = [value, 0]
        elif topic == "dock/cancel":
            self.canceled.add(value.goal_id)

    def step(self, stamp_s):
        self.steps += 1
        if self.config.fail_at and self.steps >= self.config.fail_at:
            raise RuntimeError("the toy fails as it was told to")
        outputs = [
            ("cmd_vel", types.Command(s.stamp_s, self.config.gain * s.linear_acceleration[0], 0.0))
            for s in self.samples
        ]
        self.samples = []
        for goal_id in list(self.goals):
            outputs += self._advance(goal_id, stamp_s)
        return outputs

    def _advance(self, goal_id, stamp_s):
        goal, count = self.goals[goal_id]
        self.goals[goal_id][1] = count + 1
        if goal_id in self.canceled:
            outcome, text = types.TaskOutcome.CANCELED, "stopped"
        elif goal.locker_id == "wall":
            outcome, text = types.TaskOutcome.FAILED, "a wall is no locker"
        elif count >= 3 and goal.locker_id != "endless":
            outcome, text = types.TaskOutcome.SUCCEEDED, "docked"
        else:
            feedback = types.TaskFeedback(goal_id, stamp_s, "approach", count, 3.0, goal.locker_id)
            return [("dock/feedback", feedback)]
        del self.goals[goal_id]
        result = types.TaskResult(goal_id, stamp_s, outcome, text, {"error_m": 0.01})
        return [("dock/result", result)]

    def diagnose(self, stamp_s):
        values = {
            "steps": str(self.steps),
            "points": str(self.points),
            "goals": str(len(self.goals)),
        }
        return [types.Diagnostic("toy", types.DiagnosticLevel.OK, "plays", values)]

    def close(self):
        print("toy closed", file=sys.stderr, flush=True)


class Caller:
    """Calls actions and publishes what comes of them as mission states."""

    GOALS = (
        ("dock/goal", types.DockGoal("first", "locker-a", False)),
        ("dock/goal", types.DockGoal("second", "endless", False)),
        (
            "hand_over/goal",
            types.HandOverGoal("third", "o", "p", "locker-a", types.Direction.TO_ROBOT),
        ),
    )

    def __init__(self):
        self.to_send = list(self.GOALS)
        self.came = []
        self.ends = []

    def receive(self, topic, value):
        self.came.append((topic, value))

    def step(self, stamp_s):
        """Tell how goals ended at every step, for those who have just found this node."""
        outputs, self.to_send = self.to_send, []
        for end in self.ends:
            outputs.append(("mission/state", dataclasses.replace(end, stamp_s=stamp_s)))
        for topic, value in self.came:
            if topic == "dock/feedback":
                text = value.phase
                if value.goal_id == "second" and value.progress >= 2.0:
                    outputs.append(("dock/cancel", types.TaskCancel("second")))
            elif topic.endswith("/result"):
                text = f"{value.goal_id} {value.outcome.value}: {value.text}"
            else:
                continue
            state = types.MissionState(stamp_s, value.goal_id, "", topic, text, np.nan)
            outputs.append(("mission/state", state))
            if topic.endswith("/result"):
                self.ends.append(state)
        self.came = []
        return outputs

    def diagnose(self, stamp_s):
        return []

    def close(self):
        pass


class EndlessCaller(Caller):
    """Docks without end."""

    GOALS = (("dock/goal", types.DockGoal("endless", "endless", False)),)


class Courier:
    """Delivers at once, or with a gain of 0 never; a cancel ends the delivery."""

    def __init__(self, config: ToyConfig):
        self.config = config
        self.goals = []
        self.canceled = set()

    def receive(self, topic, value):
        if topic == "deliver/goal":
            self.goals.append(value)
        elif topic == "deliver/cancel":
            self.canceled.add(value.goal_id)

    def step(self, stamp_s):
        outputs = [self._answer(goal, stamp_s) for goal in self.goals]
        self.goals = [goal for goal in self.goals if not self._ends(goal)]
        return outputs

    def _ends(self, goal):
        return self.config.gain > 0.0 or goal.goal_id in self.canceled

    def _answer(self, goal, stamp_s):
        if not self._ends(goal):
            feedback = types.TaskFeedback(goal.goal_id, stamp_s, "drive", 0.0, 1.0, goal.order_id)
            return "deliver/feedback", feedback
        canceled = goal.goal_id in self.canceled
        outcome = types.TaskOutcome.CANCELED if canceled else types.TaskOutcome.SUCCEEDED
        return "deliver/result", types.TaskResult(goal.goal_id, stamp_s, outcome, goal.parcel_id)

    def diagnose(self, stamp_s):
        return []

    def close(self):
        pass


def build_courier(config, context):
    return Courier(config)


def build(config, context):
    return Toy(config)


def build_caller(config, context):
    return Caller()


def build_endless_caller(config, context):
    return EndlessCaller()


if __name__ == "__main__":
    from lastmile.nodes import actions
    from lastmile.nodes.hosting import run_spec

    actions.SERVER_WAIT_S = 4.0

    endless = dataclasses.replace(CALLER, component="toy:build_endless_caller")
    specs = {"toy": SPEC, "caller": CALLER, "endless_caller": endless, "courier": COURIER}
    sys.exit(run_spec(specs[sys.argv.pop(1)]))
