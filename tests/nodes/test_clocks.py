import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lastmile import types
from lastmile.control.config import TimeoutConfig
from lastmile.control.inputs import Inbox
from lastmile.nodes.clocks import RUN_ON_S, STOPPED_S, ClockHistory, MonotonicAxis, SteadyAxis
from lastmile.nodes.parameters import HostConfig


def run_clock(axis, start_s, monotonic_s, count, period_s=0.01, rate=1.0):
    """Feed readings of a running clock; give its last reading and the monotonic time of it."""
    for k in range(count):
        axis.follow(start_s + k * period_s, monotonic_s + k * period_s / rate)
    return start_s + (count - 1) * period_s, monotonic_s + (count - 1) * period_s / rate


def test_axis_is_unknown_before_the_first_reading():
    assert SteadyAxis().now(12.0) is None


def test_axis_follows_a_running_clock_without_offset():
    axis = SteadyAxis()
    clock_s, at = run_clock(axis, 5.0, 100.0, 200)
    assert axis.now(at) == pytest.approx(clock_s, abs=1e-9)
    assert axis.offset_s == 0.0


def test_axis_follows_a_slow_clock_without_offset():
    axis = SteadyAxis()
    clock_s, at = run_clock(axis, 5.0, 100.0, 200, rate=0.2)
    assert clock_s <= axis.now(at) <= clock_s + RUN_ON_S
    assert axis.offset_s == 0.0


def test_axis_goes_on_when_the_clock_stands():
    axis = SteadyAxis()
    clock_s, at = run_clock(axis, 5.0, 100.0, 50)
    for waited in (1.1, 2.0, 30.0):
        assert axis.now(at + waited) == pytest.approx(clock_s + waited, abs=1e-9)


RATES = [0.2, 1.0, 2.0, 4.0, 20.0]


@pytest.mark.parametrize("rate", RATES)
def test_axis_goes_on_at_the_rate_of_the_simulation(rate):
    axis = SteadyAxis(rate=rate)
    clock_s, at = run_clock(axis, 5.0, 100.0, 50, rate=rate)
    stood_s = STOPPED_S + 0.1
    assert axis.now(at + stood_s) == pytest.approx(clock_s + stood_s * rate, abs=1e-9)
    axis.follow(clock_s + 0.01, at + stood_s)
    assert axis.offset_s == pytest.approx(stood_s * rate - 0.01, abs=1e-9)


@pytest.mark.parametrize("rate", RATES)
def test_no_wait_that_the_simulator_may_be_granted_ages_anything(rate):
    patience = {f.name: f for f in dataclasses.fields(HostConfig)}["simulation_patience_s"]
    stood_s = patience.metadata["high"]
    axis = SteadyAxis(rate=rate)
    clock_s, at = run_clock(axis, 5.0, 100.0, 50, rate=rate)
    assert axis.now(at + stood_s) <= clock_s + RUN_ON_S + 1e-9
    axis.follow(clock_s + 0.01, at + stood_s)
    assert axis.offset_s == 0.0


def test_new_values_are_new_and_old_values_old_after_the_clock_stood():
    axis = SteadyAxis()
    clock_s, at = run_clock(axis, 5.0, 100.0, 50)
    before = axis.onto(types.Command(clock_s, 1.0, 0.0))
    axis.now(at + 4.0)
    clock_s, at = run_clock(axis, clock_s + 0.01, at + 4.0, 20)
    after = axis.onto(types.Command(clock_s, 1.0, 0.0))
    assert axis.now(at) - before.stamp_s == pytest.approx(4.2, abs=0.03)
    assert axis.now(at) - after.stamp_s == pytest.approx(0.0, abs=0.03)
    assert axis.off(after).stamp_s == pytest.approx(clock_s, abs=1e-9)


def test_a_process_that_was_halted_itself_takes_the_clock_as_it_is():
    axis = SteadyAxis()
    clock_s, at = run_clock(axis, 5.0, 100.0, 50)
    axis.follow(clock_s + 5.0, at + 5.0)
    assert axis.offset_s == 0.0
    assert axis.now(at + 5.0) == pytest.approx(clock_s + 5.0, abs=1e-9)


@pytest.mark.parametrize("jump_s", [-3600.0, -2.0, -0.4, 2.0, 3600.0])
def test_axis_does_not_jump_when_the_clock_is_set(jump_s):
    axis = SteadyAxis()
    clock_s, at = run_clock(axis, 5000.0, 100.0, 50)
    axis.follow(clock_s + jump_s + 0.01, at + 0.01)
    assert axis.now(at + 0.01) == pytest.approx(clock_s + 0.01, abs=0.02)


