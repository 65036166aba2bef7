"""Lines of the scorecard are there whatever was measured; what is not known is missed."""

import json

import pytest

from lastmile.cli import delivery_scorecard
from lastmile.cli.delivery_scorecard import (
    _demo_lines,
    _localization_lines,
    _lockstep_lines,
    _map_lines,
    _ros_lines,
    _twin_lines,
)

TAKEN = {"date": "2026-01-31T00:00:00", "commit": "abc", "machine": "2 cores"}
DEMO = {
    "about": {"start": "a", "goal": "h"},
    "outcome": "succeeded",
    "route_m": 350.0,
    "distance_m": 360.0,
    "crossings": 1,
    "people_met": 12,
    "docking": [
        {"locker_id": "a", "distance_m": 0.01, "angle_deg": 1.0},
        {"locker_id": "h", "distance_m": 0.02, "angle_deg": 0.5},
    ],
    "own_contacts": 0,
    "contacts": [],
    "closest_person_own_m": 0.6,
    "closest_person_closing_m": 0.5,
    "closest_person_any_m": 0.4,
    "latency_s": {"median": 0.25, "p99": 0.4},
    "pace": {"rate": 0.9, "wanted": 1.0, "waited_s": 20.0},
    "cpu_per_node": {"planner": 0.3},
}
CRASHED = {"about": {}, "delivered": False, "outcome": "crashed", "text": "exit -9"}


pytestmark = pytest.mark.usefixtures("code")


def missed(lines):
    return [line.name for line in lines if line.holds is False]


@pytest.mark.parametrize(
    "lines",
    ["_demo_lines", "_ros_lines", "_lockstep_lines", "_fault_lines", "_test_lines"],
)
def test_every_line_of_a_campaign_that_was_not_run_is_missed(lines):
    made = getattr(delivery_scorecard, lines)({})
    assert made
    assert {(line.holds, line.figure[:12]) for line in made} == {(False, "not measured")}


def test_lines_of_the_demo_hold_when_all_came_out_as_promised():
    assert missed(_demo_lines({"taken": TAKEN, "demo": DEMO})) == []


def test_a_demo_that_crashed_holds_nothing_but_its_stamp():
    held = [line for line in _demo_lines({"taken": TAKEN, "demo": CRASHED}) if line.holds]
    assert [line.name for line in held] == ["demo and 5 other seeds over ROS: taken"]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"route_m": 290.0}, "demo: route"),
        ({"docking": DEMO["docking"][:1] * 2}, "demo: lockers of the order docked at"),
        ({"own_contacts": 1, "contacts": [{}]}, "demo: own contacts"),
        ({"closest_person_own_m": 0.29}, "demo: nearest person by own move"),
        ({"cpu_per_node": {}}, "demo: CPU of each node"),
    ],
)
def test_what_the_demo_missed_is_named(change, name):
    assert missed(_demo_lines({"taken": TAKEN, "demo": DEMO | change})) == [name]


def test_beside_the_latency_stands_how_fast_the_world_was():
    lines = {line.name: line for line in _demo_lines({"taken": TAKEN, "demo": DEMO})}
    assert lines["demo: pace of the world, simulated s per wall s"].figure == 0.9
    assert lines["demo: wall time that the world waited for nodes"].figure == 20.0
    unknown = _demo_lines({"taken": TAKEN, "demo": DEMO | {"pace": None}})
    assert len([name for name in missed(unknown) if "world" in name]) == 3


def test_a_crash_in_lockstep_is_missed_though_39_were_delivered():
    figures = {"taken": TAKEN, "runs": 40, "crashed": 1, "delivered": 39, "routes": 39}
    lines = _lockstep_lines(figures | {"own_contacts": 0, "contacts": 0})
    assert "lockstep: share delivered" not in missed(lines)
    assert "lockstep: runs that crashed, their contacts not known" in missed(lines)
    more = _lockstep_lines(figures | {"own_contacts": 0, "contacts": 0, "runs": 41})
    assert "lockstep: share delivered" in missed(more)


def test_figures_of_other_code_are_missed_and_say_so(code):
    code.unchanged = False
    lines = _demo_lines({"taken": TAKEN, "demo": DEMO})
    assert missed(lines) == ["demo and 5 other seeds over ROS: taken"]
    assert "the code has changed since" in lines[0].figure


