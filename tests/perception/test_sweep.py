from dataclasses import replace

import numpy as np
import pytest
from tests.perception import scenes

from lastmile.perception import sweep
from lastmile.perception.config import InputConfig

CONFIG = InputConfig()
FLAT = scenes.Scene()


def sweep_of(grid, twist=(0.0, 0.0)):
    return sweep.make_sweep(
        grid, scenes.MOUNTS[grid.frame_id], np.array(twist), scenes.FOOTPRINT, CONFIG, True
    )


def test_ground_of_a_level_scene_lies_at_zero_with_near_rows_first():
    made = sweep_of(scenes.scan(FLAT, (0, 0, 0), "lidar_link", 1.0))
    ground = made.label == sweep.UNSORTED
    assert np.abs(made.points[ground][:, 2]).max() < 1e-3
    assert made.points[0, 0, 3] == pytest.approx(1.1 / np.tan(np.deg2rad(30.0)), abs=1e-3)
    assert made.points[5, 0, 3] > made.points[0, 0, 3]


def test_motion_during_the_turn_is_undone():
    scene = scenes.Scene(things=(scenes.Box(8.0, 0.0, 0.5, 40.0, 3.0),))
    twist = (1.5, 0.6)
    grid = scenes.scan(scene, (0, 0, 0), "lidar_link", 1.0, twist=twist, turn_s=0.1)
    wall = np.s_[17:28, 500:600]
    undone = sweep_of(grid, twist).points[wall][..., 0]
    left_in = sweep_of(grid).points[wall][..., 0]
    assert np.abs(undone - 7.75).max() < 0.03
    assert np.abs(left_in - 7.75).max() > 0.05


def test_returns_from_the_robot_itself_are_its_body():
    scene = scenes.Scene(things=(scenes.Box(0.0, 0.0, 0.6, 0.5, 0.9),))
    made = sweep_of(scenes.scan(scene, (0, 0, 0), "lidar_link", 1.0))
    assert (made.label[0] == sweep.BODY).any()
    assert not (made.label == sweep.BODY)[20:].any()


def test_kernel_agrees_with_plain_transform():
    rng = np.random.default_rng(3)
    grid = scenes.scan(FLAT, (0, 0, 0), "lidar_link", 1.0)
    points = rng.uniform(-20, 20, grid.points.shape).astype(np.float32)
    points[rng.random(points.shape[:2]) < 0.1] = np.nan
    points[rng.random(points.shape[:2]) < 0.1] = np.inf
    offset = rng.uniform(0, 0.1, 1024).astype(np.float32)
    made = sweep_of(replace(grid, points=points, offset_s=offset), (1.2, -0.7))
    T = scenes.MOUNTS["lidar_link"]
    base = points[::-1].astype(float) + T[:3, 3]  # The mount does not turn.
    yaw = -0.7 * offset.astype(float)
    chord = 1.2 * offset.astype(float) * np.sinc(0.5 * yaw / np.pi)
    base[~np.isfinite(base)] = np.nan
    x = np.cos(yaw) * base[..., 0] - np.sin(yaw) * base[..., 1] + chord * np.cos(yaw / 2)
    y = np.sin(yaw) * base[..., 0] + np.cos(yaw) * base[..., 1] + chord * np.sin(yaw / 2)
    valid = made.label >= sweep.BODY
    assert (valid == np.isfinite(base[..., 0])).all()
    assert np.abs(made.points[..., 0] - x)[valid].max() < 1e-4
    assert np.abs(made.points[..., 1] - y)[valid].max() < 1e-4
    assert np.abs(made.points[..., 2] - base[..., 2])[valid].max() < 1e-4


def refusal(grid):
    with pytest.raises(sweep.ScanError) as error:
        sweep.check_lidar(grid, CONFIG)
    return str(error.value)


def test_malformed_turns_are_refused_with_value_and_rule():
    good = scenes.scan(FLAT, (0, 0, 0), "lidar_link", 1.0)
    sweep.check_lidar(good, CONFIG)
    assert "'odom'" in refusal(replace(good, frame_id="odom"))
    assert "(31, 1024, 3)" in refusal(replace(good, points=good.points[1:]))
    assert "(32768, 3)" in refusal(replace(good, points=good.points.reshape(-1, 3)))
    assert "float64" in refusal(replace(good, points=good.points.astype(float)))
    assert "no return" in refusal(replace(good, points=np.full_like(good.points, np.nan)))
    assert "offset" in refusal(replace(good, offset_s=good.offset_s[:-1]))
    assert "offset" in refusal(replace(good, offset_s=good.offset_s * np.float32(np.nan)))
    half = good.points.copy()
    half[:, :512] = np.nan
    assert "3.14 rad" in refusal(replace(good, points=half))


def test_longest_gap_goes_round():
    seen = np.ones(10, bool)
    seen[[0, 1, 8, 9, 4]] = False
    assert sweep.longest_gap(seen) == (4, 8)


def test_odometry_is_interpolated_between_and_carried_on_beyond():
    before = scenes.odometry(1.0, (0.0, 0.0, 0.0), (1.0, 0.0))
    after = scenes.odometry(1.1, (0.1, 0.0, 0.2), (2.0, 0.0))
    pose, twist = sweep.odometry_between(before, after, 1.05)
    assert pose == pytest.approx([0.05, 0.0, 0.1], abs=1e-9)
    assert twist == pytest.approx([1.5, 0.0])
    pose, _ = sweep.odometry_between(before, None, 1.1)
    assert pose == pytest.approx([0.1, 0.0, 0.0])
    pose, _ = sweep.odometry_between(None, after, 1.0)
    assert pose[0] == pytest.approx(0.1 - 0.2 * np.cos(0.2), abs=1e-9)
