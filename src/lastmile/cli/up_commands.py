"""`lastmile up`: the nodes of the table as processes, watched over until Ctrl-C."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from lastmile.cli.engine_option import Engine
from lastmile.cli.run_folders import new_run_dir
from lastmile.errors import UserError
from lastmile.nodes.domain import checked_namespace

app = typer.Typer(add_completion=False)

INTERRUPTED = 130


@app.command()
def up(
    simulation: Annotated[
        bool, typer.Option(help="With the embedded world in place of the robot's drivers.")
    ] = True,
    scenario: Annotated[
        str, typer.Option(help="Scenario: a name of sim/scenarios or a file.")
    ] = "demo",
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Seed of everything by chance; the scenario's if not given."),
    ] = None,
    rate: Annotated[
        float, typer.Option(min=0.05, max=20.0, help="Simulated seconds per second.")
    ] = 1.0,
    site: Annotated[
        str, typer.Option("--map", help="Site, by name or folder; the scenario's if not given.")
    ] = "",
    locker: Annotated[
        list[str] | None,
        typer.Option(help="Locker to run a controller for; those of the order if not given."),
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
    namespace: Annotated[str, typer.Option(help="Namespace of the robot's topics.")] = "/",
    broker: Annotated[
        str,
        typer.Option(
            help="MQTT broker, host:port; needed on a robot, in simulation one of its own if not"
            " given."
        ),
    ] = "",
    state_dir: Annotated[
        str,
        typer.Option(
            help="Folder of journals and keys; on a robot ~/.local/state/lastmile/<party> if not"
            " given, in simulation the run folder."
        ),
    ] = "",
    record: Annotated[bool, typer.Option(help="Record all topics to an MCAP file.")] = True,
    output: Annotated[
        Path | None, typer.Option(help="Folder of the run; runs/<time> if not given.")
    ] = None,
) -> None:
    """Start the stack and watch over it: 130 after Ctrl-C, 1 when it ended by itself."""
    if not simulation and not broker:
        raise typer.BadParameter(
            "with --no-simulation name the broker of the lockers, host:port; no locker could reach"
            " one that this command starts",
            param_hint="--broker",
        )
    from lastmile.nodes.stack_plan import settings_of_scenario
    from lastmile.nodes.supervisor import Stack

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    namespace = checked_namespace(namespace)
    settings = settings_of_scenario(
        new_run_dir(output),
        scenario=scenario,
        simulation=simulation,
        seed=seed,
        rate=rate,
        site=site,
        lockers=tuple(locker or ()),
        config_dir=config,
        engine=engine or "",
        namespace=namespace,
        broker=broker,
        state_dir=state_dir,
        record=record,
    )
    stack = Stack(settings, on_event=lambda event: typer.echo(event.sentence()))
    stack.start()
    try:
        while not stop.is_set() and not stack.wait(0.2):
            pass
    finally:
        stack.stop()
    if stack.reason:
        raise UserError(f"the stack ended: {stack.reason}; logs are in {settings.run_dir}/logs")
    raise typer.Exit(INTERRUPTED)
