"""Figures of a run from a log written by hand."""

from dataclasses import replace

import numpy as np
import pytest
from tests.robot import ROBOT

from lastmile.evaluation import metrics
from lastmile.evaluation.run_log import RunLog
from lastmile.types import (
    Command,
    GroundTruth,
    LocalizationState,
    PoseEstimate,
    TaskOutcome,
    TaskResult,
    Trajectory,
    TrajectorySource,
)


def truth(stamp_s, x, v=1.0, contact=""):
    return GroundTruth(
        stamp_s,
        np.array([x, 0.0, 0.0]),
        np.array([v, 0.0]),
        np.empty((0, 5)),
        np.empty((0, 6)),
        np.inf,
        np.inf,
        contact,
    )


def estimate(stamp_s, pose, level=0.5):
    return PoseEstimate(
        stamp_s,
        np.array(pose),
        np.eye(3),
        np.zeros(3),
        LocalizationState.TRACKING,
        level,
        level,
        level,
        "",
    )


def test_localization_error_interpolates_the_truth():
    log = RunLog()
    log.truth += [truth(0.0, 0.0), truth(1.0, 1.0)]
    log.poses += [estimate(0.5, [0.5, 0.3, 0.1])]
    _, position, yaw, covered = metrics.localization_errors(log)
    assert position == pytest.approx([0.3])
    assert yaw == pytest.approx([0.1])
    assert covered.tolist() == [True]


def test_a_protection_level_below_the_error_is_not_covering():
    log = RunLog()
    log.truth += [truth(0.0, 0.0), truth(1.0, 1.0)]
    log.poses += [estimate(0.5, [0.5, 0.3, 0.0], level=0.2)]
    assert metrics.localization_errors(log)[3].tolist() == [False]


def test_estimates_outside_the_truth_are_left_out():
    log = RunLog()
    log.truth += [truth(0.0, 0.0), truth(1.0, 1.0)]
    log.poses += [estimate(1.5, [1.5, 0.0, 0.0])]
    assert len(metrics.localization_errors(log)[0]) == 0


def test_a_contact_half_a_second_after_moving_is_own():
    log = [truth(0.0, 0.0), truth(0.5, 0.0, v=0.0, contact="bin"), truth(0.6, 0.0, v=0.0)]
    assert metrics.contacts(log, ROBOT) == [metrics.Contact(0.5, "bin", True)]


def test_a_contact_long_after_moving_is_not_own():
    log = [truth(0.0, 0.0), truth(0.3, 0.0, v=0.0), truth(0.51, 0.0, v=0.0, contact="person 3")]
    assert metrics.contacts(log, ROBOT) == [metrics.Contact(0.51, "person 3", False)]


def test_a_contact_right_after_a_gap_of_the_truth_is_own():
    log = [truth(0.0, 0.0, v=0.0), truth(0.51, 0.0, v=0.0, contact="person 3")]
    assert metrics.contacts(log, ROBOT) == [metrics.Contact(0.51, "person 3", True)]


def test_a_lasting_contact_counts_once():
    log = [truth(0.1 * k, 0.0, contact="wall") for k in range(5)]
    assert len(metrics.contacts(log, ROBOT)) == 1


def test_a_contact_becomes_own_when_the_robot_moves_while_it_touches():
    still = [truth(0.1 * k, 0.0, v=0.0, contact="person 3") for k in range(10)]
    assert [c.own for c in metrics.contacts(still, ROBOT)] == [False]
    moving = [*still, truth(1.0, 0.0, v=0.3, contact="person 3")]
    assert [c.own for c in metrics.contacts(moving, ROBOT)] == [True]


def test_everything_that_is_touched_counts_once():
    log = [truth(0.1 * k, 0.0, contact=what) for k, what in enumerate(["bin", "bin, car 2", "bin"])]
    assert [c.what for c in metrics.contacts(log, ROBOT)] == ["bin", "car 2"]


def test_latency_runs_from_the_scan_to_the_first_command_after_its_plan():
    log = RunLog()
    plan = Trajectory(
        10.05,
        TrajectorySource.PLANNER,
        0.1,
        np.zeros((2, 3)),
        np.zeros((2, 2)),
        True,
        "",
        sensed_stamp_s=10.0,
    )
    log.observe(10.06, "planner", "plan", plan)
    # Decided before the plan can have come to the gate.
    log.observe(10.07, "command_gate", "cmd_vel", Command(10.07, 1.0, 0.0))
    log.observe(10.09, "command_gate", "cmd_vel", Command(10.09, 1.0, 0.0))
    log.observe(10.11, "command_gate", "cmd_vel", Command(10.11, 1.0, 0.0))
    assert log.latencies_s == pytest.approx([0.09])


def test_truth_that_ends_before_the_result_is_unseen_until_then():
    stamps = np.array([0.0, 0.1, 2.1, 2.2])
    result = TaskResult("g", 3.0, TaskOutcome.SUCCEEDED, "")
    longest = metrics._longest_unseen
    assert longest(stamps, None) == pytest.approx(2.0)
    assert longest(stamps, result) == pytest.approx(2.0)
    assert longest(stamps, replace(result, stamp_s=9.2)) == pytest.approx(7.0)
    assert longest(stamps, replace(result, stamp_s=0.0)) == pytest.approx(2.0)
    assert longest(np.empty(0), result) == pytest.approx(3.0)


def test_spread_of_nothing_is_nan():
    assert np.isnan(metrics.spread(np.empty(0)).median)
