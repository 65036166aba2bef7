"""
How fast the world of a run over ROS was against wall time, as the simulator told on /diagnostics.

Every time in a run is on the ROS clock. Where the world is slower than wall time, or waits for slow
nodes, a node has more wall time than its figures show.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lastmile.evaluation.run_log import Entry

PACE = "simulator: pace"


@dataclass(frozen=True, slots=True)
class Pace:
    """Simulated seconds per second of wall time, achieved and wanted, and how long it waited."""

    rate: float
    """From the first line that told of a running world to the last."""
    wanted: float
    waited_s: float
    """Wall time in which the world stood still for nodes that lagged behind, of the whole run."""


def pace_of(diagnostics: Mapping[str, Sequence[Entry]]) -> Pace | None:
    """Sum up the pace of a run; None where no simulator told of it, as in lockstep."""
    lines = [entry.value.values for entry in _lines(diagnostics)]
    running = [values for values in lines if float(values.get("simulated_s", 0.0)) > 0.0]
    if len(running) < 2:
        return None
    first, last = running[0], running[-1]
    simulated_s = float(last["simulated_s"]) - float(first["simulated_s"])
    wall_s = float(last["wall_s"]) - float(first["wall_s"])
    return Pace(simulated_s / wall_s, float(last["wanted"]), float(last["waited_s"]))


def describe_pace(pace: Pace | None) -> str:
    """Say in words how fast the world was."""
    if pace is None:
        return "not known: no simulator told of it"
    return (
        f"{pace.rate:.2f} of the wanted {pace.wanted:g} simulated s per s, "
        f"waited {pace.waited_s:.1f} s for slow nodes"
    )


def slowest_rate(
    diagnostics: Mapping[str, Sequence[Entry]], from_s: float, to_s: float
) -> float | None:
    """Give the rate of the slowest second that was told of in a span of the ROS clock."""
    told = [e.value.values for e in _lines(diagnostics) if from_s <= e.stamp_s <= to_s]
    return min((float(values["rate"]) for values in told), default=None)


def _lines(diagnostics: Mapping[str, Sequence[Entry]]) -> list[Entry]:
    """List what the simulator told, in whichever namespace."""
    return [
        entry for name, entries in diagnostics.items() if name.endswith(PACE) for entry in entries
    ]
