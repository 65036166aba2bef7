"""Ray casting in packets, held against embreex's own casting ray by ray."""

import gc

import numpy as np
import pytest
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

from lastmile.simulation.rays import RayScene


@pytest.mark.parametrize("count", [1, 15, 16, 17, 1000])
def test_packets_find_what_single_rays_find(count):
    rng = np.random.default_rng(count)
    middles = rng.uniform(-20.0, 20.0, (500, 1, 3))
    triangles = (middles + rng.normal(0.0, 2.0, (500, 3, 3))).astype(np.float32)
    origins = rng.uniform(-5.0, 5.0, (count, 3)).astype(np.float32)
    directions = rng.normal(size=(count, 3))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    directions = directions.astype(np.float32)
    limits = rng.uniform(0.0, 30.0, count).astype(np.float32)
    single = EmbreeScene()
    TriangleMesh(single, triangles)
    wanted = single.run(origins, directions, dists=limits.copy(), query="DISTANCE")
    found = RayScene(triangles).cast(origins, directions, limits)
    assert found == pytest.approx(wanted, abs=1e-4)
    assert count < 1000 or 100 < (found < limits).sum() < 900


def test_an_empty_scene_lets_all_rays_pass():
    up = np.tile(np.array([0.0, 0.0, 1.0], dtype=np.float32), (3, 1))
    limits = np.array([1.0, 2.0, 3.0], dtype=np.float32)
    assert list(RayScene(np.zeros((0, 3, 3))).cast(up, up, limits)) == [1.0, 2.0, 3.0]


def test_cast_leaves_the_limits_as_they_were():
    floor = RayScene(np.array([[[-9.0, -9.0, 0.0], [9.0, -9.0, 0.0], [0.0, 9.0, 0.0]]]))
    origin = np.array([[0.0, 0.0, 2.0]], dtype=np.float32)
    limits = np.full(1, 5.0, dtype=np.float32)
    assert floor.cast(origin, -origin / 2.0, limits)[0] == pytest.approx(2.0)
    assert limits[0] == 5.0


def test_a_ray_without_a_limit_is_refused():
    floor = RayScene(np.array([[[-9.0, -9.0, 0.0], [9.0, -9.0, 0.0], [0.0, 9.0, 0.0]]]))
    two = np.zeros((2, 3), dtype=np.float32)
    with pytest.raises(ValueError, match="2 origins, 2 directions and 1 limits"):
        floor.cast(two, two, np.zeros(1, dtype=np.float32))


def test_scenes_come_and_go_without_harm_to_others():
    floor = np.array([[[-9.0, -9.0, 0.0], [9.0, -9.0, 0.0], [0.0, 9.0, 0.0]]])
    kept = RayScene(floor + np.array([0.0, 0.0, 1.0]))
    for _ in range(50):
        RayScene(floor)
    gc.collect()
    assert kept.heights(np.zeros((1, 2)))[0] == pytest.approx(1.0, abs=1e-5)
