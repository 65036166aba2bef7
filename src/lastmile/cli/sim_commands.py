"""`lastmile sim`: simulated worlds as files for other simulators, and engines side by side."""

from __future__ import annotations

import dataclasses
import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from lastmile.cli.engine_option import Engine

app = typer.Typer(add_completion=False, no_args_is_help=True)


class Format(StrEnum):
    """What a world can be written as."""

    SDF = "sdf"


@app.callback()
def sim() -> None:
    """Write simulated worlds for other simulators; hold engines against each other."""


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


@app.command()
def parity(
    engine: Annotated[Engine, typer.Option(help="The engine to measure.")] = Engine.EMBEDDED,
    against: Annotated[
        Engine | None,
        typer.Option(help="The engine to hold it against; wheels without slip if not given."),
    ] = None,
    pattern: Annotated[
        list[str] | None, typer.Option(help="Pattern to drive; all of them if not given.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the sensors' noise.")] = 1,
    output: Annotated[Path | None, typer.Option(help="JSON file of the figures.")] = None,
) -> None:
    """Drive patterns on proving grounds and look at walls and people, on one engine or two."""
    from lastmile.share import find_share
    from lastmile.simulation import parity as measured
    from lastmile.simulation.engines import engine_maker, require_engine
    from lastmile.vehicle.description import read_robot

    known = {one.name: one for one in measured.PATTERNS}
    unknown = sorted(set(pattern or ()) - set(known))
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r} is not among {', '.join(known)}")
    for name in (engine, against or ""):
        require_engine(name)
    robot = read_robot(find_share("sim/robot/lastmile.urdf"))
    makers = [engine_maker(name, seed) for name in (engine, against) if name]
    drives, looks = [], []
    for one in (known[name] for name in pattern or known):
        runs = [measured.drive_pattern(maker, robot, one, seed) for maker in makers]
        other = runs[1] if against else measured.ideal_pattern(one)
        difference = measured.compare_driven(runs[0], other)
        drives.append(_figures(difference, stopping_m=runs[0].stopping_m))
        typer.echo(
            f"{one.name}: {difference.position_m:.3f} m of {difference.position_limit_m:.3f},"
            f" yaw {difference.yaw_deg:.2f} deg" + ("" if difference.within else "  beyond")
        )
    if pattern is None:
        seen = [measured.look_around(maker, robot, seed) for maker in makers]
        other = seen[1].ranges if against else seen[0].true_ranges
        for difference in measured.compare_seen(seen[0].ranges, other, seen[0].groups):
            looks.append(_figures(difference))
            typer.echo(f"lidar on {difference.kind}: {1000.0 * difference.median_m:.1f} mm")
    if output is not None:
        made_of = {"engine": engine, "against": against or "wheels without slip", "seed": seed}
        text = json.dumps(made_of | {"drives": drives, "lidar": looks}, indent=2)
        output.write_text(text + "\n", encoding="utf-8")


def _figures(difference: Any, **more: float) -> dict[str, Any]:
    """Give what JSON can hold of a difference: it has no word for NaN."""
    figures = dataclasses.asdict(difference) | {"within": difference.within} | more
    return {name: None if value != value else value for name, value in figures.items()}
