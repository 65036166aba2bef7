"""The local search for a way through the free cells."""

import numpy as np
import pytest

from lastmile.geometry.grid import clearance_field
from lastmile.planning.config import GuideConfig
from lastmile.planning.guide import find_guide
from lastmile.planning.local_map import LocalMap
from lastmile.planning.reference import Stretch

CELL_M = 0.1


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