def test_twins_are_held_against_the_runs_over_ros():
    outcomes = {f"seed-{k:03d}": "succeeded" for k in range(6)}
    twins, ros = {"taken": TAKEN, "repeats": True, "outcomes": outcomes}, {"taken": TAKEN}
    assert missed(_twin_lines(twins, ros | {"outcomes": outcomes})) == []
    other = ros | {"outcomes": outcomes | {"seed-003": "crashed"}}
    assert missed(_twin_lines(twins, other)) == ["lockstep and ROS: same outcome"]
    crashed = {"outcomes": dict.fromkeys(outcomes, "crashed")}
    assert "0 of 6" in [line.figure for line in _twin_lines(twins | crashed, ros | crashed)]
    assert missed(_twin_lines(twins, {})) == ["lockstep and ROS: same outcome"]


def test_twins_of_other_code_than_the_runs_over_ros_are_missed_and_say_so(code):
    code.unchanged = False
    outcomes = {f"seed-{k:03d}": "succeeded" for k in range(6)}
    twins = {"taken": TAKEN, "repeats": True, "outcomes": outcomes}
    ros = {"taken": TAKEN | {"commit": "def+changes"}, "outcomes": outcomes}
    *_, line = _twin_lines(twins, ros)
    assert line.holds is False
    assert "lockstep was run on abc, ROS on def+changes" in line.figure


def test_a_run_over_ros_too_close_to_a_person_is_missed():
    figures = {"runs": 6, "delivered": 6, "crashed": 0, "own_contacts": 0, "contacts": 0}
    figures |= {"longest_unseen_s": 0.02, "docking_error_worst_m": 0.01}
    figures |= {"docking_angle_worst_deg": 0.5, "begun_again": 0}
    figures |= {"closest_person_closing_m": 0.4, "closest_person_any_m": 0.2}
    assert missed(_ros_lines(figures | {"runs_too_close_to_a_person": 0})) == []
    assert missed(_ros_lines(figures | {"runs_too_close_to_a_person": 1})) == [
        "over ROS: runs nearer than 0.3 m to a person by own move"
    ]


ERRORS = {
    "position_error_median_m": 0.1,
    "position_error_p95_m": 0.25,
    "yaw_error_median_deg": 0.3,
    "yaw_error_p95_deg": 1.0,
}


def test_localization_is_stated_over_the_least_number_of_runs():
    figures = {"taken": TAKEN, "runs": 6, "crashed": 0, **ERRORS}
    assert missed(_localization_lines(figures, "ROS", "ros", 6)) == []
    assert missed(_localization_lines(figures | {"crashed": 1}, "ROS", "ros", 6)) == [
        "ROS: runs with figures"
    ]
    stated = {line.name: line.figure for line in _localization_lines(figures, "ROS", "ros", 6)}
    assert (stated["ROS: position error median"], stated["ROS: yaw error 95 %"]) == (0.1, 1.0)


def test_localization_is_held_to_limits_where_there_are_any():
    figures = {"taken": TAKEN, "runs": 40, "crashed": 0, **ERRORS}
    limits = (0.10, 0.25, 1.0)
    assert missed(_localization_lines(figures, "map", "lidar-map", 40, limits)) == []
    worse = figures | {"position_error_p95_m": 0.26}
    assert missed(_localization_lines(worse, "map", "lidar-map", 40, limits)) == [
        "map: position error 95 %"
    ]


def test_localization_that_was_not_measured_is_missed_and_says_how_to_get_it():
    lines = _localization_lines({}, "ROS", "ros", 6)
    assert len(missed(lines)) == len(lines) == 6
    assert lines[0].figure == "not measured: make campaign-ros"


def test_the_time_to_build_a_map_comes_with_when_and_where_it_was_built(tmp_path, monkeypatch):
    bundle = tmp_path / "maps" / "helsinki"
    bundle.mkdir(parents=True)
    report = {"seconds": 4.0, "nodes": 1, "edges": 1, "network_m": 10.0}
    monkeypatch.setattr(delivery_scorecard, "_krems_lines", lambda *_: [])
    monkeypatch.setattr(delivery_scorecard, "_picture_line", lambda name, *_: None)
    (bundle / "report.json").write_text(json.dumps(report))
    assert _map_lines(tmp_path)[0].figure.startswith("not measured: lastmile map build")
    for commit, holds in (("abc", True), ("abc+changes", False)):
        taken = TAKEN | {"commit": commit}
        (bundle / "report.json").write_text(json.dumps(report | {"taken": taken}))
        source, seconds, *_ = _map_lines(tmp_path)
        assert source.figure.startswith(f"2026-01-31 on {commit}, 2 cores")
        assert (source.holds, seconds.figure) == (holds, 4.0)
