"""Docking among people, boxes and ground that was not seen."""

from dataclasses import replace

import numpy as np
import pytest
import shapely
from tests.handoff.yard import Yard, person
from tests.robot import FOOTPRINT

from lastmile.geometry.se2 import between, transform
from lastmile.handoff.config import DockingConfig
from lastmile.types import ObstacleKind, TaskOutcome


def test_undock_does_not_reverse_into_what_was_not_seen():
    yard = Yard((0.37, 0.0, np.pi))
    yard.unseen = [(0.8, -3.0, 4.0, 3.0)]
    yard.order("u1", undock=True)
    yard.run(5.0)
    assert yard.docked
    assert yard.feedback[-1].text == "ground not seen behind the robot"


def test_waits_for_a_person_between_robot_and_port_and_goes_on():
    yard = Yard((1.5, 0.1, np.pi))
    yard.order()
    yard.run(2.5)
    yard.obstacles = [person(yard, (0.5, 0.1))]
    yard.run(2.0)
    yard.assert_stands(3.0)
    assert "person 7" in yard.feedback[-1].text
    yard.obstacles = []
    assert yard.run(40.0, lambda: "d1" in yard.results)
    assert yard.results["d1"].outcome is TaskOutcome.SUCCEEDED


def test_never_drives_nearer_to_a_person_who_steps_in_than_the_planner_would():
    yard = Yard((1.9, 0.1, np.pi))
    yard.order()
    # Walks from the side to before the port and stands there for a while.
    for tick in range(80):
        across_m = max(1.8 - 0.04 * tick, 0.0)
        velocity = (0.0, -0.8) if across_m > 0.0 else (0.0, 0.0)
        yard.obstacles = [person(yard, (0.4, across_m), velocity)]
        yard.run(0.05)
    yard.run(6.0)
    assert not yard.twist.any()
    assert "person 7" in yard.feedback[-1].text
    assert yard.people_gap_m >= 0.3
    yard.obstacles = []
    assert yard.run(40.0, lambda: "d1" in yard.results)
    assert yard.results["d1"].outcome is TaskOutcome.SUCCEEDED


def test_stands_while_somebody_walks_up_from_the_side_and_for_a_second_more():
    yard = Yard((1.2, 0.0, np.pi))
    # Walks right up to the robot's side, where its own motion would get it away.
    moved = []
    for tick in range(50):
        yard.obstacles = [person(yard, (1.4, max(2.2 - 0.05 * tick, 0.6)), (0.0, -1.0))]
        if tick == 8:
            yard.order()
        yard.run(0.05)
        moved.append(bool(yard.twist.any()))
    assert not any(moved)
    assert yard.feedback[-1].text == "person 7 walks up to the robot before the port"
    yard.obstacles = []
    yard.run(0.8)
    assert not yard.twist.any()
    assert yard.run(40.0, lambda: "d1" in yard.results)
    assert yard.results["d1"].outcome is TaskOutcome.SUCCEEDED


def test_brakes_and_never_speeds_up_with_somebody_right_before_it():
    yard = Yard((1.5, 0.0, np.pi))
    yard.order()
    yard.run(3.5)
    assert yard.twist[0] > 0.1
    near_x = between(yard.pose_odom_port, yard.odom)[0] - 0.35 - 0.3
    yard.obstacles = [person(yard, (near_x, 0.0))]
    yard.run(0.1)
    count = len(yard.plans)
    yard.run(1.5)
    assert not yard.twist.any()
    for plan in yard.plans[count:]:
        assert np.diff(np.abs(plan.twists), axis=0).max() <= 1e-6


@pytest.mark.parametrize("after_s", [0.0, 3.0])
def test_box_on_the_way_is_never_touched_and_fails_the_task(after_s):
    yard = Yard((1.7, 0.0, np.pi), config=DockingConfig(wait_timeout_s=8.0))
    yard.order()
    yard.run(after_s)
    yard.boxes = [(0.35, -0.1, 0.6, 0.15)]
    assert yard.run(30.0, lambda: "d1" in yard.results)
    result = yard.results["d1"]
    assert result.outcome is TaskOutcome.FAILED
    assert result.text == "waited 8 s: blocked ground before the port"
    assert result.data == {"retry": 1.0}
    assert not yard.boxes_met
    assert not yard.twist.any()


