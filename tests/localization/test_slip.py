import numpy as np
import pytest

from lastmile.geometry.se2 import advance
from lastmile.localization.config import MotionConfig
from lastmile.localization.slip import SlipWatch

MAP_OFF = np.array([0.8, -0.5, 0.3])


def watch_of(speeds, wheel_speeds) -> list[float]:
    """Ten matches a second on a map that is off, at true speeds, beside what the wheels say."""
    watch, seen, driven, told = SlipWatch(MotionConfig()), MAP_OFF, np.zeros(3), []
    for k, (speed, wheels) in enumerate(zip(speeds, wheel_speeds, strict=True)):
        told.append(watch.update(0.1 * k, seen, driven))
        seen = advance(seen, np.array([speed, 0.2]), 0.1)
        driven = advance(driven, np.array([wheels, 0.2]), 0.1)
    return told


def test_agreement_is_no_slip_however_far_the_map_is_off():
    assert watch_of([1.3] * 20, [1.3] * 20) == [0.0] * 20


def test_slip_is_seen_within_its_first_half_second_and_ends_with_it():
    told = watch_of([1.3] * 40, [1.3] * 10 + [2.6] * 10 + [1.3] * 20)
    assert told[:11] == [0.0] * 11
    assert min(told[13:20]) > 0.1
    assert told[26:] == [0.0] * 14


def test_slip_adds_up_to_what_was_missed():
    told = watch_of([1.3] * 12, [0.0] * 12)
    assert np.sqrt(np.sum(np.square(told[-5:]))) == pytest.approx(0.65, rel=0.1)


def test_matches_far_apart_in_time_tell_nothing():
    watch = SlipWatch(MotionConfig())
    watch.update(0.0, np.zeros(3), np.zeros(3))
    assert watch.update(5.0, np.array([3.0, 0.0, 0.0]), np.zeros(3)) == 0.0
