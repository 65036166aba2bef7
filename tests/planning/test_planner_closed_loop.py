"""Closed loops of planner and gate in a flat little world."""

from dataclasses import replace

import numpy as np
import pytest
from tests.planning.bench_world import DT_S, Walker, World, make_route

from lastmile.planning.config import ArrivalConfig, PlannerConfig
from lastmile.types import (
    Cell,
    CrossingSignal,
    EdgeKind,
    LocalizationState,
    ObstacleArray,
    ObstacleKind,
    RouteSpan,
    SignalPhase,
    SignalStates,
    TaskCancel,
    TaskOutcome,
)
from lastmile.vehicle.description import MotionLimits


def sidewalk(length_m=40.0, half_m=1.6, **kwargs):
    """A facade on the left, a curb on the right."""
    world = World((length_m + 20.0, 20.0), **kwargs)
    world.box(-8.0, half_m, length_m + 8.0, half_m + 0.5)
    world.box(-8.0, -half_m - 0.5, length_m + 8.0, -half_m, Cell.CURB)
    return world


def assert_arrived(world, goal, distance_m=0.12):
    assert world.result is not None, world.status
    assert world.result.outcome is TaskOutcome.SUCCEEDED, world.result
    assert np.hypot(*(world.pose[:2] - goal)) < distance_m
    assert world.contact == ""
    assert all(plan.certified for plan in world.plans)


def test_robot_arrives_at_the_goal_with_the_heading_wanted():
    world = sidewalk(15.0)
    world.drive(make_route([[0, 0], [10, 0]], goal_yaw=np.pi / 2))
    world.run(30.0)
    assert_arrived(world, [10.0, 0.0], 0.1)
    assert abs(world.pose[2] - np.pi / 2) < np.radians(5.0)


def test_robot_passes_clutter():
    rng = np.random.default_rng(0)
    world = sidewalk(16.0)
    for x in np.arange(4.0, 14.0, 4.0):
        y = rng.uniform(-1.6, 1.6)
        a, b = rng.uniform(0.1, 0.4, 2)
        world.box(x - a, y - b, x + a, y + b)
    world.drive(make_route([[0, 0.4], [16, 0.2]]))
    world.run(40.0)
    assert_arrived(world, [16.0, 0.2])


@pytest.mark.slow
def test_robot_passes_walking_and_standing_people_with_room():
    world = sidewalk(25.0, half_m=2.0)
    for x, y, v in ((9, 0.2, -1.2), (7, -0.9, 0.0), (14, 0.5, -1.0)):
        world.walkers.append(Walker(np.array([x, y], float), np.array([v, 0.0])))
    world.drive(make_route([[0, 0], [13, 0]]))
    world.run(60.0)
    assert_arrived(world, [13.0, 0.0])
    assert world.least_people_m > 0.3


def test_local_free_space_decides_where_the_route_runs_into_a_wall():
    world = sidewalk(15.0, half_m=1.2)
    world.drive(make_route([[0, 1.0], [6, 1.0]]))
    world.run(60.0)
    assert world.result is not None
    assert world.result.outcome is TaskOutcome.SUCCEEDED
    assert "blocked" in world.result.text
    assert world.contact == ""


def test_blocked_way_fails_after_a_while():
    config = replace(PlannerConfig(), arrival=replace(ArrivalConfig(), blocked_s=3.0, fail_s=5.0))
    world = sidewalk(15.0, config=config)
    world.box(5.0, -2.0, 5.3, 2.0)
    world.drive(make_route([[0, 0], [12, 0]]))
    world.run(40.0)
    assert world.result.outcome is TaskOutcome.FAILED
    assert "blocked" in world.result.text
    assert world.contact == ""


def crossing_world(signals=None):
    """A road of 30 km/h, narrow enough to see its traffic in time."""
    world = World((40.0, 80.0), origin=np.array([-10.0, -40.0]), signals=signals)
    spans = (
        RouteSpan(0.0, 6.0, EdgeKind.SIDEWALK, 2.0, 1.4, "", False, 0, 0.0),
        RouteSpan(6.0, 12.5, EdgeKind.CROSSING, 3.0, 1.4, "x", signals is not None, 2, 8.3),
        RouteSpan(12.5, 18.0, EdgeKind.SIDEWALK, 2.0, 1.4, "", False, 0, 0.0),
    )
    world.drive(make_route([[0, 0], [18, 0]], spans=spans))
    return world