def test_somebody_at_the_port_costs_no_attempt():
    class OpenContact(Yard):
        docked = False

    yard = OpenContact((1.5, 0.0, np.pi))
    yard.order()
    assert yard.run(20.0, lambda: yard.feedback and yard.feedback[-1].phase == "contact")
    yard.obstacles = [person(yard, (0.1, 0.7))]
    yard.run(0.5)
    yard.assert_stands(8.0)
    assert yard.feedback[-1].phase == "contact"
    assert yard.feedback[-1].text == "person 7 in the way at the port"
    yard.obstacles, yard.docked = [], True
    assert yard.run(5.0, lambda: "d1" in yard.results)
    assert yard.results["d1"].outcome is TaskOutcome.SUCCEEDED
    assert yard.results["d1"].data["attempts"] == 1.0


def test_box_behind_keeps_the_robot_at_the_locker():
    yard = Yard((0.37, 0.0, np.pi), config=DockingConfig(wait_timeout_s=5.0))
    yard.boxes = [(0.95, -0.1, 1.2, 0.2)]
    result = yard.dock("u1", undock=True)
    assert result.outcome is TaskOutcome.FAILED
    assert result.text == "waited 5 s: blocked ground behind the robot"
    assert yard.docked


def test_every_moving_plan_is_certified_and_clear_of_the_boxes():
    yard = Yard((1.8, 0.35, np.pi))
    yard.boxes = [(0.3, -1.0, 0.6, -0.6), (0.3, 0.7, 0.6, 1.0)]
    assert yard.dock().outcome is TaskOutcome.SUCCEEDED
    assert yard.dock("u1", undock=True).outcome is TaskOutcome.SUCCEEDED
    assert not yard.boxes_met
    assert all(plan.certified for plan in yard.plans)
    standing = shapely.union_all([shapely.box(*b) for b in yard.boxes])
    for plan in yard.plans:
        for pose in plan.poses:
            outline = transform(between(yard.pose_odom_port, pose), FOOTPRINT)
            assert shapely.Polygon(outline).distance(standing) > 0.0


def test_does_not_turn_over_ground_that_was_not_seen():
    yard = Yard((1.5, 0.0, np.pi + np.radians(50.0)), config=DockingConfig(wait_timeout_s=5.0))
    # Seen is a lane as wide as the robot, and what lies right beside it.
    yard.unseen = [(0.3, 0.45, 4.0, 3.0), (0.3, -3.0, 4.0, -0.3)]
    pose = yard.pose.copy()
    result = yard.dock()
    assert result.outcome is TaskOutcome.FAILED
    assert result.text.startswith("waited 5 s: ground not seen")
    np.testing.assert_allclose(yard.pose[:2], pose[:2], atol=0.03)
    assert abs(yard.pose[2] - pose[2]) < np.radians(20.0)


def test_ground_seen_on_the_way_in_stays_seen_while_the_robot_hides_it():
    yard = Yard((1.5, 0.1, np.pi))
    yard.dock()
    yard.unseen = [(0.1, 0.2, 4.0, 3.0), (0.1, -3.0, 4.0, -0.2), (0.75, -1.0, 1.0, 1.0)]
    yard.run(0.5)
    assert yard.dock("u1", undock=True).outcome is TaskOutcome.SUCCEEDED


def test_the_locker_itself_is_no_obstacle():
    yard = Yard((1.5, 0.0, np.pi))
    front = replace(person(yard, (-0.1, 0.0)), kind=ObstacleKind.STATIC)
    # Parts of the locker are taken for all sorts of things as the robot comes near.
    moving = replace(person(yard, (-0.1, 0.5), (0.3, 0.0)), kind=ObstacleKind.UNKNOWN)
    yard.obstacles = [front, moving, person(yard, (-0.1, -0.4))]
    assert yard.dock().outcome is TaskOutcome.SUCCEEDED


def test_bin_beside_the_locker_does_not_keep_the_robot_away():
    yard = Yard((1.5, 0.0, np.pi))
    yard.boxes = [(0.2, 0.75, 0.6, 1.1)]
    # One track for bin and locker: its convex outline covers the way to the port.
    track = person(yard, (0.0, 0.0))
    corners = np.array([[0.0, -1.0], [0.6, 0.75], [0.6, 1.1], [0.0, 1.1]])
    outline = transform(yard.pose_odom_port, corners)
    yard.obstacles = [replace(track, kind=ObstacleKind.STATIC, footprint=outline)]
    assert yard.dock().outcome is TaskOutcome.SUCCEEDED
    assert not yard.boxes_met
