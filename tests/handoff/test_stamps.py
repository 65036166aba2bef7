"""Values with bad stamps stay out, and keep no good ones out."""

from dataclasses import dataclass

from lastmile.handoff.stamps import StampGuard


@dataclass
class Value:
    stamp_s: float


def stamps(guard, now_s, *given):
    for stamp_s in given:
        guard.put("bay/state", Value(stamp_s))
    return [value.stamp_s for _, value in guard.take(now_s)]


def test_stamp_ahead_before_the_first_step_does_not_block_the_topic():
    guard = StampGuard()
    assert stamps(guard, 10.0, 9.9, 500.0, 9.95) == [9.9, 9.95]
    assert guard.rejected == {"bay/state:future": 1}
    assert "500.000" in guard.last["last_rejected_bay/state"]
    assert stamps(guard, 10.1, 10.1) == [10.1]


def test_stamp_may_be_a_tenth_of_a_second_ahead_and_no_more():
    guard = StampGuard()
    assert stamps(guard, 10.0, 10.09) == [10.09]
    assert stamps(guard, 11.0, 11.11) == []


def test_old_doubled_and_not_finite_stamps_are_counted():
    guard = StampGuard()
    assert stamps(guard, 10.0, 10.0, 10.0, 9.0, float("nan"), float("inf")) == [10.0]
    assert guard.rejected == {"bay/state:old": 2, "bay/state:not_finite": 2}
