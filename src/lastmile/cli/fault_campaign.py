"""`lastmile campaign faults`: kill and hang processes of a driving robot, judge how it stops."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from lastmile.cli.demo_commands import about_machine
from lastmile.cli.report_commands import report_run
from lastmile.cli.run_folders import new_run_dir
from lastmile.errors import UserError
from lastmile.evaluation.faults import BRAKING_BEGINS_S, StopVerdict, judge_stop
from lastmile.evaluation.scorecard import write_campaign
from lastmile.share import find_share
from lastmile.vehicle.description import read_robot

RESULTS = Path("docs/scorecard/campaigns/faults.json")


def faults(
    scenario: Annotated[str, typer.Option(help="Scenario of the run.")] = "quiet",
    rate: Annotated[
        float, typer.Option(min=0.05, max=20.0, help="Simulated seconds per second, at most.")
    ] = 1.0,
    limit_s: Annotated[
        float, typer.Option(min=1.0, help="Most simulated time in seconds.")
    ] = 900.0,
    output: Annotated[
        Path | None, typer.Option(help="Folder of the run; runs/<time> if not given.")
    ] = None,
    results: Annotated[Path, typer.Option(help="File of the figures.")] = RESULTS,
) -> None:
    """Kill and hang each node that is needed to drive, and kill others, during one delivery."""
    from lastmile.nodes.delivery_run import DeliveryRun, order_of_settings, read_log
    from lastmile.nodes.fault_run import BESIDES, FULL, FaultRun
    from lastmile.nodes.stack_lock import free_domain
    from lastmile.nodes.stack_plan import settings_of_scenario

    os.environ.setdefault("ROS_DOMAIN_ID", str(free_domain()))
    settings = settings_of_scenario(
        new_run_dir(output), scenario=scenario, rate=rate, patience_s=0.0
    )
    with DeliveryRun(settings, order_of_settings(settings)) as run:
        campaign = FaultRun(run, (*FULL, *BESIDES), typer.echo)
        campaign.carry_out(limit_s)
    summary = report_run(settings.run_dir, about_machine())
    log = read_log(settings.run_dir)
    braking = read_robot(find_share("sim/robot/lastmile.urdf")).limits.braking_mps2
    verdicts = [judge_stop(log, fault, braking) for fault in campaign.faults]
    figures = {
        "delivered": summary.delivered,
        "parcels": summary.parcels,
        "own_contacts": summary.own_contacts,
        "stops": [verdict.to_json() for verdict in verdicts],
    }
    path = settings.run_dir / "faults.json"
    path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    write_campaign(results, figures)
    Console().print(_table(verdicts))
    if not (summary.delivered and all(verdict.holds for verdict in verdicts)):
        raise UserError("not all stops hold or the parcel was not delivered")


def _table(verdicts: list[StopVerdict]) -> Table:
    table = Table(
        "node", "signal", "speed [m/s]", "braking after [s]", "stood after [m]", "cause", ""
    )
    table.title = f"limits: {BRAKING_BEGINS_S:g} s, v t + v^2 / 2b"
    for verdict in verdicts:
        table.add_row(
            verdict.fault.node,
            verdict.fault.signal,
            f"{verdict.speed_mps:.2f}",
            f"{verdict.braking_after_s:.2f}",
            f"{verdict.stopped_m:.2f} of {verdict.allowed_m:.2f}",
            verdict.cause or "none named",
            "holds" if verdict.holds else "missed",
        )
    return table
