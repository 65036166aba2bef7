"""Stops after faults, judged on motions that are known exactly."""

import numpy as np
import pytest

from lastmile.evaluation.faults import Fault, judge_stop, report_names_cause
from lastmile.evaluation.run_log import RunLog
from lastmile.types import (
    Command,
    Diagnostic,
    DiagnosticLevel,
    GroundTruth,
    SafetyLevel,
    SafetyState,
    Trajectory,
    TrajectorySource,
)
from lastmile.vehicle.description import MotionLimits

LIMITS = MotionLimits()
SPEED, BRAKING = 1.4, LIMITS.braking_mps2
FAULT = Fault("planner", "SIGKILL", 10.0)


def observe_truth(log, stamp_s, x, speed):
    log.observe(
        stamp_s,
        "simulator",
        "ground_truth",
        GroundTruth(
            stamp_s, np.array([x, 0.0, 0.0]), np.array([speed, 0.0]), np.empty((0, 5)),
            np.empty((0, 6)), np.inf, np.inf, "",
        ),
    )  # fmt: skip


def stop_log(begins_s, braking=BRAKING, cause="plan: 0.27 s old, limit 0.25 s", gaining=0.0):
    """Drive at constant speed, or gaining some, and brake evenly some time after the fault."""
    log = RunLog()
    for stamp_s in np.arange(8.0, 20.0, 0.02):
        braked_s = np.clip(stamp_s - FAULT.stamp_s - begins_s, 0.0, SPEED / braking)
        speed = SPEED - braking * braked_s
        speed += gaining * float(np.clip(stamp_s - FAULT.stamp_s, 0.0, begins_s))
        x = SPEED * (min(stamp_s, FAULT.stamp_s + begins_s) - 8.0)
        x += SPEED * braked_s - 0.5 * braking * braked_s**2
        observe_truth(log, stamp_s, x, speed)
    line = Diagnostic("command_gate: command gate", DiagnosticLevel.WARN, cause)
    log.observe(11.2, "command_gate", "diagnostics", line)
    return log


def test_stop_in_time_holds_and_its_figures_are_those_of_the_motion():
    verdict = judge_stop(stop_log(0.2), FAULT, LIMITS)
    assert verdict.speed_mps == pytest.approx(SPEED)
    assert verdict.braking_after_s == pytest.approx(0.22, abs=0.002)
    assert verdict.stopped_m == pytest.approx(0.2 * SPEED + SPEED**2 / 2 / BRAKING, abs=0.01)
    assert verdict.allowed_m == pytest.approx(0.3 * SPEED + SPEED**2 / 2 / BRAKING)
    assert verdict.cause.endswith("plan: 0.27 s old, limit 0.25 s")
    assert verdict.holds


def test_braking_of_a_robot_that_was_gaining_speed_begins_when_its_speed_falls():
    verdict = judge_stop(stop_log(0.25, gaining=1.0), FAULT, LIMITS)
    assert verdict.braking_after_s == pytest.approx(0.27, abs=0.01)


@pytest.mark.parametrize(
    "log",
    [stop_log(0.35), stop_log(0.2, braking=1.2), stop_log(0.2, cause="bumper"), stop_log(1e6)],
    ids=["late", "weak", "unnamed", "never"],
)
def test_stop_that_is_late_weak_unnamed_or_missing_does_not_hold(log):
    assert not judge_stop(log, FAULT, LIMITS).holds


