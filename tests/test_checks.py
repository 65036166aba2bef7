"""A break of odometry is told from motion; obstacles with bad numbers are refused."""

import numpy as np
import pytest

from lastmile.checks import BREAK_S, Rejected, check_obstacles, is_fresh, odometry_breaks
from lastmile.types import Obstacle, ObstacleArray, ObstacleKind, OdometryEstimate


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


def obstacles(**bad):
    good = {
        "position": np.zeros(2),
        "velocity": np.zeros(2),
        "footprint": np.eye(3)[:, :2],
        "predicted_path": np.zeros((3, 2)),
        "predicted_sigma": np.zeros(3),
        "prediction_dt_s": 0.4,
    }
    fields = {"covariance": np.eye(4), "height_m": 1.7, "age_s": 1.0, "observed": True}
    obstacle = Obstacle(id=3, kind=ObstacleKind.PERSON, **fields, **(good | bad))
    return ObstacleArray(1.0, (obstacle,))


@pytest.mark.parametrize(
    "bad",
    [
        {"position": np.array([0.0, np.nan])},
        {"velocity": np.zeros(3)},
        {"footprint": np.full((3, 2), np.inf)},
        {"predicted_sigma": np.zeros(2)},
        {"prediction_dt_s": 0.0},
    ],
)
def test_bad_obstacles_are_refused_at_every_door(bad):
    good, wrong = obstacles(), obstacles(**bad)
    for _ in range(2):
        check_obstacles(good)
        check_obstacles(good)
        with pytest.raises(Rejected, match="obstacle 3"):
            check_obstacles(wrong)
        with pytest.raises(Rejected, match="obstacle 3"):
            check_obstacles(wrong)


@pytest.mark.parametrize(
    ("age_s", "fresh"), [(0.0, True), (0.5, True), (0.51, False), (-0.09, True), (-0.11, False)]
)
def test_stamp_ahead_of_the_clock_is_as_stale_as_an_old_one(age_s, fresh):
    assert is_fresh(100.0 - age_s, 100.0, 0.5) is fresh
