import numpy as np
import pytest

from lastmile.maps.likelihood import distance_field, sample_distance, surface_cells
from lastmile.maps.site import OccupancyMap


def block_map(inside: int) -> OccupancyMap:
    """10 x 10 m of 0.1 m cells; a block from x = 4 to 6 m whose inside has a value."""
    cells = np.zeros((100, 100), np.int8)
    cells[:, 40:60] = 100
    cells[1:-1, 41:59] = inside
    return OccupancyMap(np.zeros(2), 0.1, cells)


@pytest.mark.parametrize("inside", [100, -1])
def test_distance_is_to_the_facade_from_both_of_its_sides(inside):
    field = distance_field(block_map(inside), 3.0)
    points = np.array([[3.05, 5.0], [4.05, 5.0], [4.55, 5.0]])
    np.testing.assert_allclose(sample_distance(field, points), [1.0, 0.0, 0.5], atol=0.02)


def test_distance_is_cut_off_at_the_limit_also_outside_of_the_map():
    field = distance_field(block_map(100), 2.0)
    assert sample_distance(field, np.array([[0.5, 5.0], [-40.0, 3.0]])).tolist() == [2.0, 2.0]


def test_party_wall_between_houses_is_no_surface():
    occupancy = block_map(-1)
    occupancy.cells[1:-1, 50] = 100
    assert not surface_cells(occupancy)[20:80, 50].any()
    assert surface_cells(occupancy)[20:80, 40].all()


def test_map_without_surfaces_is_flat():
    field = distance_field(OccupancyMap(np.zeros(2), 0.1, np.zeros((20, 20), np.int8)), 1.5)
    assert (field.distance == 1.5).all()


def test_empty_map_and_bad_limit_are_refused():
    empty = OccupancyMap(np.zeros(2), 0.1, np.zeros((0, 20), np.int8))
    with pytest.raises(ValueError, match=r"shape \(0, 20\)"):
        distance_field(empty, 1.0)
    with pytest.raises(ValueError, match="limit is 0"):
        distance_field(block_map(100), 0.0)
