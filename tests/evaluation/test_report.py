"""The report page: self-contained, readable as JSON, and honest about a run without a result."""

import json

import numpy as np
import pytest
from tests.robot import ROBOT

from lastmile.evaluation.report import write_report
from lastmile.evaluation.run_log import RunLog
from lastmile.maps.example import example_site
from lastmile.types import (
    Diagnostic,
    DiagnosticLevel,
    GroundTruth,
    MissionState,
    TaskOutcome,
    TaskResult,
)


@pytest.fixture
def log():
    log = RunLog()
    start = example_site().lockers[0].pose_map_port[:2]
    for k in range(50):
        value = GroundTruth(
            0.1 * k,
            np.array([start[0] + 0.1 * k, start[1], 0.0]),
            np.array([1.0, 0.0]),
            np.array([[1, start[0] + 3, start[1] + 2, 0, 0.0]]),
            np.empty((0, 6)),
            2.0,
            1.0,
            "",
            {"p-1": "robot"},
        )
        log.observe(value.stamp_s, "simulator", "ground_truth", value)
    state = MissionState(1.0, "o-1", "p-1", "to_locker", "driving <fast>", 10.0)
    log.observe(1.0, "mission", "mission/state", state)
    return log


def test_report_embeds_its_pictures_and_escapes_text(log, tmp_path):
    write_report(log, example_site(), ROBOT, tmp_path, {"seed": 1})
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/png;base64,") >= 3
    assert "http://" not in page and "https://" not in page
    assert "driving &lt;fast&gt;" in page


def test_summary_json_says_unfinished_without_a_result(log, tmp_path):
    write_report(log, example_site(), ROBOT, tmp_path, {"seed": 1})
    figures = json.loads((tmp_path / "summary.json").read_text())
    assert figures["outcome"] == "unfinished"
    assert figures["delivered"] is False
    assert figures["distance_m"] == pytest.approx(4.9)
    assert figures["people_met"] == 1
    assert figures["position_error_m"]["median"] is None


def test_summary_json_tells_the_outcome_of_the_delivery(log, tmp_path):
    result = TaskResult("g", 5.0, TaskOutcome.SUCCEEDED, "parcel p-1 is in locker b")
    log.observe(5.0, "mission", "deliver/result", result)
    summary = write_report(log, example_site(), ROBOT, tmp_path, {})
    assert summary.delivered
    assert summary.parcels == {"p-1": "robot"}


def test_report_tells_how_fast_the_world_was(log, tmp_path):
    summary = write_report(log, example_site(), ROBOT, tmp_path, {})
    assert summary.pace is None
    for k in range(3):
        values = {"rate": "0.5", "wanted": "1", "simulated_s": str(0.5 + 0.5 * k),
                  "wall_s": str(10.0 + k), "waited_s": str(0.4 * k)}  # fmt: skip
        value = Diagnostic("robot-1/simulator: pace", DiagnosticLevel.WARN, "slow", values)
        log.observe(0.5 + 0.5 * k, "robot-1/simulator", "diagnostics", value)
    write_report(log, example_site(), ROBOT, tmp_path, {})
    figures = json.loads((tmp_path / "summary.json").read_text())
    assert figures["pace"] == {"rate": 0.5, "wanted": 1.0, "waited_s": 0.8}
    page = (tmp_path / "report.html").read_text()
    assert "0.50 of the wanted 1 simulated s per s, waited 0.8 s for slow nodes" in page


def test_summary_json_tells_what_each_node_cost(log, tmp_path):
    for k in range(3):
        values = {"steps_per_s": "10", "published_per_s": "10", "step_median_ms": "2",
                  "step_p99_ms": "4", "step_max_ms": "5", "cpu_s": str(0.25 * k)}  # fmt: skip
        value = Diagnostic("planner: timing", DiagnosticLevel.OK, "", values)
        log.observe(1.0 + k, "planner", "diagnostics", value)
    write_report(log, example_site(), ROBOT, tmp_path, {"seed": 1})
    figures = json.loads((tmp_path / "summary.json").read_text())
    assert figures["cpu_per_node"] == {"planner": pytest.approx(0.25)}
