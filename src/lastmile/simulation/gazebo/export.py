"""A scenario's world at its beginning, as files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lastmile.simulation.gazebo.world import WorldOptions, write_world
from lastmile.simulation.setting import Setting
from lastmile.simulation.town import TICK_S, Town, spawn_chance
from lastmile.stack.build import read_node_config
from lastmile.stack.table import NODES

BEGUN_S = 0.1
"""People come with the first 50 ms of a world, vehicles with the first 100 ms."""


def export_world(setting: Setting, folder: Path, options: WorldOptions | None = None) -> Path:
    """Write the world of a scenario and seed, with people and vehicles at their first places."""
    config = read_node_config(NODES["simulator"], setting.config_dir)
    chance = spawn_chance(np.random.default_rng(setting.seed))
    town = Town(setting.site, setting.robot, setting.scenario, chance)
    for _ in range(round(BEGUN_S / TICK_S)):
        town.step(town.start, frozenset())
    return write_world(town, setting.robot, config, folder, options)
