"""
The simulated world: one robot, its sensors, and everything around it.

`World.step` advances by one tick of 10 ms. Every subsystem draws from a generator of its own,
spawned from the seed, so that the same seed and the same commands give the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lastmile.geometry.wgs84 import MapProjection
from lastmile.maps.site import Site
from lastmile.simulation.base import Base
from lastmile.simulation.beginning import (
    expected_route,
    parcel_placements,
    start_pose,
    world_extent,
)
from lastmile.simulation.bodies import Bodies, place_bodies
from lastmile.simulation.camera import Camera
from lastmile.simulation.config import SimulatorConfig
from lastmile.simulation.contacts import Clearance, ContactWatch
from lastmile.simulation.ground import Ground, build_ground
from lastmile.simulation.motion_sensors import GnssReceiver, Imu, WheelEncoders
from lastmile.simulation.network import Network
from lastmile.simulation.people import People
from lastmile.simulation.range_sensors import DepthSensor, Lidar
from lastmile.simulation.rays import RayScene
from lastmile.simulation.scenario import Scenario
from lastmile.simulation.signals import Signals
from lastmile.simulation.surroundings import Thing, build_surroundings, triangles_of
from lastmile.simulation.traffic import Traffic
from lastmile.simulation.transfer import Transfer
from lastmile.types import (
    BaseState,
    BayCommand,
    Command,
    GroundTruth,
    LockerHardwareCommand,
    PointGrid,
)
from lastmile.vehicle.description import RobotDescription

TICK_S = 0.01

Output = tuple[str, Any]


@dataclass(frozen=True, slots=True)
class Streets:
    """The still part of a world."""

    ground: Ground
    things: list[Thing]
    ground_rays: RayScene
    all_rays: RayScene


class World:
    """
    One robot in a simulated site.

    Parameters
    ----------
    site : Site
        What the map says; the world differs from it by seed.
    robot : RobotDescription
        The robot, with its URDF.
    scenario : Scenario
        People, traffic, weather, parcels, faults, start.
    rng : Generator
        Seed of everything by chance.
    config : SimulatorConfig, optional
        Figures of sensors and drives.

    """

    def __init__(
        self,
        site: Site,
        robot: RobotDescription,
        scenario: Scenario,
        rng: np.random.Generator,
        config: SimulatorConfig | None = None,
    ) -> None:
        self.config = config or SimulatorConfig()
        self.scenario = scenario
        self.site = site
        self.robot = robot
        chance = dict(zip(_SUBSYSTEMS, rng.spawn(len(_SUBSYSTEMS)), strict=True))
        self.network = Network(site)
        start = start_pose(site, self.network, scenario)
        self.route = expected_route(site, self.network, scenario, start)
        self.streets = _build_streets(site, scenario, start, chance)
        self.base = Base(robot, self.streets.ground_rays, start, self.config.base)
        self.signals = Signals(site, scenario.signals, chance["signals"])
        self.contacts = ContactWatch(robot.footprint, self.streets.things)
        self.people = People(
            self.network,
            self.contacts.tree,
            self.signals,
            scenario.people,
            self.route,
            chance["people"],
        )
        self.traffic = Traffic(site, self.signals, scenario.traffic, chance["traffic"])
        self.transfer = Transfer(
            site.lockers,
            robot.mount("port_link"),
            parcel_placements(site, scenario),
            chance["transfer"],
        )
        self._make_sensors(chance)
        self._tick = 0
        self._battery = 1.0
        self._T_turn_start = self.base.motion.T_map_base
        self._last_turn: PointGrid | None = None
        self.clearance = self._measure()

    @property
    def stamp_s(self) -> float:
        """Simulated time [s]."""
        return self._tick * TICK_S

    def command(self, command: Command) -> None:
        """Take cmd_vel; a command that is not finite is not obeyed and counts as none."""
        if np.isfinite([command.speed_mps, command.yaw_rate]).all():
            self.base.obey(command, self.stamp_s)

    def command_bay(self, command: BayCommand) -> None:
        """Take the robot's bay command."""
        self.transfer.command_bay(command)

    def command_locker(self, command: LockerHardwareCommand) -> None:
        """Take a locker's command."""
        self.transfer.command_locker(command)

    def step(self) -> list[Output]:
        """Advance by one tick and return the sensor values that are due."""
        faults = self._faults()
        self._tick += 1
        self._move(faults)
        return self._sense(faults)

    # -------------------------------------------------------------------- moving

    def _move(self, faults: frozenset[str]) -> None:
        stamp = self.stamp_s
        ahead = self.clearance.pressed_ahead or "bumper" in faults
        grip = self.config.base.friction * self.scenario.weather.friction_ratio
        self.base.set_grip(self.config.base.slip_friction if "wheel_slip" in faults else grip)
        behind = self.clearance.pressed_behind
        motion = self.base.step(stamp, TICK_S, "estop" in faults, ahead, behind)
        if self.clearance.solid_direction is not None:
            self.base.push_out(self.clearance.solid_direction, self.clearance.solid_depth_m)
        if self._tick % 5 == 0:
            outline = self.contacts.outline(motion.pose_map_base)
            self.people.step(stamp, 5 * TICK_S, motion.pose_map_base, outline)
        if self._tick % 10 == 0:
            self.traffic.step(stamp, 10 * TICK_S, self.people.positions, motion.pose_map_base)
        self.transfer.step(stamp, TICK_S, motion.pose_map_base, faults)
        moving = abs(motion.twist_base[0]) > 0.02
        life = self.config.base.endurance_s if moving else self.config.base.endurance_standing_s
        self._battery = max(0.0, self._battery - TICK_S / life)

    def _people_now(self) -> np.ndarray:
        """Positions (P, 2) of people, carried on from their last step."""
        since = (self._tick % 5) * TICK_S
        return self.people.positions + since * self.people.velocities

    def _vehicles_now(self) -> np.ndarray:
        """Vehicles (V, 6), carried on from their last step."""
        return self.traffic.state((self._tick % 10) * TICK_S)

    def _measure(self) -> Clearance:
        motion = self.base.motion
        return self.contacts.measure(
            motion.pose_map_base,
            motion.T_map_base,
            self._people_now(),
            self.people.ids,
            self._vehicles_now(),
        )

    # ------------------------------------------------------------------- sensing

    def _sense(self, faults: frozenset[str]) -> list[Output]:
        stamp, tick, motion = self.stamp_s, self._tick, self.base.motion
        out: list[Output] = []
        imu = self._imu.read(stamp, motion, TICK_S)
        if "imu_nan" in faults:
            imu.angular_velocity[:] = np.nan
        if "imu_dropout" not in faults:
            out.append(("imu", imu))
        if tick % 2 == 0:
            wheels = self._wheels.read(stamp, motion, 2 * TICK_S)
            if "wheel_dropout" not in faults:
                out.append(("wheel/odometry", wheels))
            self.clearance = self._measure()
            out.append(("base/state", self._base_state(faults)))
            out.append(("ground_truth", self.ground_truth()))
        if tick % 20 == 0:
            spike = self._fault_size("gnss_spike") if "gnss_spike" in faults else 0.0
            fix = self._gnss.read(stamp, motion.T_map_base, self.streets.all_rays, 0.2, spike)
            if "gnss_outage" not in faults:
                out.append(("gnss/fix", fix))
        if tick % 50 == 0 and "signals_dropout" not in faults:
            out.append(("signals", self.signals.feed(stamp, motion.pose_map_base)))
        if tick % 10 == 0:
            out += self._look(faults)
            out.append(("bay/state", self.transfer.bay_state(stamp, faults)))
            out += [("lockers/state", s) for s in self.transfer.locker_states(stamp, faults)]
        return out

    def _look(self, faults: frozenset[str]) -> list[Output]:
        """Lidar turn, depth images and camera image that end now."""
        stamp, T = self.stamp_s, self.base.motion.T_map_base
        out: list[Output] = []
        # Over the turn moving things stand where they were at its middle.
        standing, moving = self.streets.all_rays, self._bodies(-0.05).rays
        turn = self._lidar.scan(stamp - 0.1, self._T_turn_start, T, standing, moving)
        self._T_turn_start = T
        if "lidar_stuck" in faults and self._last_turn is not None:
            turn = self._last_turn
        elif "lidar_nan" in faults:
            turn.points[:] = np.nan
        self._last_turn = turn
        if "lidar_dropout" not in faults:
            out.append(("lidar/points", turn))
        if "depth_dropout" not in faults:
            for topic, sensor in self._depth.items():
                image = sensor.scan(stamp, T, standing, moving)
                if "depth_nan" in faults:
                    image.points[:] = np.nan
                out.append((topic, image))
        if "camera_dropout" not in faults:
            image = self._camera.take(stamp, T, self.transfer.doors_open())
            if image is not None:
                out.append(("camera/image", image))
        return out

    def _bodies(self, shift_s: float) -> Bodies:
        """People, cars and cyclists where they are `shift_s` from now."""
        people = self._people_now() + shift_s * self.people.velocities
        vehicles = self.traffic.state((self._tick % 10) * TICK_S + shift_s)
        stamp = self.stamp_s + shift_s
        return place_bodies(people, self.people.velocities, self.people.ids, vehicles, stamp)

    def _base_state(self, faults: frozenset[str]) -> BaseState:
        touching = self.clearance
        return BaseState(
            stamp_s=self.stamp_s,
            estop="estop" in faults,
            bumper=touching.pressed_ahead or touching.pressed_behind or "bumper" in faults,
            braked=self.base.braked,
            command_timeout=self.base.timed_out,
            battery_ratio=self._battery,
        )

    def ground_truth(self) -> GroundTruth:
        """Tell what is really so."""
        motion = self.base.motion
        people = np.column_stack([self.people.ids, self._people_now(), self.people.velocities])
        return GroundTruth(
            stamp_s=self.stamp_s,
            pose_map_base=motion.pose_map_base,
            twist_base=motion.twist_base,
            people=people.astype(float),
            vehicles=self._vehicles_now(),
            clearance_people_m=self.clearance.people_m,
            clearance_m=self.clearance.anything_m,
            contact=self.clearance.contact,
            parcel_places=self.transfer.places(),
        )

    # -------------------------------------------------------------------- making

    def _make_sensors(self, chance: dict[str, np.random.Generator]) -> None:
        config, robot, site = self.config, self.robot, self.site
        self._imu = Imu(config.imu, chance["imu"])
        self._wheels = WheelEncoders(robot, config.wheels, chance["wheels"])
        origin = site.origin
        projection = MapProjection(origin.latitude_deg, origin.longitude_deg, origin.epsg)
        self._gnss = GnssReceiver(projection, robot.mount("gnss_link"), config.gnss, chance["gnss"])
        self._lidar = Lidar(
            robot.mount("lidar_link"), config.lidar, self.scenario.weather, chance["lidar"]
        )
        self._depth = {}
        for side in ("front", "rear"):
            frame = f"depth_{side}_optical_frame"
            self._depth[f"depth/{side}/points"] = DepthSensor(
                frame, robot.mount(frame), config.depth, chance[f"depth_{side}"]
            )
        self._camera = Camera(
            robot.mount("camera_optical_frame"), site.lockers, config.camera, chance["camera"]
        )

    def _faults(self) -> frozenset[str]:
        """Faults that last now."""
        now = self.stamp_s
        return frozenset(
            f.kind for f in self.scenario.faults if f.start_s <= now < f.start_s + f.duration_s
        )

    def _fault_size(self, kind: str) -> float:
        now = self.stamp_s
        return sum(
            f.size
            for f in self.scenario.faults
            if f.kind == kind and f.start_s <= now < f.start_s + f.duration_s
        )


_SUBSYSTEMS = (
    "ground",
    "surroundings",
    "signals",
    "people",
    "traffic",
    "transfer",
    "imu",
    "wheels",
    "gnss",
    "lidar",
    "depth_front",
    "depth_rear",
    "camera",
)


def _build_streets(site, scenario, start, chance) -> Streets:
    ground = build_ground(site, world_extent(site), chance["ground"])
    things = build_surroundings(
        site, ground.carriageway, [start[:2]], scenario.surroundings, chance["surroundings"]
    )
    both = np.concatenate([ground.triangles, triangles_of(things)])
    return Streets(ground, things, RayScene(ground.triangles), RayScene(both))
