"""
Gazebo as the engine of a world, stepped in lockstep.

Each tick the base's controller asks for wheel speeds, Gazebo hears them, takes the physics steps of
the tick (`multi_step` of its world control), and the engine waits for the values of that time. So a
run repeats by its seed, on a machine of any speed. Gazebo gives true values; noise, losses and
multipath are those of the embedded engine, from the same generators.
"""

from __future__ import annotations

import math
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from lastmile.config import ConfigError
from lastmile.errors import UserError
from lastmile.simulation.camera import FRAME, camera_model, lockers_in_view
from lastmile.simulation.config import SimulatorConfig
from lastmile.simulation.contacts import Clearance
from lastmile.simulation.drive import Drive, Hold
from lastmile.simulation.engine import site_projection
from lastmile.simulation.gazebo import bindings, messages
from lastmile.simulation.gazebo.link import DISCOVERY_S, SECOND, Link, stamp_ns
from lastmile.simulation.gazebo.movers import Movers, Place
from lastmile.simulation.gazebo.requester import Requester
from lastmile.simulation.gazebo.robot import TOPICS, SensorRates
from lastmile.simulation.gazebo.server import Server, gazebo_environment, own_partition
from lastmile.simulation.gazebo.world import WORLD, WorldOptions, write_world
from lastmile.simulation.motion import Motion
from lastmile.simulation.motion_sensors import GnssReceiver, Imu, WheelEncoders
from lastmile.simulation.range_sensors import DepthSensor, Lidar
from lastmile.simulation.town import TICK_S, Chance, Town
from lastmile.types import (
    CameraImage,
    CameraModel,
    Command,
    GnssFix,
    ImuSample,
    PointGrid,
    WheelOdometry,
)
from lastmile.vehicle.description import RobotDescription

STEP_S = 0.002
WARM_UP_S = 1.0
"""The robot settles on its springs; a whole number of the periods of all sensors."""
LOAD_LIMIT_S = 120.0
MOVERS_TICKS = 5
"""People and vehicles are moved at 20 Hz, as they step."""
WHEELS = ("wheel_left_joint", "wheel_right_joint")
IMPOSSIBLE = {"wheel_slip": "DART's friction cannot be changed while it runs"}
"""Faults that Gazebo cannot have, and why."""
CONTROL, POSES = f"/world/{WORLD}/control", f"/world/{WORLD}/set_pose_vector/blocking"
UPPER, LOWER = TOPICS["lidar_upper"] + "/points", TOPICS["lidar_lower"] + "/points"
HEARD = {
    TOPICS["joints"]: "Model",
    TOPICS["imu"]: "IMU",
    TOPICS["navsat"]: "NavSat",
    UPPER: "PointCloudPacked",
    LOWER: "PointCloudPacked",
    TOPICS["depth_front"]: "Image",
    TOPICS["depth_rear"]: "Image",
    TOPICS["bumper"]: "Contacts",
    TOPICS["command_heard"]: "Empty",
}
"""Kinds of what is heard all the time; the camera only near a locker, since it costs the most."""


