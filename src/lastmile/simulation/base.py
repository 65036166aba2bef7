"""
The robot's base as a rigid body in MuJoCo, with wheels that roll and slip on the ground.

The base obeys cmd_vel within its own acceleration, and stops by itself: 0.25 s after the last
command, on its e-stop, and against a pressed bumper. The ground under it is a height field of 6 m,
taken anew from the ground's mesh when the base has moved on.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass

import mujoco
import numpy as np

from lastmile.simulation.config import BaseConfig
from lastmile.simulation.rays import RayScene
from lastmile.types import Command
from lastmile.vehicle.description import RobotDescription

PATCH_HALF_M = 3.0
PATCH_STEP_M = 0.05
PATCH_LOW_M, PATCH_HIGH_M = -0.5, 0.5
STOP_DECELERATION_MPS2 = 3.0


@dataclass(frozen=True, slots=True)
class Motion:
    """State of the base: pose, twist, attitude, and what IMU and encoders would feel."""

    pose_map_base: np.ndarray
    T_map_base: np.ndarray
    twist_base: np.ndarray
    angular_velocity_imu: np.ndarray
    specific_force_imu: np.ndarray
    wheel_angles: np.ndarray
    """(2,) left and right [rad]."""


class Base:
    """The base; `step` moves it by one tick."""

    def __init__(
        self, robot: RobotDescription, ground: RayScene, pose: np.ndarray, config: BaseConfig
    ) -> None:
        """Stand the robot of `robot.urdf` at `pose` (3,) in map."""
        self.config = config
        self.robot = robot
        self._ground = ground
        self._model = _compile(robot.urdf, config)
        self._data = mujoco.MjData(self._model)
        self._wheels = [self._model.joint(f"wheel_{s}_joint").qposadr[0] for s in ("left", "right")]
        self._contact_geoms = self._model.geom_friction[:, 0] > 0.5
        self._command = Command(-np.inf, 0.0, 0.0)
        self._wanted = np.zeros(2)
        self.braked = True
        self.timed_out = True
        z = float(ground.heights(np.asarray(pose)[None, :2])[0])
        half = 0.5 * pose[2]
        self._data.qpos[:7] = [pose[0], pose[1], z, np.cos(half), 0.0, 0.0, np.sin(half)]
        self._patch_centre = np.full(2, np.inf)
        self._lay_ground()
        for _ in range(200):
            mujoco.mj_step(self._model, self._data)
        self.motion = self._read(np.zeros(3), np.zeros(3))

    def obey(self, command: Command, stamp_s: float) -> None:
        """Take a command that came at `stamp_s`."""
        self._command = Command(stamp_s, command.speed_mps, command.yaw_rate)

    def set_grip(self, friction: float) -> None:
        """Change the grip of the tyres."""
        self._model.geom_friction[self._contact_geoms, 0] = friction

    def step(
        self, stamp_s: float, dt_s: float, stop: bool, blocked_ahead: bool, blocked_behind: bool
    ) -> Motion:
        """
        Move on by `dt_s`.

        `stop` is the e-stop; the other two say that a bumper is pressed at that end.
        """
        self.timed_out = stamp_s - self._command.stamp_s > self.config.command_timeout_s
        wanted = np.array([self._command.speed_mps, self._command.yaw_rate])
        if blocked_ahead:
            wanted = np.array([min(wanted[0], 0.0), 0.0])
        if blocked_behind:
            wanted = np.array([max(wanted[0], 0.0), 0.0])
        self.braked = bool(stop or self.timed_out)
        if self.braked:
            wanted = np.zeros(2)
        self._slew(wanted, dt_s)
        v, w = self._wanted
        half_track = 0.5 * self.robot.track_m
        speeds = np.array([v - w * half_track, v + w * half_track]) / self.robot.wheel_radius_m
        self._data.ctrl[:] = speeds
        self._lay_ground()
        count = max(1, round(dt_s / self._model.opt.timestep))
        force, turn = np.zeros(3), np.zeros(3)
        for _ in range(count):
            mujoco.mj_step(self._model, self._data)
            force += self._data.sensordata[0:3]
            turn += self._data.sensordata[3:6]
        self.motion = self._read(force / count, turn / count)
        return self.motion

    def push_out(self, direction: np.ndarray, depth_m: float) -> None:
        """Keep the base out of something solid; `direction` (2,) points away from it."""
        velocity = self._data.qvel[:2]
        inward = min(0.0, float(velocity @ direction))
        self._data.qvel[:2] = velocity - inward * direction
        self._data.qpos[:2] += min(depth_m, 0.01) * direction

    def _slew(self, wanted: np.ndarray, dt_s: float) -> None:
        change = wanted - self._wanted
        if self.braked:
            most = np.array([STOP_DECELERATION_MPS2, self.config.yaw_acceleration]) * dt_s
        else:
            most = np.array([self.config.acceleration_mps2, self.config.yaw_acceleration]) * dt_s
        self._wanted = self._wanted + np.clip(change, -most, most)

    def _lay_ground(self) -> None:
        """Sample the ground about the base anew once it came 1.5 m off the patch's middle."""
        place = self._data.qpos[:2]
        if np.abs(place - self._patch_centre).max() < 1.5:
            return
        centre = np.round(place / PATCH_STEP_M) * PATCH_STEP_M
        steps = np.arange(-PATCH_HALF_M, PATCH_HALF_M + 0.5 * PATCH_STEP_M, PATCH_STEP_M)
        x, y = np.meshgrid(centre[0] + steps, centre[1] + steps)
        heights = self._ground.heights(np.column_stack([x.ravel(), y.ravel()]))
        span = PATCH_HIGH_M - PATCH_LOW_M
        self._model.hfield_data[:] = np.clip((heights - PATCH_LOW_M) / span, 0.0, 1.0)
        self._data.mocap_pos[0] = [*centre, PATCH_LOW_M]
        self._patch_centre = centre

    def _read(self, force: np.ndarray, turn: np.ndarray) -> Motion:
        rotation = np.empty(9)
        mujoco.mju_quat2Mat(rotation, self._data.qpos[3:7])
        T = np.eye(4)
        T[:3, :3] = rotation.reshape(3, 3)
        T[:3, 3] = self._data.qpos[:3]
        velocity = T[:3, :3].T @ self._data.qvel[:3]
        yaw = np.arctan2(T[1, 0], T[0, 0])
        return Motion(
            pose_map_base=np.array([T[0, 3], T[1, 3], yaw]),
            T_map_base=T,
            twist_base=np.array([velocity[0], self._data.qvel[5]]),
            angular_velocity_imu=turn,
            specific_force_imu=force,
            wheel_angles=self._data.qpos[self._wheels].copy(),
        )