def signal_feed(green_from_s, remaining_s=30.0):
    def feed(t):
        phase = SignalPhase.GREEN if t >= green_from_s else SignalPhase.RED
        return SignalStates(t, (CrossingSignal("x", phase, remaining_s),))

    return feed


@pytest.mark.slow
def test_robot_waits_at_the_kerb_for_green():
    world = crossing_world(signal_feed(9.0))
    world.run(8.5)
    assert 4.0 < world.pose[0] < 5.7
    assert abs(world.twist[0]) < 0.05
    assert "red" in world.status.reason
    world.run(30.0)
    assert_arrived(world, [18.0, 0.0])


def test_green_that_is_too_short_is_not_used():
    world = crossing_world(signal_feed(0.0, remaining_s=3.0))
    world.run(8.0)
    assert world.pose[0] < 5.7
    assert "needed" in world.status.reason


@pytest.mark.slow
def test_robot_lets_cars_pass_where_there_is_no_signal():
    world = crossing_world()
    outline = np.array([[-0.9, -2.2], [0.9, -2.2], [0.9, 2.2], [-0.9, 2.2]])
    car = Walker(
        np.array([9.0, -80.0]), np.array([0.0, 11.0]), kind=ObstacleKind.VEHICLE, outline=outline
    )
    world.walkers.append(car)
    passed_x = []
    world.run(40.0, until=lambda w: car.position[1] > 0.0 and not passed_x.append(w.pose[0]))
    assert passed_x[0] < 5.9
    world.run(40.0)
    assert_arrived(world, [18.0, 0.0])


@pytest.mark.parametrize("topic", ["odometry", "obstacles", "cost_map", "localization/status"])
def test_silent_input_stops_the_robot_with_its_name(topic):
    world = sidewalk(20.0)
    world.drive(make_route([[0, 0], [20, 0]]))
    world.run(4.0)
    assert world.twist[0] > 1.0
    world.silent = {topic}
    world.run(2.5)
    assert abs(world.twist[0]) < 0.02
    assert topic in world.status.reason
    world.silent = set()
    world.run(2.0)
    assert world.twist[0] > 0.5


def test_lost_localization_stops_and_degraded_slows():
    world = sidewalk(20.0)
    world.drive(make_route([[0, 0], [20, 0]]))
    world.run(3.0)
    world.state = LocalizationState.DEGRADED
    world.run(2.0)
    assert 0.3 < world.twist[0] < 0.75
    world.state = LocalizationState.LOST
    world.run(2.0)
    assert abs(world.twist[0]) < 0.02


def assert_no_jerk(world, least_mps):
    """Check that the robot neither braked harder than in service nor below a speed on its way."""
    log = np.array(world.log)
    on_its_way = (log[:, 0] > 3.0) & (log[:, 1] < 8.0)
    assert log[on_its_way, 4].min() > least_mps
    assert np.abs(np.diff(log[:, 4]) / DT_S).max() < MotionLimits().braking_mps2 + 1e-6


def test_jump_of_the_map_pose_is_followed_without_a_jerk():
    world = sidewalk(20.0, error_map=np.array([-0.3, 0.3, 0.02]))
    world.drive(make_route([[0, 0], [11, 0]]))
    world.run(4.0)
    world.error_map = np.zeros(3)
    world.run(0.5)
    assert world.status.reason == "pose in the map jumped"
    world.run(30.0)
    assert_arrived(world, [11.0, 0.0])
    assert_no_jerk(world, world.config.speed.correction_mps - 0.05)


def test_jump_of_odom_is_followed_without_a_jerk():
    world = sidewalk(20.0)
    world.drive(make_route([[0, 0], [11, 0]]))
    world.run(4.0)
    world.pose_map_odom = np.array([0.3, -0.3, 0.02])
    world.run(30.0)
    assert_arrived(world, [11.0, 0.0])
    assert_no_jerk(world, 1.0)


