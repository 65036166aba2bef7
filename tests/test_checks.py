"""A break of odometry is told from motion."""

import numpy as np
import pytest

from lastmile.checks import BREAK_S, odometry_breaks
from lastmile.types import OdometryEstimate


def odometry(stamp_s, x_m=0.0, y_m=0.0, yaw=0.0):
    return OdometryEstimate(stamp_s, np.array([x_m, y_m, yaw]), np.zeros(2), np.eye(2))


@pytest.mark.parametrize(
    "after",
    [
        odometry(100.02, 30.036, -4.0, 3.13),
        odometry(100.4, 30.72, -4.0, 3.13),
        odometry(100.02, 30.0, -4.0, -3.13),
    ],
    ids=["one step at top speed", "slow machine", "heading wraps"],
)
def test_motion_is_no_break(after):
    assert not odometry_breaks(odometry(100.0, 30.0, -4.0, 3.13), after)


@pytest.mark.parametrize(
    "after",
    [
        odometry(100.1, 0.0, 0.0, 3.13),
        odometry(100.1, 30.0, -4.0, 0.0),
        odometry(100.0 + BREAK_S + 0.01, 30.0, -4.0, 3.13),
    ],
    ids=["place jumps", "heading jumps", "gap"],
)
def test_start_anew_and_gap_are_breaks(after):
    assert odometry_breaks(odometry(100.0, 30.0, -4.0, 3.13), after)
