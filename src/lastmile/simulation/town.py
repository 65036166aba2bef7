"""
The town around the robot: all that the seed decides, apart from who moves the robot and senses.

Streets, people, traffic, signals, lockers with their doors and parcels. An engine
(`engine.py`) moves the robot through it; the same seed gives the same town to every engine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lastmile.maps.site import Site
from lastmile.simulation.beginning import (
    expected_route,
    parcel_placements,
    start_pose,
    world_extent,
)
from lastmile.simulation.bodies import Bodies, place_bodies
from lastmile.simulation.contacts import Clearance, ContactWatch
from lastmile.simulation.ground import Ground, build_ground
from lastmile.simulation.motion import Motion
from lastmile.simulation.network import Network
from lastmile.simulation.people import People
from lastmile.simulation.rays import RayScene
from lastmile.simulation.scenario import Scenario
from lastmile.simulation.signals import Signals
from lastmile.simulation.surroundings import Thing, build_surroundings, triangles_of
from lastmile.simulation.traffic import Traffic
from lastmile.simulation.transfer import Transfer
from lastmile.vehicle.description import RobotDescription

TICK_S = 0.01

SUBSYSTEMS = (
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

Chance = dict[str, np.random.Generator]
"""A generator for each of `SUBSYSTEMS`; those of the sensors are the engine's."""


def spawn_chance(rng: np.random.Generator) -> Chance:
    """Give every subsystem a generator of its own."""
    return dict(zip(SUBSYSTEMS, rng.spawn(len(SUBSYSTEMS)), strict=True))


@dataclass(frozen=True, slots=True)
class Streets:
    """The still part of a world."""

    ground: Ground
    things: list[Thing]
    ground_rays: RayScene
    all_rays: RayScene


def lay_streets(ground: Ground, things: list[Thing]) -> Streets:
    """Make streets of a ground and of what stands on it."""
    both = np.concatenate([ground.triangles, triangles_of(things)])
    return Streets(ground, things, RayScene(ground.triangles), RayScene(both))


class Town:
    """All around the robot; `step` moves it on by one tick of 10 ms."""

    def __init__(
        self,
        site: Site,
        robot: RobotDescription,
        scenario: Scenario,
        chance: Chance,
        streets: Streets | None = None,
    ) -> None:
        """
        Build the streets; people and traffic come with the first steps.

        `streets` is in place of those that the site gives, as on a proving ground.
        """
        self.site = site
        self.scenario = scenario
        self.network = Network(site)
        self.start = start_pose(site, self.network, scenario)
        """Pose (3,) in map at which the robot starts."""
        self.route = expected_route(site, self.network, scenario, self.start)
        self.streets = streets or _build_streets(site, scenario, self.start, chance)
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
        self._tick = 0

    @property
    def stamp_s(self) -> float:
        """Simulated time [s]."""
        return self._tick * TICK_S

    def step(self, pose_map_base: np.ndarray, faults: frozenset[str]) -> None:
        """Move everybody on by a tick; the robot (3,) is already where it is then."""
        self._tick += 1
        stamp = self.stamp_s
        if self._tick % 5 == 0:
            outline = self.contacts.outline(pose_map_base)
            self.people.step(stamp, 5 * TICK_S, pose_map_base, outline)
        if self._tick % 10 == 0:
            self.traffic.step(stamp, 10 * TICK_S, self.people.positions, pose_map_base)
        self.transfer.step(stamp, TICK_S, pose_map_base, faults)

    def people_now(self) -> np.ndarray:
        """Positions (P, 2) of people, carried on from their last step."""
        since = (self._tick % 5) * TICK_S
        return self.people.positions + since * self.people.velocities

    def vehicles_now(self) -> np.ndarray:
        """Vehicles (V, 6), carried on from their last step."""
        return self.traffic.state((self._tick % 10) * TICK_S)

    def bodies(self, shift_s: float) -> Bodies:
        """People, cars and cyclists where they are `shift_s` from now."""
        people = self.people_now() + shift_s * self.people.velocities
        vehicles = self.traffic.state((self._tick % 10) * TICK_S + shift_s)
        stamp = self.stamp_s + shift_s
        return place_bodies(people, self.people.velocities, self.people.ids, vehicles, stamp)

    def measure(self, motion: Motion) -> Clearance:
        """Tell what the robot touches and how near everything is to it."""
        return self.contacts.measure(
            motion.pose_map_base,
            motion.T_map_base,
            self.people_now(),
            self.people.ids,
            self.vehicles_now(),
        )


def _build_streets(site, scenario, start, chance) -> Streets:
    ground = build_ground(site, world_extent(site), chance["ground"])
    things = build_surroundings(
        site, ground.carriageway, [start[:2]], scenario.surroundings, chance["surroundings"]
    )
    return lay_streets(ground, things)
