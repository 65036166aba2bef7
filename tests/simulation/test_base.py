"""The base: contract with the gate, and physics."""

import numpy as np
import pytest
from tests.simulation.worlds import drive, make_world, of

from lastmile.geometry.se2 import wrap_angle
from lastmile.simulation import base

PAVEMENT = [0.0, 4.75, 0.0]


def test_base_reaches_the_commanded_speed_within_its_acceleration():
    world = make_world(start_pose=PAVEMENT)
    drive(world, 1.0, 1.4)
    assert world.motion.twist_base[0] == pytest.approx(1.4, abs=0.05)
    assert abs(world.motion.pose_map_base[2]) < 0.03


def test_base_turns_as_commanded():
    world = make_world(start_pose=PAVEMENT)
    drive(world, 2.0, 0.0, 0.8)
    assert world.motion.pose_map_base[2] == pytest.approx(1.6 - 0.8 * 0.8 / 6 / 2, abs=0.12)


def test_base_stops_by_itself_without_commands():
    world = make_world(start_pose=PAVEMENT)
    drive(world, 1.0, 1.0)
    states = []
    for _ in range(80):
        states += of(world.step(), "base/state")
    timed_out = [s.stamp_s - 1.0 for s in states if s.command_timeout]
    assert 0.2 < timed_out[0] < 0.3
    assert abs(world.motion.twist_base[0]) < 0.02


def test_estop_stops_the_base_against_commands():
    world = make_world(
        start_pose=PAVEMENT, faults=[{"kind": "estop", "start_s": 0.8, "duration_s": 5.0}]
    )
    outputs = drive(world, 1.6, 1.2)
    assert abs(world.motion.twist_base[0]) < 0.02
    assert of(outputs, "base/state")[-1].estop


def test_command_that_is_not_finite_is_not_obeyed():
    world = make_world(start_pose=PAVEMENT)
    drive(world, 0.6, float("nan"))
    assert np.hypot(*(world.motion.pose_map_base[:2] - PAVEMENT[:2])) < 0.02


def test_base_crosses_a_dropped_kerb_and_ends_a_kerb_lower():
    world = make_world(start_pose=[25.0, 6.0, -np.pi / 2])
    drive(world, 4.0, 1.2)
    assert world.motion.T_map_base[2, 3] == pytest.approx(-0.12, abs=0.005)
    assert world.clearance.contact == ""


@pytest.mark.parametrize("y_m", [4.75, 4.55, 4.3, 4.1])
@pytest.mark.parametrize("yaw", [np.pi / 2, 2.2])
def test_base_that_stopped_on_a_lip_drives_and_turns_on(y_m, yaw):
    world = make_world(start_pose=[25.0, 4.0, np.pi / 2])
    lip_y_m = _lip(world)
    world = make_world(start_pose=[25.0, lip_y_m + y_m - 4.45, yaw])
    drive(world, 1.5, 0.3)
    climbed_m = world.motion.pose_map_base[1] - (lip_y_m + y_m - 4.45)
    assert climbed_m > 0.25 * np.sin(yaw)
    drive(world, 1.5, 0.0, 0.6)
    assert wrap_angle(world.motion.pose_map_base[2] - yaw) > 0.5


def _lip(world):
    """Place on the way over the road where the ramp begins with a step."""
    y = np.arange(3.0, 6.0, 0.01)
    heights = world.town.streets.ground_rays.heights(np.column_stack([np.full_like(y, 25.0), y]))
    return float(y[np.argmax(np.diff(heights) > 0.0)])


def test_driving_off_a_full_kerb_is_told_as_contact():
    world = make_world(start_pose=[8.0, 4.9, -np.pi / 2])
    outputs = drive(world, 2.5, 1.0)
    assert "kerb" in {v.contact for v in of(outputs, "ground_truth")}


def test_wall_stops_the_base_and_presses_the_bumper():
    world = make_world(start_pose=[0.0, 4.75, np.pi / 2])
    outputs = drive(world, 3.0, 0.8)
    assert any(state.bumper for state in of(outputs, "base/state"))
    assert any(v.contact.startswith("building") for v in of(outputs, "ground_truth"))
    assert world.motion.pose_map_base[1] < 6.0 - 0.35 + 0.1


def test_wheels_spin_on_ice_and_odometry_is_fooled():
    faults = [{"kind": "wheel_slip", "start_s": 0.0, "duration_s": 9.0}]
    world = make_world(start_pose=PAVEMENT, faults=faults)
    outputs = drive(world, 1.0, 1.4)
    told = sum(v.twist_base[0] for v in of(outputs, "wheel/odometry")) * 0.02
    driven = world.motion.pose_map_base[0]
    assert told > 1.3 * driven


def test_plane_on_level_ground_drives_as_the_height_field_does(monkeypatch):
    poses = []
    for level_m in (base.LEVEL_M, -1.0):
        monkeypatch.setattr(base, "LEVEL_M", level_m)
        world = make_world(start_pose=PAVEMENT)
        drive(world, 1.5, 1.2, 0.4)
        drive(world, 1.0, 0.6, -0.8)
        poses.append(world.motion.T_map_base)
    assert poses[0][:2, 3] == pytest.approx(poses[1][:2, 3], abs=0.03)
    assert poses[0][2, 3] == pytest.approx(poses[1][2, 3], abs=0.001)
    assert poses[0][:3, :3] == pytest.approx(poses[1][:3, :3], abs=0.03)
