import numpy as np
import pytest
from tests.perception import ground_twin, scenes

from lastmile.perception.config import GroundConfig, InputConfig
from lastmile.perception.ground import CURB, DROP_OFF, find_ground
from lastmile.perception.sweep import GROUND, OBSTACLE, make_sweep

CONFIG = GroundConfig()


def look(scene, pose=(0.0, 0.0, 0.0), frame="lidar_link", seed=1):
    grid = scenes.scan(scene, pose, frame, 1.0, np.random.default_rng(seed), noise=0.012)
    return look_at(grid)


def look_at(grid):
    lidar = grid.frame_id == "lidar_link"
    made = make_sweep(
        grid, scenes.MOUNTS[grid.frame_id], np.zeros(2), scenes.FOOTPRINT, InputConfig(), lidar
    )
    return made, find_ground(made, CONFIG, 7.0 if lidar else 1.3)


def shares(terrain, mask):
    return (terrain.label[mask] == GROUND).mean(), (terrain.label[mask] == OBSTACLE).mean()


@pytest.mark.parametrize("slope", [(0.0, 0.0), (0.08, 0.0), (-0.05, 0.06)])
def test_even_ground_is_ground_without_steps(slope):
    # The robot stands on the slope, so its sensors lean with it: seen from it the ground is level;
    # what remains is the change of slope ahead.
    made, terrain = look(scenes.Scene(slope=slope))
    seen = made.points[..., 3] < 15.0
    assert shares(terrain, seen)[0] > 0.999
    assert len(terrain.edges) == 0


@pytest.mark.parametrize("pitch", [-0.087, 0.087])
def test_five_degrees_of_pitch_make_no_things_near_by(pitch):
    made, terrain = look(scenes.Scene(), (0.0, 0.0, 0.0, pitch))
    assert shares(terrain, made.points[..., 3] < 12.0)[0] > 0.995
    assert (terrain.edges[:, 2] == DROP_OFF).sum() == 0


@pytest.mark.parametrize("rise", [-0.12, 0.12, -0.08])
def test_curb_beside_the_robot_is_found_where_it_is(rise):
    scene = scenes.Scene(steps=(scenes.Step((0.0, 1.0), 2.2, rise),))
    _, terrain = look(scene)
    edges = terrain.edges
    assert (edges[:, 2] == CURB).all()
    near = np.abs(edges[:, 0]) < 4.0
    assert near.sum() > 10
    assert np.quantile(np.abs(edges[near, 1] - 2.2), 0.95) < 0.15


@pytest.mark.parametrize("rise", [-0.12, 0.12])
def test_curb_ahead_is_found_by_lidar_and_by_depth(rise):
    lidar = look(scenes.Scene(steps=(scenes.Step((1.0, 0.0), 3.0, rise),)))[1].edges
    ahead = np.abs(lidar[:, 1]) < 1.0
    assert ahead.sum() > 50
    assert np.abs(np.median(lidar[ahead, 0]) - 3.0) < 0.15
    scene = scenes.Scene(steps=(scenes.Step((1.0, 0.0), 0.9, rise),))
    depth = look(scene, frame="depth_front_optical_frame")[1].edges
    assert len(depth) > 20
    assert np.quantile(np.abs(depth[:, 0] - 0.9), 0.9) < 0.08


def test_dropped_kerb_is_ground():
    scene = scenes.Scene(steps=(scenes.Step((1.0, 0.0), 3.0, -0.03),))
    made, terrain = look(scene)
    assert len(terrain.edges) == 0
    assert shares(terrain, made.points[..., 3] < 10.0)[0] > 0.999


def test_deep_step_down_is_a_drop_off():
    _, terrain = look(scenes.Scene(steps=(scenes.Step((0.0, 1.0), 2.5, -0.6),)))
    edges = terrain.edges[np.abs(terrain.edges[:, 0]) < 3.0]
    assert (edges[:, 2] == DROP_OFF).mean() > 0.9
    assert np.median(np.abs(edges[:, 1] - 2.5)) < 0.15


def test_missing_ground_is_a_drop_off_and_lost_returns_are_not():
    grid = scenes.scan(scenes.Scene(), (0, 0, 0), "lidar_link", 1.0)
    hole = grid.points[..., 0] > 3.0
    hole &= np.abs(grid.points[..., 1]) < 1.5
    points = grid.points.copy()
    points[hole] = np.inf
    terrain = look_at(type(grid)(1.0, grid.frame_id, points, grid.intensity, grid.offset_s))[1]
    assert len(terrain.edges) > 20
    assert (terrain.edges[:, 2] == DROP_OFF).all()
    assert (np.abs(terrain.edges[:, 0] - 2.7) < 0.4).all()
    points[hole] = np.nan
    terrain = look_at(type(grid)(1.0, grid.frame_id, points, grid.intensity, grid.offset_s))[1]
    assert len(terrain.edges) == 0


def test_low_box_is_a_thing_and_not_a_curb():
    scene = scenes.Scene(things=(scenes.Box(3.0, 0.0, 0.4, 0.5, 0.15),))
    made, terrain = look(scene)
    x, y, z = made.points[..., 0], made.points[..., 1], made.points[..., 2]
    top = (np.abs(x - 3.0) < 0.2) & (np.abs(y) < 0.25) & (z > 0.1)
    assert top.sum() > 20
    assert shares(terrain, top)[1] > 0.8


def test_feet_of_a_person_are_kept():
    made, terrain = look(scenes.Scene(things=(scenes.Cylinder(4.0, 0.0, 0.2, 1.7),)))
    at = np.hypot(made.points[..., 0] - 4.0, made.points[..., 1]) < 0.23
    body = at & (made.points[..., 2] > 0.04)
    assert shares(terrain, body)[1] > 0.98


def test_kernel_agrees_with_plain_columns():
    rng = np.random.default_rng(5)
    scene = scenes.Scene(
        things=(
            scenes.Cylinder(4.0, 0.5, 0.2, 1.7),
            scenes.Box(3.0, -1.0, 0.5, 0.5, 0.15),
            scenes.Box(6.0, 3.0, 4.5, 1.8, 1.5),
        ),
        steps=(scenes.Step((0.3, 0.95), 2.0, -0.12), scenes.Step((1.0, 0.0), 5.0, 0.15)),
    )
    grid = scenes.scan(scene, (0, 0, 0.4), "lidar_link", 1.0, rng, noise=0.03)
    made, terrain = look_at(grid)
    part = np.s_[:, ::4]
    label, height = ground_twin.sort_points(made.points[part], made.label[part], CONFIG)
    assert (label == terrain.label[part]).all()
    assert np.abs(height - terrain.height[part]).max() < 1e-4
