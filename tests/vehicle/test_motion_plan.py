"""Motions end in a stop where they should; the certificate tells what they would meet."""

import numpy as np
import pytest
from tests.robot import FOOTPRINT

from lastmile.geometry.predicted_discs import Disc
from lastmile.planning.config import LocalMapConfig
from lastmile.planning.local_map import LocalMapper
from lastmile.types import Cell, LocalCostMap, ObstacleKind
from lastmile.vehicle.certificate import Certifier, Surroundings
from lastmile.vehicle.description import MotionLimits
from lastmile.vehicle.motion_plan import (
    Motion,
    drive_then_brake,
    integrate,
    stand,
    turn_on_spot,
)

LIMITS = MotionLimits()
TIMES_S = np.arange(0.0, 6.01, 0.1)


def straight_states(speed=1.4, stages=40):
    states = np.zeros((stages + 1, 5))
    states[:, 0] = speed * 0.1 * np.arange(stages + 1)
    states[:, 3] = speed
    return states


def make_map(blocks=(), unknown=(), size=100, **config):
    """Ten metres of free ground about the origin with boxes (x0, y0, x1, y1)."""
    cells = np.zeros((size, size), np.int8)
    for boxes, value in ((unknown, Cell.UNKNOWN), (blocks, Cell.OCCUPIED)):
        for x0, y0, x1, y1 in boxes:
            i0, i1 = round((y0 + 5) * 10), round((y1 + 5) * 10)
            j0, j1 = round((x0 + 5) * 10), round((x1 + 5) * 10)
            cells[i0:i1, j0:j1] = value
    cost_map = LocalCostMap(0.0, np.array([-5.0, -5.0]), 0.1, cells)
    return LocalMapper(LocalMapConfig(**config), FOOTPRINT).update(cost_map, (), np.zeros(3))


def backing(length_m, speed_mps=0.25):
    """Back up straight at a speed that starts and ends at once."""
    speeds = np.full(round(length_m / (0.1 * speed_mps)) + 1, -speed_mps)
    speeds[[0, -1]] = 0.0
    return integrate(np.zeros(3), np.column_stack([speeds, np.zeros_like(speeds)]), 0.1)


def certifier():
    return Certifier(FOOTPRINT, 0.03, 0.32, (-0.175, 0.175), 0.326)


@pytest.mark.parametrize("stages", [0, 3, 8])
def test_braking_tail_takes_the_distance_of_physics(stages):
    motion = drive_then_brake(straight_states(), stages, 0.1, 1.5, LIMITS)
    expected = 1.4 * 0.1 * stages + 1.4**2 / (2 * 1.5)
    assert motion.poses[-1, 0] == pytest.approx(expected, abs=0.02)
    assert np.abs(motion.twists[-1]).max() == 0.0


@pytest.mark.parametrize("angle", [0.06, 0.5, -1.2, np.pi, -3.0])
@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_turn_ends_at_its_angle(angle, rate):
    motion = turn_on_spot(np.zeros(3), np.sign(angle) * rate, angle, 0.1, 0.8, 1.5)
    swept = 0.1 * 0.5 * (motion.twists[1:, 1] + motion.twists[:-1, 1]).sum()
    # From a rate that cannot stop within a small angle the turn overshoots a little.
    assert swept == pytest.approx(angle, abs=0.06)
    assert np.abs(motion.twists[-1]).max() == 0.0
    assert np.abs(motion.twists[:, 1]).max() < 1.1


def test_rest_of_a_motion_goes_on_where_it_was():
    motion = drive_then_brake(straight_states(), 5, 0.1, 1.5, LIMITS)
    rest = motion.after(0.33)
    assert rest.poses[0, 0] == pytest.approx(0.33 * 1.4, abs=1e-6)
    assert rest.poses[-1] == pytest.approx(motion.poses[-1])
    assert not motion.after(99.0).moves


