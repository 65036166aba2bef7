import numpy as np
import pytest
from tests.perception import scenes
from tests.perception.test_cost_map import cells, standing

from lastmile.perception import parting
from lastmile.perception.clusters import find_clusters
from lastmile.perception.config import PerceptionConfig
from lastmile.perception.pipeline import Pipeline
from lastmile.types import Cell, ObstacleKind

WALL = scenes.Box(0.0, 3.0, 30.0, 0.2, 4.0)
CAR = scenes.Box(1.0, 3.8, 4.4, 1.8, 1.5)
BENCH = scenes.Box(3.0, 1.5, 2.0, 0.5, 0.9)
BODY_M = 0.22


def walk(things_at, scans=40, seed=3):
    """Run a standing robot's pipeline; give the scans and lists of obstacles, and the last map."""
    rng = np.random.default_rng(seed)
    pipeline = Pipeline(PerceptionConfig(), scenes.Robot())
    seen = []
    for k in range(scans):
        t = 0.1 * k
        scene, pose = scenes.Scene(things=tuple(things_at(t))), standing(t)
        lidar = scenes.scan(scene, pose, "lidar_link", t, rng)
        scan = pipeline.update(t, lidar, [], np.asarray(pose, float), np.zeros(2))
        seen.append((t, scan, pipeline.obstacles(t).obstacles))
    return seen, pipeline.cost_map.read(t)


def passer(t, gap_m, side_y):
    """One who comes towards the side of something, and from 1.5 s on walks along it."""
    y = side_y - gap_m - BODY_M
    return scenes.Cylinder(-3.0 + 1.2 * t, y - 0.8 * max(1.5 - t, 0.0), BODY_M, 1.7)


@pytest.mark.parametrize(("thing", "side_y"), [(WALL, 2.9), (CAR, 2.9)])
def test_who_walks_close_along_something_stays_a_moving_person(thing, side_y):
    seen, cost_map = walk(lambda t: (thing, passer(t, 0.12, side_y)))
    at = 0
    for t, scan, obstacles in seen[20:]:
        person = passer(t, 0.12, side_y)
        here = [o for o in obstacles if np.hypot(*(o.position - [person.x, person.y])) < 0.4]
        people = [o for o in here if o.kind == ObstacleKind.PERSON]
        assert len(people) == 1, t
        assert people[0].observed
        assert np.hypot(*(people[0].velocity - [1.2, 0.0])) < 0.4
        alone = find_clusters(scan.pairs, PerceptionConfig().clusters)
        at += len(alone.start) < len(scan.clusters.start)
    # By distance alone they are one cluster, in most of the scans that have the two side by side.
    assert at > 8
    along = np.arange(0.3, 1.4, 0.1)
    side = np.maximum(cells(cost_map, along, side_y + 0.05), cells(cost_map, along, side_y - 0.05))
    assert (side == Cell.OCCUPIED).mean() > 0.9


def test_who_stood_at_a_wall_and_sets_off_is_told_within_a_second():
    def things(t):
        x = -1.0 + 1.2 * max(t - 2.0, 0.0)
        return WALL, scenes.Cylinder(x, 2.9 - 0.1 - BODY_M, BODY_M, 1.7)

    seen, _ = walk(things, 40)
    assert not any(np.hypot(*o.velocity) > 0.0 for t, _, obstacles in seen[:21] for o in obstacles)
    for t, _, obstacles in seen[30:]:
        (person,) = (o for o in obstacles if np.hypot(*o.velocity) > 0.0)
        assert np.hypot(*(person.position - [-1.0 + 1.2 * (t - 2.0), 2.58])) < 0.4


def test_nobody_is_parted_from_walls_and_cars_that_drive():
    def things(t):
        return WALL, BENCH, scenes.Box(-6.0 + 3.0 * t, -4.0, 4.4, 1.8, 1.5)

    for _, scan, _ in walk(things)[0]:
        alone = find_clusters(scan.pairs, PerceptionConfig().clusters)
        assert len(alone.start) == len(scan.clusters.start)


def test_parting_keeps_every_point_and_all_numbers(monkeypatch):
    calls = []
    real = parting.describe
    monkeypatch.setattr(parting, "describe", lambda *a: calls.append(1) or real(*a))
    seen, _ = walk(lambda t: (WALL, passer(t, 0.12, 2.9)), 30)
    assert calls
    for _, scan, _ in seen:
        alone = find_clusters(scan.pairs, PerceptionConfig().clusters)
        parted = scan.clusters
        assert (np.sort(parted.order) == np.sort(alone.order)).all()
        assert ((parted.cluster >= 0) == (alone.cluster >= 0)).all()
        stays = parted.cluster < len(alone.start) - 1
        assert (parted.cluster[stays] == alone.cluster[stays]).all()
        assert (np.diff(parted.start) > 0).all()