class GazeboEngine:
    """
    The robot in a Gazebo world that `link` reaches; `start_gazebo` starts one.

    Parameters
    ----------
    town : Town
        What is around.
    robot : RobotDescription
        The robot.
    config : SimulatorConfig
        Figures of sensors and drive.
    chance : mapping of str to Generator
        Of the sensors' noise.
    link : Link
        To a world that is loaded and paused.
    message : function
        Gives a message class by its name.

    """

    def __init__(
        self,
        town: Town,
        robot: RobotDescription,
        config: SimulatorConfig,
        chance: Chance,
        link: Link,
        message: Any = bindings.message_kind,
    ) -> None:
        self._town, self._robot, self._config, self._link = town, robot, config, link
        self._message = message
        self._movers = Movers(town)
        self._drive = Drive(config.base)
        self._make_sensors(chance)
        self._pressed = False
        self._tick = 0
        self._start_ns = 0
        for topic, kind in HEARD.items():
            link.subscribe(topic, kind)
        link.advertise(TOPICS["command"], "Twist")
        time.sleep(DISCOVERY_S)
        self._place_movers(0.0)
        self.motion = self._warm_up()

    def _make_sensors(self, chance: Chance) -> None:
        robot, config = self._robot, self._config
        self._imu = Imu(config.imu, chance["imu"])
        self._wheels = WheelEncoders(robot, config.wheels, chance["wheels"])
        self._projection = site_projection(self._town)
        self._gnss = GnssReceiver(
            self._projection, robot.mount("gnss_link"), config.gnss, chance["gnss"]
        )
        weather = self._town.scenario.weather
        self._lidar = Lidar(robot.mount("lidar_link"), config.lidar, weather, chance["lidar"])
        # All columns of a turn are rendered at once.
        self._offset_s = np.zeros_like(self._lidar.offset_s)
        self._depth = {}
        for side in ("front", "rear"):
            frame = f"depth_{side}_optical_frame"
            self._depth[side] = DepthSensor(
                frame, robot.mount(frame), config.depth, chance[f"depth_{side}"]
            )
        model = camera_model(config.camera)
        # Gazebo's lens is straight.
        self._camera = CameraModel(model.width_px, model.height_px, model.K, np.zeros(5))

    @property
    def braked(self) -> bool:
        """The base holds its wheels."""
        return self._drive.braked

    @property
    def timed_out(self) -> bool:
        """The base stopped by itself because no command came."""
        return self._drive.timed_out

    @property
    def touched(self) -> bool:
        """The bumper touched something in the tick before this: the last may be on its way."""
        return self._pressed

    def obey(self, command: Command, stamp_s: float) -> None:
        """Take cmd_vel that came at `stamp_s`."""
        self._drive.obey(command, stamp_s)

    def move(self, stamp_s: float, hold: Hold, grip: float, clearance: Clearance) -> Motion:
        """Move the robot on by a tick; what stands keeps it out by itself."""
        self._tick += 1
        self._look_for_contact()
        if self._tick % MOVERS_TICKS == 0:
            # The town is moved on after the robot: its bodies are those of this tick's beginning.
            self._place_movers(TICK_S)
        self._command(*self._drive.step(stamp_s, TICK_S, hold))
        self._advance(TICK_S)
        self.motion = self._read_motion()
        return self.motion

    def imu(self, stamp_s: float) -> ImuSample:
        """Read the inertial unit."""
        return self._imu.read(stamp_s, self.motion, TICK_S)

    def wheels(self, stamp_s: float) -> WheelOdometry:
        """Read the encoders."""
        return self._wheels.read(stamp_s, self.motion, 2 * TICK_S)

    def fix(self, stamp_s: float, spike_m: float) -> GnssFix:
        """Read the satellite receiver: Gazebo's position, with the errors of this sky."""
        message = self._newest("navsat")
        place = self._projection.to_map(message.latitude_deg, message.longitude_deg)
        # Gazebo's metres are those of the map, not those on the ground.
        antenna = np.array([*(place / self._projection.scale), message.altitude])
        sky = self._gnss.sky_ratio(self.motion.T_map_base, self._town.streets.all_rays)
        return self._gnss.receive(stamp_s, antenna, sky, 0.2, spike_m)

    def turn(self, stamp_s: float) -> PointGrid:
        """Take the lidar turn, all of whose columns are seen now."""
        upper, lower = self._await(UPPER), self._await(LOWER)
        ranges = messages.lidar_ranges(upper, lower, self._config.lidar.range_max_m)
        return self._lidar.measure(stamp_s, ranges, self._offset_s)

    def depth(self, stamp_s: float) -> dict[str, PointGrid]:
        """Take the depth images by topic."""
        images = {}
        for side, sensor in self._depth.items():
            depths = messages.image_pixels(self._newest(f"depth_{side}"))
            along = messages.depth_along_rays(depths, sensor.rays, sensor.config)
            reach = (along * sensor.stretch).astype(np.float32)
            images[f"depth/{side}/points"] = sensor.measure(stamp_s, reach)
        return images

    def image(self, stamp_s: float) -> CameraImage | None:
        """Take the front camera's image near a locker; nothing is rendered elsewhere."""
        lockers, T = self._town.site.lockers, self.motion.T_map_base
        topic = TOPICS["camera"]
        if not lockers_in_view(lockers, T, self._config.camera.locker_range_m):
            self._link.unsubscribe(topic)
            return None
        if not self._link.hears(topic):
            self._link.subscribe(topic, "Image")
            # The world stands meanwhile, so that the next image is the first in every run.
            time.sleep(DISCOVERY_S)
            return None
        pixels = messages.image_pixels(self._newest("camera"))
        return CameraImage(stamp_s, FRAME, pixels, self._camera)

    def close(self) -> None:
        """Hear nothing more; who started the server ends it."""
        self._link.close()

    # ------------------------------------------------------------------------ lockstep

    @property
    def _now_ns(self) -> int:
        return self._start_ns + self._tick * round(TICK_S * SECOND)

    def _warm_up(self) -> Motion:
        """Let the robot settle; the world's time zero is the end of it."""
        self._advance(WARM_UP_S)
        self._start_ns = round(WARM_UP_S * SECOND)
        # Rendering begins while the world stands, and may miss the first turns; not the last.
        for topic in (UPPER, LOWER, TOPICS["depth_front"], TOPICS["depth_rear"]):
            self._link.await_stamp(topic, self._start_ns)
        self._link.await_stamp(TOPICS["navsat"], self._start_ns)
        self._last_T = self._T_of(self._await(TOPICS["joints"]))
        return self._read_motion(again=True)

    def _advance(self, seconds: float) -> None:
        """Take the physics steps of some time; what they publish is waited for by its readers."""
        control = self._message("WorldControl")()
        control.pause = True
        control.multi_step = round(seconds / STEP_S)
        self._link.request(CONTROL, control)

    def _command(self, speed: float, yaw_rate: float) -> None:
        """Hand wheel speeds to the drive; go on once Gazebo has heard them."""
        twist = self._message("Twist")()
        twist.linear.x, twist.angular.z = speed, yaw_rate
        heard = TOPICS["command_heard"]
        self._link.take(heard)
        self._link.publish(TOPICS["command"], twist)
        self._link.count(heard, 1)

    def _place_movers(self, shift_s: float) -> None:
        """Tell people, vehicles, doors and parcels where to be `shift_s` from the town's now."""
        changes = self._movers.changes(self._pose(), shift_s)
        if changes:
            self._link.request(POSES, pose_vector(self._message("Pose_V")(), changes))

    def _pose(self) -> np.ndarray:
        return self._town.start if self._tick == 0 else self.motion.pose_map_base

    def _await(self, topic: str) -> Any:
        return self._link.await_stamp(topic, self._now_ns)[-1]

    def _newest(self, name: str) -> Any:
        return self._await(TOPICS[name])

    # -------------------------------------------------------------------------- reading

    def _read_motion(self, again: bool = False) -> Motion:
        """Read pose, wheels and what the inertial unit felt since the last tick."""
        if not again:
            self._joints = self._await(TOPICS["joints"])
        felt = self._link.await_stamp(TOPICS["imu"], self._now_ns)
        first_ns = self._now_ns - round(TICK_S * SECOND)
        felt = [message for message in felt if stamp_ns(message) > first_ns]
        T = self._T_of(self._joints)
        turn = np.mean([messages.vector(m.angular_velocity) for m in felt], axis=0)
        force = np.mean([messages.vector(m.linear_acceleration) for m in felt], axis=0)
        velocity = (T[:3, 3] - self._last_T[:3, 3]) / TICK_S
        self._last_T = T
        return Motion(
            pose_map_base=np.array([T[0, 3], T[1, 3], math.atan2(T[1, 0], T[0, 0])]),
            T_map_base=T,
            twist_base=np.array([float(velocity @ T[:3, 0]), float(turn[2])]),
            angular_velocity_imu=turn,
            specific_force_imu=force,
            wheel_angles=messages.joint_positions(self._joints, WHEELS),
        )

    def _T_of(self, joints: Any) -> np.ndarray:
        self._joints = joints
        return messages.transform_of(joints.pose)

    def _look_for_contact(self) -> None:
        """See what the body touched, but for ground and lockers, which it is made to meet."""
        came = self._link.take(TOPICS["bumper"])
        since_ns = self._now_ns - 2 * round(TICK_S * SECOND)
        touched = set().union(
            *(messages.touched_kinds(m) for m in came if stamp_ns(m) > since_ns)
        )
        self._pressed = any(
            name != "ground" and not name.startswith("locker") for name in touched
        )


