"""The gate drives along plans, and brakes for every reason it should."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from lastmile.control.component import GateComponent
from lastmile.control.config import GateConfig
from lastmile.control.gate import CommandGate
from lastmile.geometry.se2 import advance
from lastmile.types import (
    BaseState,
    BayCommand,
    Command,
    LocalizationState,
    ObstacleArray,
    OdometryEstimate,
    PoseEstimate,
    SafetyLevel,
    Trajectory,
    TrajectorySource,
)
from lastmile.vehicle.description import MotionLimits

LIMITS = MotionLimits()
DT_S = 0.02


def drive_plan(stamp_s, pose, speed=1.0, curvature=0.0, source=TrajectorySource.PLANNER):
    """Drive for 0.5 s, then brake with 1.5 m/s2 to a stop."""
    speeds = [speed] * 5
    while speeds[-1] > 1e-9:
        speeds.append(max(speeds[-1] - 0.15, 0.0))
    twists = np.array([[v, v * curvature] for v in speeds])
    poses = [np.asarray(pose, float)]
    for a, b in itertools.pairwise(twists):
        poses.append(advance(poses[-1], 0.5 * (a + b), 0.1))
    return Trajectory(stamp_s, source, 0.1, np.array(poses), twists, True, "")


class Bench:
    """A robot that does what it is told, and healthy inputs that a test can take away."""

    def __init__(self):
        self.gate = CommandGate(GateConfig(), LIMITS)
        self.t = 0.0
        self.pose = np.zeros(3)
        self.twist = np.zeros(2)
        self.silent = set()
        self.busy = False
        self.state = LocalizationState.TRACKING
        self.base = {"estop": False, "bumper": False}
        self.plan = lambda bench: drive_plan(bench.t, bench.pose)
        self.log = []

    def send(self, topic, value):
        if topic not in self.silent:
            self.gate.receive(topic, value)

    def step(self):
        t = self.t
        self.send("odometry", OdometryEstimate(t, self.pose, self.twist, np.eye(2)))
        self.send(
            "localization/status",
            PoseEstimate(t, self.pose, np.eye(3), np.zeros(3), self.state, 0.1, 0.1, 0.01, "test"),
        )
        self.send(
            "base/state",
            BaseState(t, braked=False, command_timeout=False, battery_ratio=1.0, **self.base),
        )
        if round(t / DT_S) % 5 == 0:
            self.send("obstacles", ObstacleArray(t, ()))
            self.send("bay/command", BayCommand(t, 0, self.busy))
            plan = self.plan(self)
            if plan is not None:
                self.send("docking/plan" if plan.source == "docking" else "plan", plan)
        self.t = t + DT_S
        command, safety = self.gate.step(self.t)
        self.twist = np.array([command.speed_mps, command.yaw_rate])
        self.pose = advance(self.pose, self.twist, DT_S)
        self.log.append((self.t, command.speed_mps, command.yaw_rate))
        return command, safety

    def run(self, duration_s):
        for _ in range(round(duration_s / DT_S)):
            command, safety = self.step()
        return command, safety


@pytest.fixture
def driving():
    bench = Bench()
    command, safety = bench.run(2.0)
    assert safety.level is SafetyLevel.DRIVE, safety
    assert command.speed_mps == pytest.approx(1.0, abs=0.05)
    return bench


def test_gate_stands_before_any_input():
    command, safety = CommandGate(GateConfig(), LIMITS).step(0.0)
    assert (command.speed_mps, command.yaw_rate) == (0.0, 0.0)
    assert safety.level is SafetyLevel.BRAKE
    assert any("base/state" in cause for cause in safety.causes)


def test_gate_keeps_acceleration_and_braking_limits(driving):
    driving.plan = lambda bench: drive_plan(bench.t, bench.pose, speed=0.0)
    driving.run(2.0)
    log = np.array(driving.log)
    rates = np.diff(log[:, 1]) / DT_S
    assert rates.max() <= LIMITS.acceleration_mps2 + 1e-6
    assert rates.min() >= -LIMITS.emergency_braking_mps2 - 1e-6
    assert log[-1, 1] == 0.0


@pytest.mark.parametrize(
    "topic", ["plan", "odometry", "localization/status", "obstacles", "base/state"]
)
def test_braking_begins_within_300_ms_of_silence(driving, topic):
    silence_s = driving.t
    driving.silent = {topic}
    _, safety = driving.run(1.6)
    log = np.array(driving.log)
    after = log[log[:, 0] > silence_s]
    slower = after[after[:, 1] < 0.97]
    assert slower[0, 0] - silence_s <= 0.3 + 1e-6
    assert after[-1, 1] == 0.0
    assert safety.level is SafetyLevel.BRAKE
    assert any(cause.startswith(topic) for cause in safety.causes), safety.causes


def test_estop_brakes_with_emergency_braking(driving):
    driving.base = {"estop": True, "bumper": False}
    start = len(driving.log)
    _, safety = driving.run(0.6)
    speeds = np.array(driving.log)[start - 1 :, 1]
    assert np.diff(speeds).min() == pytest.approx(-LIMITS.emergency_braking_mps2 * DT_S, rel=1e-6)
    assert speeds[-1] == 0.0
    assert safety.level is SafetyLevel.EMERGENCY
    assert safety.causes == ("e-stop",)


def test_bumper_stops(driving):
    driving.base = {"estop": False, "bumper": True}
    command, safety = driving.run(0.6)
    assert command.speed_mps == 0.0
    assert safety.causes == ("bumper",)


@pytest.mark.parametrize("pressed", ["estop", "bumper"])
def test_robot_stands_for_a_while_after_a_release(driving, pressed):
    free = dict(driving.base)
    driving.base = {**free, pressed: True}
    driving.run(1.0)
    driving.base = free
    command, safety = driving.run(0.9 * GateConfig().release_s)
    assert command.speed_mps == 0.0
    assert safety.level is SafetyLevel.BRAKE
    assert "was released" in safety.causes[0]
    _, safety = driving.run(0.4 * GateConfig().release_s)
    assert safety.level is SafetyLevel.DRIVE


def test_steering_by_hand_must_be_let_go_after_a_release(driving):
    driving.base = {"estop": True, "bumper": False}
    driving.run(1.0)
    driving.base = {"estop": False, "bumper": False}
    for _ in range(250):
        driving.send("teleop/cmd_vel", Command(driving.t, 0.3, 0.0))
        command, _ = driving.step()
        assert command.speed_mps == 0.0
    for speed_mps in [0.0] * 150 + [0.3] * 50:
        driving.send("teleop/cmd_vel", Command(driving.t, speed_mps, 0.0))
        command, _ = driving.step()
    assert command.speed_mps == pytest.approx(0.3)


@pytest.mark.parametrize("state", [LocalizationState.LOST, LocalizationState.INITIALIZING])
def test_planner_may_not_drive_while_localization_is_unfit(driving, state):
    driving.state = state
    command, safety = driving.run(1.2)
    assert command.speed_mps == 0.0
    assert "localization is" in safety.causes[0]


def test_docking_may_drive_while_localization_is_lost():
    bench = Bench()
    bench.state = LocalizationState.LOST
    bench.plan = lambda b: drive_plan(b.t, b.pose, 0.2, source=TrajectorySource.DOCKING)
    command, safety = bench.run(1.0)
    assert command.speed_mps == pytest.approx(0.2, abs=0.02)
    assert safety.source == "docking"


def test_two_moving_plans_stop_the_robot(driving):
    for _ in range(50):
        if round(driving.t / DT_S) % 5 == 0:
            driving.send(
                "docking/plan",
                drive_plan(driving.t, driving.pose, 0.2, source=TrajectorySource.DOCKING),
            )
        command, safety = driving.step()
    assert command.speed_mps == 0.0
    assert "both ask" in safety.causes[0]


def test_busy_bay_holds_the_wheels_even_when_handoff_goes_silent(driving):
    driving.busy = True
    driving.run(0.2)
    driving.silent = {"bay/command"}
    command, safety = driving.run(2.0)
    assert command.speed_mps == 0.0
    assert "BUSY" in safety.causes[0]
    driving.busy, driving.silent = False, set()
    command, safety = driving.run(1.0)
    assert safety.level is SafetyLevel.DRIVE


def uncertified(plan):
    return replace(plan, certified=False)


def test_plan_that_is_not_certified_does_not_drive(driving):
    rising = np.array([[1.0, 0.0], [1.1, 0.0], [0.0, 0.0]])

    def plan(bench):
        poses = bench.pose + np.array([[0.0, 0.0, 0.0], [0.1, 0.0, 0.0], [0.2, 0.0, 0.0]])
        return Trajectory(bench.t, TrajectorySource.PLANNER, 0.1, poses, rising, False, "")

    driving.plan = plan
    command, safety = driving.run(1.5)
    assert command.speed_mps == 0.0
    assert safety.causes == ("planner: not certified free",)


def test_standing_robot_does_not_follow_an_uncertified_plan_that_only_brakes():
    bench = Bench()
    bench.plan = lambda b: uncertified(drive_plan(b.t, b.pose, 1.0))
    bench.run(1.0)
    assert np.abs(np.array(bench.log)[:, 1]).max() == 0.0


def test_uncertified_braking_is_followed_as_hard_as_it_is(driving):
    start_s, pose = driving.t, driving.pose.copy()
    speeds = np.array([1.0, 0.7, 0.4, 0.1, 0.0])
    twists = np.stack([speeds, np.zeros(5)], axis=-1)
    poses = np.array([[x, 0.0, 0.0] for x in (0.0, 0.085, 0.14, 0.165, 0.17)]) + pose
    plan = Trajectory(start_s, TrajectorySource.PLANNER, 0.1, poses, twists, False, "")
    driving.plan = lambda b: plan if b.t == start_s else None
    driving.run(0.2)
    # Service braking would still have been at 0.7 m/s.
    assert driving.log[-1][1] < 0.6


def test_robot_does_not_move_before_the_handoff_was_heard_once():
    bench = Bench()
    bench.silent = {"bay/command"}
    command, safety = bench.run(1.0)
    assert command.speed_mps == 0.0
    assert safety.causes == ("bay/command: nothing received",)
    bench.send("teleop/cmd_vel", Command(bench.t, 0.3, 0.0))
    command, safety = bench.step()
    assert (command.speed_mps, safety.source) == (0.0, "teleop")
    assert safety.causes == ("bay/command: nothing received",)
    bench.silent = set()
    _, safety = bench.run(1.0)
    assert safety.level is SafetyLevel.DRIVE


def test_teleop_goes_before_the_planner(driving):
    for _ in range(60):
        driving.send("teleop/cmd_vel", Command(driving.t, 0.3, 0.2))
        command, safety = driving.step()
    assert safety.source == "teleop"
    assert command.speed_mps == pytest.approx(0.3)
    assert command.yaw_rate == pytest.approx(0.2)


def test_robot_far_off_its_plan_brakes(driving):
    driving.plan = lambda b: drive_plan(b.t, b.pose + np.array([0.0, 0.8, 0.0]))
    command, safety = driving.run(1.2)
    assert command.speed_mps == 0.0
    assert "off its plan" in safety.causes[0]


def test_feedback_brings_the_robot_back_to_a_curved_plan():
    bench = Bench()
    bench.pose = np.array([0.0, 0.15, 0.1])
    whole = drive_plan(0.0, np.zeros(3), 0.8, 0.2)
    straight = np.full((60, 2), [0.8, 0.16])
    poses = [np.zeros(3)]
    for _ in straight:
        poses.append(advance(poses[-1], straight[0], 0.1))
    tail = drive_plan(0.0, poses[-1], 0.8, 0.2)
    poses = np.concatenate([np.array(poses)[:-1], tail.poses])
    twists = np.concatenate([straight, tail.twists])

    def plan(b):
        k = round(b.t / 0.1)
        return replace(whole, stamp_s=b.t, poses=poses[k:], twists=twists[k:])

    bench.plan = plan
    bench.run(6.0)
    error = bench.pose - poses[60]
    assert np.hypot(*error[:2]) < 0.02
    assert abs(error[2]) < 0.02


def test_braking_after_silence_keeps_to_the_curve_of_the_plan():
    bench = Bench()
    bench.plan = lambda b: drive_plan(b.t, b.pose, 1.0, 0.4)
    bench.run(2.0)
    start = bench.pose.copy()
    bench.silent = {"plan"}
    bench.run(1.5)
    turned = bench.pose[2] - start[2]
    chord = np.hypot(*(bench.pose - start)[:2])
    assert bench.log[-1][1] == 0.0
    assert turned / chord == pytest.approx(0.4, rel=0.15)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"poses": np.full((3, 3), np.nan)}, "finite"),
        ({"twists": np.ones((3, 2))}, "end in a stop"),
        ({"dt_s": 0.0}, "in (0, 1]"),
        ({"stamp_s": 99.0}, "ahead"),
        ({"stamp_s": -99.0}, "old at arrival"),
        ({"poses": np.zeros((3, 2))}, "shape"),
    ],
)
def test_bad_plans_are_turned_away_with_value_and_rule(driving, change, rule):
    plan = Trajectory(
        driving.t, TrajectorySource.PLANNER, 0.1, np.zeros((3, 3)), np.zeros((3, 2)), True, ""
    )
    driving.gate.receive("plan", replace(plan, **change))
    assert rule in driving.gate.inbox.last_rejection
    assert driving.gate.inbox.rejections["plan"] == 1


@pytest.mark.parametrize(
    ("topic", "value"),
    [("bay/command", BayCommand(0.0, 0, False)), ("teleop/cmd_vel", Command(0.0, 0.3, 0.0))],
)
def test_repeated_stamps_are_taken_and_older_ones_are_not(driving, topic, value):
    inbox, now_s = driving.gate.inbox, driving.t + 0.05
    for stamp_s, taken in ((now_s, True), (now_s, True), (now_s - 0.03, False)):
        driving.gate.receive(topic, replace(value, stamp_s=stamp_s))
        assert (inbox.value(topic).stamp_s == now_s) and (topic in inbox.rejections) is not taken
    assert "not after the last" in inbox.last_rejection


def test_stamp_from_the_future_before_the_first_step_does_not_block_its_topic():
    gate = CommandGate(GateConfig(), LIMITS)
    gate.receive("odometry", OdometryEstimate(1e6, np.zeros(3), np.zeros(2), np.eye(2)))
    gate.receive("odometry", OdometryEstimate(1.0, np.zeros(3), np.zeros(2), np.eye(2)))
    gate.step(1.02)
    assert "ahead" in gate.inbox.last_rejection
    assert gate.inbox.value("odometry").stamp_s == 1.0


def test_inputs_age_on_when_the_clock_is_set_back(driving):
    gate, t = driving.gate, driving.t
    for k in range(1, 60):
        # The clock is set back again and again; every input is silent.
        command, safety = gate.step(t - 0.5 * (k // 5) + 0.02 * (k % 5))
        if k == 20:
            assert any(cause.startswith("odometry") for cause in safety.causes), safety.causes
    assert command.speed_mps == 0.0
    assert safety.level is SafetyLevel.BRAKE


def test_gate_says_why_it_brakes_when_no_plan_comes_after_the_clock_was_set_back(driving):
    driving.silent = {"plan"}
    driving.t -= 100.0
    # For a moment odometry itself is missing; then only the plan is.
    driving.run(0.06)
    _, safety = driving.run(0.4)
    assert safety.level is SafetyLevel.BRAKE
    assert len(safety.causes) == 1
    assert safety.causes[0].startswith("plan: none came since")
    driving.silent = set()
    assert driving.run(0.1)[1].level is SafetyLevel.DRIVE


def test_robot_drives_on_after_the_clock_was_set_back(driving):
    driving.t -= 100.0
    start = len(driving.log)
    driving.run(1.5)
    speeds = np.array(driving.log)[start - 1 :, 1]
    assert np.abs(np.diff(speeds)).max() <= LIMITS.emergency_braking_mps2 * DT_S + 1e-6
    assert driving.gate.step(driving.t + 0.02)[1].level is SafetyLevel.DRIVE
    assert speeds[-1] == pytest.approx(1.0, abs=0.05)


def stand_plan(bench):
    return drive_plan(bench.t, bench.pose, speed=0.0)


@pytest.mark.parametrize("silent", [set(), {"plan", "odometry", "localization/status"}])
def test_gate_that_was_away_does_not_go_on_with_the_speed_of_before(driving, silent):
    """It hung or was deactivated, and the base stopped by itself."""
    driving.t += 4.0
    driving.twist = np.zeros(2)
    driving.silent, driving.plan = silent, stand_plan
    start = len(driving.log)
    driving.run(1.0)
    assert not np.array(driving.log)[start:, 1:].any()


def test_gate_that_was_away_drives_on_from_a_stand_with_a_fresh_plan(driving):
    driving.t += 4.0
    driving.twist = np.zeros(2)
    start = len(driving.log)
    _, safety = driving.run(2.0)
    speeds = np.array(driving.log)[start:, 1]
    assert safety.level is SafetyLevel.DRIVE, safety
    assert speeds[0] <= 0.1 * LIMITS.acceleration_mps2
    assert np.diff(speeds).max() <= LIMITS.acceleration_mps2 * DT_S + 1e-6
    assert speeds[-1] == pytest.approx(1.0, abs=0.05)


def test_gate_that_was_late_by_less_than_the_base_waits_brakes_from_its_speed(driving):
    driving.t += GateConfig().command_timeout_s - 2.0 * DT_S
    driving.plan = stand_plan
    command, _ = driving.step()
    assert command.speed_mps > 0.5


def test_component_tells_state_at_ten_hertz_and_at_changes():
    component = GateComponent(GateConfig(), LIMITS)
    states = 0
    for k in range(100):
        t = 0.02 * k
        published = component.step(t)
        assert published[0][0] == "cmd_vel"
        states += sum(topic == "safety_state" for topic, _ in published)
    assert 19 <= states <= 22
    component.receive("base/state", BaseState(t, True, False, False, False, 1.0))
    assert [topic for topic, _ in component.step(t + 0.02)] == ["cmd_vel", "safety_state"]
    assert "e-stop" in component.diagnose(t)[0].message


def test_plan_from_before_a_break_of_odometry_is_not_followed(driving):
    """Localization was started again; the planner does not know yet and sends old plans."""
    driving.silent = {"odometry"}
    driving.run(1.5)
    driving.silent = {"obstacles"}
    old = drive_plan(driving.t - 0.01, driving.pose)
    driving.pose = np.zeros(3)
    driving.plan = lambda bench: old
    command, safety = driving.run(0.1)
    assert command.speed_mps == 0.0
    assert driving.gate.inbox.value("plan") is None
    assert "before the break of odometry" in driving.gate.inbox.last_rejection
    assert any(cause.startswith("plan: none came since odometry began") for cause in safety.causes)
    driving.plan, driving.silent = lambda bench: drive_plan(bench.t, bench.pose), set()
    command, safety = driving.run(1.0)
    assert safety.level is SafetyLevel.DRIVE, safety
    assert command.speed_mps > 0.5
