"""What a lockstep run is made of, read from files by name."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from lastmile import config
from lastmile.errors import UserError
from lastmile.maps.bundle import read_site
from lastmile.maps.example import example_site
from lastmile.maps.site import Site
from lastmile.share import find_share, find_site
from lastmile.simulation.lockstep import Delay, Latencies
from lastmile.simulation.scenario import Scenario, read_scenario
from lastmile.vehicle.description import RobotDescription, read_robot


@dataclass(frozen=True, slots=True)
class Setting:
    """
    What a run is made of.

    `config_dir` None takes the defaults of every node; `engine` "" takes that of the simulator's
    parameter file.
    """

    site: Site
    robot: RobotDescription
    scenario: Scenario
    seed: int
    latencies: Latencies
    config_dir: Path | None = None
    engine: str = ""


def read_setting(
    scenario: str,
    seed: int | None = None,
    start: str = "",
    goal: str = "",
    map_dir: Path | None = None,
    config_dir: Path | None = None,
    engine: str = "",
) -> Setting:
    """
    Read scenario, site, robot and latencies.

    Parameters
    ----------
    scenario : str
        Name of a file in sim/scenarios, or a path.
    seed : int, optional
        In place of the scenario's.
    start, goal : str
        Lockers in place of the scenario's; empty keeps them.
    map_dir : Path, optional
        Site bundle in place of the scenario's site.
    config_dir : Path, optional
        Folder of parameter files.
    engine : str
        In place of the parameter file's; empty keeps it.

    """
    read = read_scenario(find_scenario(scenario))
    if start:
        first = tuple(dataclasses.replace(parcel, locker=start) for parcel in read.parcels[:1])
        read = dataclasses.replace(read, start=start, parcels=first + read.parcels[1:])
    if goal:
        read = dataclasses.replace(read, goal=goal)
    return Setting(
        site=read_site(map_dir) if map_dir else named_site(read.site),
        robot=read_robot(find_share("sim/robot/lastmile.urdf")),
        scenario=read,
        seed=read.seed if seed is None else seed,
        latencies=read_latencies(find_share("config/latencies.yaml")),
        config_dir=config_dir,
        engine=engine,
    )


def find_scenario(name_or_path: str) -> Path:
    """
    Find a scenario by path, or by name among sim/scenarios.

    Raises
    ------
    ConfigError
        If no scenario has that name; the message lists those that there are.

    """
    path = Path(name_or_path)
    if path.suffix:
        return path
    known = {found.stem: found for found in sorted(find_share("sim/scenarios").glob("*.yaml"))}
    if name_or_path not in known:
        names = ", ".join(known)
        raise config.ConfigError(f"scenario {name_or_path!r} is no file and not among {names}")
    return known[name_or_path]


def named_site(name: str) -> Site:
    """
    Read a site by name; `example` is the one made in code.

    Raises
    ------
    ConfigError
        If no site has that name; the message lists those that there are.

    """
    if name == "example":
        return example_site()
    try:
        folder = find_site(name)
    except UserError as error:
        raise config.ConfigError(str(error)) from error
    return read_site(folder)


def read_latencies(path: Path) -> Latencies:
    """Read the delays of nodes and topics, measured over ROS."""
    values = config.read_yaml(path)
    sections = {
        name: {
            key: config.from_mapping(Delay, delay, f"{path}: {name}.{key}")
            for key, delay in (values.get(name) or {}).items()
        }
        for name in ("compute", "transport")
    }
    unknown = sorted(set(values) - set(sections))
    if unknown:
        raise config.ConfigError(
            f"{path}: {unknown[0]}: unknown key; known keys are compute, transport"
        )
    return Latencies(**sections)
