"""When the robot counts as being at its goal."""

import numpy as np
import pytest

from lastmile.geometry.grid import clearance_field
from lastmile.planning.arrival import Arrival
from lastmile.planning.config import ArrivalConfig
from lastmile.planning.local_map import LocalMap

GOAL = np.array([2.0, 2.0])


def ground(blocked=False):
    taken = np.zeros((40, 40), np.uint8)
    if blocked:
        taken[18:22, 18:22] = 1
    field = clearance_field(taken, np.zeros(2), 0.1)
    return LocalMap(0.0, field, field, np.zeros(taken.shape, bool))


@pytest.mark.parametrize(
    ("distance_m", "stuck_s", "blocked", "there"),
    [
        (0.05, 0.0, False, True),
        (0.15, 0.0, False, False),
        (0.15, 3.0, False, True),
        (0.5, 3.0, False, False),
        (0.5, 1.0, True, False),
        (0.5, 3.0, True, True),
        (1.0, 3.0, True, False),
    ],
)
def test_goal_is_reached_near_it_or_from_as_near_as_it_gets(distance_m, stuck_s, blocked, there):
    arrival = Arrival(ArrivalConfig(), field_distance_m=0.4)
    position = GOAL - np.array([distance_m, 0.0])
    assert arrival.update(position, GOAL, distance_m, stuck_s, ground(blocked)) is there


def test_turning_at_the_goal_does_not_undo_that_it_was_reached():
    arrival = Arrival(ArrivalConfig(), field_distance_m=0.4)
    assert arrival.update(GOAL - [0.2, 0.0], GOAL, 0.2, 3.0, ground())
    assert arrival.update(GOAL - [0.28, 0.0], GOAL, 0.28, 0.0, ground())
    assert not arrival.update(GOAL - [0.4, 0.0], GOAL, 0.4, 0.0, ground())
