"""A campaign of faults keeps what it measured, whatever fails on its way; nothing is started."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from lastmile.cli import fault_campaign
from lastmile.cli.delivery_scorecard import _fault_lines
from lastmile.cli.ended_demos import PHASES, SIMULATOR_DEAD, Ending
from lastmile.errors import UserError
from lastmile.evaluation.faults import Fault
from lastmile.evaluation.run_log import RunLog
from lastmile.evaluation.scorecard import read_campaign
from lastmile.types import DeliverGoal, GroundTruth
from lastmile.vehicle.description import MotionLimits

FAULT = Fault("planner", "SIGKILL", 10.0)


def ending(when, code=130):
    return Ending(when, code, 1.0, [], SIMULATOR_DEAD, 4, [])


def measured(figures):
    figures["first"] = 1


def breaks(figures):
    figures["begun"] = True
    raise UserError("no words within 300 s")


def test_a_part_that_fails_is_written_down_and_the_next_goes_on():
    kept, parts = [], {"a": breaks, "b": measured}
    figures = fault_campaign.carry_out_parts(parts, lambda f: kept.append(json.dumps(f)))
    assert figures["failed"] == {"a": "UserError: no words within 300 s"}
    assert figures["begun"] and figures["first"] == 1
    assert [json.loads(text)["not_carried_out"] for text in kept] == [["b"], []]


def test_a_campaign_that_is_killed_leaves_the_parts_that_were_finished():
    def killed(figures):
        raise KeyboardInterrupt

    kept = []
    with pytest.raises(KeyboardInterrupt):
        fault_campaign.carry_out_parts(
            {"a": measured, "b": killed, "c": measured}, lambda f: kept.append(json.dumps(f))
        )
    assert [json.loads(text) for text in kept] == [
        {"failed": {}, "not_carried_out": ["b", "c"], "first": 1}
    ]


@pytest.fixture
def log():
    log = RunLog()
    for stamp_s in np.arange(9.0, 11.0, 0.02):
        twist = np.array([0.0, 0.0])
        log.truth.append(
            GroundTruth(stamp_s, np.zeros(3), twist, np.empty((0, 5)), np.empty((0, 6)),
                        np.inf, np.inf, "")
        )  # fmt: skip
    return log


def test_a_stop_that_the_recording_does_not_hold_is_missed_and_says_why(log):
    late = Fault("planner", "SIGSTOP", 99.0)
    judged, unknown = (
        fault_campaign._judge(log, "", fault, MotionLimits(), np.inf) for fault in (FAULT, late)
    )
    assert judged["stopped_m"] == 0.0 and "trouble" not in judged
    assert unknown["fault"]["signal"] == "SIGSTOP"
    assert unknown["holds"] is False and unknown["stopped_m"] is None
    assert "no motion about the fault at 99.00 s" in unknown["trouble"]
    assert set(judged) == set(unknown) - {"trouble"}


@pytest.fixture
def broken_drive(monkeypatch):
    """Play a delivery that breaks off after its first fault."""
    from lastmile.nodes import delivery_run, fault_run, stack_plan

    class Run:
        def __init__(self, settings, order, meanwhile):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    class Drive:
        def __init__(self, run, plans, tell):
            self.faults, self.back_s, self.losses = [FAULT], {}, []

        def carry_out(self, limit_s):
            raise UserError("the stack ended: planner given up")

    order = DeliverGoal("g", "order-1", "parcel-1", "a", "b")
    monkeypatch.setattr(stack_plan, "settings_of_scenario", lambda *_, **__: None)
    monkeypatch.setattr(delivery_run, "order_of_settings", lambda _: order)
    monkeypatch.setattr(delivery_run, "DeliveryRun", Run)
    monkeypatch.setattr(fault_run, "FaultRun", Drive)
    monkeypatch.setenv("ROS_DOMAIN_ID", "77")


def test_a_drive_that_breaks_off_leaves_the_faults_that_had_their_turn(broken_drive, tmp_path):
    struck, figures = {}, {}
    with pytest.raises(UserError, match="planner given up"):
        fault_campaign._drive_with_faults(struck, tmp_path / "run", "quiet", 1.0, 900.0, figures)
    assert struck == {FAULT: np.inf}
    assert figures == {"losses": []}


def test_a_campaign_whose_parts_fail_ends_with_figures_of_the_others(
    broken_drive, log, monkeypatch, tmp_path
):
    from lastmile.nodes import delivery_run

    def report(run_dir, besides):
        (run_dir / "report.html").write_text("")
        assert set(besides) == {"date", "commit", "machine"}
        return SimpleNamespace(
            delivered=False, parcels={}, own_contacts=0, longest_unseen_s=4.0, pace=None
        )

    def interrupt(phase, run_dir, *arguments):
        if phase == "docking":
            raise UserError("no 'phase dock_at_origin' within 300 s")
        return ending(f"Ctrl-C while {phase}")

    monkeypatch.setattr(fault_campaign, "report_run", report)
    monkeypatch.setattr(delivery_run, "read_log", lambda _: log)
    monkeypatch.setattr(
        fault_campaign, "kill_simulator", lambda *_: ending("simulator killed", code=1)
    )
    monkeypatch.setattr(fault_campaign, "interrupt", interrupt)
    results = tmp_path / "faults.json"
    with pytest.raises(UserError, match="missed: nodes killed and hung: UserError: the"):
        fault_campaign.faults(output=tmp_path / "runs", results=results)
    figures = read_campaign(results)
    assert set(figures["failed"]) == {
        "nodes killed and hung",
        "journals of that drive",
        "Ctrl-C while docking",
    }
    assert figures["not_carried_out"] == []
    assert [stop["fault"]["node"] for stop in figures["stops"]] == ["planner"]
    assert len(figures["interrupts"]) == len(PHASES) - 1
    lines = {line.name: line for line in _fault_lines(figures)}
    assert lines["simulator killed: exit code"].holds
    assert lines["killed and hung: stops that hold"].figure == "0 of 1"
    assert not lines["faults: parts that failed"].holds
    assert not lines[f"Ctrl-C while {', '.join(PHASES)}: exit code"].holds
