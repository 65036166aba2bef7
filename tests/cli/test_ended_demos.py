"""What counts as a clean end, and what the scorecard makes of it."""

import dataclasses
import subprocess
import sys

import pytest

from lastmile.cli.delivery_scorecard import _fault_lines
from lastmile.cli.demo_process import processes_of
from lastmile.cli.ended_demos import SIMULATOR_DEAD, Ending

CLEAN = Ending("Ctrl-C while driving", 130, 1.7, [], SIMULATOR_DEAD, 4, [])
STOP = {
    "holds": True,
    "in_report": True,
    "braking_after_s": 0.2,
    "stopped_m": 0.5,
    "allowed_m": 0.6,
    "cause": "planner: plan too old",
}
FIGURES = {
    "taken": {"date": "2026-01-31T00:00:00", "commit": "abc", "machine": "m"},
    "delivered": True,
    "own_contacts": 0,
    "delivered_once": True,
    "stops": [STOP] * 8,
    "losses": [{"restarted": True}] * 4,
    "journal_troubles": [],
    "simulator_killed": dataclasses.replace(CLEAN, exit_code=1).to_json(),
    "interrupts": [CLEAN.to_json()] * 4,
}


@pytest.mark.parametrize(
    "change", [{"exit_code": 1}, {"left": ["planner"]}, {"journal_troubles": ["damaged"]}]
)
def test_end_with_another_code_a_process_left_or_a_damaged_journal_does_not_hold(change):
    assert CLEAN.holds(130)
    assert not dataclasses.replace(CLEAN, **change).holds(130)


def test_scorecard_lines_hold_when_all_came_out_as_promised():
    assert [line.name for line in _fault_lines(FIGURES) if line.holds is False] == []


@pytest.mark.parametrize(
    ("change", "missed"),
    [
        ({"delivered_once": False}, "parcel delivered exactly once"),
        ({"losses": [{"restarted": True}] * 3 + [{"restarted": False}]}, "restarted"),
        ({"stops": [STOP] * 7 + [STOP | {"in_report": False}]}, "cause in the report"),
        ({"stops": [STOP] * 7}, "stops that hold"),
        ({"stops": [STOP] * 7 + [STOP | {"stopped_m": 0.7}]}, "way to a stand"),
        ({"stops": [STOP] * 7 + [STOP | {"cause": ""}]}, "cause on /diagnostics"),
        ({"own_contacts": 1}, "own contacts"),
        ({"simulator_killed": CLEAN.to_json() | {"said": "bye"}}, "says why"),
        ({"interrupts": [CLEAN.to_json() | {"journals": 0}] * 4}, "journals, fewest"),
        ({"taken": {"date": "2026", "commit": "abc+changes", "machine": "m"}}, "taken"),
        ({"journal_troubles": ["damaged"]}, "journals and receipts hold"),
        ({"interrupts": [CLEAN.to_json() | {"left": ["planner"]}] * 4}, "left after 5 s"),
        ({"interrupts": [CLEAN.to_json()] * 3}, "exit code"),
    ],
)
def test_scorecard_names_what_was_missed(change, missed):
    lines = [line.name for line in _fault_lines(FIGURES | change) if line.holds is False]
    assert any(missed in name for name in lines), lines


def test_processes_of_a_run_are_those_that_name_its_folder(tmp_path):
    sleep = [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"]
    runs = [tmp_path / "run", tmp_path / "run-2"]
    sleepers = [
        subprocess.Popen([*sleep, str(run / "parameters.yaml")], stdout=subprocess.PIPE)
        for run in runs
    ]
    try:
        for sleeper in sleepers:
            sleeper.stdout.readline()
        assert list(processes_of(runs[0])) == [sleepers[0].pid]
    finally:
        for sleeper in sleepers:
            sleeper.kill()
            sleeper.wait()
