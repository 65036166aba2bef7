"""Speeds from which the robot stands in time before people."""

from dataclasses import replace

import numpy as np
import pytest

from lastmile.geometry.predicted_discs import Disc
from lastmile.planning import people
from lastmile.planning.config import PlannerConfig, SpeedConfig
from lastmile.planning.guide import Guide
from lastmile.types import Obstacle, ObstacleKind

TIMES_S = np.arange(0.0, 6.05, 0.1)
MIDDLES_M, RADIUS_M = np.array([-0.175, 0.175]), 0.33
BRAKING_MPS2 = 1.5
CONFIG = SpeedConfig()


def walker(x, y, vx=0.0, vy=0.0, seen_s=5.0):
    centres = np.array([x, y]) + TIMES_S[:, None] * np.array([vx, vy])
    moving = bool(vx or vy)
    return Disc(1, ObstacleKind.PERSON, 0.25, centres, np.zeros(len(TIMES_S)), moving, seen_s)


def guide_ahead():
    points = np.column_stack([np.arange(0.0, 8.0, 0.2), np.zeros(40)])
    return Guide(points, points[:, 0], points[:, 0], True)


def limit(*walkers, config=CONFIG):
    guide = guide_ahead()
    return people.limit_by_turns(
        config, guide, list(walkers), TIMES_S, MIDDLES_M, RADIUS_M, BRAKING_MPS2
    )


def test_nobody_and_people_far_off_do_not_slow_the_robot():
    assert limit() == np.inf
    assert limit(walker(7.0, 3.0)) == np.inf


@pytest.mark.parametrize(
    "person", [walker(4.5, 1.2, -1.3, 0.0), walker(2.0, 1.2), walker(2.5, -1.5, 0.0, 1.2)]
)
def test_robot_has_stood_before_anybody_who_turns_reaches_it(person):
    """Drive at the limit, let the person turn towards the robot at once, and look at all times."""
    top_mps = limit(person)
    assert CONFIG.turning_least_mps < top_mps < 1.4
    stop_s = top_mps / BRAKING_MPS2
    times_s = np.linspace(0.0, people.REACTION_S + stop_s + people.STOOD_S, 60)
    braked_s = np.clip(times_s - people.REACTION_S, 0.0, stop_s)
    x = top_mps * (np.minimum(times_s, people.REACTION_S) + braked_s) - 0.75 * braked_s**2
    centres = np.stack([np.interp(times_s, TIMES_S, person.centres[:, k]) for k in (0, 1)], axis=1)
    turned_s = np.minimum(times_s, people.TURNED_MPS / CONFIG.turning_mps2)
    turned_m = 0.5 * CONFIG.turning_mps2 * turned_s**2 + people.TURNED_MPS * (times_s - turned_s)
    for angle in np.linspace(0.0, 2.0 * np.pi, 36):
        place = centres + turned_m[:, None] * np.array([np.cos(angle), np.sin(angle)])
        for middle_m in MIDDLES_M:
            gap = np.hypot(place[:, 0] - x - middle_m, place[:, 1]) - 0.25 - RADIUS_M
            assert gap.min() > -0.05


def test_nearer_people_slow_the_robot_more_down_to_a_creep():
    limits = [limit(walker(x, 0.6, -1.2, 0.0)) for x in (4.0, 3.0, 2.0, 1.0)]
    assert limits == sorted(limits, reverse=True)
    assert limits[-1] == CONFIG.turning_least_mps


def test_nobody_turns_where_the_bound_is_zero():
    still = replace(CONFIG, turning_mps2=0.0)
    assert limit(walker(2.0, 1.2), config=still) == np.inf
    assert limit(walker(2.0, 1.2)) < 1.4


def test_who_came_into_view_just_now_may_walk_already():
    known, new = limit(walker(3.5, 0.5)), limit(walker(3.5, 0.5, seen_s=0.2))
    assert new < 0.7 * min(known, 1.4)


def test_who_walks_beside_the_robot_slows_it_and_who_follows_does_not():
    guide = guide_ahead()
    speeds = people.PeopleSpeeds(PlannerConfig(), MIDDLES_M, RADIUS_M, 0.275, BRAKING_MPS2)
    tops = [
        speeds.limit(guide, np.zeros(3), [walker(x, 1.2, 1.0)], (), TIMES_S).top_mps
        for x in (0.3, -0.4, -1.5)
    ]
    assert tops[0] < 0.7
    assert tops[1] < 0.7
    assert tops[2] == np.inf


def thing(**given):
    corners = np.array([[-0.1, -0.1], [0.1, -0.1], [0.1, 0.1], [-0.1, 0.1]])
    size = given.pop("size", 1.0)
    return Obstacle(
        **{
            "id": 3,
            "kind": ObstacleKind.UNKNOWN,
            "position": np.array([3.0, 1.0]),
            "velocity": np.zeros(2),
            "covariance": np.eye(4),
            "footprint": np.array([3.0, 1.0]) + size * corners,
            "height_m": 1.3,
            "age_s": 0.3,
            "observed": True,
            "predicted_path": np.zeros((0, 2)),
            "predicted_sigma": np.zeros(0),
            "prediction_dt_s": 0.2,
        }
        | given
    )


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ({}, True),
        ({"age_s": 0.7}, False),
        ({"height_m": 0.5}, False),
        ({"size": 6.0}, False),
        ({"velocity": np.array([1.0, 0.0])}, False),
        ({"kind": ObstacleKind.STATIC}, False),
    ],
)
def test_what_may_be_part_of_somebody_is_taken_for_a_newcomer_for_a_moment(given, taken):
    discs = people.newcomers((thing(**given),), len(TIMES_S))
    assert len(discs) == taken
    if taken:
        assert limit(*discs) < 0.8


@pytest.mark.parametrize(
    ("person", "top_mps"),
    [
        (walker(2.85, 0.2, 1.2, 0.1), 1.05),
        (walker(1.0, 0.0, 1.2, 0.0), CONFIG.turning_least_mps),
        (walker(2.85, 0.2, -1.2, 0.1), np.inf),
        (walker(2.85, 1.2, 1.2, 0.0), np.inf),
        (walker(-1.0, 0.0, 1.2, 0.0), np.inf),
        (walker(2.85, 0.2), np.inf),
    ],
    ids=["ahead", "right ahead", "comes", "beside", "behind", "stands"],
)
def test_robot_keeps_two_seconds_behind_who_walks_on_before_it(person, top_mps):
    guide = guide_ahead()
    found = people.limit_by_headway(CONFIG, guide, [person], 0.5, 0.275)
    assert found == pytest.approx(top_mps, abs=0.06)