def test_free_ground_is_certified():
    around = Surroundings(make_map(), [], TIMES_S)
    motion = drive_then_brake(straight_states(), 8, 0.1, 1.5, LIMITS)
    assert certifier().check(motion, around) == ""


@pytest.mark.parametrize(
    ("kwargs", "reason"),
    [
        ({"blocks": [(2.0, -0.1, 2.2, 0.1)]}, "blocked"),
        ({"blocks": [(1.0, 0.28, 1.1, 0.4)]}, "blocked"),
        ({"unknown": [(1.8, -2.0, 4.0, 2.0)]}, "not seen"),
    ],
)
def test_what_lies_within_the_stopping_distance_refuses_the_certificate(kwargs, reason):
    around = Surroundings(make_map(**kwargs), [], TIMES_S)
    motion = drive_then_brake(straight_states(), 8, 0.1, 1.5, LIMITS)
    assert reason in certifier().check(motion, around)


def test_small_unseen_gaps_are_free():
    around = Surroundings(make_map(unknown=[(1.0, -0.1, 1.2, 0.1)]), [], TIMES_S)
    motion = drive_then_brake(straight_states(), 8, 0.1, 1.5, LIMITS)
    assert certifier().check(motion, around) == ""


def crossing_disc(cross_s):
    """A person who walks across the way at x = 1.2 m at a time."""
    centres = np.stack([np.full_like(TIMES_S, 1.2), 1.2 * (TIMES_S - cross_s)], axis=-1)
    return Disc(7, ObstacleKind.PERSON, 0.25, centres, np.zeros_like(TIMES_S), True, 5.0)


def test_predicted_person_refuses_the_certificate_only_while_the_robot_moves():
    motion = drive_then_brake(straight_states(), 3, 0.1, 1.5, LIMITS)
    meets = Surroundings(make_map(), [crossing_disc(0.8)], TIMES_S)
    later = Surroundings(make_map(), [crossing_disc(5.0)], TIMES_S)
    assert "person 7" in certifier().check(motion, meets)
    assert certifier().check(motion, later) == ""


def test_robot_that_stands_against_something_may_leave_slowly():
    local_map = make_map(blocks=[(0.36, -1.0, 0.6, 1.0)])
    around = Surroundings(local_map, [], TIMES_S)
    back = backing(0.5)
    ahead = Motion(0.1, back.poses * [-1, 1, 1], -back.twists)
    assert certifier().check(back, around) == ""
    assert "blocked" in certifier().check(ahead, around)


def standing_disc(x, y=0.0, velocity=(0.0, 0.0)):
    """A person who stands, or walks straight."""
    centres = np.array([x, y]) + TIMES_S[:, None] * np.array(velocity)
    return Disc(7, ObstacleKind.PERSON, 0.25, centres, np.zeros_like(TIMES_S), True, 5.0)


def creep(around, speed=0.06, plans=200):
    """Drive one step of each plan that is certified; give the way that was gone."""
    x = 0.0
    for _ in range(plans):
        states = straight_states(speed)
        states[:, 0] += x
        motion = drive_then_brake(states, 3, 0.1, 1.5, LIMITS)
        if certifier().check(motion, around):
            break
        x = float(motion.poses[1, 0])
    return x


def test_one_plan_after_another_does_not_add_up_to_a_way_into_a_person():
    # 0.25 m from the robot's front disc: nearer than the least distance already.
    person = standing_disc(0.175 + 0.326 + 0.25 + 0.25)
    assert creep(Surroundings(make_map(), [person], TIMES_S)) < 1e-3
    away = Surroundings(make_map(), [standing_disc(-(0.175 + 0.326 + 0.25 + 0.25))], TIMES_S)
    assert creep(away) > 1.0


def test_one_plan_after_another_does_not_add_up_to_a_way_into_blocked_ground():
    around = Surroundings(make_map(blocks=[(0.4, -1.0, 0.6, 1.0)]), [], TIMES_S)
    assert creep(around) < 0.05 - 0.03 + 1e-3


