"""What a person sees of a running delivery: one live view, or a line now and then."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator
from typing import Any, Protocol

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

LINE_S = 10.0
NOTES = 6
# Of what happens to processes, that they start and are ready is of no interest.
QUIET_EVENTS = ("started", "ready", "ended", "stopping")


class View(Protocol):
    """Shows a delivery."""

    def note(self, text: str) -> None:
        """Tell something that happened."""

    def event(self, event: Any) -> None:
        """Tell what happened to a process; may come from another thread."""

    def update(self, glance: Any) -> None:
        """Show the present state."""


@contextlib.contextmanager
def progress_view(live: bool, title: str) -> Iterator[View]:
    """Give a live view where the terminal can and `live` asks for it, else lines."""
    console = Console()
    if not (live and console.is_terminal):
        typer.echo(title)
        yield LineView()
        return
    view = LiveView(title)
    with Live(console=console, refresh_per_second=4, get_renderable=view.render):
        yield view


class LineView:
    """Prints a line every ten seconds and at each change of phase."""

    def __init__(self) -> None:
        self._printed_at = -math.inf
        self._phase = ""

    def note(self, text: str) -> None:
        """Print it."""
        typer.echo(text)

    def event(self, event: Any) -> None:
        """Print what is worth it."""
        if event.kind not in QUIET_EVENTS:
            typer.echo(event.sentence())

    def update(self, glance: Any) -> None:
        """Print a line if it is time."""
        now = time.monotonic()
        if glance.phase == self._phase and now - self._printed_at < LINE_S:
            return
        self._printed_at, self._phase = now, glance.phase
        rows = {name: value for name, value in rows_of(glance) if value}
        typer.echo("; ".join(f"{name} {value}" for name, value in rows.items()))


class LiveView:
    """One panel with the state and the last notes."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._glance: Any = None
        self._notes: list[str] = []
        self._began = time.monotonic()

    def note(self, text: str) -> None:
        """Put it under the state."""
        self._notes = [*self._notes, text][-NOTES:]

    def event(self, event: Any) -> None:
        """Note what is worth it, and how many are ready."""
        if event.kind == "ready" or event.kind not in QUIET_EVENTS:
            self.note(event.sentence())

    def update(self, glance: Any) -> None:
        """Keep it for the next picture."""
        self._glance = glance

    def render(self) -> Panel:
        """Draw the panel."""
        table = Table.grid(padding=(0, 2))
        table.add_column(style="bold", no_wrap=True)
        table.add_column()
        elapsed = time.monotonic() - self._began
        table.add_row("elapsed", f"{elapsed:.0f} s")
        if self._glance is not None:
            for name, value in rows_of(self._glance):
                table.add_row(name, value or "-")
        notes = Text("\n".join(self._notes), style="dim")
        return Panel(Group(table, Text(), notes), title=self._title, title_align="left")


def rows_of(glance: Any) -> list[tuple[str, str]]:
    """Write the state as names and values."""
    remaining = "" if math.isnan(glance.remaining_m) else f"{glance.remaining_m:.0f} m"
    return [
        ("phase", f"{glance.phase}: {glance.text}".rstrip(": ")),
        ("to go", remaining),
        ("speed", f"{glance.speed_mps:.2f} m/s"),
        ("in view", f"{glance.obstacles} obstacles, {glance.people} of them people"),
        ("custody", glance.custody),
        ("gate", glance.gate),
        ("planner", glance.planner),
        ("simulated", f"{glance.stamp_s:.1f} s at {glance.rate:.2f} of real time"),
    ]
