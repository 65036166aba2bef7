"""Maneuvers lead out of narrow places and only where they are free."""

from dataclasses import replace

import numpy as np
import pytest
from tests.vehicle.test_motion_plan import TIMES_S, certifier, make_map, standing_disc

from lastmile.geometry import polyline
from lastmile.geometry.se2 import wrap_angle
from lastmile.planning.guide import Guide
from lastmile.planning.maneuver import NEAR_M, Maneuvering
from lastmile.planning.stopping import Start
from lastmile.vehicle.certificate import Surroundings


def make_guide(*points):
    points = polyline.resample(np.array(points, float), 0.2)
    arcs_m = polyline.arc_lengths(points)
    return Guide(points, arcs_m, arcs_m, moves_nearer=True)


def carry_out(around, guide, pose=(0.0, 0.0, 0.0), stuck_s=3.0):
    """Let the robot do as it is told until the maneuver is over; poses on the way."""
    maneuvering = Maneuvering(0.1, certifier())
    start = Start(0.0, np.array(pose, float), np.zeros(2))
    assert maneuvering.begin(stuck_s, start, guide)
    poses = [start.pose]
    for k in range(1, 400):
        motion = maneuvering.find(start, around)
        if motion is None:
            break
        assert certifier().check(motion, around) == ""
        start = Start(0.1 * k, motion.poses[1].copy(), motion.twists[1].copy())
        poses.append(start.pose)
    assert not maneuvering.going
    return np.array(poses)


def test_robot_begins_only_when_it_is_stuck_and_rests_after_an_attempt():
    maneuvering = Maneuvering(0.1, certifier())
    guide, around = make_guide([0.0, 0.0], [3.0, 0.0]), Surroundings(make_map(), [], TIMES_S)
    start = Start(0.0, np.zeros(3), np.zeros(2))
    assert not maneuvering.begin(0.5, start, guide)
    walls = [(0.4, -2.0, 0.8, 2.0), (-0.8, -2.0, -0.4, 2.0)]
    shut = Surroundings(make_map(blocks=walls), [], TIMES_S)
    assert maneuvering.begin(3.0, start, guide)
    assert maneuvering.find(start, shut) is None
    assert not maneuvering.begin(4.0, Start(1.0, np.zeros(3), np.zeros(2)), guide)
    assert maneuvering.begin(9.0, Start(6.0, np.zeros(3), np.zeros(2)), guide)
    assert maneuvering.find(Start(6.0, np.zeros(3), np.zeros(2)), around) is not None


def test_robot_gets_past_a_person_beside_a_wall():
    # A wall at its left side, somebody ahead on the left, the way leads past on the right.
    person = replace(standing_disc(1.4, 0.2), moving=False)
    around = Surroundings(make_map(blocks=[(-2.0, 0.4, 3.0, 0.7)]), [person], TIMES_S)
    guide = make_guide([0.0, 0.0], [0.8, -0.6], [3.0, -1.0])
    poses = carry_out(around, guide)
    assert poses[-1, 0] > 0.6


def test_robot_turns_in_a_dead_end_that_is_too_narrow_to_turn_in():
    # Walls at both sides and ahead; wide enough to stand in (0.76 m), not to turn (0.89 m).
    walls = [(-1.0, 0.4, 2.0, 0.6), (-1.0, -0.6, 2.0, -0.4), (0.5, -0.6, 0.7, 0.6)]
    around = Surroundings(make_map(blocks=walls), [], TIMES_S)
    guide = make_guide([0.0, 0.0], [-1.6, 0.0], [-1.8, 1.5])
    poses = carry_out(around, guide)
    aim = polyline.sample(guide.points, np.array([1.2]))[0]
    assert np.hypot(*(poses[-1, :2] - aim)) < NEAR_M + 0.1
    assert abs(wrap_angle(poses[-1, 2] - np.pi)) < 0.5


def test_robot_goes_back_where_nothing_leads_ahead():
    around = Surroundings(make_map(blocks=[(0.4, -2.0, 0.8, 2.0)]), [], TIMES_S)
    poses = carry_out(around, make_guide([0.0, 0.0], [3.0, 0.0]))
    assert poses[-1, 0] == pytest.approx(-0.6, abs=0.25)
    poses = carry_out(around, None)
    assert poses[-1, 0] == pytest.approx(-0.6, abs=0.25)


def test_robot_that_touches_something_gets_away_from_it():
    around = Surroundings(make_map(blocks=[(0.36, -1.0, 0.6, 0.2)]), [], TIMES_S)
    poses = carry_out(around, make_guide([0.0, 0.0], [0.4, 0.8], [3.0, 1.0]))
    assert poses[-1, 0] > 0.5


def test_unseen_ground_is_not_maneuvered_over():
    unknown = [(-5.0, -5.0, -0.5, 5.0)]
    wall = [(0.4, -2.0, 0.8, 2.0)]
    local_map = make_map(blocks=wall, unknown=unknown, start_margin_m=0.1)
    poses = carry_out(Surroundings(local_map, [], TIMES_S), None)
    assert len(poses) == 1
