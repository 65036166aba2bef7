import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastmile.maps.lockers import standard_locker
from lastmile.maps.occupancy import FREE, OCCUPIED, UNKNOWN, rasterise
from lastmile.maps.site import Footprint

SQUARE = np.array([[2.0, 2.0], [8.0, 2.0], [8.0, 8.0], [2.0, 8.0]])


def draw(*footprints, lockers=(), resolution=0.2):
    return rasterise(footprints, lockers, np.zeros(2), np.array([10.0, 12.0]), resolution)


def at(grid, x, y):
    column, row = ((np.array([x, y]) - grid.origin) / grid.resolution_m).astype(int)
    return grid.cells[row, column]


def test_building_is_occupied_at_its_outline_and_unknown_inside():
    grid = draw(Footprint("b", "building", SQUARE, 10.0, True))
    assert grid.cells.shape == (60, 50)
    assert grid.cells.dtype == np.int8
    assert at(grid, 5.0, 5.0) == UNKNOWN
    assert at(grid, 1.0, 5.0) == FREE
    assert at(grid, 2.05, 5.0) == OCCUPIED


@given(st.floats(0.5, 9.0), st.floats(0.5, 11.0))
def test_outline_of_a_wall_is_drawn_within_one_cell(x, y):
    wall = np.array([[0.3, y], [9.7, y]])
    grid = draw(Footprint("w", "barrier", wall, 1.0, False))
    rows = np.nonzero((grid.cells == OCCUPIED).any(axis=1))[0]
    centres = (rows + 0.5) * 0.2
    assert np.abs(centres - y).max() <= 0.2


def test_kerbs_are_left_out_and_poles_drawn():
    kerb = Footprint("k", "kerb", np.array([[0.0, 1.0], [10.0, 1.0]]), 0.12, False)
    pole = Footprint("p", "pole", np.array([[5.0, 10.0]]), 4.0, False)
    grid = draw(kerb, pole)
    assert at(grid, 5.0, 1.05) == FREE
    assert at(grid, 5.0, 10.05) == OCCUPIED


def test_locker_is_occupied_behind_its_port():
    locker = standard_locker("a", "A", np.array([5.0, 6.0, -np.pi / 2]), 0)
    grid = draw(lockers=(locker,))
    assert at(grid, 5.0, 6.4) == OCCUPIED
    assert at(grid, 5.0, 5.5) == FREE


def test_things_beyond_the_grid_do_no_harm():
    grid = draw(Footprint("b", "building", SQUARE + 1000.0, 10.0, True))
    assert not grid.cells.any()


@pytest.mark.parametrize(("high", "resolution"), [((10.0, 0.0), 0.2), ((10.0, 10.0), 0.0)])
def test_empty_area_or_resolution_is_refused(high, resolution):
    with pytest.raises(ValueError, match=r"area|resolution"):
        rasterise((), (), np.zeros(2), np.array(high), resolution)
