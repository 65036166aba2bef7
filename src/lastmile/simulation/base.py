"""
The robot's base as a rigid body in MuJoCo, with wheels that roll and slip on the ground.

The ground under the base is a height field of 6 m, taken anew from the ground's mesh when the base
has moved on. Where the field is level about the
base, as most of a sidewalk is, a plane stands in for it: it holds a wheel by one contact in place
of one per triangle, which takes a fifth of the time, and no grain of the field turns the base.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import cv2
import mujoco
import numpy as np

from lastmile.simulation.config import BaseConfig
from lastmile.simulation.drive import Drive, Hold
from lastmile.simulation.motion import Motion
from lastmile.simulation.rays import RayScene
from lastmile.vehicle.description import RobotDescription

PATCH_HALF_M = 3.0
PATCH_STEP_M = 0.05
PATCH_LOW_M, PATCH_HIGH_M = -0.5, 0.5
LIFTED_M = 0.3
"""Ground further off the sidewalks' height has its patch about its own."""
LEVEL_HALF_M, LEVEL_M = 0.75, 1e-4
"""Ground whose heights differ by less than this over the square about the base is level."""

class Base:
    """The base; `step` moves it by one tick."""

    def __init__(
        self, robot: RobotDescription, ground: RayScene, pose: np.ndarray, config: BaseConfig
    ) -> None:
        """Stand the robot of `robot.urdf` at `pose` (3,) in map."""
        self.robot = robot
        self.drive = Drive(config)
        self._ground = ground
        self._model = _compile(robot.urdf, config)
        self._data = mujoco.MjData(self._model)
        joints = [self._model.joint(f"wheel_{side}_joint") for side in ("left", "right")]
        self._wheels = np.array([joint.qposadr[0] for joint in joints])
        self._tyres = self._model.geom_friction[:, 0] > 0.5
        self._grip = config.friction
        z = float(ground.heights(np.asarray(pose)[None, :2])[0])
        half = 0.5 * pose[2]
        self._data.qpos[:7] = [pose[0], pose[1], z, np.cos(half), 0.0, 0.0, np.sin(half)]
        self._sensed = self._data.sensordata
        self._patch_centre = np.inf, np.inf
        self._patch_heights = self._patch_level = np.zeros((0, 0))
        self._lay_ground()
        for _ in range(200):
            mujoco.mj_step(self._model, self._data)
        self.motion = self._read(np.zeros(3), np.zeros(3))

    def set_grip(self, friction: float) -> None:
        """Change the grip of the tyres."""
        if friction != self._grip:
            self._model.geom_friction[self._tyres, 0] = friction
            self._grip = friction

    def step(self, stamp_s: float, dt_s: float, hold: Hold) -> Motion:
        """Move on by `dt_s`."""
        speed, yaw_rate = self.drive.step(stamp_s, dt_s, hold)
        aside = yaw_rate * 0.5 * self.robot.track_m
        radius = self.robot.wheel_radius_m
        self._data.ctrl[:] = (speed - aside) / radius, (speed + aside) / radius
        self._lay_ground()
        count = max(1, round(dt_s / self._model.opt.timestep))
        felt = np.zeros(6)
        for _ in range(count):
            mujoco.mj_step(self._model, self._data)
            felt += self._sensed
        felt /= count
        self.motion = self._read(felt[:3], felt[3:])
        return self.motion

    def push_out(self, direction: np.ndarray, depth_m: float) -> None:
        """Keep the base out of something solid; `direction` (2,) points away from it."""
        velocity = self._data.qvel[:2]
        inward = min(0.0, float(velocity @ direction))
        self._data.qvel[:2] = velocity - inward * direction
        self._data.qpos[:2] += min(depth_m, 0.01) * direction

    def _lay_ground(self) -> None:
        """Put the ground under the base: a plane where it is level, the height field elsewhere."""
        x, y = self._data.qpos[:2].tolist()
        x0, y0 = self._patch_centre
        if max(abs(x - x0), abs(y - y0)) >= 1.5:
            x0, y0 = self._take_patch(x, y)
        row = round((y - y0 + PATCH_HALF_M) / PATCH_STEP_M)
        column = round((x - x0 + PATCH_HALF_M) / PATCH_STEP_M)
        node = row, column
        level = bool(self._patch_level[node])
        if level:
            self._data.mocap_pos[1, 2] = self._patch_heights[node]
        self._model.geom_contype[:2] = self._model.geom_conaffinity[:2] = (not level, level)

    def _take_patch(self, x: float, y: float) -> tuple[float, float]:
        """Sample the ground about a place, find where it is level, and return its middle."""
        x0, y0 = (float(np.round(v / PATCH_STEP_M) * PATCH_STEP_M) for v in (x, y))
        steps = np.arange(-PATCH_HALF_M, PATCH_HALF_M + 0.5 * PATCH_STEP_M, PATCH_STEP_M)
        across, along = np.meshgrid(x0 + steps, y0 + steps)
        heights = self._ground.heights(np.column_stack([across.ravel(), along.ravel()]))
        span = PATCH_HIGH_M - PATCH_LOW_M
        middle = float(heights[len(heights) // 2])
        low = PATCH_LOW_M + (middle if abs(middle) > LIFTED_M else 0.0)
        self._model.hfield_data[:] = np.clip((heights - low) / span, 0.0, 1.0)
        self._data.mocap_pos[0] = [x0, y0, low]
        self._patch_centre = x0, y0
        self._patch_heights = heights.reshape(across.shape)
        about = np.ones(2 * (1 + 2 * round(LEVEL_HALF_M / PATCH_STEP_M),), np.uint8)
        rise = cv2.morphologyEx(self._patch_heights, cv2.MORPH_GRADIENT, about)
        self._patch_level = rise < LEVEL_M
        return x0, y0

    def _read(self, force: np.ndarray, turn: np.ndarray) -> Motion:
        rotation = np.empty(9)
        mujoco.mju_quat2Mat(rotation, self._data.qpos[3:7])
        T = np.zeros((4, 4))
        T[:3, :3] = rotation.reshape(3, 3)
        T[:3, 3] = self._data.qpos[:3]
        T[3, 3] = 1.0
        speed = T[:3, 0] @ self._data.qvel[:3]
        yaw = np.arctan2(T[1, 0], T[0, 0])
        return Motion(
            pose_map_base=np.array([T[0, 3], T[1, 3], yaw]),
            T_map_base=T,
            twist_base=np.array([speed, self._data.qvel[5]]),
            angular_velocity_imu=turn,
            specific_force_imu=force,
            wheel_angles=self._data.qpos[self._wheels],
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
    # Links without a joint become part of their parents: 8 bodies to step in place of 20.
    world.compiler.fusestatic = True
    count = 2 * round(PATCH_HALF_M / PATCH_STEP_M) + 1
    span = PATCH_HIGH_M - PATCH_LOW_M
    world.add_hfield(
        name="ground",
        nrow=count,
        ncol=count,
        size=[PATCH_HALF_M, PATCH_HALF_M, span, 0.1],
        userdata=np.zeros(count * count),
    )
    slippery = [0.01, 0.005, 0.0001]
    uneven = world.worldbody.add_body(name="uneven ground", mocap=True)
    uneven.add_geom(type=mujoco.mjtGeom.mjGEOM_HFIELD, hfieldname="ground", friction=slippery)
    level = world.worldbody.add_body(name="level ground", mocap=True)
    level.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0.0, 0.0, 1.0], friction=slippery)
    robot = mujoco.MjSpec.from_string(urdf)
    holder = world.worldbody.add_body(name="robot")
    holder.add_freejoint()
    world.attach(robot, prefix="robot/", frame=holder.add_frame())
    _name_plainly(world)
    _add_springs(world, urdf)
    for body in world.bodies:
        tyre = body.name.startswith("wheel_")
        for geom in body.geoms if not body.name.endswith("ground") else ():
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
