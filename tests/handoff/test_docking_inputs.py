"""Docking with inputs that are silent, broken, begin anew or are set back."""

from dataclasses import replace

import numpy as np
import pytest
from tests.handoff.yard import DT_S, Yard, person

from lastmile.types import OdometryEstimate, TaskOutcome


def test_silent_odometry_stops_the_plan():
    yard = Yard((1.5, 0.1, np.pi))
    yard.order()
    yard.run(3.0)
    yard.silent.add("odometry")
    yard.run(0.6)
    count = len(yard.plans)
    yard.run(1.0)
    assert len(yard.plans) == count
    assert not yard.twist.any()
    yard.silent.clear()
    assert yard.run(40.0, lambda: "d1" in yard.results)


@pytest.mark.parametrize("left_m", [1.2, 0.75, 0.45])
def test_docks_all_the_same_when_odom_begins_anew_on_the_way(left_m):
    yard = Yard((1.6, 0.1, np.pi), seed=3)
    yard.order()
    assert yard.run(60.0, lambda: yard.before_port_m < left_m)
    yard.restart_localization()
    assert yard.run(120.0, lambda: "d1" in yard.results), yard.feedback[-1:]
    assert yard.results["d1"].outcome is TaskOutcome.SUCCEEDED, yard.results["d1"].text
    assert np.hypot(*yard.port_error[:2]) <= 0.02


def test_undock_goes_its_whole_way_when_odom_begins_anew_on_it():
    yard = Yard((1.5, 0.1, np.pi))
    yard.dock()
    yard.order("u1", undock=True)
    assert yard.run(60.0, lambda: yard.before_port_m > 0.8)
    yard.restart_localization()
    assert yard.run(60.0, lambda: "u1" in yard.results), yard.feedback[-1:]
    assert yard.results["u1"].outcome is TaskOutcome.SUCCEEDED, yard.results["u1"].text
    # What it rolled while odometry was silent is not counted.
    assert yard.before_port_m == pytest.approx(1.6, abs=0.1)


@pytest.mark.parametrize("back_s", [0.3, 10.0])
@pytest.mark.parametrize("left_m", [1.2, 0.75, 0.45])
def test_docks_all_the_same_when_the_clock_is_set_back_on_the_way(left_m, back_s):
    yard = Yard((1.6, 0.1, np.pi), seed=3)
    yard.order()
    assert yard.run(60.0, lambda: yard.before_port_m < left_m)
    yard.set_clock_back(back_s)
    count = len(yard.feedback)
    yard.run(2.0)
    assert len(yard.feedback) > count
    assert yard.run(120.0, lambda: "d1" in yard.results), yard.feedback[-1:]
    result = yard.results["d1"]
    assert result.outcome is TaskOutcome.SUCCEEDED, result.text
    assert result.data["duration_s"] == pytest.approx(yard.tick * DT_S, abs=0.2)
    assert np.hypot(*yard.port_error[:2]) <= 0.02
    assert yard.component.diagnose(yard.now_s)[0].values["clock set back"] == "1"


@pytest.mark.parametrize("input", ["obstacles", "e-stop"])
def test_undock_looks_behind_it_also_after_the_clock_was_set_back(input):
    yard = Yard((0.37, 0.0, np.pi))
    yard.order("u1", undock=True)
    assert yard.run(60.0, lambda: yard.before_port_m > 0.7)
    yard.set_clock_back(10.0)
    if input == "obstacles":
        yard.obstacles = [person(yard, (1.75, 0.0))]
    yard.estop = input == "e-stop"
    yard.run(2.0)
    yard.assert_stands(2.0)
    assert yard.before_port_m < 1.0
    yard.obstacles, yard.estop = [], False
    assert yard.run(60.0, lambda: "u1" in yard.results), yard.feedback[-1:]
    assert yard.results["u1"].outcome is TaskOutcome.SUCCEEDED, yard.results["u1"].text
    assert yard.before_port_m == pytest.approx(1.6, abs=0.1)


def test_place_of_the_locker_is_not_kept_from_an_odom_that_holds_no_more():
    yard = Yard((0.37, 0.0, np.pi))
    yard.order("u1", undock=True)
    assert yard.run(60.0, lambda: yard.before_port_m > 0.5)
    yard.restart_localization()
    yard.run(0.3)
    place = yard.component._scene(yard.now_s).pose_odom_port
    np.testing.assert_allclose(place[:2], yard.pose_odom_port[:2], atol=0.1)


def test_silent_markers_far_from_the_port_stop_the_robot():
    yard = Yard((2.0, 0.0, np.pi))
    yard.order()
    yard.run(1.5)
    yard.silent.add("markers")
    yard.run(3.0)
    yard.assert_stands(1.0)
    assert "no marker seen" in yard.feedback[-1].text
    yard.silent.clear()
    assert yard.run(40.0, lambda: "d1" in yard.results)
    assert yard.results["d1"].outcome is TaskOutcome.SUCCEEDED


def test_bad_values_are_counted_and_not_used():
    yard = Yard((1.5, 0.1, np.pi))
    yard.run(0.3)
    bad = OdometryEstimate(yard.now_s + 0.01, np.full(3, np.nan), np.zeros(2), np.eye(2))
    yard.component.receive("odometry", bad)
    yard.component.receive("odometry", replace(bad, stamp_s=float("nan")))
    yard.component.receive("odometry", replace(bad, stamp_s=0.01, pose_odom_base=np.zeros(3)))
    yard.component.step(yard.now_s)
    values = yard.component.diagnose(yard.now_s)[0].values
    assert values["odometry:bad_value"] == "1"
    assert values["odometry:not_finite"] == "1"
    assert values["odometry:old"] == "1"
    assert yard.dock().outcome is TaskOutcome.SUCCEEDED


@pytest.mark.parametrize("field", ["position", "footprint", "velocity", "predicted_path"])
def test_obstacle_that_is_not_finite_is_refused_and_stops_the_robot(field):
    yard = Yard((1.5, 0.1, np.pi))
    yard.order()
    yard.run(2.5)
    shape = {"footprint": (4, 2), "predicted_path": (3, 2)}.get(field, (2,))
    whole = replace(person(yard, (0.5, 0.1)), predicted_sigma=np.zeros(0))
    if field == "predicted_path":
        whole = replace(whole, predicted_sigma=np.zeros(3))
    yard.obstacles = [replace(whole, **{field: np.full(shape, np.nan)})]
    yard.run(2.0)
    yard.assert_stands(1.0)
    diagnostic = yard.component.diagnose(yard.now_s)[0]
    assert diagnostic.message == "obstacles are silent before the port"
    assert int(diagnostic.values["obstacles:bad_value"]) >= 20
    assert "obstacle 7" in diagnostic.values["last_rejected_obstacles"]


def test_cost_map_that_is_not_finite_is_refused_and_keeps_the_robot_from_reversing():
    yard = Yard((0.37, 0.0, np.pi))
    yard.lost_map = True
    yard.order("u1", undock=True)
    yard.run(3.0)
    assert yard.docked
    diagnostic = yard.component.diagnose(yard.now_s)[0]
    assert diagnostic.message == "cost_map is silent behind the robot"
    assert "origin" in diagnostic.values["last_rejected_cost_map"]
