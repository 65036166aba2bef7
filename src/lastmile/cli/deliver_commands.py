"""`lastmile deliver`: order a delivery from a running stack, follow it, cancel it by Ctrl-C."""

from __future__ import annotations

import signal
import threading
import uuid
from typing import Annotated

import typer

from lastmile.cli.up_commands import INTERRUPTED, checked_namespace
from lastmile.errors import UserError
from lastmile.types import DeliverGoal, TaskFeedback, TaskOutcome

app = typer.Typer(add_completion=False)


@app.command()
def deliver(
    order: Annotated[str, typer.Argument(help="Id of the order.")],
    parcel: Annotated[str, typer.Option(help="Id of the parcel.")],
    start: Annotated[str, typer.Option(help="Locker that holds the parcel.")],
    goal: Annotated[str, typer.Option(help="Locker that the parcel goes to.")],
    namespace: Annotated[str, typer.Option(help="Namespace of the robot.")] = "/",
    limit_s: Annotated[float, typer.Option(min=1.0, help="Longest wait [s].")] = 3600.0,
) -> None:
    """Order a delivery and wait for its end: 0 delivered, 1 not, 130 canceled by Ctrl-C."""
    from lastmile.nodes.operator_client import OperatorClient

    canceled = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: canceled.set())
    shown = ""

    def show(feedback: TaskFeedback) -> None:
        nonlocal shown
        line = f"{feedback.phase}: {feedback.text}"
        if line != shown:
            typer.echo(line)
            shown = line

    with OperatorClient(checked_namespace(namespace)) as client:
        asked = False

        def cancel_when_told() -> None:
            nonlocal asked
            if canceled.is_set() and not asked:
                asked = True
                client.cancel()
                typer.echo("canceling")

        wanted = DeliverGoal(uuid.uuid4().hex, order, parcel, start, goal)
        client.order(wanted, show, meanwhile=cancel_when_told)
        try:
            result = client.wait(limit_s, cancel_when_told)
        except TimeoutError as error:
            raise UserError(f"{error}; the delivery goes on") from error
    typer.echo(f"{result.outcome.value}: {result.text}")
    if result.outcome is TaskOutcome.CANCELED:
        raise typer.Exit(INTERRUPTED)
    if result.outcome is TaskOutcome.FAILED:
        raise typer.Exit(1)