class StartedGazebo(GazeboEngine):
    """An engine with a server of its own, which ends with it."""

    def __init__(self, server: Server, folder: Any, *arguments: Any) -> None:
        """Take over a server and the temporary folder of its world."""
        self._server, self._folder = server, folder
        super().__init__(*arguments)

    def close(self) -> None:
        """End the server and remove its world."""
        super().close()
        self._server.stop()
        self._folder.cleanup()


def start_gazebo(
    town: Town, robot: RobotDescription, config: SimulatorConfig, chance: Chance, seed: int
) -> StartedGazebo:
    """
    Write a town's world, start Gazebo on it, and make the engine.

    Raises
    ------
    ConfigError
        If the scenario has a fault that Gazebo cannot have.
    UserError
        If Gazebo or its bindings are missing, or the world does not load.

    """
    refuse_impossible_faults(town)
    bindings.require_gazebo()
    partition = own_partition()
    environment = gazebo_environment(partition)
    # Read once, when the first node of a process is made.
    os.environ.setdefault("GZ_IP", environment["GZ_IP"])
    folder = tempfile.TemporaryDirectory(prefix="lastmile-gazebo-")
    rates = SensorRates(noise=False, imu_hz=1.0 / STEP_S)
    options = WorldOptions(step_s=STEP_S, real_time_factor=0.0, rates=rates)
    path = write_world(town, robot, config, Path(folder.name), options)
    server = Server(path, seed, environment)
    try:
        node = bindings.transport_node(partition)
        link = Link(node, bindings.message_kind, Requester(environment), server.check)
        wait_until_loaded(link, bindings.message_kind("WorldControl"), server)
        link.wait_for_topics(set(HEARD) - {TOPICS["bumper"]}, LOAD_LIMIT_S)
        return StartedGazebo(server, folder, town, robot, config, chance, link)
    except BaseException:
        server.stop()
        folder.cleanup()
        raise


