"""The local search for a way through the free cells."""

import numpy as np
import pytest

from lastmile.geometry.grid import clearance_field
from lastmile.planning import _grid
from lastmile.planning.config import GuideConfig
from lastmile.planning.guide import find_guide
from lastmile.planning.local_map import LocalMap
from lastmile.planning.reference import Stretch

CELL_M = 0.1
MOVES = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]


def cluttered_map(rng):
    """Twenty metres about the origin with boxes beside and on the way along x."""
    blocked = np.zeros((200, 200), np.uint8)
    for x, y in rng.uniform([105, 60], [195, 140], (25, 2)).astype(int):
        blocked[y : y + 4, x : x + 4] = 1
    unknown = rng.random((200, 200)) < 0.02
    origin = np.array([-10.03, -9.98])
    clearance = clearance_field(blocked, origin, CELL_M)
    known = clearance_field(np.maximum(blocked, unknown.astype(np.uint8)), origin, CELL_M)
    return LocalMap(0.0, clearance, known, unknown)


def bent_stretch():
    arcs_m = np.linspace(0.0, 9.0, 46)
    return Stretch(arcs_m, np.stack([arcs_m, 0.04 * arcs_m**2], axis=-1))


def search(local_map, goal):
    halves = np.full(46, 1.5)
    pose = np.array([0.2, -0.1, 0.1])
    first = find_guide(GuideConfig(), local_map, bent_stretch(), halves, pose, goal, None)
    return find_guide(GuideConfig(), local_map, bent_stretch(), halves, pose, goal, first)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("goal", [None, np.array([8.5, 2.7])])
def test_search_near_the_route_finds_what_a_search_of_all_the_map_finds(seed, goal, monkeypatch):
    local_map = cluttered_map(np.random.default_rng(seed))
    guide = search(local_map, goal)
    monkeypatch.setattr(LocalMap, "around", lambda local_map, points, reach_m: local_map)
    whole = search(local_map, goal)
    assert whole.arcs_m[-1] > 2.0
    assert guide.points == pytest.approx(whole.points, abs=1e-9)
    assert guide.route_arcs_m == pytest.approx(whole.route_arcs_m, abs=1e-9)


def test_part_of_a_map_has_the_same_cells_in_the_same_places():
    local_map = cluttered_map(np.random.default_rng(1))
    points = np.array([[0.0, 0.0], [3.0, 1.0]])
    part = local_map.around(points, 2.0)
    assert part.shape[0] < 60
    assert part.shape[1] < 80
    probes = np.random.default_rng(2).uniform([-1.8, -1.8], [4.8, 2.8], (50, 2))
    for name in ("clearance", "known"):
        inside = getattr(part, name).sample(probes)
        assert inside == pytest.approx(getattr(local_map, name).sample(probes), abs=1e-6)
    for probe in probes:
        assert part.unknown[part.cell_of(probe)] == local_map.unknown[local_map.cell_of(probe)]


def plain_costs(cell_cost, start):
    """Costs of reaching each cell, by relaxing all moves until nothing changes."""
    rows, columns = cell_cost.shape
    cost = np.full((rows + 2, columns + 2), np.inf)
    ringed = np.pad(np.where(cell_cost < 0.0, np.inf, cell_cost.astype(float)), 1, "edge")
    cost[1 + start // columns, 1 + start % columns] = 0.0
    while True:
        before = cost.copy()
        for move in MOVES:
            step = 0.5 * np.hypot(*move) * (ringed + np.roll(ringed, move, (0, 1)))
            new = np.roll(before, move, (0, 1)) + step
            cost[1:-1, 1:-1] = np.minimum(cost, new)[1:-1, 1:-1]
        if np.array_equal(before, cost):
            return cost[1:-1, 1:-1].ravel()


@pytest.mark.parametrize("seed", range(4))
def test_search_of_ways_finds_the_cell_of_least_sum_and_stops(seed):
    rng = np.random.default_rng(seed)
    cell_cost = rng.uniform(1.0, 3.0, (30, 40)).astype(np.float32)
    cell_cost[rng.random((30, 40)) < 0.2] = -1.0
    start = 15 * 40 + 5
    cell_cost[15, 5] = 1.0
    left = 2.0 * np.abs(np.arange(40) - 20.0) * np.ones((30, 1))
    cost, parent = np.empty(1200), np.empty(1200, np.int32)
    _grid.cheapest_ways(cell_cost, start, left.ravel(), cost, parent)
    plain = plain_costs(cell_cost, start)
    end = int(np.argmin(plain + left.ravel()))
    assert int(np.argmin(cost + left.ravel())) == end
    assert cost[end] == pytest.approx(plain[end], abs=1e-9)
    assert np.isfinite(cost).sum() < np.isfinite(plain).sum()
    way = [end]
    while parent[way[-1]] >= 0:
        way.append(int(parent[way[-1]]))
    assert way[-1] == start
    assert np.diff(cost[way]).max() < 0.0
