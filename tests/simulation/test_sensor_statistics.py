"""Noise figures: on made noise, and of the embedded engine against its data sheets."""

import numpy as np
import pytest
from tests.simulation.worlds import ROBOT

from lastmile.simulation.config import GnssConfig, ImuConfig, SimulatorConfig
from lastmile.simulation.engine import EmbeddedEngine, site_projection
from lastmile.simulation.proving_ground import Terrain, make_town
from lastmile.simulation.sensor_statistics import (
    allan_deviation,
    bias_walk,
    correlation_time,
    gnss_figures,
    imu_figures,
    noise_density,
    record_fixes,
    record_imu,
)
from lastmile.simulation.town import spawn_chance

DT_S = 0.01


def test_allan_deviation_of_white_noise_falls_by_the_root_of_time():
    rates = np.random.default_rng(1).normal(size=100_000)
    found = allan_deviation(rates, DT_S, np.array([0.01, 0.1, 1.0]))
    assert found == pytest.approx([1.0, 0.1**0.5, 0.1], rel=0.05)
    assert noise_density(rates, DT_S) == pytest.approx(0.1, rel=0.05)


def test_allan_deviation_of_three_values_is_the_one_by_hand():
    # Means of neighbours differ by 1 and by 2: half the mean of 1 and 4.
    assert allan_deviation(np.array([0.0, 1.0, 3.0]), 1.0, np.array([1.0])) == pytest.approx(
        [np.sqrt(2.5 / 2.0)]
    )


@pytest.mark.parametrize("time_s", [0.001, 0.5])
def test_averaging_time_that_the_record_does_not_hold_is_refused(time_s):
    with pytest.raises(ValueError, match="averaging time"):
        allan_deviation(np.zeros(100), DT_S, np.array([time_s]))


def test_walk_of_the_bias_is_found_under_white_noise():
    rng = np.random.default_rng(2)
    walk, density = 0.02, 0.05
    steps = rng.normal(0.0, walk * np.sqrt(DT_S), (200_000, 3))
    rates = np.cumsum(steps, axis=0) + rng.normal(0.0, density / np.sqrt(DT_S), (200_000, 3))
    found = bias_walk(rates, DT_S, 50.0, noise_density(rates, DT_S, 0.1))
    assert found == pytest.approx(walk, rel=0.25)


def gauss_markov(count, dt_s, time_s, sigma, rng):
    keep = np.exp(-dt_s / time_s)
    errors, error = np.empty((count, 2)), sigma * rng.standard_normal(2)
    for number in range(count):
        error = keep * error + sigma * np.sqrt(1.0 - keep**2) * rng.standard_normal(2)
        errors[number] = error
    return errors


def test_correlation_time_is_found_beside_white_noise():
    rng = np.random.default_rng(3)
    errors = gauss_markov(60_000, 0.2, 25.0, 0.3, rng) + rng.normal(0.0, 0.2, (60_000, 2))
    time_s, sigma = correlation_time(errors, 0.2, 25.0)
    assert time_s == pytest.approx(25.0, rel=0.2)
    assert sigma == pytest.approx(0.3, rel=0.1)


def test_errors_that_are_not_correlated_are_told():
    with pytest.raises(ValueError, match=r"not correlated|does not fall"):
        correlation_time(np.tile([1.0, -1.0], 1000), 0.2, 10.0)
    with pytest.raises(ValueError, match="too few"):
        correlation_time(np.zeros(100), 0.2, 25.0)


@pytest.fixture(scope="module")
def engine():
    chance = spawn_chance(np.random.default_rng(5))
    town = make_town(Terrain.LEVEL, ROBOT, chance)
    return EmbeddedEngine(town, ROBOT, SimulatorConfig(), chance), site_projection(town)


def test_embedded_inertial_unit_has_the_white_noise_of_its_data_sheet(engine):
    figures = imu_figures(record_imu(engine[0], 60.0, 0.9), ImuConfig(), 10.0)
    white = {f.name: f for f in figures if f.name.endswith("white noise")}
    assert set(white) == {"gyro white noise", "accelerometer white noise"}
    assert all(figure.off_ratio < 0.1 for figure in white.values())


def test_embedded_receiver_has_the_errors_of_its_data_sheet(engine):
    engine, projection = engine
    antenna = (engine.motion.T_map_base @ ROBOT.mount("gnss_link"))[:2, 3]
    errors = record_fixes(engine, projection, 4000.0, antenna, still=True)
    figures = {f.name: f for f in gnss_figures(errors, GnssConfig())}
    assert figures["fix white noise"].off_ratio < 0.15
    assert figures["fix correlated error"].off_ratio < 0.25
    assert figures["fix correlation time"].off_ratio < 0.4


def test_engine_that_must_be_moved_is_moved_between_fixes(engine):
    engine, projection = engine
    count = []
    move = engine.move
    engine.move = lambda *given: (count.append(1), move(*given))[1]
    try:
        record_fixes(engine, projection, 1.0, np.zeros(2), still=False)
    finally:
        del engine.move
    assert len(count) == 100
