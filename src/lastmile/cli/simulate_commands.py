"""`lastmile simulate`: one delivery in lockstep, without ROS, faster than real time."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from lastmile.cli.engine_option import Engine
from lastmile.cli.lidar_maps import drive_mapper, save_lidar_map
from lastmile.cli.run_folders import new_run_dir
from lastmile.errors import UserError
from lastmile.evaluation.campaign import BEGUN
from lastmile.evaluation.report import write_report
from lastmile.evaluation.run_log import RunLog
from lastmile.evaluation.scorecard import stamp
from lastmile.localization.mapping import LidarMapper
from lastmile.maps.site import Site
from lastmile.simulation.lockstep import History
from lastmile.simulation.setting import read_setting
from lastmile.stack.topics import TOPICS
from lastmile.types import CameraImage, PointGrid

app = typer.Typer(add_completion=False)


@app.command()
def simulate(
    scenario: Annotated[
        str, typer.Argument(help="Scenario: a name of sim/scenarios or a file.")
    ] = "demo",
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Seed of everything by chance; the scenario's if not given."),
    ] = None,
    start: Annotated[str, typer.Option(help="Locker that holds the parcel.")] = "",
    goal: Annotated[str, typer.Option(help="Locker that the parcel goes to.")] = "",
    map_dir: Annotated[
        Path | None, typer.Option("--map", help="Site bundle in place of the scenario's.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Folder of parameter files; defaults if not given.")
    ] = None,
    engine: Annotated[
        Engine | None,
        typer.Option(
            help="What moves the robot and senses; that of the simulator's parameters if not given."
        ),
    ] = None,
    save_map: Annotated[
        Path | None, typer.Option(help="Make a lidar map from the drive, write a bundle here.")
    ] = None,
    limit_s: Annotated[float, typer.Option(min=1.0, help="Most simulated time [s].")] = 1800.0,
    output: Annotated[
        Path | None, typer.Option(help="Folder of the run; runs/<time> if not given.")
    ] = None,
) -> None:
    """Run one delivery in lockstep and write its report."""
    from lastmile.simulation.delivery import LockstepDelivery
    from lastmile.simulation.engines import require_engine

    # Taken before the drive: whoever commits meanwhile does not change what runs.
    taken = stamp()
    setting = read_setting(scenario, seed, start, goal, map_dir, config, engine or "")
    require_engine(setting.engine)
    run_dir = new_run_dir(output)
    made_of = {
        "run": "lockstep",
        **taken,
        "scenario": scenario,
        "site": setting.site.name,
        "seed": setting.seed,
        "map": str(map_dir or ""),
    }
    (run_dir / BEGUN).write_text(json.dumps(made_of, indent=2) + "\n", encoding="utf-8")
    delivery = LockstepDelivery(setting)
    log = RunLog()
    # Clouds and images are half of the work; where they differ, what is made of them does too.
    history = History(
        name for name, topic in TOPICS.items() if topic.value in (PointGrid, CameraImage)
    )
    delivery.loop.observe(log.observe)
    delivery.loop.observe(history)
    mapper = drive_mapper(setting.site, setting.robot, config) if save_map else None
    if mapper is not None:
        delivery.loop.observe(lambda _s, _name, topic, value: mapper.receive(topic, value))
    try:
        with _progress() as progress:
            bar = progress.add_task("delivery", total=limit_s, phase="")
            delivery.run(
                limit_s,
                lambda now_s: progress.update(bar, completed=now_s, phase=_phase(log)),
            )
    except TimeoutError as error:
        typer.echo(f"lastmile: {error}", err=True)
    finally:
        delivery.close()
    cpu_s = time.process_time()
    about = {
        **made_of,
        "start": delivery.order.from_locker_id,
        "goal": delivery.order.to_locker_id,
        "engine": delivery.engine,
        "simulated_s": round(delivery.loop.now_s, 3),
        # Of the whole process until here, with the world's making.
        "cpu_s": round(cpu_s, 1),
        "history": history.hexdigest(),
    }
    # Before the report, whose figures make the run one that ended: then its map is there too.
    mapped = mapper is None or _save_map(mapper, setting.site, save_map)
    summary = write_report(log, setting.site, setting.robot, run_dir, about)
    typer.echo(f"{summary.outcome}: {summary.text}")
    typer.echo(f"report: {run_dir / 'report.html'}")
    if not (summary.delivered and mapped):
        raise typer.Exit(1)


def _save_map(mapper: LidarMapper, site: Site, directory: Path) -> bool:
    """Save the map of the drive; tell why where there is none, since the drive has a report."""
    try:
        typer.echo(save_lidar_map(mapper, site, directory))
    except UserError as error:
        typer.echo(f"lastmile: {error}", err=True)
        return False
    return True


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.completed:.0f} s"),
        BarColumn(),
        TextColumn("{task.fields[phase]}"),
        TimeElapsedColumn(),
    )


def _phase(log: RunLog) -> str:
    return f"{log.mission[-1].value.phase}: {log.mission[-1].value.text}" if log.mission else ""
