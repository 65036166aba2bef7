"""`lastmile demo`: one delivery on ROS 2, watched from order to receipt."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from lastmile.cli.engine_option import Engine
from lastmile.cli.interruption import ENDING, Interruption
from lastmile.cli.report_commands import report_run
from lastmile.cli.run_folders import new_run_dir
from lastmile.cli.up_commands import INTERRUPTED
from lastmile.errors import UserError
from lastmile.evaluation.scorecard import stamp

app = typer.Typer(add_completion=False)

LOOK_S = 0.25


@app.command()
def demo(
    scenario: Annotated[
        str, typer.Option(help="Scenario: a name of sim/scenarios or a file.")
    ] = "demo",
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Seed of everything by chance; the scenario's if not given."),
    ] = None,
    rate: Annotated[
        float, typer.Option(min=0.05, max=20.0, help="Simulated seconds per second, at most.")
    ] = 1.0,
    limit_s: Annotated[
        float, typer.Option(min=1.0, help="Most simulated time in seconds.")
    ] = 1800.0,
    config: Annotated[
        Path | None, typer.Option(help="Folder of parameter files; defaults if not given.")
    ] = None,
    engine: Annotated[
        Engine | None,
        typer.Option(
            help="What moves the robot and senses; that of the simulator's parameters if not given."
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder of the run; runs/<time> if not given.")
    ] = None,
    view: Annotated[bool, typer.Option(help="Show the live view where the terminal can.")] = True,
) -> None:
    """
    Deliver a parcel in simulation on ROS 2 and write the report of it.

    Exit codes: 0 delivered, 1 not delivered, 130 ended by Ctrl-C.
    """
    for number in ENDING:
        # Set anew: what a shell starts in the background ignores SIGINT.
        signal.signal(number, signal.default_int_handler)
    try:
        with Interruption() as interruption:
            run_dir, about = _deliver(
                scenario,
                seed,
                rate,
                limit_s,
                config,
                engine or "",
                output,
                view,
                interruption.check,
            )
        typer.echo("writing the report")
        delivered = report_run(run_dir, about).delivered
    except KeyboardInterrupt:
        typer.echo("ended by Ctrl-C; `lastmile report` writes the report of what was recorded")
        raise typer.Exit(INTERRUPTED) from None
    if not delivered:
        raise typer.Exit(1)


def _deliver(
    scenario: str,
    seed: int | None,
    rate: float,
    limit_s: float,
    config: Path | None,
    engine: str,
    output: Path | None,
    view: bool,
    check: Callable[[], None],
) -> tuple[Path, dict[str, Any]]:
    """Carry out the delivery; give the run's folder and what its report says besides."""
    # Imported here: `lastmile demo --help` need not load ROS.
    from lastmile.cli.progress_view import progress_view
    from lastmile.nodes.delivery_run import DeliveryRun, order_of_settings
    from lastmile.nodes.stack_lock import free_domain
    from lastmile.nodes.stack_plan import settings_of_scenario

    os.environ.setdefault("ROS_DOMAIN_ID", str(free_domain()))
    settings = settings_of_scenario(
        new_run_dir(output),
        scenario=scenario,
        seed=seed,
        rate=rate,
        config_dir=config,
        engine=engine,
    )
    order = order_of_settings(settings)
    run_dir = settings.run_dir
    # Taken before the drive: whoever commits meanwhile does not change what runs.
    machine, began = about_machine(), time.monotonic()
    title = f"{order.parcel_id}: {order.from_locker_id} to {order.to_locker_id}"
    with progress_view(view, f"{title}, seed {settings.seed}") as show:
        show.note(f"run folder {run_dir}, ROS domain {os.environ['ROS_DOMAIN_ID']}")
        with DeliveryRun(settings, order, show.event, check) as run:
            run.begin()
            show.note(f"all nodes are ready after {time.monotonic() - began:.0f} s")
            _follow(run, show, limit_s)
            # From here on the end takes its course; it is over within five seconds.
    return run_dir, machine | {"wall_s": round(time.monotonic() - began, 1)}


def _follow(run: Any, show: Any, limit_s: float) -> None:
    """Show the delivery until it ended, or cancel it at the limit of simulated time."""
    canceled = False
    while run.wait(LOOK_S) is None:
        glance = run.look()
        show.update(glance)
        if glance.stamp_s > limit_s and not canceled:
            canceled = True
            show.note(f"not delivered within {limit_s:g} s of simulated time; canceling")
            run.cancel()
        if glance.stamp_s > limit_s + 60.0:
            raise UserError(f"no result within {limit_s:g} s of simulated time, nor a cancellation")
    show.update(run.look())


def about_machine() -> dict[str, Any]:
    """Say when, on which commit and on what a run ran."""
    return dict(stamp())