def set_off_log(acceleration, drives_s=14.1, plan_moves_s=9.0, late_s=0.02):
    """Stand from 12 s on, and set off as a gate does that is back since 14 s."""
    log = stop_log(0.2)
    log.truth = [t for t in log.truth if t.stamp_s < 14.0]
    x, before = float(log.truth[-1].pose_map_base[0]), 0.0
    for k in range(300):
        stamp_s, driven_s = 14.0 + 0.02 * k, 0.02 * (k - 5) + late_s
        # The gate's first step to drive came late, and counted for that time.
        speed = min(acceleration * driven_s, SPEED) if k >= 5 else 0.0
        if k >= 5 or driven_s <= 0.0:
            log.observe(stamp_s, "command_gate", "cmd_vel", Command(stamp_s, speed, 0.0))
        x += 0.01 * (before + speed)
        before = speed
        observe_truth(log, stamp_s, x, speed)
    for stamp_s, level in ((9.0, SafetyLevel.DRIVE), (14.02, SafetyLevel.BRAKE)):
        state = SafetyState(stamp_s, level, "planner", ())
        log.observe(stamp_s, "command_gate", "safety_state", state)
    state = SafetyState(drives_s, SafetyLevel.DRIVE, "planner", ())
    log.observe(drives_s, "command_gate", "safety_state", state)
    for stamp_s, speed in ((8.0, 0.0), (plan_moves_s, SPEED)):
        twists = np.array([[speed, 0.0], [0.0, 0.0]])
        plan = Trajectory(
            stamp_s, TrajectorySource.PLANNER, 0.1, np.zeros((2, 3)), twists, True, ""
        )
        log.observe(stamp_s, "planner", "plan", plan)
    return log


@pytest.mark.parametrize("late_s", [0.02, 0.1])
def test_robot_that_sets_off_by_a_plan_once_the_gate_drives_does_not_move_unasked(late_s):
    log = set_off_log(LIMITS.acceleration_mps2, late_s=late_s)
    verdict = judge_stop(log, FAULT, LIMITS, back_s=14.0)
    assert verdict.unasked_m < 0.03
    assert verdict.holds


@pytest.mark.parametrize(
    ("log", "back_s", "unasked_m"),
    [
        # At 3.5 m/s2 instead of 1 m/s2 it is at speed sooner.
        (set_off_log(3.5), 14.0, SPEED**2 / 2.0 * (1.0 - 1.0 / 3.5)),
        # It sets off at 14.1 s and is ahead by its speed times how much too early that is.
        (set_off_log(1.0, drives_s=14.5), 14.0, SPEED * 0.4),
        (set_off_log(1.0, plan_moves_s=14.7), 14.0, SPEED * 0.6),
    ],
    ids=["with the speed of before", "before the gate drives", "before a plan that moves"],
)
def test_motion_that_nobody_asked_for_after_a_stop_is_measured(log, back_s, unasked_m):
    verdict = judge_stop(log, FAULT, LIMITS, back_s)
    assert verdict.unasked_m == pytest.approx(unasked_m, abs=0.05)
    assert not verdict.holds


@pytest.mark.parametrize(
    "cause", ["no plan of the mission", "plan and docking/plan both ask for motion", "holds plan:"]
)
def test_cause_of_something_else_that_has_the_word_in_it_does_not_name_the_fault(cause):
    assert judge_stop(stop_log(0.2, cause=cause), FAULT, LIMITS).cause == ""


def test_cause_is_found_behind_another():
    log = stop_log(0.2, cause="e-stop; plan: 0.27 s old, limit 0.25 s")
    assert judge_stop(log, FAULT, LIMITS).cause


def test_fault_outside_the_log_is_refused():
    with pytest.raises(ValueError, match="no motion about the fault at"):
        judge_stop(stop_log(0.2), Fault("planner", "SIGKILL", 99.0), LIMITS)


def test_report_must_hold_a_cause_that_was_told_after_the_fault():
    log = stop_log(0.2, cause="plan: 0.27 s old, limit 0.25 s")
    log.observe(
        10.3, "command_gate", "safety_state",
        SafetyState(10.3, SafetyLevel.BRAKE, "none", ("plan: 0.26 s > 0.25 s", "bumper")),
    )  # fmt: skip
    assert report_names_cause("<td>plan: 0.27 s old, limit 0.25 s</td>", log, FAULT)
    assert report_names_cause("<td>plan: 0.26 s &gt; 0.25 s; bumper</td>", log, FAULT)
    assert not report_names_cause("<td>plan: 0.31 s old; bumper</td>", log, FAULT)
    later = Fault("planner", "SIGKILL", 12.0)
    assert not report_names_cause("<td>plan: 0.27 s old, limit 0.25 s</td>", log, later)