def _compile(urdf: str, config: BaseConfig) -> mujoco.MjModel:
    """Put the robot on a free joint over a movable height field, with driven wheels."""
    world = mujoco.MjSpec()
    world.option.timestep = config.timestep_s
    # The stiff speed servo would ring with an explicit integrator.
    world.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    # With these the base keeps its heading to 0.02 rad on a hard start; pyramids lose 0.05.
    world.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    world.option.impratio = 10.0
    count = 2 * round(PATCH_HALF_M / PATCH_STEP_M) + 1
    span = PATCH_HIGH_M - PATCH_LOW_M
    world.add_hfield(
        name="ground",
        nrow=count,
        ncol=count,
        size=[PATCH_HALF_M, PATCH_HALF_M, span, 0.1],
        userdata=np.zeros(count * count),
    )
    ground = world.worldbody.add_body(name="ground", mocap=True)
    ground.add_geom(
        type=mujoco.mjtGeom.mjGEOM_HFIELD, hfieldname="ground", friction=[0.01, 0.005, 0.0001]
    )
    robot = mujoco.MjSpec.from_string(urdf)
    holder = world.worldbody.add_body(name="robot")
    holder.add_freejoint()
    world.attach(robot, prefix="robot/", frame=holder.add_frame())
    _name_plainly(world)
    _add_springs(world, urdf)
    for body in world.bodies:
        tyre = body.name.startswith("wheel_")
        for geom in body.geoms if body.name != "ground" else ():
            # Casters roll freely: next to no friction in place of a swivel.
            geom.friction = [config.friction if tyre else 0.01, 0.005, 0.0001]
    for side in ("left", "right"):
        motor = world.add_actuator(
            name=side, target=f"wheel_{side}_joint", trntype=mujoco.mjtTrn.mjTRN_JOINT
        )
        motor.set_to_velocity(kv=25.0)
        motor.forcelimited = True
        motor.forcerange = [-30.0, 30.0]
    world.body("imu_link").add_site(name="imu")
    for name, kind in (
        ("force", mujoco.mjtSensor.mjSENS_ACCELEROMETER),
        ("turn", mujoco.mjtSensor.mjSENS_GYRO),
    ):
        world.add_sensor(name=name, type=kind, objtype=mujoco.mjtObj.mjOBJ_SITE, objname="imu")
    return world.compile()


def _add_springs(world: mujoco.MjSpec, urdf: str) -> None:
    """Give joints the springs that the URDF names for Gazebo; plain URDF has no word for them."""
    for tag in ElementTree.fromstring(urdf).findall("gazebo"):
        stiffness = tag.find("springStiffness")
        if stiffness is not None:
            joint = world.joint(tag.get("reference"))
            joint.stiffness = [float(stiffness.text), 0.0, 0.0]
            joint.springref = float(tag.find("springReference").text)


def _name_plainly(world: mujoco.MjSpec) -> None:
    """Drop the prefix that attaching needs."""
    for item in (*world.bodies, *world.joints):
        item.name = item.name.removeprefix("robot/")