def test_route_is_driven_to_its_end_when_odom_begins_anew_on_the_way():
    """Localization dies on the way and is started again; odom is then zero where it stands."""
    world = sidewalk(20.0)
    world.box(9.0, -0.2, 9.6, 1.6)
    world.drive(make_route([[0, 0], [16, 0]]))
    world.run(4.0)
    assert world.twist[0] > 1.0
    before = world.planner._planner
    world.silent = {"odometry", "localization/status", "obstacles", "cost_map"}
    world.run(2.0)
    assert abs(world.twist[0]) < 0.02
    world.silent, world.pose_map_odom = set(), world.pose.copy()
    world.run(0.3)
    assert world.planner._planner is not before
    assert world.planner._planner.reference.progress_m == pytest.approx(world.pose[0], abs=0.2)
    world.run(40.0)
    assert_arrived(world, [16.0, 0.0])


def test_cancel_stops_and_ends_the_task():
    world = sidewalk(20.0)
    world.drive(make_route([[0, 0], [15, 0]]))
    world.run(3.0)
    world.planner.receive("follow_route/cancel", TaskCancel("g"))
    world.run(3.0)
    assert world.result.outcome is TaskOutcome.CANCELED
    for _ in range(25):
        world.step()
    assert abs(world.twist[0]) < 0.02


@pytest.mark.parametrize("gap_m", [0.55, 0.6])
def test_obstacle_that_comes_into_view_late_is_braked_for_as_hard_as_needed(gap_m):
    world = sidewalk(40.0)
    world.drive(make_route([[0, 0], [30, 0]]))
    world.run(6.0)
    front_m = world.pose[0] + 0.35
    world.box(front_m + gap_m, -1.6, front_m + 1.3, 1.6)
    world.run(1.2)
    assert np.abs(world.twist).max() < 0.01
    assert world.contact == ""


def test_plan_that_stops_because_localization_is_lost_says_whether_it_is_free():
    world = sidewalk(40.0)
    world.drive(make_route([[0, 0], [30, 0]]))
    world.run(6.0)
    front_m = world.pose[0] + 0.35
    world.box(front_m + 0.3, -1.6, front_m + 0.6, 1.6)
    world.state = LocalizationState.LOST
    world.run(0.4)
    lost = [p for p in world.plans if p.reason == "localization is lost"]
    assert not all(plan.certified for plan in lost)


def test_robot_creeps_past_somebody_who_stands_beside_its_start():
    world = sidewalk(20.0)
    world.walkers.append(Walker(np.array([0.8, 0.95]), np.zeros(2)))
    world.drive(make_route([[0, 0], [10, 0]]))
    world.run(15.0)
    assert world.pose[0] > 2.0
    assert world.contact == ""


def test_person_who_steps_in_front_is_not_hit():
    world = sidewalk(20.0)
    walker = Walker(np.array([6.0, -1.2]), np.zeros(2))
    world.walkers.append(walker)
    world.drive(make_route([[0, 0], [10, 0]]))
    world.run(20.0, until=lambda w: w.pose[0] > 4.0)
    walker.velocity = np.array([0.0, 1.5])
    world.run(1.0)
    walker.velocity = np.zeros(2)
    world.run(30.0)
    assert world.contact == ""
    assert world.least_people_m > 0.3


def test_robot_stands_on_while_somebody_who_walked_up_to_it_hesitates():
    world = sidewalk(20.0)
    world.pose = np.array([0.0, 0.0, np.pi / 2])
    walker = Walker(np.array([1.6, 0.0]), np.array([-0.8, 0.0]))
    world.walkers.append(walker)
    world.drive(make_route([[0, 0], [10, 0]]))
    world.run(0.6)
    walker.velocity = np.zeros(2)
    world.run(0.7)
    assert world.pose[2] == pytest.approx(np.pi / 2, abs=1e-3)
    assert "walks up to the robot" in world.status.reason
    walker.velocity = np.array([0.8, 0.0])
    world.run(15.0)
    assert world.pose[0] > 1.0


def test_robot_stops_while_somebody_beside_it_is_out_of_sight():
    world = sidewalk(40.0, half_m=2.6)
    walker = Walker(np.array([-1.0, 1.4]), np.array([0.6, 0.0]))
    world.walkers.append(walker)
    world.drive(make_route([[0, 0], [30, 0]]))
    world.run(20.0, until=lambda w: w.twist[0] > 0.3)
    walker.position = world.pose[:2] + np.array([0.0, 1.4])
    walker.observed = False
    world.run(1.0)
    assert "is out of sight" in world.status.reason
    assert abs(world.twist[0]) < 0.02
    walker.position, walker.observed = world.pose[:2] + np.array([-8.0, 1.4]), True
    at_m = world.pose[0]
    world.run(8.0)
    assert world.pose[0] > at_m + 1.0


