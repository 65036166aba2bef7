"""The simulator as a component: the world in place of the robot's drivers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lastmile.simulation.config import SimulatorConfig
from lastmile.simulation.engines import engine_maker
from lastmile.simulation.scenario import Scenario, read_scenario
from lastmile.simulation.town import TICK_S
from lastmile.simulation.world import World
from lastmile.stack.context import Context
from lastmile.types import BayCommand, Command, Diagnostic, DiagnosticLevel, LockerHardwareCommand


class SimulatorComponent:
    """The world behind the component contract; `step(stamp_s)` brings it up to `stamp_s`."""

    def __init__(self, world: World) -> None:
        """Wrap a world at its time zero."""
        self.world = world
        self._first_s: float | None = None
        self._rejected = 0
        self._rejection = ""

    def receive(self, topic: str, value: Any) -> None:
        """Take a command; what breaks a rule is counted and dropped."""
        try:
            if topic == "cmd_vel":
                self.world.command(_checked_command(value))
            elif topic == "bay/command":
                self.world.command_bay(_checked_conveyor(value))
            elif topic == "lockers/command":
                self.world.command_locker(_checked_conveyor(value))
        except ValueError as error:
            self._rejected += 1
            self._rejection = f"{topic}: {error}"

    def step(self, stamp_s: float) -> list[tuple[str, Any]]:
        """Advance the world up to `stamp_s` and return what the sensors gave on the way."""
        if self._first_s is None:
            self._first_s = stamp_s - self.world.stamp_s
        due = round((stamp_s - self._first_s - self.world.stamp_s) / TICK_S)
        outputs: list[tuple[str, Any]] = []
        for _ in range(due):
            outputs += self.world.step()
        return outputs

    def diagnose(self, stamp_s: float) -> list[Diagnostic]:
        """Tell what moves and what was rejected."""
        level = DiagnosticLevel.WARN if self._rejected else DiagnosticLevel.OK
        values = {
            "people": str(len(self.world.town.people.ids)),
            "vehicles": str(len(self.world.town.traffic.vehicles)),
            "contact": self.world.clearance.contact,
            "rejected": str(self._rejected),
        }
        running = Diagnostic("simulator", level, self._rejection or "running", values)
        return [running, self._diagnose_base()]

    def _diagnose_base(self) -> Diagnostic:
        """Tell what the driver of a real base would."""
        if self.world.engine.timed_out:
            limit_s = self.world.config.base.command_timeout_s
            text = f"no command for more than {limit_s:g} s, stopped by itself"
            return Diagnostic("base", DiagnosticLevel.WARN, text)
        return Diagnostic("base", DiagnosticLevel.OK, "obeys commands")

    def close(self) -> None:
        """End what the engine started."""
        self.world.close()


def build(config: SimulatorConfig, context: Context) -> SimulatorComponent:
    """Build the simulator; the scenario file is the config's, the site and robot the context's."""
    scenario = read_scenario(Path(config.scenario)) if config.scenario else Scenario()
    seed = scenario.seed if config.seed < 0 else config.seed
    rng = np.random.default_rng(seed)
    maker = engine_maker(config.engine, seed)
    world = World(context.site, context.robot, scenario, rng, config, maker)
    return SimulatorComponent(world)


def _checked_command(command: Command) -> Command:
    if not np.isfinite([command.speed_mps, command.yaw_rate]).all():
        raise ValueError(
            f"speed {command.speed_mps!r} and yaw rate {command.yaw_rate!r} must be finite"
        )
    return command


def _checked_conveyor(
    command: BayCommand | LockerHardwareCommand,
) -> BayCommand | LockerHardwareCommand:
    if command.conveyor not in (-1, 0, 1):
        raise ValueError(f"conveyor {command.conveyor!r} is not -1, 0 or 1")
    if not np.isfinite(command.stamp_s):
        raise ValueError(f"stamp {command.stamp_s!r} s is not finite")
    return command