def test_robot_may_back_away_from_a_person_who_walks_up_to_it():
    person = standing_disc(0.95, velocity=(-0.2, 0.0))
    around = Surroundings(make_map(), [person], TIMES_S)
    back = backing(0.5)
    ahead = Motion(0.1, back.poses * [-1, 1, 1], -back.twists)
    assert certifier().check(back, around) == ""
    assert "person 7" in certifier().check(ahead, around)


def test_standing_is_always_certified():
    around = Surroundings(make_map(blocks=[(-1, -1, 1, 1)]), [], TIMES_S)
    assert certifier().check(stand(np.zeros(3), 0.1), around) == ""


def test_robot_does_not_turn_after_a_person_who_leaves_its_side():
    # Beside the nose, 0.2 m away, walking off sideways: the gap grows although the robot turns.
    leaves = Surroundings(make_map(), [standing_disc(0.8, -0.2, (0.0, -1.4))], TIMES_S)
    towards = turn_on_spot(np.zeros(3), 0.0, -0.6, 0.1, 0.8, 1.5)
    away = turn_on_spot(np.zeros(3), 0.0, 0.6, 0.1, 0.8, 1.5)
    back = backing(0.5)
    assert "too near" in certifier().check(towards, leaves)
    assert certifier().check(away, leaves) == ""
    assert certifier().check(back, leaves) == ""
    # Braking brings the robot nearer and is still the best that it can do.
    braking = drive_then_brake(straight_states(0.1), 0, 0.1, 1.5, LIMITS)
    assert certifier().check(braking, leaves, stops=True) == ""


def test_robot_stands_for_a_while_before_somebody_walks_into_it():
    motion = drive_then_brake(straight_states(0.7), 1, 0.1, 1.5, LIMITS)
    end_s, end_m = 0.1 * (len(motion.poses) - 1), float(motion.poses[-1, 0])
    reach_m = 0.175 + 0.326 + 0.25

    def meets_at(touch_s, sense):
        """Somebody at 1.2 m/s who touches the robot, where it stands then, at a time."""
        x = end_m + sense * (reach_m + 1.2 * touch_s)
        person = standing_disc(x, velocity=(-sense * 1.2, 0.0))
        return certifier().check(motion, Surroundings(make_map(), [person], TIMES_S))

    assert "person 7 comes" in meets_at(end_s + 0.4, 1.0)
    assert "person 7 comes" in meets_at(end_s + 1.1, 1.0)
    assert meets_at(end_s + 1.5, 1.0) == ""
    # Who follows sees that the robot stops.
    assert meets_at(end_s + 0.4, -1.0) == ""


def test_who_is_about_to_walk_into_a_robot_that_stands_is_named():
    reach_m = 0.175 + 0.326 + 0.25
    near = standing_disc(0.0, -reach_m - 0.5, velocity=(0.0, 1.0))
    later = standing_disc(reach_m + 2.7, velocity=(-1.0, 0.0))
    past = standing_disc(0.0, -reach_m - 0.6, velocity=(1.0, 0.2))
    stands = standing_disc(reach_m + 0.05)
    along = standing_disc(reach_m + 0.05, velocity=(0.0, -0.9))
    cases = ((near, True), (later, False), (past, False), (stands, False), (along, True))
    for person, named in cases:
        around = Surroundings(make_map(), [person], TIMES_S)
        assert bool(certifier().is_walked_into(np.zeros(3), around)) is named


def test_robot_that_reverses_looks_out_for_those_behind_it():
    motion = backing(0.4)
    end_s, end_m = 0.1 * (len(motion.poses) - 1), float(motion.poses[-1, 0])

    def meets(sense):
        x = end_m + sense * (0.175 + 0.326 + 0.25 + 1.2 * (end_s + 0.4))
        person = standing_disc(x, velocity=(-sense * 1.2, 0.0))
        return certifier().check(motion, Surroundings(make_map(), [person], TIMES_S))

    assert "person 7 comes" in meets(-1.0)
    assert meets(1.0) == ""
