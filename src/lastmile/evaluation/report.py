"""The report of a run: one self-contained HTML page and the same figures as JSON."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from lastmile.evaluation import pictures
from lastmile.evaluation.campaign import write_summary
from lastmile.evaluation.metrics import Summary, localization_errors, summarise
from lastmile.evaluation.node_figures import complaints, node_figures
from lastmile.evaluation.pace import describe_pace
from lastmile.evaluation.run_log import RunLog
from lastmile.maps.site import Site
from lastmile.vehicle.description import RobotDescription

EVENTS = ("died", "restarted", "given up", "stopping")
"""Of what happens to processes, this is worth a line."""


def write_report(
    log: RunLog,
    site: Site,
    robot: RobotDescription,
    run_dir: Path,
    about: Mapping[str, Any],
    events: Sequence[Mapping[str, Any]] = (),
) -> Summary:
    """
    Write `report.html`, `summary.json` and `localization.csv` into a run's folder.

    Parameters
    ----------
    log : RunLog
        What was published in the run.
    site, robot
        Where it drove and what drove.
    run_dir : Path
        Folder of the run; must exist.
    about : mapping
        What to say at the top of the page: scenario, seed, version, machine.
    events : sequence of mapping
        What happened to the processes: `time`, `kind`, `program`, `text`.

    Returns
    -------
    Summary
        The figures, as they were written.

    """
    summary = summarise(log, site, robot)
    nodes = node_figures(log.diagnostics)
    figures = {"about": dict(about), **summary.to_json()}
    figures["cpu_per_node"] = {node.name: node.cpu_ratio for node in nodes}
    _write_errors(log, run_dir / "localization.csv")
    page = _template().render(
        about=about,
        summary=summary,
        rows=_headline(summary),
        pictures=_pictures(log, site, robot) if len(log.truth) > 1 else {},
        mission=log.mission,
        custody=log.custody,
        safety=log.safety,
        planner=log.planner,
        nodes=nodes,
        complaints=complaints(log.diagnostics),
        events=[event for event in events if event["kind"] in EVENTS],
    )
    (run_dir / "report.html").write_text(page, encoding="utf-8")
    # Last of all: a run with figures is one that came to its end.
    write_summary(run_dir, figures)
    return summary


def _write_errors(log: RunLog, path: Path) -> None:
    """Write the error of the pose once a second, for campaigns to pool."""
    stamps, position, yaw, covered = localization_errors(log)
    _, first = np.unique(np.floor(stamps), return_index=True)
    table = np.column_stack([stamps, position, np.degrees(yaw), covered])[first]
    header = "stamp_s,position_error_m,yaw_error_deg,protection_covers"
    np.savetxt(path, table, delimiter=",", header=header, comments="", fmt="%.6g")


def _pictures(log: RunLog, site: Site, robot: RobotDescription) -> dict[str, str]:
    drawn = {
        "Map": pictures.draw_map(log, site, robot),
        "Speed": pictures.draw_speed(log),
        "Clearance": pictures.draw_clearance(log, robot),
    }
    if log.poses:
        drawn["Localization"] = pictures.draw_localization(log)
    return {title: _embed(figure) for title, figure in drawn.items()}


def _embed(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    plt.close(figure)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _headline(summary: Summary) -> list[tuple[str, str]]:
    position, yaw, latency = summary.position_error_m, summary.yaw_error_deg, summary.latency_s
    docking = "; ".join(
        f"{d.locker_id}: {100 * d.distance_m:.1f} cm, {d.angle_deg:.1f}°" for d in summary.docking
    )
    return [
        ("Outcome", f"{summary.outcome}: {summary.text}"),
        ("Driven", f"{summary.distance_m:.0f} m in {summary.duration_s:.0f} s"),
        ("Routes", f"{summary.route_m:.0f} m, {summary.crossings} crossings"),
        ("Mean speed while moving", f"{summary.mean_speed_mps:.2f} m/s"),
        ("People met within 5 m", str(summary.people_met)),
        ("Smallest gap to a person by own move", f"{summary.closest_person_own_m:.2f} m"),
        ("Smallest gap to a person while closing it", f"{summary.closest_person_closing_m:.2f} m"),
        ("Smallest gap to a person while moving", f"{summary.closest_person_any_m:.2f} m"),
        ("Contacts", f"{len(summary.contacts)}, own {summary.own_contacts}"),
        ("Docking error", docking or "never docked"),
        (
            "Localization error",
            f"median {position.median:.2f} m, 95 % {position.p95:.2f} m; "
            f"yaw {yaw.median:.2f}°, {yaw.p95:.2f}°",
        ),
        ("Protection level bounds the error", f"{100 * summary.protection_covers:.2f} %"),
        (
            "Lidar scan to command",
            f"median {1e3 * latency.median:.0f} ms, 99 % {1e3 * latency.p99:.0f} ms of ROS time",
        ),
        ("Pace of the world", describe_pace(summary.pace)),
    ]


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True
    )
    environment.filters["clock"] = lambda stamp_s: f"{stamp_s:.1f} s"
    return environment.get_template("report.html.j2")
