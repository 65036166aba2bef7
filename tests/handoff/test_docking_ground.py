"""The locker's front is free to the docking robot, and nothing else that is not."""

import numpy as np
import pytest
from tests.robot import FOOTPRINT

from lastmile.handoff.config import DockingConfig
from lastmile.handoff.docking_ground import GroundWatch
from lastmile.handoff.docking_motion import DockingMotion
from lastmile.handoff.docking_scene import Scene
from lastmile.maps.example import example_site
from lastmile.share import find_share
from lastmile.types import Cell, LocalCostMap, ObstacleArray
from lastmile.vehicle.description import read_robot

PORT = np.array([0.37, 0.0, np.pi])
"""Of a robot that stands docked at the origin of odom."""
HERE = np.zeros(3)


def make_map(boxes=(), value=Cell.OCCUPIED, corner=(-5.0, -5.0)):
    """Free ground with boxes (x0, y0, x1, y1) in odom."""
    cells = np.zeros((100, 100), np.int8)
    for box in boxes:
        x0, y0, x1, y1 = np.rint((np.array(box) - np.tile(corner, 2)) * 10).astype(int)
        cells[y0:y1, x0:x1] = value
    return LocalCostMap(0.0, np.array(corner), 0.1, cells)


def around(*cost_maps, port=PORT):
    watch = GroundWatch(DockingConfig(), FOOTPRINT)
    for cost_map in cost_maps:
        watch.update(cost_map, HERE)
    return watch.around(HERE[:2], port)


def at(field, x, y):
    return float(field.sample(np.array([x, y])))


WALL = (0.2, -1.0, 0.8, 1.0)


def test_front_of_the_locker_is_free_before_the_port_only():
    ground = around(make_map([WALL]))
    assert at(ground.clearance, 0.35, 0.0) > 0.1
    assert at(ground.clearance, 0.35, 0.25) > 0.05
    assert at(ground.clearance, 0.35, 0.7) < 0.0
    assert at(ground.clearance, 0.7, 0.0) < 0.0


def test_without_a_port_the_locker_blocks_as_anything_else():
    assert at(around(make_map([WALL]), port=None).clearance, 0.35, 0.0) < 0.0


@pytest.mark.parametrize("value", [Cell.OCCUPIED, Cell.CURB, Cell.DROP_OFF])
def test_whatever_is_not_ground_blocks(value):
    ground = around(make_map([(-1.0, -0.2, -0.7, 0.2)], value))
    assert at(ground.clearance, -0.85, 0.0) < 0.0


def test_unknown_ground_is_not_known_unless_it_was_seen_near_the_robot():
    hidden = make_map([(-1.2, -1.0, -0.6, 1.0)], Cell.UNKNOWN)
    assert at(around(hidden).known, -0.9, 0.0) < -0.2
    assert at(around(make_map(), hidden).known, -0.9, 0.0) > 1.0
    far = make_map([(-2.4, -1.0, -1.7, 1.0)], Cell.UNKNOWN)
    assert at(around(make_map(), far).known, -2.0, 0.0) < -0.2


def test_ground_right_beside_the_robot_is_taken_as_seen_where_it_begins():
    unseen = make_map([(-5.0, -5.0, 5.0, 5.0)], Cell.UNKNOWN)
    watch = GroundWatch(DockingConfig(), FOOTPRINT)
    watch.update(unseen, np.array([1.02, 0.53, 0.5 * np.pi]))
    known = watch.around(np.array([1.0, 0.5]), None).known
    # Turned to the left: its length lies along y. Half a cell is the roughness of the grid.
    corners = [(x, y) for x in (-0.2, 0.2) for y in (-0.45, 0.45)]
    assert min(at(known, 1.02 + x, 0.53 + y) for x, y in corners) > -0.05
    assert max(at(known, 1.6, 0.5), at(known, 1.0, 1.35)) < -0.05
    watch.update(unseen, np.array([1.0, 0.0, 0.5 * np.pi]))
    assert at(watch.around(np.array([1.0, 0.0]), None).known, 1.0, -0.4) < -0.05


def test_memory_moves_with_the_window():
    unseen = make_map([(-1.2, -1.0, -0.6, 1.0)], Cell.UNKNOWN)
    hidden = make_map([(-1.2, -1.0, -0.6, 1.0), (0.5, -1.0, 1.0, 1.0)], Cell.UNKNOWN, (-4.7, -5.2))
    ground = around(unseen, hidden, port=None)
    assert at(ground.known, 0.75, 0.0) > 0.3
    assert at(ground.known, -0.9, 0.0) < -0.2


def test_what_stood_on_hidden_ground_is_not_forgotten_into_free():
    box = (-1.2, -1.0, -0.6, 1.0)
    ground = around(make_map(), make_map([box]), make_map([box], Cell.UNKNOWN))
    assert at(ground.known, -0.9, 0.0) < -0.2


def test_forgets_what_was_seen_in_an_odom_that_holds_no_more():
    watch = GroundWatch(DockingConfig(), FOOTPRINT)
    watch.update(make_map(), HERE)
    watch.forget()
    watch.update(make_map([(-1.2, -1.0, -0.6, 1.0)], Cell.UNKNOWN), HERE)
    assert at(watch.around(HERE[:2], None).known, -0.9, 0.0) < -0.2


@pytest.mark.parametrize(
    ("corner", "problem"),
    [
        ((-5.0, -5.0), ""),
        *(((x, y), "ground not seen") for x, y in [(20.0, 0.0), (2.6, -5.0), (-5.0, -12.6)]),
        ((1e300, 0.0), "ground not seen"),
    ],
)
def test_docking_stands_where_the_cost_map_lies_away_from_the_robot(corner, problem):
    motion = DockingMotion(DockingConfig(), read_robot(find_share("sim/robot/lastmile.urdf")))
    cost_map = make_map(corner=corner)
    motion.ground.update(cost_map, HERE)
    scene = Scene(
        stamp_s=0.0,
        pose_odom_base=np.zeros(3),
        twist_base=np.zeros(2),
        bay=None,
        obstacles=ObstacleArray(0.0, ()),
        cost_map=cost_map,
        pose_odom_port=PORT,
        pose_odom_port_map=None,
        held="",
    )
    assert motion.try_law(scene, example_site().lockers[0], lambda pose: (-0.1, 0.0)) == problem
