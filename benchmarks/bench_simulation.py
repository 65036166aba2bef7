"""CPU time of the simulated world: loading a site, and ten simulated seconds with all sensors."""

from __future__ import annotations

import argparse
import platform
import time
from pathlib import Path

import numpy as np

from lastmile.maps.bundle import read_site
from lastmile.maps.example import example_site
from lastmile.simulation.scenario import scenario_from_mapping
from lastmile.simulation.world import World
from lastmile.types import Command
from lastmile.vehicle.description import read_robot

ROOT = Path(__file__).parents[1]
SECONDS = 10
BUSY = {"people": {"count": 25, "encounters": 16}, "traffic": {"cars": 10, "cyclists": 4}}
FACTOR_WANTED = 4.0


def main() -> None:
    """Print the figures for the made-up site and for Helsinki."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="repetitions of ten seconds")
    runs = parser.parse_args().runs
    print(f"{platform.processor() or platform.machine()}, one thread, CPU time")
    measure("example", example_site(), runs)
    town = ROOT / "maps" / "helsinki"
    if town.is_dir():
        measure("helsinki", read_site(town), runs)


def measure(name: str, site, runs: int) -> None:
    """Time the making of a world and its steps."""
    robot = read_robot(ROOT / "sim" / "robot" / "lastmile.urdf")
    begun = time.thread_time()
    world = World(site, robot, scenario_from_mapping(BUSY), np.random.default_rng(1))
    made = time.thread_time() - begun
    factors, worst = [], 0.0
    for _ in range(runs):
        begun = time.thread_time()
        for _ in range(SECONDS * 100):
            tick = time.thread_time()
            world.command(Command(world.stamp_s, 0.3, 0.0))
            world.step()
            worst = max(worst, time.thread_time() - tick)
        factors.append(SECONDS / (time.thread_time() - begun))
    print(
        f"{name}: made in {made:.2f} s; {np.median(factors):.1f} times real time, worst "
        f"{min(factors):.1f} (wanted {FACTOR_WANTED:.0f}); worst tick {1e3 * worst:.0f} ms"
    )


if __name__ == "__main__":
    main()
