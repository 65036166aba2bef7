"""Engines side by side: patterns against closed forms, lidar against rays, limits kept."""

import dataclasses

import numpy as np
import pytest
from tests.simulation.worlds import ROBOT

from lastmile.simulation import parity
from lastmile.simulation.engine import EmbeddedEngine
from lastmile.simulation.parity import (
    Driven,
    Pattern,
    compare_driven,
    compare_seen,
    drive_pattern,
    ideal_pattern,
)
from lastmile.simulation.proving_ground import SLOPE_DEG, SLOPE_FROM_M, Terrain


def embedded(pattern):
    return drive_pattern(EmbeddedEngine, ROBOT, pattern)


def test_issue_patterns_last_a_minute():
    assert {pattern.duration_s for pattern in parity.PATTERNS} == {60.0}
    assert {pattern.terrain for pattern in parity.PATTERNS} == set(Terrain) - {Terrain.HALL}


def test_ideal_circle_closes():
    # The base's own controller takes 0.29 s to reach 1 m/s, and turns at once.
    pattern = Pattern("circle", ((2.0 * np.pi / 0.5 + 0.14, 1.0, 0.5),))
    driven = ideal_pattern(pattern)
    assert np.hypot(*driven.poses[-1, :2]) < 0.4
    assert driven.turned == pytest.approx(2.0 * np.pi, abs=0.1)


def test_embedded_engine_drives_straight_within_the_limits():
    pattern = Pattern("straight", ((6.0, 1.4, 0.0),))
    difference = compare_driven(embedded(pattern), ideal_pattern(pattern))
    assert difference.within
    assert difference.yaw_deg < 0.2


def test_embedded_engine_turns_on_its_place():
    pattern = Pattern("turn", ((5.0, 0.0, 0.8),))
    difference = compare_driven(embedded(pattern), ideal_pattern(pattern))
    assert difference.position_limit_m == 0.03
    assert difference.position_m < 0.005
    assert difference.yaw_deg < 2.0


def test_stopping_distance_is_that_of_the_controllers_braking():
    pattern = Pattern("stop", ((3.0, 1.8, 0.0), (2.0, 0.0, 0.0)), stops=True)
    driven, ideal = embedded(pattern), ideal_pattern(pattern)
    assert ideal.stopping_m == pytest.approx(1.8**2 / (2.0 * 3.5), abs=0.02)
    # The base pitches as it brakes, and its middle sits a little lower then.
    assert driven.stopping_m == pytest.approx(ideal.stopping_m, rel=0.1)


def test_robot_that_does_not_stop_has_no_stopping_distance():
    pattern = Pattern("short", ((2.0, 1.8, 0.0), (0.1, 0.0, 0.0)), stops=True)
    assert embedded(pattern).stopping_m == float("inf")


def test_embedded_engine_climbs_further_than_its_ground_patch_is_high():
    """The height field spans half a metre to each side; the slope goes on."""
    pattern = Pattern("slope", ((9.0, 1.2, 0.0),), Terrain.SLOPE)
    driven = embedded(pattern)
    x = driven.poses[-1, 0]
    rise = np.tan(np.radians(SLOPE_DEG)) * (x - SLOPE_FROM_M)
    assert rise > 0.6
    assert driven.heights[-1] == pytest.approx(rise, abs=0.02)
    assert driven.tilt_deg < 10.0


def test_robot_lands_a_kerb_lower():
    pattern = Pattern("kerb", ((8.0, 0.8, 0.0),), Terrain.KERB)
    driven = embedded(pattern)
    assert driven.heights[-1] == pytest.approx(-0.12, abs=0.01)
    assert driven.tilt_deg > 10.0


def made(pose, turned=0.0, way_m=50.0, stopping_m=float("nan"), pattern="p"):
    poses = np.array([[0.0, 0.0, 0.0], [*pose, turned]])
    return Driven(pattern, poses, np.zeros(2), way_m, stopping_m, 0.0)


@pytest.mark.parametrize(
    ("one", "other", "within"),
    [
        (made((50.0, 0.0)), made((50.9, 0.0)), True),
        (made((50.0, 0.0)), made((51.1, 0.0)), False),
        (made((0.0, 0.02), way_m=0.1), made((0.0, 0.0), way_m=0.0), True),
        (made((0.0, 0.04), way_m=0.1), made((0.0, 0.0), way_m=0.0), False),
        (made((50.0, 0.0), 0.03), made((50.0, 0.0)), True),
        (made((50.0, 0.0), 0.04), made((50.0, 0.0)), False),
        (made((9.0, 0.0), stopping_m=0.5), made((9.0, 0.0), stopping_m=0.52), True),
        (made((9.0, 0.0), stopping_m=0.5), made((9.0, 0.0), stopping_m=0.54), False),
        (made((9.0, 0.0), stopping_m=float("inf")), made((9.0, 0.0), stopping_m=0.5), False),
    ],
)
def test_limits_are_those_of_the_issue(one, other, within):
    assert compare_driven(one, other).within is within


def test_full_turn_behind_is_not_alike():
    poses = np.zeros((1000, 3))
    poses[:, 2] = (np.linspace(0.0, 4.0 * np.pi, 1000) + np.pi) % (2.0 * np.pi) - np.pi
    fast = Driven("p", poses, np.zeros(1000), 0.0, float("nan"), 0.0)
    slow = dataclasses.replace(fast, poses=np.column_stack([poses[:, :2], poses[:, 2] / 2.0]))
    assert compare_driven(fast, fast).within
    assert not compare_driven(fast, slow).within


def test_other_patterns_are_not_compared():
    with pytest.raises(ValueError, match="'p' and 'q' are not the same"):
        compare_driven(made((0.0, 0.0)), made((0.0, 0.0), pattern="q"))


def test_lidar_of_the_embedded_engine_is_true_to_the_meshes():
    seen = parity.look_around(EmbeddedEngine, ROBOT)
    differences = {d.kind: d for d in compare_seen(seen.ranges, seen.true_ranges, seen.groups)}
    assert set(differences) == {"walls", "people", "ground"}
    for difference in differences.values():
        assert difference.within
        assert difference.rays > 1000
        assert abs(difference.bias_m) < 0.001


def test_kind_that_nobody_saw_is_named():
    nothing = np.full((2, 2), np.nan)
    with pytest.raises(ValueError, match="no ray of both engines met walls"):
        compare_seen(nothing, nothing, {"walls": np.ones((2, 2), bool)})
