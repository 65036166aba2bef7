"""Many deliveries summed up: how many came, what was touched, how far off the pose was."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lastmile.errors import UserError
from lastmile.evaluation.scorecard import upper_bound_95

CLOSEST_PERSON_M = 0.3
"""Gap to a person below which an own approach counts as too close."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """The figures of one run of a campaign and its localization errors at 1 Hz."""

    name: str
    summary: dict[str, Any]
    errors: np.ndarray
    """(T, 3): position error [m], yaw error [deg], 1 where the protection level bounds it."""


def read_runs(campaign_dir: Path) -> list[RunRecord]:
    """
    Read the runs below a folder, in order of their names.

    Raises
    ------
    UserError
        If there is none, or a file of one is broken.

    """
    records = []
    for path in sorted(campaign_dir.glob("*/summary.json")):
        try:
            summary = json.loads(path.read_text(encoding="utf-8"))
            rows = (path.parent / "localization.csv").read_text(encoding="utf-8").splitlines()[1:]
            errors = np.array([[float(cell) for cell in row.split(",")] for row in rows])
        except (OSError, ValueError) as error:
            raise UserError(f"{path.parent}: not a run that ended: {error}") from error
        records.append(RunRecord(path.parent.name, summary, errors.reshape(-1, 4)[:, 1:]))
    if not records:
        raise UserError(f"{campaign_dir} holds no run with a summary.json")
    return records


def sum_up(records: list[RunRecord]) -> dict[str, Any]:
    """Work out the figures of a campaign; rates carry their one-sided 95 % bounds."""
    summaries = [record.summary for record in records]
    contacts = sum(s["own_contacts"] for s in summaries)
    km = sum(s["distance_m"] for s in summaries) / 1000.0
    docking = [error for s in summaries for error in s["docking"]]
    errors = np.concatenate([record.errors for record in records])
    figures: dict[str, Any] = {
        "runs": len(records),
        "routes": len({(s["about"].get("start"), s["about"].get("goal")) for s in summaries}),
        "delivered": sum(s["delivered"] for s in summaries),
        "own_contacts": contacts,
        "contacts": sum(len(s["contacts"]) for s in summaries),
        "km": km,
        "own_contacts_per_run_bound_95": upper_bound_95(contacts, len(records)),
        "own_contacts_per_km_bound_95": upper_bound_95(contacts, km),
        "runs_too_close_to_a_person": sum(
            _below(s["closest_person_own_m"], CLOSEST_PERSON_M) for s in summaries
        ),
        "mean_speed_mps": float(np.mean([s["mean_speed_mps"] for s in summaries])),
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


def _below(value: float | None, limit: float) -> bool:
    return value is not None and value < limit
