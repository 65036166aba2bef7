"""Who near the robot makes it stand."""

import types
from dataclasses import replace

import numpy as np
import pytest

from lastmile.types import Obstacle, ObstacleArray, ObstacleKind
from lastmile.vehicle.bystanders import Bystanders, who_is_lost

HERE = np.zeros(3)
STANDS, DRIVES = np.zeros(2), np.array([0.5, 0.0])


def seen(stamp_s, place, velocity=(0.0, 0.0), kind=ObstacleKind.STATIC, age_s=9.0):
    outline = np.asarray(place) + 0.2 * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    obstacle = Obstacle(
        7, kind, np.array(place), np.array(velocity), 1e-3 * np.eye(4), outline, 1.7, age_s, True,
        np.zeros((0, 2)), np.zeros(0), 0.4,
    )  # fmt: skip
    return ObstacleArray(stamp_s, (obstacle,))


def watcher(walker=""):
    """Watch beside a certifier that says who walks straight up to the robot."""
    return Bystanders(types.SimpleNamespace(is_walked_into=lambda pose, around: walker))


def who_of_a_person(bystanders, place, velocity):
    """Tell what is said of somebody on the first look."""
    obstacles = seen(0.0, place, velocity, kind=ObstacleKind.PERSON)
    return bystanders.who(0.0, HERE, obstacles, None)


def who_after(speed_mps, standing=True, at=(1.0, 0.8), walker="", **how):
    """Watch a thing for a second; what is said then."""
    bystanders = watcher(walker)
    for k in range(11):
        obstacles = seen(0.1 * k, (at[0] - 0.1 * k * speed_mps, at[1]), **how)
        bystanders.note(obstacles, HERE, STANDS if standing or k > 9 else DRIVES)
    return bystanders.who(1.0, HERE, obstacles, None)


def test_standing_robot_waits_for_who_begins_to_walk_beside_it():
    assert who_after(0.3) == "obstacle 7 may have set off"


@pytest.mark.parametrize(
    "how",
    [
        {"speed_mps": 0.05},
        {"speed_mps": 0.3, "standing": False},
        {"speed_mps": 0.3, "at": (3.0, 0.8)},
        {"speed_mps": 0.3, "velocity": (-0.3, 0.0)},
    ],
    ids=["stands", "robot came to stand just now", "far", "its velocity is known"],
)
def test_nobody_else_holds_it(how):
    assert who_after(**how) == ""


def test_person_who_came_into_view_just_now_holds_it():
    said = who_after(0.0, kind=ObstacleKind.PERSON, age_s=0.2)
    assert said == "person 7 came into view just now"


@pytest.mark.parametrize(
    ("place", "velocity", "holds"),
    [
        ((1.8, 0.3), (-1.2, 0.6), True),
        ((2.0, 0.3), (-0.6, 0.6), False),
        ((3.0, 0.3), (-1.2, 0.6), False),
        ((1.0, 1.0), (0.0, 1.2), False),
    ],
    ids=["fast and near", "slowly", "far", "goes away"],
)
def test_who_gets_nearer_fast_holds_it_though_not_on_a_way_to_it(place, velocity, holds):
    said = who_of_a_person(watcher(), place, velocity)
    assert said == ("person 7 comes near" if holds else "")


@pytest.mark.parametrize(
    ("place", "velocity", "holds"),
    [
        ((0.2, -1.4), (1.3, 0.1), True),
        ((0.2, -1.4), (0.5, 0.0), False),
        ((0.2, -2.0), (1.3, 0.1), False),
        ((1.2, -0.8), (1.3, 0.0), False),
    ],
    ids=["beside", "slowly", "farther off", "past already"],
)
def test_who_walks_by_within_a_turn_of_it_holds_it_and_no_longer(place, velocity, holds):
    bystanders = watcher()
    said = who_of_a_person(bystanders, place, velocity)
    assert said == ("person 7 walks by" if holds else "")
    assert bystanders.who(0.1, HERE, ObstacleArray(0.1, ()), None) == ""


def test_who_walked_up_a_moment_ago_may_hesitate():
    walkers = iter(["person 3 walks up to the robot", "", ""])
    bystanders = Bystanders(types.SimpleNamespace(is_walked_into=lambda *_: next(walkers)))
    said = []
    for stamp_s in (0.0, 0.9, 1.1):
        obstacles = seen(stamp_s, (1.0, 0.8))
        bystanders.note(obstacles, HERE, STANDS)
        said.append(bystanders.who(stamp_s, HERE, obstacles, None))
    assert said == ["person 3 walks up to the robot"] * 2 + [""]


@pytest.mark.parametrize(
    ("kind", "place", "observed", "said"),
    [
        (ObstacleKind.PERSON, (1.0, 0.8), False, "person 7 is out of sight"),
        (ObstacleKind.PERSON, (1.0, 0.8), True, ""),
        (ObstacleKind.PERSON, (1.5, 1.5), False, ""),
        (ObstacleKind.UNKNOWN, (1.0, 0.8), False, "unknown 7 is out of sight"),
        (ObstacleKind.STATIC, (1.0, 0.8), False, ""),
    ],
    ids=["lost near", "seen", "far", "walks", "stands"],
)
def test_somebody_who_is_near_and_not_seen_any_more_holds_it(kind, place, observed, said):
    speed_mps = 0.0 if kind is ObstacleKind.STATIC else 1.2
    (obstacle,) = seen(0.0, place, (0.0, speed_mps), kind).obstacles
    lost = ObstacleArray(0.0, (replace(obstacle, observed=observed),))
    assert who_is_lost(lost, HERE) == said
    bystanders = watcher()
    assert bystanders.who(0.0, HERE, lost, None) == said
    # They may stand there for a moment when they come into sight again.
    assert bystanders.who(0.9, HERE, ObstacleArray(0.9, ()), None) == said
    assert bystanders.who(1.1, HERE, ObstacleArray(1.1, ()), None) == ""
