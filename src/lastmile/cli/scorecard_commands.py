"""`lastmile scorecard`: measure what the stack promises, area by area."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from lastmile.cli.delivery_scorecard import measure_delivery
from lastmile.evaluation.scorecard import Line, show_figure, verdict, write_scorecard

app = typer.Typer(add_completion=False)
AREAS = {"delivery": measure_delivery}


@app.command()
def scorecard(
    area: Annotated[str, typer.Argument(help=f"Area: {', '.join(AREAS)}.")],
    checkout: Annotated[Path, typer.Option(help="Folder of the checkout.")] = Path("."),
) -> None:
    """
    Measure an area, print its table and write it.

    The table goes to runs/scorecard/<area>.json and docs/scorecard/<area>.md; exit code 1 if a
    target is missed.
    """
    if area not in AREAS:
        raise typer.BadParameter(f"{area!r} is not one of {', '.join(AREAS)}")
    lines = AREAS[area](checkout)
    write_scorecard(area, lines, checkout / "runs/scorecard", checkout / "docs/scorecard")
    Console(width=140).print(_table(area, lines))
    if any(line.holds is False for line in lines):
        raise typer.Exit(1)


def _table(area: str, lines: list[Line]) -> Table:
    table = Table("what", "figure", "unit", "target", "", title=f"scorecard {area}")
    colours = {"holds": "green", "missed": "red", "stated": ""}
    for line in lines:
        word = verdict(line)
        table.add_row(
            line.name,
            show_figure(line.figure),
            line.unit,
            line.target,
            word,
            style=colours[word] or None,
        )
    return table