def wait_until_loaded(link: Link, control: Any, server: Server) -> None:
    """Wait until the world answers; UserError with the server's last words if it does not."""
    end = time.monotonic() + LOAD_LIMIT_S
    pause = control()
    pause.pause = True
    while not link.try_request(CONTROL, pause, 1.0):
        server.check()
        if time.monotonic() > end:
            raise UserError(
                f"{server.world}: Gazebo did not load it within {LOAD_LIMIT_S:g} s:\n"
                f"{server.last_words()}"
            )


def refuse_impossible_faults(town: Town) -> None:
    """Refuse a scenario with a fault that Gazebo cannot have, rather than run without it."""
    for fault in town.scenario.faults:
        if fault.kind in IMPOSSIBLE:
            raise ConfigError(f"fault {fault.kind}: {IMPOSSIBLE[fault.kind]}; not with Gazebo")


def pose_vector(message: Any, places: dict[str, Place]) -> Any:
    """Fill a gz.msgs.Pose_V with the places of models."""
    for name, (x, y, z, yaw) in places.items():
        pose = message.pose.add()
        pose.name = name
        pose.position.x, pose.position.y, pose.position.z = x, y, z
        pose.orientation.w, pose.orientation.z = math.cos(0.5 * yaw), math.sin(0.5 * yaw)
    return message
