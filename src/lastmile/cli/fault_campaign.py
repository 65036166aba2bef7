"""`lastmile campaign faults`: kill, hang and interrupt deliveries, judge what came of it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from lastmile.cli.demo_commands import about_machine
from lastmile.cli.ended_demos import (
    FAILED,
    INTERRUPTED,
    PHASES,
    SIMULATOR_DEAD,
    Ending,
    interrupt,
    kill_simulator,
)
from lastmile.cli.report_commands import report_run
from lastmile.cli.run_folders import new_run_dir
from lastmile.errors import UserError
from lastmile.evaluation.faults import (
    BRAKING_BEGINS_S,
    StopVerdict,
    judge_stop,
    report_names_cause,
)
from lastmile.evaluation.scorecard import begin_campaign, write_campaign
from lastmile.handoff.audit import audit
from lastmile.share import find_share
from lastmile.vehicle.description import read_robot

RESULTS = Path("docs/scorecard/campaigns/faults.json")


def faults(
    scenario: Annotated[str, typer.Option(help="Scenario of every run.")] = "quiet",
    rate: Annotated[
        float,
        typer.Option(min=0.05, max=20.0, help="Simulated seconds per second, at most, of the run"
                     " in which nodes are killed and hung."),
    ] = 1.0,
    limit_s: Annotated[
        float, typer.Option(min=1.0, help="Most simulated time of that run in seconds.")
    ] = 900.0,
    output: Annotated[
        Path | None, typer.Option(help="Folder of the runs; runs/<time> if not given.")
    ] = None,
    results: Annotated[Path, typer.Option(help="File of the figures.")] = RESULTS,
) -> None:
    """
    Kill and hang what a delivery runs on, and end it on the way.

    One delivery in which each node that is needed to drive is killed and hung, and recorder,
    mission and both lockers are killed; one in which the simulator is killed; one for Ctrl-C in
    each phase.
    """
    folder, taken = new_run_dir(output), begin_campaign(results)
    figures, verdicts = _drive_with_faults(folder / "killed", scenario, rate, limit_s)
    Console().print(_stop_table(verdicts))
    # As fast as the machine can: how the robot stops is not judged here.
    hurried = ("--scenario", scenario, "--rate", "4")
    simulator = kill_simulator(folder / "simulator", *hurried)
    typer.echo(f"{simulator.when}: {simulator.said}")
    interrupts = []
    for phase in PHASES:
        interrupts.append(interrupt(phase, folder / f"ctrl-c-{phase.replace(' ', '-')}", *hurried))
        typer.echo(f"{interrupts[-1].when}: exit code {interrupts[-1].exit_code}")
    figures |= {
        "simulator_killed": simulator.to_json(),
        "interrupts": [ending.to_json() for ending in interrupts],
    }
    (folder / "faults.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    write_campaign(results, figures, taken)
    Console().print(_ending_table([simulator, *interrupts]))
    missed = _missed(figures, verdicts, simulator, interrupts)
    if missed:
        raise UserError(f"missed: {'; '.join(missed)}")


def _drive_with_faults(
    run_dir: Path, scenario: str, rate: float, limit_s: float
) -> tuple[dict[str, Any], list[StopVerdict]]:
    """Carry out the delivery in which nodes are killed and hung; give its figures."""
    # Imported here: what only looks at the command line need not load ROS.
    from lastmile.nodes.delivery_run import DeliveryRun, order_of_settings, read_log
    from lastmile.nodes.fault_run import FULL, FaultRun, besides
    from lastmile.nodes.stack_lock import free_domain
    from lastmile.nodes.stack_plan import settings_of_scenario

    os.environ.setdefault("ROS_DOMAIN_ID", str(free_domain()))
    settings = settings_of_scenario(
        new_run_dir(run_dir), scenario=scenario, rate=rate, patience_s=0.0
    )
    order = order_of_settings(settings)
    with DeliveryRun(settings, order) as run:
        drive = FaultRun(run, (*FULL, *besides(order)), typer.echo)
        drive.carry_out(limit_s)
    summary = report_run(run_dir, about_machine())
    page = (run_dir / "report.html").read_text(encoding="utf-8")
    log, books = read_log(run_dir), audit(run_dir / "state")
    braking = read_robot(find_share("sim/robot/lastmile.urdf")).limits.braking_mps2
    verdicts = [judge_stop(log, fault, braking) for fault in drive.faults]
    figures = {
        "delivered": summary.delivered,
        "delivered_once": books.delivered_once(order.parcel_id, order.to_locker_id),
        "parcels": summary.parcels,
        "own_contacts": summary.own_contacts,
        "stops": [
            verdict.to_json() | {"in_report": report_names_cause(page, log, verdict.fault)}
            for verdict in verdicts
        ],
        "losses": [asdict(loss) for loss in drive.losses],
        "journals": books.journals,
        "receipts": books.receipts,
        "journal_troubles": books.troubles,
    }
    return figures, verdicts


def _missed(
    figures: dict[str, Any],
    verdicts: list[StopVerdict],
    simulator: Ending,
    interrupts: list[Ending],
) -> list[str]:
    """List what did not come out as promised."""
    missed = [f"{v.fault.signal} to {v.fault.node}" for v in verdicts if not v.holds]
    missed += [
        f"cause of {stop['fault']['signal']} to {stop['fault']['node']} in the report"
        for stop in figures["stops"]
        if not stop["in_report"]
    ]
    if not (figures["delivered"] and figures["delivered_once"]):
        missed.append("parcel delivered exactly once")
    missed += figures["journal_troubles"]
    missed += [f"restart of {loss['node']}" for loss in figures["losses"] if not loss["restarted"]]
    if not simulator.holds(FAILED) or SIMULATOR_DEAD not in simulator.said:
        missed.append(simulator.when)
    return missed + [ending.when for ending in interrupts if not ending.holds(INTERRUPTED)]


def _stop_table(verdicts: list[StopVerdict]) -> Table:
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


def _ending_table(endings: list[Ending]) -> Table:
    table = Table("ended by", "exit code", "gone after [s]", "left", "journals", "its last words")
    for ending in endings:
        table.add_row(
            ending.when,
            str(ending.exit_code),
            f"{ending.gone_after_s:.1f}",
            str(len(ending.left)),
            "; ".join(ending.journal_troubles) or f"{ending.journals} hold",
            ending.said,
        )
    return table
