"""Small worlds for the tests of the simulation."""

from pathlib import Path

import numpy as np

from lastmile.maps.example import example_site
from lastmile.simulation.scenario import Scenario, scenario_from_mapping
from lastmile.simulation.world import World
from lastmile.types import Command
from lastmile.vehicle.description import read_robot

ROOT = Path(__file__).parents[2]
ROBOT = read_robot(ROOT / "sim" / "robot" / "lastmile.urdf")
EMPTY = {
    "surroundings": {
        "facade_shift_min_m": 0.0,
        "facade_shift_max_m": 0.0,
        "facade_changed_ratio": 0.0,
        "missing_ratio": 0.0,
        "clutter_per_100m": 0.0,
        "parked_ratio": 0.0,
    }
}


def make_world(seed: int = 1, **values) -> World:
    scenario: Scenario = scenario_from_mapping({**EMPTY, **values})
    return World(example_site(), ROBOT, scenario, np.random.default_rng(seed))


def drive(world: World, seconds: float, speed: float = 0.0, yaw_rate: float = 0.0) -> list:
    """Step with a constant command; return all outputs."""
    outputs = []
    for _ in range(round(seconds * 100)):
        world.command(Command(world.stamp_s, speed, yaw_rate))
        outputs += world.step()
    return outputs


def of(outputs: list, topic: str) -> list:
    return [value for name, value in outputs if name == topic]
