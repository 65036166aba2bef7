"""When simulated time waits for nodes, and when no longer."""

import pytest

from lastmile import types
from lastmile.nodes.conversions import to_message
from lastmile.nodes.environment import ros_environment
from lastmile.nodes.message_types import message_class
from lastmile.nodes.pacing import LAGS_S, Pacing, header_stamp
from lastmile.stack.topics import TOPICS

ros_environment()

LAGS = {"odometry": 0.1, "obstacles": 0.3}


def test_time_runs_while_nobody_was_heard_and_while_all_keep_up():
    pacing = Pacing(0.5, LAGS)
    assert not pacing.must_wait(10.0, 1.0)
    pacing.hear("odometry", 9.95)
    pacing.hear("obstacles", 9.75)
    assert not pacing.must_wait(10.0, 1.1)
    assert pacing.waited_s == 0.0


def test_time_waits_for_the_one_that_lags_until_it_is_heard():
    pacing = Pacing(0.5, LAGS)
    pacing.hear("odometry", 9.95)
    pacing.hear("obstacles", 9.6)
    assert pacing.must_wait(10.0, 1.0)
    assert pacing.must_wait(10.0, 1.3)
    pacing.hear("obstacles", 9.8)
    assert not pacing.must_wait(10.0, 1.4)
    assert pacing.waited_s == pytest.approx(0.4)


def test_one_that_is_silent_for_too_long_is_waited_for_no_more_until_it_is_back():
    pacing = Pacing(0.5, LAGS)
    pacing.hear("odometry", 9.8)
    assert pacing.must_wait(10.0, 1.0)
    assert not pacing.must_wait(10.0, 1.6)
    assert not pacing.must_wait(12.0, 3.6)
    pacing.hear("odometry", 12.0)
    assert not pacing.must_wait(12.05, 3.7)
    assert pacing.must_wait(12.2, 3.8)


def test_without_patience_time_never_waits():
    pacing = Pacing(0.0, LAGS)
    pacing.hear("odometry", 0.0)
    assert not pacing.must_wait(10.0, 1.0)


def test_stamps_are_read_from_serialized_messages():
    from rclpy.serialization import serialize_message

    for value in (
        types.Command(123.456, 1.0, 0.0),
        types.ObstacleArray(123.456, ()),
        types.PlannerStatus(123.456, types.PlannerState.IDLE, "", 0.0, 0.0, 0.0, ""),
    ):
        data = serialize_message(to_message(value))
        assert header_stamp(data) == pytest.approx(123.456, abs=1e-9)


def test_topics_that_are_waited_for_begin_with_a_header():
    for topic in LAGS_S:
        fields = message_class(TOPICS[topic].message).get_fields_and_field_types()
        assert next(iter(fields.items())) == ("header", "std_msgs/Header")
