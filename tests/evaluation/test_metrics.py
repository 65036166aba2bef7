"""Figures of a run from a log written by hand."""

from dataclasses import replace

import numpy as np
import pytest
from tests.robot import ROBOT

from lastmile.evaluation import metrics
from lastmile.evaluation.run_log import RunLog
from lastmile.geometry import se2
from lastmile.maps.example import example_site
from lastmile.types import (
    BayState,
    Command,
    EdgeKind,
    GroundTruth,
    LocalizationState,
    PoseEstimate,
    Route,
    RouteSpan,
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


def test_docking_error_is_that_of_the_port_once_the_robot_stands():
    site, log = example_site(), RunLog()
    locker = site.lockers[1]
    T_base_port = np.eye(4)
    T_base_port[0, 3] = 0.37
    robot = replace(ROBOT, mounts={"port_link": T_base_port})
    # The robot's port looks into the locker's: 12 mm before it, 5 mm aside and turned by 2 degrees.
    port = se2.compose(locker.pose_map_port, np.array([0.012, 0.005, np.pi + np.radians(2.0)]))
    docked = se2.compose(port, np.array([-0.37, 0.0, 0.0]))
    for k, (ahead_m, speed) in enumerate([(-0.02, 0.05), (-0.01, 0.05), (0.0, 0.0), (0.5, 0.0)]):
        pose = se2.compose(docked, np.array([ahead_m, 0.0, 0.0]))
        log.truth.append(replace(truth(0.1 * k, 0.0, speed), pose_map_base=pose))
    for stamp_s, contact in ((0.0, False), (0.1, True), (0.2, True)):
        bay = BayState(stamp_s, False, False, "", True, contact, True if contact else None)
        log.observe(stamp_s, "simulator", "bay/state", bay)
    (error,) = metrics.docking_errors(log, site, robot)
    assert error.locker_id == locker.id
    assert error.distance_m == pytest.approx(0.013, abs=1e-6)
    assert error.angle_deg == pytest.approx(2.0, abs=1e-6)


def route(goal_x, crossing_id="x"):
    """Lead along x from the origin, over a crossing in the middle."""
    middle = 0.5 * goal_x
    kinds = ((0.0, middle - 3.0, "sidewalk", ""),
             (middle - 3.0, middle + 3.0, "crossing", crossing_id),
             (middle + 3.0, goal_x, "sidewalk", ""))  # fmt: skip
    spans = tuple(
        RouteSpan(a, b, EdgeKind(kind), 2.0, 1.4, name, False, 0, 0.0) for a, b, kind, name in kinds
    )
    points = np.stack([np.arange(goal_x + 1.0), np.zeros(int(goal_x) + 1)], axis=-1)
    return Route("r", points, spans, 0.0)


def test_crossings_count_that_the_robot_came_near():
    log = RunLog()
    log.truth += [truth(0.1 * x, float(x)) for x in range(30)]
    for stamp_s, goal_x, name in ((0.0, 40.0, "driven"), (1.0, 100.0, "not reached")):
        log.observe(stamp_s, "planner", "route", route(goal_x, name))
    assert metrics.crossings_driven(log) == {"driven"}


def test_way_planned_is_that_of_the_first_route_to_each_goal():
    log = RunLog()
    log.truth += [truth(0.1 * x, float(x)) for x in range(30)]
    for goal_x in (40.0, 40.0, 100.0):
        log.observe(0.0, "planner", "route", route(goal_x))
    detour = replace(route(60.0), points=route(40.0).points)
    log.observe(0.0, "planner", "route", detour)
    figures = metrics.summarise(log, example_site(), ROBOT)
    assert figures.route_m == pytest.approx(140.0)
    assert figures.distance_m == pytest.approx(29.0)
    assert figures.mean_speed_mps == pytest.approx(1.0)


def test_spread_of_nothing_is_nan():
    assert np.isnan(metrics.spread(np.empty(0)).median)
