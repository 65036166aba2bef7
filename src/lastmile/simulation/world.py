"""
The simulated world: one robot, its sensors, and everything around it.

`World.step` advances by one tick of 10 ms. Every subsystem draws from a generator of its own,
spawned from the seed, so that the same seed and the same commands give the same bytes. The town
is decided here; an engine moves the robot through it and senses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lastmile.maps.site import Site
from lastmile.simulation.config import SimulatorConfig
from lastmile.simulation.drive import Hold
from lastmile.simulation.engine import EmbeddedEngine, Engine
from lastmile.simulation.motion import Motion
from lastmile.simulation.scenario import Scenario
from lastmile.simulation.town import TICK_S, Chance, Town, spawn_chance
from lastmile.types import (
    BaseState,
    BayCommand,
    Command,
    GroundTruth,
    LockerHardwareCommand,
    PointGrid,
)
from lastmile.vehicle.description import RobotDescription

Output = tuple[str, Any]
EngineMaker = Callable[[Town, RobotDescription, SimulatorConfig, Chance], Engine]


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
    make_engine : function
        Makes the engine that moves the robot and senses.

    """

    def __init__(
        self,
        site: Site,
        robot: RobotDescription,
        scenario: Scenario,
        rng: np.random.Generator,
        config: SimulatorConfig | None = None,
        make_engine: EngineMaker = EmbeddedEngine,
    ) -> None:
        self.config = config or SimulatorConfig()
        self.scenario = scenario
        self.site = site
        self.robot = robot
        chance = spawn_chance(rng)
        self.town = Town(site, robot, scenario, chance)
        self.engine: Engine = make_engine(self.town, robot, self.config, chance)
        self._tick = 0
        self._battery = 1.0
        self._last_turn: PointGrid | None = None
        self.clearance = self.town.measure(self.motion)

    @property
    def stamp_s(self) -> float:
        """Simulated time [s]."""
        return self._tick * TICK_S

    @property
    def motion(self) -> Motion:
        """State of the robot's body."""
        return self.engine.motion

    def command(self, command: Command) -> None:
        """Take cmd_vel; a command that is not finite is not obeyed and counts as none."""
        if np.isfinite([command.speed_mps, command.yaw_rate]).all():
            self.engine.obey(command, self.stamp_s)

    def command_bay(self, command: BayCommand) -> None:
        """Take the robot's bay command."""
        self.town.transfer.command_bay(command)

    def command_locker(self, command: LockerHardwareCommand) -> None:
        """Take a locker's command."""
        self.town.transfer.command_locker(command)

    def step(self) -> list[Output]:
        """Advance by one tick and return the sensor values that are due."""
        faults = self._faults()
        self._tick += 1
        self._move(faults)
        return self._sense(faults)

    def close(self) -> None:
        """End what the engine started."""
        self.engine.close()

    # -------------------------------------------------------------------- moving

    def _move(self, faults: frozenset[str]) -> None:
        ahead = self.clearance.pressed_ahead or "bumper" in faults
        hold = Hold("estop" in faults, ahead, self.clearance.pressed_behind)
        motion = self.engine.move(self.stamp_s, hold, self._grip(faults), self.clearance)
        self.town.step(motion.pose_map_base, faults)
        moving = abs(motion.twist_base[0]) > 0.02
        life = self.config.base.endurance_s if moving else self.config.base.endurance_standing_s
        self._battery = max(0.0, self._battery - TICK_S / life)

    def _grip(self, faults: frozenset[str]) -> float:
        """Friction of the tyres on this ground in this weather."""
        if "wheel_slip" in faults:
            return self.config.base.slip_friction
        return self.config.base.friction * self.scenario.weather.friction_ratio

    # ------------------------------------------------------------------- sensing

    def _sense(self, faults: frozenset[str]) -> list[Output]:
        stamp, tick, engine = self.stamp_s, self._tick, self.engine
        transfer = self.town.transfer
        out: list[Output] = []
        imu = engine.imu(stamp)
        if imu is not None and "imu_nan" in faults:
            imu.angular_velocity[:] = np.nan
        if "imu_dropout" not in faults:
            out.append(("imu", imu))
        if tick % 2 == 0:
            wheels = engine.wheels(stamp)
            if "wheel_dropout" not in faults:
                out.append(("wheel/odometry", wheels))
            self.clearance = self.town.measure(self.motion)
            out.append(("base/state", self._base_state(faults)))
            out.append(("ground_truth", self.ground_truth()))
        if tick % 20 == 0:
            spike = self._fault_size("gnss_spike") if "gnss_spike" in faults else 0.0
            fix = engine.fix(stamp, spike)
            if "gnss_outage" not in faults:
                out.append(("gnss/fix", fix))
        if tick % 50 == 0 and "signals_dropout" not in faults:
            out.append(("signals", self.town.signals.feed(stamp, self.motion.pose_map_base)))
        if tick % 10 == 0:
            out += self._look(faults)
            out.append(("bay/state", transfer.bay_state(stamp, faults)))
            out += [("lockers/state", s) for s in transfer.locker_states(stamp, faults)]
        return [(topic, value) for topic, value in out if value is not None]

    def _look(self, faults: frozenset[str]) -> list[Output]:
        """Lidar turn, depth images and camera image that end now."""
        stamp, engine = self.stamp_s, self.engine
        out: list[Output] = []
        turn = engine.turn(stamp)
        if "lidar_stuck" in faults and self._last_turn is not None:
            turn = self._last_turn
        elif turn is not None and "lidar_nan" in faults:
            turn.points[:] = np.nan
        self._last_turn = turn
        if "lidar_dropout" not in faults:
            out.append(("lidar/points", turn))
        if "depth_dropout" not in faults:
            for topic, image in engine.depth(stamp).items():
                if "depth_nan" in faults:
                    image.points[:] = np.nan
                out.append((topic, image))
        if "camera_dropout" not in faults:
            out.append(("camera/image", engine.image(stamp)))
        return out

    def _base_state(self, faults: frozenset[str]) -> BaseState:
        touching, engine = self.clearance, self.engine
        pressed = touching.pressed_ahead or touching.pressed_behind or engine.touched
        return BaseState(
            stamp_s=self.stamp_s,
            estop="estop" in faults,
            bumper=pressed or "bumper" in faults,
            braked=engine.braked,
            command_timeout=engine.timed_out,
            battery_ratio=self._battery,
        )

    def ground_truth(self) -> GroundTruth:
        """Tell what is really so."""
        motion, people = self.motion, self.town.people
        walking = np.column_stack([people.ids, self.town.people_now(), people.velocities])
        return GroundTruth(
            stamp_s=self.stamp_s,
            pose_map_base=motion.pose_map_base,
            twist_base=motion.twist_base,
            people=walking.astype(float),
            vehicles=self.town.vehicles_now(),
            clearance_people_m=self.clearance.people_m,
            clearance_m=self.clearance.anything_m,
            contact=self.clearance.contact,
            parcel_places=self.town.transfer.places(),
        )

    # --------------------------------------------------------------------- faults

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
