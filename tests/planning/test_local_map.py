"""The local map keeps what bounds the way, whoever walks there."""

import numpy as np
import pytest
from tests.robot import FOOTPRINT

from lastmile.planning.config import LocalMapConfig
from lastmile.planning.local_map import LocalMapper
from lastmile.types import Cell, LocalCostMap, Obstacle, ObstacleKind

CELL_M = 0.1


def walker_at(x, y, speed_mps=1.2):
    outline = np.array([x, y]) + 0.25 * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    return Obstacle(
        7,
        ObstacleKind.PERSON,
        np.array([x, y]),
        np.array([0.0, speed_mps]),
        np.eye(4),
        outline,
        1.7,
        1.0,
        True,
        np.zeros((0, 2)),
        np.zeros(0),
        0.4,
    )


def map_with(cell, box, obstacles):
    """Ten metres about the origin, free apart from a box (x0, y0, x1, y1)."""
    cells = np.zeros((100, 100), np.int8)
    x0, y0, x1, y1 = (round((v + 5.0) / CELL_M) for v in box)
    cells[y0:y1, x0:x1] = cell
    cost_map = LocalCostMap(0.0, np.array([-5.0, -5.0]), CELL_M, cells)
    return LocalMapper(LocalMapConfig(), FOOTPRINT).update(cost_map, obstacles, np.zeros(3))


@pytest.mark.parametrize("cell", [Cell.CURB, Cell.DROP_OFF, Cell.UNKNOWN])
def test_ground_below_someone_who_walks_stays_what_it_is(cell):
    local_map = map_with(cell, (2.0, -3.0, 3.0, 3.0), (walker_at(2.0, 0.0),))
    points = np.array([[2.15, 0.0], [2.25, 0.1], [2.45, 0.0]])
    assert (local_map.known.sample(points) < 0.0).all()
    if cell is not Cell.UNKNOWN:
        assert (local_map.clearance.sample(points) < 0.0).all()


def test_cells_of_someone_who_walks_are_left_to_the_predictions():
    box = (1.8, -0.2, 2.2, 0.2)
    walking = map_with(Cell.OCCUPIED, box, (walker_at(2.0, 0.0),))
    standing = map_with(Cell.OCCUPIED, box, (walker_at(2.0, 0.0, 0.0),))
    middle = np.array([[2.0, 0.0]])
    assert walking.clearance.sample(middle)[0] > 1.0
    assert standing.clearance.sample(middle)[0] < 0.0


def test_wall_beside_someone_who_walks_stays():
    local_map = map_with(Cell.OCCUPIED, (2.5, -3.0, 3.0, 3.0), (walker_at(2.0, 0.0),))
    assert local_map.clearance.sample(np.array([[2.75, 0.0]]))[0] < 0.0