def test_every_stamp_of_a_value_is_shifted():
    axis = SteadyAxis()
    axis.offset_s = 2.0
    plan = types.Trajectory(
        1.0, types.TrajectorySource.PLANNER, 0.1, np.zeros((1, 3)), np.zeros((1, 2)), True, "", 0.5
    )
    shifted = axis.onto(plan)
    assert (shifted.stamp_s, shifted.sensed_stamp_s) == (3.0, 2.5)


@given(
    st.lists(
        st.tuples(st.floats(0.0, 3.0), st.floats(-5.0, 5.0), st.booleans()),
        min_size=1,
        max_size=40,
    ),
    st.sampled_from(RATES),
)
def test_axis_never_goes_back_and_keeps_up_with_the_monotonic_clock(moves, rate):
    axis, monotonic_s, clock_s = SteadyAxis(rate), 0.0, 1000.0
    axis.follow(clock_s, monotonic_s)
    last = axis.now(monotonic_s)
    for wait_s, advance_s, read in moves:
        monotonic_s += wait_s
        clock_s += advance_s
        if read:
            axis.follow(clock_s, monotonic_s)
        now = axis.now(monotonic_s)
        assert now >= last
        if not read and wait_s > STOPPED_S:
            assert now >= last + (wait_s - STOPPED_S) * rate - 1e-6
        last = now


STEPS_S = [-3600.0, -0.45, -0.3, -0.05, 0.05, 0.3, 0.45, 3600.0]


@pytest.mark.parametrize("step_s", STEPS_S)
def test_monotonic_axis_keeps_the_monotonic_rate_when_the_system_clock_is_set(step_s):
    axis, times_s = MonotonicAxis(), []
    for tick in range(100):
        at = 100.0 + 0.02 * tick
        axis.follow(5000.0 + 0.02 * tick + (step_s if tick >= 50 else 0.0), at)
        times_s.append(axis.now(at))
    assert np.diff(times_s) == pytest.approx(0.02, abs=1e-6)
    assert axis.offset_s == pytest.approx(-step_s, abs=1e-6)


@pytest.mark.parametrize("step_s", STEPS_S)
def test_silent_inputs_age_while_the_system_clock_is_set(step_s):
    axis, inbox = MonotonicAxis(), Inbox(TimeoutConfig())
    axis.follow(5000.0, 100.0)
    assert inbox.put("teleop/cmd_vel", axis.onto(types.Command(5000.0, 1.0, 0.0)), axis.now(100.0))
    for waited in (0.1, 0.2, 0.3, 0.4):
        axis.follow(5000.0 + waited + step_s, 100.0 + waited)
        now_s = axis.now(100.0 + waited)
        assert inbox.age_s("teleop/cmd_vel", now_s) == pytest.approx(waited, abs=1e-6)
    # What comes stamped by the clock as it is now is taken, and goes out with the clock's stamps.
    clock_s = 5000.4 + step_s
    value = axis.onto(types.Command(clock_s, 1.0, 0.0))
    assert inbox.put("teleop/cmd_vel", value, now_s)
    assert axis.off(value).stamp_s == pytest.approx(clock_s, abs=1e-6)


def test_monotonic_axis_is_unknown_before_the_first_reading():
    assert MonotonicAxis().now(12.0) is None


def test_history_gives_the_ros_time_of_any_moment():
    history = ClockHistory(rate=2.0)
    assert history.at(100.0) == 0.0
    for tick in range(50):
        history.add(100.0 + 0.005 * tick, 7.0 + 0.01 * tick)
    assert history.at(100.1) == pytest.approx(7.2, abs=1e-6)
    assert history.at(100.1025) == pytest.approx(7.205, abs=1e-6)
    assert history.at(99.0) == pytest.approx(7.0)
    # The clock stands still from here on.
    assert history.at(110.0) == pytest.approx(7.49 + RUN_ON_S)


def test_history_never_runs_past_the_next_reading():
    history = ClockHistory()
    history.add(100.0, 7.0)
    history.add(100.03, 7.01)
    assert history.at(100.02) == pytest.approx(7.01)


def test_history_forgets_what_is_long_past():
    history = ClockHistory()
    for tick in range(5 * ClockHistory.KEPT):
        history.add(0.01 * tick, 0.01 * tick)
    assert history.at(0.01 * 4999) == pytest.approx(49.99)
    assert history.at(0.0) > 10.0
