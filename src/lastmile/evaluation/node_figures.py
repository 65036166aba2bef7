"""What the nodes told of themselves on /diagnostics in the course of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lastmile.evaluation.run_log import Entry
from lastmile.types import DiagnosticLevel

TIMING = ": timing"
# What nodes say while the stack comes up is no complaint.
STARTUP = ("not configured", "waits for /clock")


@dataclass(frozen=True, slots=True)
class NodeFigures:
    """How one node ran: its steps, and what it cost."""

    name: str
    steps_per_s: float
    step_median_ms: float
    """Of steps that published something; NaN if none did."""
    step_p99_ms: float
    step_max_ms: float
    cpu_s: float
    cpu_ratio: float
    """CPU seconds per second of the ROS clock."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """
    A diagnostic that was not all right: how often, since when, and what it said first.

    Messages of one name that begin with the same word are one complaint, whatever their numbers.
    """

    name: str
    count: int
    first_s: float
    last_s: float
    message: str


def node_figures(diagnostics: Mapping[str, Sequence[Entry]]) -> list[NodeFigures]:
    """Sum up the timing lines of all nodes, the most expensive first."""
    figures = [
        _sum_up(name.removesuffix(TIMING), entries)
        for name, entries in diagnostics.items()
        if name.endswith(TIMING) and len(entries) > 1
    ]
    return sorted(figures, key=lambda f: -f.cpu_s)


def _sum_up(name: str, entries: Sequence[Entry]) -> NodeFigures:
    values = [entry.value.values for entry in entries]
    steps, worst, cpu = (_column(values, key) for key in ("steps_per_s", "step_max_ms", "cpu_s"))
    at_work = [v for v in values if "step_median_ms" in v]
    rates, medians, p99s = (
        _column(at_work, key) for key in ("published_per_s", "step_median_ms", "step_p99_ms")
    )
    # A process that was started again counts from zero again.
    spent = np.diff(cpu)
    cpu_s = float(np.where(spent < 0.0, cpu[1:], spent).sum())
    span_s = max(entries[-1].stamp_s - entries[0].stamp_s, 1e-3)
    median, p99 = np.nan, np.nan
    if at_work:
        # Of n steps in a second, the slowest is below the 99th percentile of steps with 0.99^n.
        level = 0.99 ** max(float(np.median(rates)), 1.0)
        median, p99 = float(np.median(medians)), float(np.quantile(p99s, level))
    return NodeFigures(
        name,
        float(np.median(steps)),
        median,
        p99,
        float(worst.max()),
        cpu_s,
        cpu_s / span_s,
    )


def _column(values: Sequence[Mapping[str, str]], key: str) -> np.ndarray:
    return np.array([float(v[key]) for v in values])


def complaints(diagnostics: Mapping[str, Sequence[Entry]]) -> list[Complaint]:
    """List what was not all right, in the order in which it began."""
    alike: dict[tuple[str, str], list[Entry]] = {}
    for name, entries in diagnostics.items():
        for entry in entries:
            message = entry.value.message
            if entry.value.level is not DiagnosticLevel.OK and not message.startswith(STARTUP):
                alike.setdefault((name, message.split(" ")[0]), []).append(entry)
    found = [
        Complaint(name, len(bad), bad[0].stamp_s, bad[-1].stamp_s, bad[0].value.message)
        for (name, _), bad in alike.items()
    ]
    return sorted(found, key=lambda c: c.first_s)
