"""`lastmile report`: write the report of a run over ROS from its recording."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from lastmile.evaluation.metrics import Summary
from lastmile.evaluation.pace import describe_pace
from lastmile.evaluation.report import write_report

app = typer.Typer(add_completion=False)

MACHINE_KEYS = ("date", "commit", "machine", "wall_s")


@app.command()
def report(
    run_dir: Annotated[Path, typer.Argument(help="Folder of the run.")],
) -> None:
    """Write `report.html` and `summary.json` of a run again, from its recording."""
    report_run(run_dir, _kept(run_dir))


def report_run(run_dir: Path, besides: Mapping[str, Any]) -> Summary:
    """Write the report of a run and say what is in it."""
    # Imported here: what only looks at the command line need not load ROS.
    from lastmile.nodes.delivery_run import read_about, read_events, read_log
    from lastmile.nodes.surroundings import ROBOT, read_named_site
    from lastmile.share import find_share
    from lastmile.vehicle.description import read_robot

    made_of = read_about(run_dir)
    log = read_log(run_dir)
    about = {
        "run": "ROS 2",
        "scenario": Path(made_of["scenario"]).stem,
        "site": made_of["site"],
        "seed": made_of["seed"],
        "start": made_of["order"]["from_locker_id"],
        "goal": made_of["order"]["to_locker_id"],
        "simulated_s": round(log.truth[-1].stamp_s, 3) if log.truth else 0.0,
        "rate": made_of["rate"],
        **besides,
    }
    robot, site = read_robot(find_share(ROBOT)), read_named_site(made_of["site"])
    summary = write_report(log, site, robot, run_dir, about, read_events(run_dir))
    _tell(summary, run_dir)
    return summary


def _tell(summary: Summary, run_dir: Path) -> None:
    position, latency = summary.position_error_m, summary.latency_s
    lines = [
        f"{summary.outcome}: {summary.text}",
        f"driven {summary.distance_m:.0f} m in {summary.duration_s:.0f} s, "
        f"{summary.crossings} crossings, {summary.people_met} people met within 5 m",
        f"contacts: {len(summary.contacts)}, own {summary.own_contacts}",
        *(
            f"docked at {d.locker_id}: {100 * d.distance_m:.1f} cm, {d.angle_deg:.1f} degrees off"
            for d in summary.docking
        ),
        f"localization error: median {position.median:.2f} m, 95 % {position.p95:.2f} m",
        f"lidar scan to command: median {1e3 * latency.median:.0f} ms, "
        f"99 % {1e3 * latency.p99:.0f} ms",
        f"pace of the world: {describe_pace(summary.pace)}",
        f"report: {run_dir / 'report.html'}",
    ]
    typer.echo("\n".join(lines))


def _kept(run_dir: Path) -> dict[str, Any]:
    """Take over what only the run itself could know from its first report."""
    path = run_dir / "summary.json"
    try:
        about = json.loads(path.read_text(encoding="utf-8"))["about"]
    except (OSError, ValueError, KeyError):
        return {}
    return {key: about[key] for key in MACHINE_KEYS if key in about}
