"""`lastmile campaign faults`: kill, hang and interrupt deliveries, judge what came of it."""

from __future__ import annotations

import math
import os
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from lastmile.cli.campaign_runs import FIGURES, Results
from lastmile.cli.ended_demos import (
    FAILED,
    INTERRUPTED,
    PHASES,
    SIMULATOR_DEAD,
    Ending,
    interrupt,
    kill_simulator,
)
from lastmile.cli.interruption import Interruption
from lastmile.cli.report_commands import report_run
from lastmile.cli.run_folders import new_run_dir
from lastmile.errors import UserError
from lastmile.evaluation.faults import (
    AFTERMATH_S,
    BRAKING_BEGINS_S,
    UNASKED_MAX_M,
    Fault,
    judge_stop,
    report_names_cause,
)
from lastmile.evaluation.pace import slowest_rate
from lastmile.evaluation.run_log import RunLog
from lastmile.evaluation.scorecard import begin_campaign, write_campaign
from lastmile.handoff.audit import audit
from lastmile.share import find_share
from lastmile.vehicle.description import MotionLimits, read_robot

Figures = dict[str, Any]
Part = Callable[[Figures], None]
"""One part of the campaign; puts what it measures into the figures."""
Struck = dict[Fault, float]
"""Faults for which the robot must stop, with when their nodes were back; infinite if never."""


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
    results: Results = None,
) -> None:
    """
    Kill and hang what a delivery runs on, and end it on the way.

    One delivery in which each node that is needed to drive is killed and hung, and recorder,
    mission and both lockers are killed; one in which the simulator is killed; one for Ctrl-C in
    each phase. Each part leaves its figures at once; one that fails does not stop the others.
    """
    folder = new_run_dir(output)
    results = results or folder / FIGURES
    taken = begin_campaign(results)
    # As fast as the machine can: how the robot stops is not judged here.
    hurried = ("--scenario", scenario, "--rate", "4")
    run_dir, struck = folder / "killed", {}
    parts: dict[str, Part] = {
        "nodes killed and hung": partial(
            _drive_with_faults, struck, run_dir, scenario, rate, limit_s
        ),
        "report of that drive": partial(_judge_drive, struck, run_dir, taken),
        "journals of that drive": partial(_audit_drive, run_dir),
        "simulator killed": partial(_kill_simulator, folder / "simulator", hurried),
    }
    for phase in PHASES:
        ended_dir = folder / f"ctrl-c-{phase.replace(' ', '-')}"
        parts[f"Ctrl-C while {phase}"] = partial(_interrupt, phase, ended_dir, hurried)

    figures = carry_out_parts(parts, lambda so_far: write_campaign(results, so_far, taken))
    Console().print(_stop_table(figures.get("stops", [])))
    Console().print(_ending_table(_endings(figures)))
    missed = _missed(figures)
    if missed:
        raise UserError(f"missed: {'; '.join(missed)}")


def carry_out_parts(parts: Mapping[str, Part], keep: Callable[[Figures], None]) -> Figures:
    """
    Carry out one part after the other and keep the figures after each.

    A part that raises is written down under `failed` with the text of its error, with what it
    measured until then; the next goes on. `not_carried_out` lists those still to come.

    Parameters
    ----------
    parts : mapping of str to callable
        Parts by name.
    keep : callable
        Called with all figures so far after each part.

    """
    figures: Figures = {"failed": {}, "not_carried_out": list(parts)}
    for name, part in parts.items():
        try:
            part(figures)
        except Exception as error:
            figures["failed"][name] = f"{type(error).__name__}: {error}"
            typer.echo(f"{name}: failed: {traceback.format_exc()}", err=True)
        figures["not_carried_out"].remove(name)
        keep(figures)
    return figures


def _drive_with_faults(
    struck: Struck, run_dir: Path, scenario: str, rate: float, limit_s: float, figures: Figures
) -> None:
    """Carry out the delivery in which nodes are killed and hung; `struck` takes the faults."""
    # Imported here: what only looks at the command line need not load ROS.
    from lastmile.nodes.delivery_run import DeliveryRun, order_of_settings
    from lastmile.nodes.fault_run import FULL, FaultRun, besides
    from lastmile.nodes.stack_lock import free_domain
    from lastmile.nodes.stack_plan import settings_of_scenario

    os.environ.setdefault("ROS_DOMAIN_ID", str(free_domain()))
    settings = settings_of_scenario(
        new_run_dir(run_dir), scenario=scenario, rate=rate, patience_s=0.0
    )
    order = order_of_settings(settings)
    with (
        Interruption() as interruption,
        DeliveryRun(settings, order, meanwhile=interruption.check) as run,
    ):
        drive = FaultRun(run, (*FULL, *besides(order)), typer.echo)
        try:
            drive.carry_out(limit_s)
        finally:
            # Whatever ended the drive: what had its turn is judged.
            struck |= {fault: drive.back_s.get(fault, math.inf) for fault in drive.faults}
            figures["losses"] = [asdict(loss) for loss in drive.losses]


