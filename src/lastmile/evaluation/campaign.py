"""Many deliveries summed up: how many came, what was touched, how far off the pose was."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lastmile.errors import UserError
from lastmile.evaluation.scorecard import upper_bound_95, write_whole

CLOSEST_PERSON_M = 0.3
"""Gap to a person below which an own approach counts as too close."""
SUMMARY = "summary.json"
"""The file of figures that makes a run one that ended."""
BEGUN = "begun.json"
"""What a run is made of, written at its beginning: a folder with this alone was stopped."""
CRASHED = "crashed"
"""Outcome of a run that ended without figures."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """The figures of one run of a campaign and its localization errors at 1 Hz."""

    name: str
    summary: dict[str, Any]
    errors: np.ndarray
    """(T, 3): position error [m], yaw error [deg], 1 where the protection level bounds it."""


def read_summary(run_dir: Path) -> dict[str, Any]:
    """
    Read the figures of a run that ended.

    Raises
    ------
    UserError
        If it did not end, or the file is broken.

    """
    path = run_dir / SUMMARY
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(summary["about"], dict) or not isinstance(summary["outcome"], str):
            raise ValueError("about and outcome are wanted")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{run_dir}: not a run that ended: {path.name}: {error!r}; if it is of a campaign, "
            "remove the folder and begin the campaign again"
        ) from error
    return summary


def read_run(run_dir: Path) -> RunRecord:
    """
    Read a run that ended, with its errors.

    Raises
    ------
    UserError
        If it did not end, or a file of it is broken.

    """
    summary = read_summary(run_dir)
    try:
        path, rows = run_dir / "localization.csv", []
        if summary["outcome"] != CRASHED:
            rows = path.read_text(encoding="utf-8").splitlines()[1:]
        errors = np.array([[float(cell) for cell in row.split(",")] for row in rows])
    except (OSError, ValueError) as error:
        raise UserError(f"{run_dir}: not a run that ended: {error!r}") from error
    return RunRecord(run_dir.name, summary, errors.reshape(-1, 4)[:, 1:])


def write_crash(run_dir: Path, about: Mapping[str, Any], text: str) -> None:
    """Write down that a run ended without figures; it counts as not delivered."""
    summary = {"about": dict(about), "delivered": False, "outcome": CRASHED, "text": text}
    run_dir.mkdir(parents=True, exist_ok=True)
    write_summary(run_dir, summary)


def write_summary(run_dir: Path, summary: Mapping[str, Any]) -> None:
    """Write the figures of a run, whole or not at all: half of them would pass for its end."""
    write_whole(run_dir / SUMMARY, summary)


def sum_up(records: list[RunRecord]) -> dict[str, Any]:
    """
    Work out the figures of a campaign; rates carry their one-sided 95 % bounds.

    A run that crashed counts as not delivered; what it touched is not known, so that it is no trial
    of the bounds.
    """
    everything = [record.summary for record in records]
    summaries = [s for s in everything if s["outcome"] != CRASHED]
    contacts = sum(s["own_contacts"] for s in summaries)
    km = sum(s["distance_m"] for s in summaries) / 1000.0
    docking = [error for s in summaries for error in s["docking"]]
    errors = np.concatenate([record.errors for record in records])
    figures: dict[str, Any] = {
        "runs": len(records),
        "crashed": len(everything) - len(summaries),
        "routes": len({(s["about"].get("start"), s["about"].get("goal")) for s in summaries}),
        "delivered": sum(s["delivered"] for s in summaries),
        "own_contacts": contacts,
        "contacts": sum(len(s["contacts"]) for s in summaries),
        "longest_unseen_s": max((s["longest_unseen_s"] for s in summaries), default=None),
        "km": km,
        "own_contacts_per_run_bound_95": upper_bound_95(contacts, len(summaries)),
        "own_contacts_per_km_bound_95": upper_bound_95(contacts, km),
        "runs_too_close_to_a_person": sum(
            _below(s["closest_person_own_m"], CLOSEST_PERSON_M) for s in summaries
        ),
        "closest_person_own_m": _least(s["closest_person_own_m"] for s in summaries),
        "closest_person_closing_m": _least(s["closest_person_closing_m"] for s in summaries),
        "closest_person_any_m": _least(s["closest_person_any_m"] for s in summaries),
        "mean_speed_mps": float(np.mean([s["mean_speed_mps"] for s in summaries] or [0.0])),
        "docking_error_worst_m": max((d["distance_m"] for d in docking), default=None),
        "docking_angle_worst_deg": max((d["angle_deg"] for d in docking), default=None),
        "not_delivered": {
            record.name: record.summary["text"]
            for record in records
            if not record.summary["delivered"]
        },
    }
    if len(errors):
        figures |= {
            "position_error_median_m": float(np.median(errors[:, 0])),
            "position_error_p95_m": float(np.quantile(errors[:, 0], 0.95)),
            "yaw_error_median_deg": float(np.median(errors[:, 1])),
            "yaw_error_p95_deg": float(np.quantile(errors[:, 1], 0.95)),
            "protection_covers": float(errors[:, 2].mean()),
        }
    cpu_s = sum(s["about"].get("cpu_s") or 0.0 for s in summaries)
    if cpu_s > 0.0:
        simulated_s = sum(s["about"].get("simulated_s") or 0.0 for s in summaries)
        figures["simulated_s_per_cpu_s"] = simulated_s / cpu_s
    return figures


def _least(values: Iterable[float | None]) -> float | None:
    return min((value for value in values if value is not None), default=None)


def _below(value: float | None, limit: float) -> bool:
    return value is not None and value < limit
