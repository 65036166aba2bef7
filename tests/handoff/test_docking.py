"""Docking at a locker and leaving it, with noise and slip."""

import itertools

import numpy as np
import pytest
from tests.handoff.yard import LOCKER, POSE_MAP_ODOM, T_BASE_CAMERA, Yard
from tests.robot import FOOTPRINT

from lastmile.geometry.se2 import advance, between, compose, transform, wrap_angle
from lastmile.handoff.approach import approach_law, roll_out
from lastmile.handoff.config import DockingConfig
from lastmile.handoff.port_estimate import see_port
from lastmile.types import DockGoal, TaskCancel, TaskOutcome


def test_port_is_fitted_to_exact_markers_exactly():
    yard = Yard((1.3, 0.2, np.pi + 0.1))
    yard.rng = type("Still", (), {"normal": staticmethod(lambda *a: np.zeros(3))})()
    sight = see_port(yard.markers(), T_BASE_CAMERA, LOCKER)
    expected = between(yard.pose, LOCKER.pose_map_port)
    assert sight.markers == 2
    np.testing.assert_allclose(sight.pose_base_port, expected, atol=1e-6)


STARTS = [
    (1.5, 0.0, 0.0),
    (1.5, 0.3, 10.0),
    (1.5, -0.3, 10.0),
    (1.8, 0.3, -10.0),
    (1.2, 0.2, 0.0),
    (1.2, -0.3, -10.0),
    (2.0, -0.25, 8.0),
]


@pytest.mark.parametrize("start", STARTS)
def test_docks_within_two_centimetres_and_a_degree_and_a_half(start):
    x, y, heading_deg = start
    yard = Yard((x, y, np.pi + np.radians(heading_deg)), seed=int(100 * x))
    result = yard.dock()
    assert result.outcome is TaskOutcome.SUCCEEDED, result.text
    assert result.data["attempts"] <= 3
    error = yard.port_error
    assert np.hypot(*error[:2]) <= 0.02, error
    assert abs(error[2]) <= np.radians(1.5), np.degrees(error[2])
    corners = transform(between(LOCKER.pose_map_port, yard.pose), FOOTPRINT)
    assert corners[:, 0].min() > 0.015, "touches the locker's front"
    assert 0.0 < yard.fastest_near_contact <= 0.1


def test_every_plan_ends_in_a_stop_and_joins_the_one_before():
    yard = Yard((1.5, 0.2, np.pi))
    yard.dock()
    for plan in yard.plans:
        assert not plan.twists[-1].any()
        assert np.isfinite(plan.poses).all()
        assert np.abs(np.diff(plan.twists[:, 0])).max(initial=0.0) <= 0.4 * plan.dt_s + 1e-6
    for before, plan in itertools.pairwise(yard.plans):
        times_s = before.stamp_s + before.dt_s * np.arange(len(before.twists))
        twist = [np.interp(plan.stamp_s, times_s, before.twists[:, i]) for i in range(2)]
        np.testing.assert_allclose(plan.twists[0], twist, atol=0.01)


def test_undock_reverses_from_the_locker():
    yard = Yard((1.5, 0.1, np.pi))
    yard.dock()
    result = yard.dock("u1", undock=True)
    assert result.outcome is TaskOutcome.SUCCEEDED, result.text
    assert yard.before_port_m == pytest.approx(1.57, abs=0.05)


def test_undock_waits_for_the_door():
    yard = Yard((1.5, 0.1, np.pi))
    yard.dock()
    yard.door_closed = False
    yard.order("u1", undock=True)
    yard.run(5.0)
    assert yard.docked
    assert "u1" not in yard.results
    yard.door_closed = True
    assert yard.run(20.0, lambda: "u1" in yard.results)


def test_a_start_far_off_the_axis_needs_no_second_attempt():
    # As at a locker whose facade stands half a metre off the map.
    yard = Yard((1.95, 0.46, np.pi - 0.045))
    result = yard.dock()
    assert result.outcome is TaskOutcome.SUCCEEDED
    assert result.data["attempts"] == 1.0
    assert np.hypot(*yard.port_error[:2]) <= 0.02
    assert abs(yard.port_error[2]) <= np.radians(1.5)


def test_search_turns_to_a_locker_out_of_view():
    yard = Yard((1.5, 0.0, np.pi + np.radians(50.0)))
    assert yard.dock().outcome is TaskOutcome.SUCCEEDED


def test_goes_back_to_look_where_the_map_hides_that_it_is_right_before_the_locker():
    yard = Yard((0.6, 0.0, np.pi))
    outward = np.array([np.cos(LOCKER.pose_map_port[2]), np.sin(LOCKER.pose_map_port[2])])
    yard.pose_map_odom = compose(np.array([*(0.9 * outward), 0.0]), POSE_MAP_ODOM)
    yard.silent.add("markers")
    yard.order()
    assert yard.run(60.0, lambda: yard.before_port_m > 1.3)
    yard.silent.clear()
    assert yard.run(60.0, lambda: "d1" in yard.results)
    assert yard.results["d1"].outcome is TaskOutcome.SUCCEEDED, yard.results["d1"].text


def test_no_marker_at_all_fails_and_says_so():
    yard = Yard((1.5, 0.0, np.pi))
    yard.silent.add("markers")
    result = yard.dock()
    assert result.outcome is TaskOutcome.FAILED
    assert "no marker of locker-a" in result.text


def test_unknown_locker_fails_with_its_name():
    yard = Yard((1.5, 0.0, np.pi))
    yard.component.receive("dock/goal", DockGoal("d1", "locker-z", False))
    yard.run(0.2)
    assert yard.results["d1"].outcome is TaskOutcome.FAILED
    assert "'locker-z'" in yard.results["d1"].text


def test_cancel_stops_and_then_answers():
    yard = Yard((1.5, 0.0, np.pi))
    yard.order()
    yard.run(3.0)
    yard.component.receive("dock/cancel", TaskCancel("d1"))
    assert yard.run(5.0, lambda: "d1" in yard.results)
    assert yard.results["d1"].outcome is TaskOutcome.CANCELED
    yard.run(0.5)
    assert not yard.twist.any()


def test_docking_twice_is_done_at_once():
    yard = Yard((1.5, 0.1, np.pi))
    yard.dock()
    pose = yard.pose.copy()
    result = yard.dock("d2")
    assert result.outcome is TaskOutcome.SUCCEEDED
    assert "already" in result.text
    np.testing.assert_allclose(yard.pose, pose, atol=1e-3)


def test_roll_out_moves_as_geometry_does():
    config = DockingConfig().approach
    rng = np.random.default_rng(4)
    for _ in range(20):
        pose, twist = rng.normal(0.0, 1.0, 3), rng.normal(0.0, 0.2, 2)
        law = approach_law(rng.normal(0.0, 1.0, 3), 0.37, config)
        plan = roll_out(0.0, pose, twist, law, config)
        for k in range(len(plan.poses) - 1):
            mean = 0.5 * (plan.twists[k] + plan.twists[k + 1])
            expected = advance(plan.poses[k], mean, plan.dt_s)
            error = plan.poses[k + 1] - expected
            assert np.abs([*error[:2], wrap_angle(error[2])]).max() < 1e-9
