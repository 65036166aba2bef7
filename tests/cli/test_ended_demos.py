"""What counts as a clean end, and what the scorecard makes of it."""

import dataclasses
import subprocess
import sys

import pytest

from lastmile.cli.delivery_scorecard import _fault_lines
from lastmile.cli.demo_process import DemoProcess, processes_of
from lastmile.cli.ended_demos import SIMULATOR_DEAD, Ending
from lastmile.errors import UserError

pytestmark = pytest.mark.usefixtures("code")
CLEAN = Ending("Ctrl-C while driving", 130, 1.7, [], SIMULATOR_DEAD, 4, [])
STOP = {
    "holds": True,
    "in_report": True,
    "braking_after_s": 0.2,
    "stopped_m": 0.5,
    "allowed_m": 0.6,
    "unasked_m": 0.01,
    "cause": "planner: plan too old",
    "slowest_rate": 0.97,
}
UNJUDGED = STOP | {
    "holds": False,
    **dict.fromkeys(("braking_after_s", "stopped_m", "allowed_m", "unasked_m")),
}
FIGURES = {
    "taken": {"date": "2026-01-31T00:00:00", "commit": "abc", "machine": "m"},
    "failed": {},
    "not_carried_out": [],
    "delivered": True,
    "own_contacts": 0,
    "longest_unseen_s": 5.2,
    "pace": {"rate": 0.99, "wanted": 1.0, "waited_s": 0.0},
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
        ({"stops": [STOP] * 7 + [STOP | {"unasked_m": 0.2}]}, "moved unasked"),
        ({"stops": [STOP] * 7 + [STOP | {"cause": ""}]}, "cause on /diagnostics"),
        ({"own_contacts": 1}, "own contacts"),
        ({"simulator_killed": CLEAN.to_json() | {"said": "bye"}}, "says why"),
        ({"interrupts": [CLEAN.to_json() | {"journals": 0}] * 4}, "journals, fewest"),
        ({"taken": {"date": "2026", "commit": "abc+changes", "machine": "m"}}, "taken"),
        ({"journal_troubles": ["damaged"]}, "journals and receipts hold"),
        ({"interrupts": [CLEAN.to_json() | {"left": ["planner"]}] * 4}, "left after 5 s"),
        ({"interrupts": [CLEAN.to_json()] * 3}, "exit code"),
        ({"interrupts": [CLEAN.to_json()] * 3}, "left after 5 s"),
        ({"stops": [STOP] * 7}, "braking begins, worst"),
        ({"stops": [STOP] * 7 + [UNJUDGED]}, "stops that hold"),
        ({"stops": [STOP] * 7 + [UNJUDGED]}, "way to a stand"),
        ({"failed": {"simulator killed": "UserError: no words"}}, "parts that failed"),
        ({"not_carried_out": ["Ctrl-C while driving"]}, "parts not carried out"),
    ],
)
def test_scorecard_names_what_was_missed(change, missed):
    lines = [line.name for line in _fault_lines(FIGURES | change) if line.holds is False]
    assert any(missed in name for name in lines), lines


def test_scorecard_tells_what_failed_and_what_a_killed_campaign_has_not_measured():
    finished = ("taken", "stops", "losses", "failed", "not_carried_out")
    figures = {key: FIGURES[key] for key in finished} | {
        "failed": {"report of that drive": "UserError: no | recording\nand so on"},
        "not_carried_out": ["simulator killed"],
    }
    lines = {line.name: line for line in _fault_lines(figures)}
    assert lines["killed and hung: stops that hold"].holds
    failed = lines["faults: parts that failed"]
    assert failed.figure == "report of that drive: UserError: no / recording"
    assert lines["faults: parts not carried out"].figure == "simulator killed"
    unknown = {name for name, line in lines.items() if line.figure == "not measured"}
    assert {
        "killed and hung: own contacts",
        "killed and hung: delivered all the same",
        "killed and hung: longest time without ground truth",
        "killed and hung: pace of the world, simulated s per wall s",
        "recorder, mission, lockers killed: parcel delivered exactly once",
        "recorder, mission, lockers killed: journals and receipts hold",
        "simulator killed: says why",
        "simulator killed: exit code",
    } <= unknown
    assert not any(lines[name].holds for name in unknown)


def test_scorecard_states_how_long_the_truth_was_missing_and_how_slow_the_world_was():
    stops = [STOP] * 7 + [STOP | {"slowest_rate": 0.4}]
    lines = {line.name: line for line in _fault_lines(FIGURES | {"stops": stops})}
    assert lines["killed and hung: longest time without ground truth"].figure == 5.2
    assert lines["killed and hung: pace of the world, simulated s per wall s"].figure == 0.99
    assert lines["killed and hung: slowest second of the world after a fault"].figure == 0.4


def test_a_demo_without_the_node_that_is_to_be_struck_is_an_error_that_names_it(tmp_path):
    demo = object.__new__(DemoProcess)
    demo.run_dir = tmp_path / "run"
    with pytest.raises(UserError, match="0 processes of simulator"):
        demo.node("simulator")


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
