"""`lastmile sim`: simulated worlds as files for other simulators."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, no_args_is_help=True)


class Format(StrEnum):
    """What a world can be written as."""

    SDF = "sdf"


@app.callback()
def sim() -> None:
    """Write simulated worlds for other simulators."""


@app.command()
def export(
    scenario: Annotated[
        str, typer.Argument(help="Scenario: a name of sim/scenarios or a file.")
    ] = "demo",
    to: Annotated[
        Format, typer.Option(help="Format: SDF for Gazebo Harmonic (gz-sim 8).")
    ] = Format.SDF,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Seed of everything by chance; the scenario's if not given."),
    ] = None,
    start: Annotated[str, typer.Option(help="Locker near which the robot stands.")] = "",
    goal: Annotated[str, typer.Option(help="Locker that it is expected to go to.")] = "",
    map_dir: Annotated[
        Path | None, typer.Option("--map", help="Site bundle in place of the scenario's.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Folder of parameter files; defaults if not given.")
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder to write into.")] = Path("world"),
) -> None:
    """
    Write a world with its robot, people and vehicles where they are at the start.

    Sensors have Gazebo's own noise, by the figures of the simulator's parameter file.
    """
    from lastmile.simulation.gazebo.export import export_world
    from lastmile.simulation.setting import read_setting

    setting = read_setting(scenario, seed, start, goal, map_dir, config)
    path = export_world(setting, output)
    typer.echo(f"{path}: {setting.site.name}, scenario {scenario}, seed {setting.seed}")
    typer.echo(f"gz sim -r {path}")
