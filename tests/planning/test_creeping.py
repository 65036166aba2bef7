"""Slow arcs lead out of narrow places and only where they are free."""

import numpy as np
from tests.vehicle.test_motion_plan import TIMES_S, certifier, make_map, standing_disc

from lastmile.geometry import polyline
from lastmile.planning.creeping import Creeping
from lastmile.planning.guide import Guide
from lastmile.planning.stopping import Start
from lastmile.vehicle.certificate import Surroundings

START = Start(0.0, np.zeros(3), np.zeros(2))


def make_guide(*points):
    points = polyline.resample(np.array(points, float), 0.2)
    arcs_m = polyline.arc_lengths(points)
    return Guide(points, arcs_m, arcs_m, moves_nearer=True)


def test_robot_creeps_past_a_person_beside_a_wall():
    # A wall at its left side, somebody ahead on the left, the way leads past on the right.
    local_map = make_map(blocks=[(-2.0, 0.4, 3.0, 0.7)])
    around = Surroundings(local_map, [standing_disc(1.4, 0.2)], TIMES_S)
    guide = make_guide([0.0, 0.0], [0.8, -0.4], [3.0, -0.8])
    creeping = Creeping(0.1, certifier())
    assert not creeping.begin(0.5, 0.0)
    assert creeping.begin(3.0, 0.0)
    motion = creeping.find(START, around, guide)
    assert motion is not None
    assert motion.poses[-1, 0] > 0.1
    assert np.abs(motion.twists[-1]).max() < 1e-9
    assert certifier().check(motion, around) == ""


def test_nothing_free_ends_the_creeping():
    around = Surroundings(make_map(blocks=[(0.4, -2.0, 0.8, 2.0)]), [], TIMES_S)
    creeping = Creeping(0.1, certifier())
    creeping.begin(3.0, 0.0)
    assert creeping.find(START, around, make_guide([0.0, 0.0], [3.0, 0.0])) is None
    assert not creeping.going(0.1)
