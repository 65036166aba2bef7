"""
The engine of a world: it moves the robot and makes its sensors' data.

The town (`town.py`) is decided by the seed alone and is the same for every engine.
`EmbeddedEngine` is MuJoCo for the base and rays for the sensors, in this process;
`gazebo/engine.py` is Gazebo, stepped in lockstep.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from lastmile.geometry.wgs84 import MapProjection
from lastmile.simulation.base import Base
from lastmile.simulation.camera import Camera
from lastmile.simulation.config import SimulatorConfig
from lastmile.simulation.contacts import Clearance
from lastmile.simulation.drive import Hold
from lastmile.simulation.motion import Motion
from lastmile.simulation.motion_sensors import GnssReceiver, Imu, WheelEncoders
from lastmile.simulation.range_sensors import DepthSensor, Lidar
from lastmile.simulation.town import TICK_S, Chance, Town
from lastmile.types import CameraImage, Command, GnssFix, ImuSample, PointGrid, WheelOdometry
from lastmile.vehicle.description import RobotDescription


class Engine(Protocol):
    """
    What moves the robot and senses.

    `World` calls `move` once a tick, then moves the town on, then asks the sensors that are due;
    a sensor that has nothing new gives None.
    """

    motion: Motion

    @property
    def braked(self) -> bool:
        """The base holds its wheels."""

    @property
    def timed_out(self) -> bool:
        """The base stopped by itself because no command came."""

    @property
    def touched(self) -> bool:
        """The engine's own physics saw the body touch something other than the ground."""

    def obey(self, command: Command, stamp_s: float) -> None:
        """Take cmd_vel that came at `stamp_s`."""

    def move(self, stamp_s: float, hold: Hold, grip: float, clearance: Clearance) -> Motion:
        """Move the robot on by a tick, to `stamp_s`; `grip` is the friction of its tyres."""

    def imu(self, stamp_s: float) -> ImuSample | None:
        """Read the inertial unit; asked every 10 ms."""

    def wheels(self, stamp_s: float) -> WheelOdometry | None:
        """Read the encoders; asked every 20 ms."""

    def fix(self, stamp_s: float, spike_m: float) -> GnssFix | None:
        """Read the satellite receiver, `spike_m` off to the east; asked every 200 ms."""

    def turn(self, stamp_s: float) -> PointGrid | None:
        """Take the lidar turn that ends now; asked every 100 ms, before depth and image."""

    def depth(self, stamp_s: float) -> dict[str, PointGrid]:
        """Take the depth images by topic; asked every 100 ms."""

    def image(self, stamp_s: float) -> CameraImage | None:
        """Take the front camera's image; asked every 100 ms; None far from lockers."""

    def close(self) -> None:
        """End what was started for it."""


class EmbeddedEngine:
    """MuJoCo for the base, rays against the town's meshes for the sensors."""

    touched = False
    """What the robot touches is measured by `contacts.py`, not by MuJoCo."""

    def __init__(
        self, town: Town, robot: RobotDescription, config: SimulatorConfig, chance: Chance
    ) -> None:
        """Stand the robot at the town's start."""
        self._town = town
        self.base = Base(robot, town.streets.ground_rays, town.start, config.base)
        self.motion = self.base.motion
        self._imu = Imu(config.imu, chance["imu"])
        self._wheels = WheelEncoders(robot, config.wheels, chance["wheels"])
        projection = site_projection(town)
        self.gnss = GnssReceiver(projection, robot.mount("gnss_link"), config.gnss, chance["gnss"])
        self.lidar = Lidar(
            robot.mount("lidar_link"), config.lidar, town.scenario.weather, chance["lidar"]
        )
        self._depth = {}
        for side in ("front", "rear"):
            frame = f"depth_{side}_optical_frame"
            self._depth[f"depth/{side}/points"] = DepthSensor(
                frame, robot.mount(frame), config.depth, chance[f"depth_{side}"]
            )
        self._camera = Camera(
            robot.mount("camera_optical_frame"), town.site.lockers, config.camera, chance["camera"]
        )
        self._T_turn_start = self.motion.T_map_base
        self._bodies = town.bodies(0.0)

    @property
    def braked(self) -> bool:
        """The base holds its wheels."""
        return self.base.drive.braked

    @property
    def timed_out(self) -> bool:
        """The base stopped by itself because no command came."""
        return self.base.drive.timed_out

    def obey(self, command: Command, stamp_s: float) -> None:
        """Take cmd_vel that came at `stamp_s`."""
        self.base.drive.obey(command, stamp_s)

    def move(self, stamp_s: float, hold: Hold, grip: float, clearance: Clearance) -> Motion:
        """Move the robot on by a tick, and out of what stands."""
        self.base.set_grip(grip)
        self.motion = self.base.step(stamp_s, TICK_S, hold)
        if clearance.solid_direction is not None:
            self.base.push_out(clearance.solid_direction, clearance.solid_depth_m)
        return self.motion

    def imu(self, stamp_s: float) -> ImuSample:
        """Read the inertial unit."""
        return self._imu.read(stamp_s, self.motion, TICK_S)

    def wheels(self, stamp_s: float) -> WheelOdometry:
        """Read the encoders."""
        return self._wheels.read(stamp_s, self.motion, 2 * TICK_S)

    def fix(self, stamp_s: float, spike_m: float) -> GnssFix:
        """Read the satellite receiver."""
        everything = self._town.streets.all_rays
        return self.gnss.read(stamp_s, self.motion.T_map_base, everything, 0.2, spike_m)

    def turn(self, stamp_s: float) -> PointGrid:
        """Take the lidar turn that ends now."""
        # Over the turn moving things stand where they were at its middle.
        self._bodies = self._town.bodies(-0.05)
        standing, T = self._town.streets.all_rays, self.motion.T_map_base
        turn = self.lidar.scan(stamp_s - 0.1, self._T_turn_start, T, standing, self._bodies.rays)
        self._T_turn_start = T
        return turn

    def depth(self, stamp_s: float) -> dict[str, PointGrid]:
        """Take the depth images by topic."""
        standing, T = self._town.streets.all_rays, self.motion.T_map_base
        return {
            topic: sensor.scan(stamp_s, T, standing, self._bodies.rays)
            for topic, sensor in self._depth.items()
        }

    def image(self, stamp_s: float) -> CameraImage | None:
        """Take the front camera's image; None far from lockers."""
        doors = self._town.transfer.doors_open()
        return self._camera.take(stamp_s, self.motion.T_map_base, doors)

    def close(self) -> None:
        """Nothing was started."""


def site_projection(town: Town) -> MapProjection:
    """Give the projection of a town's map."""
    origin = town.site.origin
    return MapProjection(origin.latitude_deg, origin.longitude_deg, origin.epsg)


def start_height(town: Town) -> float:
    """Height of the ground where the robot starts [m]."""
    return float(town.streets.ground_rays.heights(np.asarray(town.start)[None, :2])[0])
