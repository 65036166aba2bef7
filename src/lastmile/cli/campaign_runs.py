"""The runs of a campaign: each a process of its own, and each counts, however it ended."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from lastmile.errors import UserError
from lastmile.evaluation.campaign import SUMMARY, RunRecord, read_run, read_summary, write_crash
from lastmile.evaluation.scorecard import begin_campaign, same_code, stamp

LONGEST_S = 4.0 * 3600.0
"""A run that takes longer hangs."""
END_S = 60.0
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""As nodes over ROS have it: threads that wait for work cost CPU time, which is measured."""
STOPPED = "stopped"
FIGURES = "figures.json"
Results = Annotated[
    Path | None,
    typer.Option(help=f"File of the figures; {FIGURES} in the folder of the runs if not given."),
]
"""Only who says so writes where the scorecard reads: a short campaign is no measurement."""


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One run of a campaign: its folder, the command that makes it, and what it is made of."""

    folder: Path
    command: tuple[str, ...]
    about: Mapping[str, Any]
    """What its summary must say of it."""

    @property
    def log(self) -> Path:
        """Give the file of its words, beside its folder, since only it writes in there."""
        return self.folder.with_suffix(".log")

    @property
    def ended(self) -> bool:
        """Tell whether it has come to its end."""
        return (self.folder / SUMMARY).exists()


def carry_out(
    runs: Sequence[PlannedRun], jobs: int, results: Path, longest_s: float = LONGEST_S
) -> tuple[list[RunRecord], dict[str, str]]:
    """
    Run what has not ended yet, read all, and give the stamp of the beginning.

    Older figures in `results` are removed once it is sure that the campaign can begin. A run that
    crashed, was killed or hung is written down as such and not tried again: it counts as not
    delivered. One that was under way when the campaign itself was stopped begins anew; what it left
    is kept beside it.

    Raises
    ------
    UserError
        If a run that is there was made of something else or by other code: one file of figures
        speaks of one campaign.

    """
    _refuse_others(runs, stamp()["commit"])
    taken = begin_campaign(results)
    commit = taken["commit"]
    due = [run for run in runs if not run.ended]
    for run in due:
        _put_aside(run)
    stopping = threading.Event()
    with Progress() as progress, ThreadPoolExecutor(jobs) as pool:
        bar = progress.add_task("runs", total=len(due))
        waiting = {pool.submit(_run, run, commit, longest_s, stopping): run for run in due}
        try:
            for done in as_completed(waiting):
                progress.console.print(done.result())
                # At once, not after all the others: what they would cost may be hours.
                _refuse_others([waiting[done]], commit)
                progress.advance(bar)
        except BaseException:
            stopping.set()
            pool.shutdown(cancel_futures=True)
            raise
    return [read_run(run.folder) for run in runs], taken


def stopped_runs(runs: Sequence[PlannedRun]) -> int:
    """Count what was under way when the campaign was stopped, and begun anew."""
    return sum(len(list(run.folder.parent.glob(f"{run.folder.name}-{STOPPED}-*"))) for run in runs)


def _refuse_others(runs: Sequence[PlannedRun], commit: str) -> None:
    """Hold the runs that are there to what they are to be made of, and to the code."""
    for run in runs:
        if not run.ended:
            continue
        about = read_summary(run.folder)["about"]
        for key, wanted in run.about.items():
            if about.get(key) != wanted:
                raise UserError(
                    f"{run.folder} was run with {key} {about.get(key)!r}, wanted is {wanted!r}; "
                    "take another --output"
                )
        if not same_code(str(about.get("commit")), commit):
            raise UserError(
                f"{run.folder} was run on commit {about.get('commit')}, the checkout is at "
                f"{commit}; take another --output"
            )


def _put_aside(run: PlannedRun) -> None:
    """Rename what a stopped run left, so that it can begin anew and is not forgotten."""
    folder = run.folder
    left = folder.exists() and any(folder.iterdir())
    if not left and not run.log.exists():
        return
    number = 1 + len(list(folder.parent.glob(f"{folder.name}-{STOPPED}-*")))
    aside = folder.with_name(f"{folder.name}-{STOPPED}-{number}")
    if left:
        folder.rename(aside)
    else:
        aside.mkdir()
    if run.log.exists():
        run.log.rename(aside / run.log.name)


def _run(run: PlannedRun, commit: str, longest_s: float, stopping: threading.Event) -> str:
    """Run one; its words go into its log, the last of them come back."""
    with run.log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "lastmile", *run.command],
            stdout=file,
            stderr=subprocess.STDOUT,
            env=os.environ | ONE_THREAD,
        )
        how = _wait(process, longest_s)
    lines = run.log.read_text(encoding="utf-8").splitlines()
    said = next((line for line in reversed(lines) if not line.startswith("report:")), "")
    if not run.ended and not stopping.is_set():
        write_crash(run.folder, {**run.about, "commit": commit}, f"{how}: {said}")
    return f"{run.folder.name}: {how}: {said}"


def _wait(process: subprocess.Popen, longest_s: float) -> str:
    """Wait for the end of a process, make an end of one that hangs, and say how it ended."""
    try:
        return f"exit {process.wait(longest_s)}"
    except subprocess.TimeoutExpired:
        process.terminate()
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    return f"no end within {longest_s:g} s"