def test_robot_that_stops_for_somebody_does_not_turn_on_the_spot():
    world = sidewalk(20.0, half_m=2.6)
    world.drive(make_route([[0, 0], [10, 0]]))
    world.run(20.0, until=lambda w: w.pose[0] > 1.5)
    walker = Walker(np.array([1.6, -1.8]), np.array([1.17, 0.81]))
    world.walkers.append(walker)
    turning = []
    for tick in range(200):
        if tick == 55:
            walker.velocity = np.array([0.1, 1.25])
        world.run(0.02)
        if abs(world.twist[0]) < 0.08:
            turning.append(abs(world.twist[1]))
    assert turning
    assert max(turning) < 0.1
    assert world.contact == ""


def test_robot_does_not_set_off_before_it_knows_how_a_person_walks():
    world = sidewalk(20.0)
    world.walkers.append(Walker(np.array([2.2, 0.9]), np.zeros(2)))
    exact, ages = world._obstacles, [0.1]
    world._obstacles = lambda t: ObstacleArray(
        exact(t).stamp_s, tuple(replace(o, age_s=ages[-1]) for o in exact(t).obstacles)
    )
    world.drive(make_route([[0, 0], [10, 0]]))
    world.run(1.0)
    assert world.status.reason == "person 0 came into view just now"
    assert np.abs(world.pose).max() < 1e-3
    ages.append(0.5)
    world.run(3.0)
    assert world.pose[0] > 0.3


FOOTWAY = RouteSpan(0.0, 5.0, EdgeKind.FOOTWAY, 2.0, 1.4, "", False, 0, 0.0)


@pytest.mark.parametrize(
    ("part", "rule"),
    [
        ({"points": np.array([[0.0, 0.0], [np.nan, 0.0], [5.0, 0.0]])}, "finite"),
        ({"spans": (replace(FOOTWAY, speed_mps=0.0),)}, "have a width and a speed"),
        ({"spans": (replace(FOOTWAY, width_m=-1.0),)}, "have a width and a speed"),
        ({"spans": (replace(FOOTWAY, start_m=6.0),)}, "not end before it starts"),
    ],
)
def test_bad_route_is_refused_with_the_rule(part, rule):
    world = sidewalk(5.0)
    world.drive(replace(make_route([[0, 0], [5, 0]]), **part))
    world.run(0.2)
    assert world.result.outcome is TaskOutcome.FAILED
    assert rule in world.result.text


def test_a_plan_is_made_for_every_message_of_obstacles_and_when_none_comes():
    world = sidewalk(20.0)
    world.drive(make_route([[0, 0], [10, 0]]))
    planned_at = []
    for k in range(50):
        t = 0.02 * k
        # Obstacles come at 10 Hz, between the beats of the planner's own timer.
        if k % 5 == 2 and k < 25:
            world._sense(t)
            world.planner.receive("obstacles", world._obstacles(t))
        planned_at += [t for topic, _ in world.planner.step(t) if topic == "plan"]
    with_obstacles = [t for t in planned_at if 0.03 < t < 0.46]
    assert with_obstacles == pytest.approx([0.04, 0.14, 0.24, 0.34, 0.44])
    assert np.diff([t for t in planned_at if t > 0.43]) == pytest.approx(0.1)


def test_robot_drives_on_soon_after_the_clock_was_set_back():
    world = sidewalk(40.0)
    world.drive(make_route([[0, 0], [30, 0]]))
    world.run(4.0)
    assert world.twist[0] > 1.0
    world.k -= round(5.0 / DT_S)
    plans = len(world.plans)
    world.run(1.0)
    assert len(world.plans) - plans >= 9
    assert not world.safety.causes, world.safety
    world.run(2.0)
    assert world.twist[0] > 1.0
    assert not world.contact
    assert world.planner.diagnose(world.t)[0].values["clock set back"] == "1"
