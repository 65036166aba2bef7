import cv2
import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components
from tests.perception import scenes
from tests.perception.test_ground import look

from lastmile.perception import _clusters
from lastmile.perception.clusters import find_clusters
from lastmile.perception.config import ClusterConfig
from lastmile.perception.sweep import OBSTACLE

CONFIG = ClusterConfig()


def things(scene, frames=("lidar_link",)):
    return find_clusters([look(scene, frame=f) for f in frames], CONFIG)


def test_people_are_one_thing_each_at_many_distances():
    at = [(3.0, 0.0), (6.0, 2.0), (10.0, -3.0), (15.0, 8.0), (20.0, -9.0)]
    found = things(scenes.Scene(things=tuple(scenes.Cylinder(x, y, 0.22, 1.7) for x, y in at)))
    assert len(found.things) == len(at)
    for x, y in at:
        near = min(found.things, key=lambda t: np.hypot(*(t.centre - [x, y])))
        assert np.hypot(*(near.centre - [x, y])) < 0.25
        assert not near.structure
        # The nearer half shows.
        assert 0.2 < near.length_m < 0.6
        assert near.height_m > 1.1


def test_two_people_side_by_side_stay_two():
    pair = (scenes.Cylinder(6.0, 0.0, 0.2, 1.7), scenes.Cylinder(6.0, 0.75, 0.2, 1.7))
    assert len(things(scenes.Scene(things=pair)).things) == 2


def test_person_before_a_wall_is_apart_from_it():
    scene = scenes.Scene(
        things=(scenes.Cylinder(6.0, 0.0, 0.2, 1.7), scenes.Box(7.0, 0.0, 0.2, 20.0, 4.0))
    )
    found = things(scene).things
    assert [t.structure for t in sorted(found, key=lambda t: t.length_m)] == [False, True, True]


def test_slanted_car_is_one_thing():
    found = things(scenes.Scene(things=(scenes.Box(10.0, 5.0, 4.5, 1.8, 1.5, 0.3),))).things
    assert len(found) == 1
    assert not found[0].structure
    assert found[0].length_m == pytest.approx(4.5, abs=1.0)


def test_inner_corner_of_walls_is_structure():
    scene = scenes.Scene(
        things=(scenes.Box(8.0, 0.0, 0.2, 4.0, 1.5), scenes.Box(6.0, 2.0, 4.0, 0.2, 1.5))
    )
    assert all(t.structure for t in things(scene).things)


def test_low_thing_before_the_robot_is_found_by_depth():
    scene = scenes.Scene(things=(scenes.Box(1.2, 0.1, 0.2, 0.2, 0.15),))
    found = things(scene, ("lidar_link", "depth_front_optical_frame")).things
    assert len(found) == 1
    assert np.hypot(*(found[0].centre - [1.2, 0.1])) < 0.15


def test_outlines_turn_counter_clockwise_round_their_points():
    found = things(scenes.Scene(things=(scenes.Box(10.0, 5.0, 4.5, 1.8, 1.5, 0.3),)))
    outline = found.things[0].outline
    following = np.roll(outline, -1, axis=0)
    edge = following - outline
    assert (outline[:, 0] * following[:, 1] - following[:, 0] * outline[:, 1]).sum() > 0.0
    xy = found.points[found.cluster == found.things[0].index, :2]
    inside = edge[:, 0] * (xy[:, None, 1] - outline[:, 1]) - edge[:, 1] * (
        xy[:, None, 0] - outline[:, 0]
    )
    assert inside.min() > -1e-3


def test_numbers_agree_with_plain_union():
    rng = np.random.default_rng(2)
    scene = scenes.Scene(
        things=tuple(
            scenes.Cylinder(*rng.uniform(-12, 12, 2), rng.uniform(0.05, 0.6), 1.7)
            for _ in range(25)
        )
    )
    pairs = [look(scene)]
    found = find_clusters(pairs, CONFIG)
    # Plain twin of the join in plane: points in one cell are of one cluster.
    xy = found.points[found.label == OBSTACLE, :2]
    cluster = found.cluster[found.label == OBSTACLE]
    half = np.ceil(80.0 / CONFIG.merge_cell_m) // 2
    cells = np.trunc(xy / CONFIG.merge_cell_m + half).astype(int)
    for cell in np.unique(cells, axis=0):
        assert len(np.unique(cluster[(cells == cell).all(axis=1)])) == 1
    # Plain twin along rows: neighbours nearer than the gap are of one cluster.
    grid = found.cluster.reshape(32, 1024)
    points, label = pairs[0][0].points, pairs[0][1].label
    step = np.hypot(*np.moveaxis(np.roll(points, -1, axis=1)[..., :2] - points[..., :2], -1, 0))
    both = (label == OBSTACLE) & (np.roll(label, -1, axis=1) == OBSTACLE) & (step < CONFIG.gap_m)
    assert (grid[both] == np.roll(grid, -1, axis=1)[both]).all()
    numbers = found.cluster[found.cluster >= 0]
    assert (np.bincount(numbers) >= CONFIG.points_min).all()
    # Nothing joins what is farther apart than any gap that is bridged.
    xy = found.points[found.cluster >= 0, :2]
    for number in np.unique(numbers):
        places = np.unique(np.round(xy[numbers == number], 1), axis=0)
        apart = np.linalg.norm(places[:, None] - places, axis=2)
        assert connected_components(apart < 0.8)[0] == 1


def test_points_by_cluster_are_those_of_the_clusters_and_give_their_means():
    at = [(3.0, 0.0), (6.0, 2.0), (10.0, -3.0)]
    found = things(scenes.Scene(things=tuple(scenes.Cylinder(x, y, 0.22, 1.7) for x, y in at)))
    assert len(found.start) == found.cluster.max() + 2
    for thing in found.things:
        xy = found.points[found.cluster == thing.index, :2]
        part = slice(found.start[thing.index], found.start[thing.index + 1])
        assert (found.xy[part] == xy).all()
        assert thing.mean == pytest.approx(xy.mean(axis=0, dtype=float), abs=1e-12)


def test_outlines_agree_with_those_of_opencv():
    rng = np.random.default_rng(3)
    sizes = rng.integers(1, 60, 40)
    start = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    xy = rng.normal(size=(start[-1], 2)).astype(np.float32)
    # On a coarse grid points fall together and in rows.
    coarse = np.repeat(np.arange(40) % 2 == 0, sizes)
    xy[coarse] = np.round(2.0 * xy[coarse]) / 2.0
    chosen = np.array([0, 1, *range(3, 40)], np.int32)
    corners, bounds = np.empty_like(xy), np.empty(len(chosen) + 1, np.int32)
    _clusters.outlines(xy, start, chosen, corners, bounds)
    for n, c in enumerate(chosen):
        want = cv2.convexHull(xy[start[c] : start[c + 1]], clockwise=False).reshape(-1, 2).tolist()
        got = corners[bounds[n] : bounds[n + 1]].tolist()
        assert got[0] == max(want)
        first = want.index(got[0])
        assert got == want[first:] + want[:first]
