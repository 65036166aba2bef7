"""The robot crosses on a decision made at the kerb, and on what it can know there."""

import numpy as np
import pytest

from lastmile.planning.config import CrossingConfig
from lastmile.planning.crossing import CrossingGuard
from lastmile.types import (
    CrossingSignal,
    EdgeKind,
    Obstacle,
    ObstacleKind,
    RouteSpan,
    SignalPhase,
    SignalStates,
)

START_M, END_M = 6.0, 12.0
LINE = np.array([[START_M, 0.0], [END_M, 0.0]])


def span(signalled=True, road_speed_mps=8.0):
    kind = EdgeKind.CROSSING
    return RouteSpan(START_M, END_M, kind, 3.0, 1.4, "x", signalled, 2, road_speed_mps)


def feed(phase, remaining_s=30.0, stamp_s=0.0):
    return SignalStates(stamp_s, (CrossingSignal("x", phase, remaining_s),))


class Kerb:
    """Asks the guard ten times a second."""

    def __init__(self, way=None):
        self.guard = CrossingGuard(CrossingConfig())
        self.way = way or span()
        self.t = 0.0

    def ask(self, progress_m=5.0, speed_mps=0.0, signals=None, obstacles=(), times=1):
        for _ in range(times):
            self.t += 0.1
            verdict = self.guard.decide(
                self.way, LINE, progress_m, speed_mps, signals, obstacles, 0.0, self.t
            )
        return verdict


def test_jump_of_the_pose_while_the_signal_is_red_does_not_start_the_robot():
    kerb = Kerb()
    red = feed(SignalPhase.RED)
    assert not kerb.ask(5.0, signals=red).go
    assert not kerb.ask(5.8, signals=red).go
    assert not kerb.ask(6.6, signals=red, times=20).go


@pytest.mark.parametrize("progress_m", [5.6, 8.0])
def test_robot_that_went_on_green_is_not_stopped_on_the_road(progress_m):
    kerb = Kerb()
    assert kerb.ask(5.6, 0.8, feed(SignalPhase.GREEN)).go
    assert kerb.ask(progress_m, 1.2, feed(SignalPhase.RED), times=20).go


def test_robot_that_can_still_stop_obeys_a_signal_that_turns_red():
    kerb = Kerb()
    assert kerb.ask(3.0, 1.2, feed(SignalPhase.GREEN)).go
    assert not kerb.ask(3.1, 1.2, feed(SignalPhase.RED)).go


def test_robot_that_begins_on_the_road_leaves_it():
    assert Kerb().ask(8.0, 0.0, feed(SignalPhase.RED)).go


@pytest.mark.parametrize("signals", [None, SignalStates(0.0, ()), feed(SignalPhase.UNKNOWN)])
def test_robot_waits_while_the_signal_of_a_signalled_crossing_is_not_known(signals):
    kerb = Kerb()
    verdict = kerb.ask(signals=signals, times=100)
    assert not verdict.go
    assert verdict.reason == "crossing x: signal is not known"
    assert kerb.guard.waited_s(kerb.t) == pytest.approx(9.9)


def test_green_without_countdown_is_used_only_when_it_was_seen_to_begin():
    green = feed(SignalPhase.GREEN, np.nan)
    kerb = Kerb()
    assert not kerb.ask(signals=None, times=5).go
    assert not kerb.ask(signals=green, times=5).go
    assert not kerb.ask(signals=feed(SignalPhase.RED, np.nan), times=5).go
    assert kerb.ask(signals=green).go


def car(y_m, speed_mps):
    """A car on the crossing's middle line, that drives towards +y."""
    outline = np.array([9.0, y_m]) + np.array([[-0.9, -2.2], [0.9, -2.2], [0.9, 2.2], [-0.9, 2.2]])
    return Obstacle(
        3,
        ObstacleKind.VEHICLE,
        np.array([9.0, y_m]),
        np.array([0.0, speed_mps]),
        np.eye(4),
        outline,
        1.5,
        5.0,
        True,
        np.zeros((0, 2)),
        np.zeros(0),
        0.4,
    )


def test_robot_crosses_a_quiet_road_without_signal_after_looking():
    kerb = Kerb(span(signalled=False))
    assert "looking" in kerb.ask().reason
    assert kerb.ask(times=20).go


@pytest.mark.parametrize("road_speed_mps", [13.9, 0.0])
def test_robot_waits_where_traffic_would_come_from_farther_than_it_sees(road_speed_mps):
    kerb = Kerb(span(signalled=False, road_speed_mps=road_speed_mps))
    verdict = kerb.ask(times=100)
    assert not verdict.go
    assert verdict.reason.startswith("crossing x: traffic of")
    assert "the robot sees 80 m" in verdict.reason
    assert verdict.barred
    assert kerb.guard.waited_s(kerb.t) > 9.0


@pytest.mark.parametrize(
    ("y_m", "speed_mps", "goes"),
    [(-60.0, 8.0, False), (-40.0, 2.0, False), (-8.0, 0.2, True), (10.0, 8.0, True)],
)
def test_cars_count_by_when_they_could_arrive(y_m, speed_mps, goes):
    kerb = Kerb(span(signalled=False))
    assert kerb.ask(obstacles=(car(y_m, speed_mps),), times=30).go is goes


@pytest.mark.parametrize(("remaining_s", "goes"), [(12.0, True), (3.0, False)])
def test_boulevard_is_crossed_within_green_and_its_clearing_time(remaining_s, goes):
    way = RouteSpan(6.0, 44.0, EdgeKind.CROSSING, 3.0, 1.4, "x", True, 6, 8.0)
    kerb = Kerb(way)
    assert kerb.ask(signals=feed(SignalPhase.GREEN, remaining_s)).go is goes
    # On the last metre of the clearing time the robot is over.
    needed_s = kerb.guard.green_needed_s(way, kerb.guard.crossing_time_s(way, 5.0, 0.0))
    assert 39.5 / CrossingConfig().speed_mps < needed_s + 38.0 / CrossingConfig().clearing_mps


def test_road_of_two_lanes_at_30_kmh_is_crossed_from_a_stand():
    way = RouteSpan(6.0, 13.5, EdgeKind.CROSSING, 3.0, 1.4, "x", False, 2, 30.0 / 3.6)
    assert Kerb(way).ask(times=30).go


def test_signal_and_traffic_that_are_waited_for_do_not_bar_the_way():
    assert not Kerb().ask(signals=feed(SignalPhase.RED)).barred
    assert not Kerb(span(signalled=False)).ask(obstacles=(car(-60.0, 8.0),)).barred


def test_slow_way_over_the_road_takes_longer():
    guard = CrossingGuard(CrossingConfig())
    slow = RouteSpan(START_M, END_M, EdgeKind.CROSSING, 3.0, 0.8, "x", False, 2, 8.0)
    assert guard.crossing_time_s(slow, 5.0, 0.0) > guard.crossing_time_s(span(), 5.0, 0.0) + 2.0


def test_countdown_of_a_green_runs_on_while_the_feed_is_silent():
    kerb = Kerb()
    needed_s = kerb.guard.green_needed_s(span(), kerb.guard.crossing_time_s(span(), 5.0, 0.0))
    old = feed(SignalPhase.GREEN, needed_s + 0.5, stamp_s=0.0)
    kerb.t = 0.9
    assert not kerb.ask(signals=old).go
    kerb.t = 0.3
    assert kerb.ask(signals=old).go