def _judge_drive(
    struck: Struck, run_dir: Path, taken: Mapping[str, str], figures: Figures
) -> None:
    """Write the report of the drive and judge by its recording how the robot stopped."""
    from lastmile.nodes.delivery_run import read_log

    summary = report_run(run_dir, taken)
    page = (run_dir / "report.html").read_text(encoding="utf-8")
    log = read_log(run_dir)
    limits = read_robot(find_share("sim/robot/lastmile.urdf")).limits
    figures |= {
        "delivered": summary.delivered,
        "parcels": summary.parcels,
        "own_contacts": summary.own_contacts,
        "longest_unseen_s": summary.longest_unseen_s,
        "pace": asdict(summary.pace) if summary.pace else None,
        "stops": [_judge(log, page, fault, limits, back_s) for fault, back_s in struck.items()],
    }


def _judge(
    log: RunLog, page: str, fault: Fault, limits: MotionLimits, back_s: float
) -> Figures:
    """Judge one stop; one of which the recording holds no motion is missed, its figures unknown."""
    slowest = slowest_rate(log.diagnostics, fault.stamp_s, fault.stamp_s + AFTERMATH_S)
    besides = {"in_report": report_names_cause(page, log, fault), "slowest_rate": slowest}
    try:
        return judge_stop(log, fault, limits, back_s).to_json() | besides
    except ValueError as error:
        figures = ("speed_mps", "braking_after_s", "stopped_m", "allowed_m", "unasked_m")
        unknown = {"fault": asdict(fault), **dict.fromkeys(figures), "cause": "", "holds": False}
        return unknown | besides | {"trouble": str(error)}


def _audit_drive(run_dir: Path, figures: Figures) -> None:
    """Check the books of the drive: nothing lost, nothing handed over twice."""
    from lastmile.nodes.delivery_run import read_about

    order, books = read_about(run_dir)["order"], audit(run_dir / "state")
    figures |= {
        "delivered_once": books.delivered_once(order["parcel_id"], order["to_locker_id"]),
        "journals": books.journals,
        "receipts": books.receipts,
        "journal_troubles": books.troubles,
    }


def _kill_simulator(run_dir: Path, arguments: tuple[str, ...], figures: Figures) -> None:
    ending = kill_simulator(run_dir, *arguments)
    typer.echo(f"{ending.when}: {ending.said}")
    figures["simulator_killed"] = ending.to_json()


def _interrupt(phase: str, run_dir: Path, arguments: tuple[str, ...], figures: Figures) -> None:
    ending = interrupt(phase, run_dir, *arguments)
    typer.echo(f"{ending.when}: exit code {ending.exit_code}")
    figures.setdefault("interrupts", []).append(ending.to_json())


def _endings(figures: Figures) -> list[Ending]:
    """Give those demos that were ended on the way and came to their end."""
    simulator = figures.get("simulator_killed")
    ended = [*([simulator] if simulator else []), *figures.get("interrupts", [])]
    return [Ending(**ending) for ending in ended]


def _missed(figures: Figures) -> list[str]:
    """List what did not come out as promised."""
    missed = [f"{part}: {text.splitlines()[0]}" for part, text in figures["failed"].items()]
    for stop in figures.get("stops", []):
        what = f"{stop['fault']['signal']} to {stop['fault']['node']}"
        if not stop["holds"]:
            missed.append(what)
        if not stop["in_report"]:
            missed.append(f"cause of {what} in the report")
    if not (figures.get("delivered") and figures.get("delivered_once")):
        missed.append("parcel delivered exactly once")
    missed += figures.get("journal_troubles", [])
    missed += [
        f"restart of {loss['node']}" for loss in figures.get("losses", []) if not loss["restarted"]
    ]
    for ending in _endings(figures):
        by_simulator = ending.when == "simulator killed"
        said = SIMULATOR_DEAD in ending.said or not by_simulator
        if not (said and ending.holds(FAILED if by_simulator else INTERRUPTED)):
            missed.append(ending.when)
    return missed


def _stop_table(stops: list[Figures]) -> Table:
    table = Table(
        "node",
        "signal",
        "speed [m/s]",
        "braking after [s]",
        "stood after [m]",
        "moved unasked [m]",
        "cause",
        "",
    )
    table.title = f"limits: {BRAKING_BEGINS_S:g} s, v t + v^2 / 2b, {UNASKED_MAX_M:g} m"
    for stop in stops:
        table.add_row(
            stop["fault"]["node"],
            stop["fault"]["signal"],
            _hundredths(stop["speed_mps"]),
            _hundredths(stop["braking_after_s"]),
            f"{_hundredths(stop['stopped_m'])} of {_hundredths(stop['allowed_m'])}",
            _hundredths(stop["unasked_m"]),
            stop["cause"] or "none named",
            "holds" if stop["holds"] else "missed",
        )
    return table


def _hundredths(figure: float | None) -> str:
    return "not known" if figure is None else f"{figure:.2f}"


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
