"""
Noise of inertial unit and satellite receiver, measured against what their data sheets say.

White noise and the walk of the bias are read off the Allan deviation (IEEE Std 952-1997, annex C);
the correlation time of the satellite receiver's error off its autocovariance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lastmile.geometry.wgs84 import MapProjection
from lastmile.simulation.config import GnssConfig, ImuConfig
from lastmile.simulation.contacts import Clearance
from lastmile.simulation.drive import FREE
from lastmile.simulation.engine import Engine
from lastmile.simulation.town import TICK_S

FIX_S = 0.2
STANDING = Clearance(float("inf"), float("inf"), "", None, 0.0, False, False)


def allan_deviation(rates: np.ndarray, dt_s: float, times_s: np.ndarray) -> np.ndarray:
    """
    Give the overlapping Allan deviation of a sensor at rest.

    Parameters
    ----------
    rates : ndarray, shape (N,) or (N, axes)
        Readings at equal distances of time.
    dt_s : float
        That distance.
    times_s : ndarray, shape (T,)
        Averaging times, multiples of `dt_s` and at most a third of the record.

    Returns
    -------
    ndarray, shape (T,) or (T, axes)
        In the unit of the readings.

    Raises
    ------
    ValueError
        If a time is not within a step and a third of the record.

    """
    rates = np.asarray(rates, dtype=float)
    angles = np.concatenate([np.zeros_like(rates[:1]), np.cumsum(rates, axis=0) * dt_s])
    deviations = []
    for time_s in np.asarray(times_s, dtype=float):
        count = round(time_s / dt_s)
        if not 1 <= count <= len(rates) // 3:
            raise ValueError(
                f"averaging time {time_s:g} s is not within {dt_s:g} s and a third of"
                f" {len(rates) * dt_s:g} s"
            )
        second = angles[2 * count :] - 2.0 * angles[count:-count] + angles[: -2 * count]
        deviations.append(np.sqrt(0.5 * np.mean(second**2, axis=0)) / (count * dt_s))
    return np.array(deviations)


def noise_density(rates: np.ndarray, dt_s: float, time_s: float = 0.5) -> float:
    """Give white noise per root hertz, off the Allan deviation where it is all there is."""
    return float(np.sqrt(np.mean(allan_deviation(rates, dt_s, [time_s]) ** 2) * time_s))


def bias_walk(rates: np.ndarray, dt_s: float, time_s: float, density: float) -> float:
    """Give the walk of the bias per root second, off the Allan deviation less white noise."""
    variance = np.mean(allan_deviation(rates, dt_s, [time_s]) ** 2)
    return float(np.sqrt(max(0.0, variance - density**2 / time_s) * 3.0 / time_s))


def correlation_time(errors: np.ndarray, dt_s: float, longest_s: float) -> tuple[float, float]:
    """
    Fit an error that is white noise and a first-order Gauss-Markov process.

    Parameters
    ----------
    errors : ndarray, shape (N,) or (N, axes)
        At equal distances of time.
    dt_s : float
        That distance.
    longest_s : float
        Lags up to this are used; about the time expected.

    Returns
    -------
    tuple of float
        Correlation time [s], and one sigma of the correlated part.

    Raises
    ------
    ValueError
        If the record is shorter than four times the longest lag, or nothing in it is correlated.

    """
    errors = np.asarray(errors, dtype=float).reshape(len(errors), -1)
    lags = np.arange(1, round(longest_s / dt_s) + 1)
    if len(errors) < 4 * lags[-1]:
        raise ValueError(f"{len(errors)} errors are too few for lags up to {lags[-1]}")
    errors = errors - errors.mean(axis=0)
    covariances = np.array([np.mean(errors[lag:] * errors[:-lag]) for lag in lags])
    # Where the autocovariance is small it is mostly chance.
    kept = covariances > 0.3 * covariances[0]
    if covariances[0] <= 0.0 or kept.sum() < 3:
        raise ValueError("the errors are not correlated over the lags asked for")
    slope, level = np.polyfit(lags[kept] * dt_s, np.log(covariances[kept]), 1)
    if slope >= 0.0:
        raise ValueError("the errors' correlation does not fall over the lags asked for")
    return -1.0 / float(slope), float(np.exp(0.5 * level))


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a sensor: as measured, and as its data sheet has it."""

    name: str
    measured: float
    stated: float
    unit: str

    @property
    def off_ratio(self) -> float:
        """How far off it is, over what is stated."""
        return abs(self.measured - self.stated) / self.stated


def record_imu(engine: Engine, seconds: float, grip: float) -> np.ndarray:
    """Let the robot stand and give gyro and accelerometer readings (N, 6)."""
    readings = np.empty((round(seconds / TICK_S), 6))
    for number in range(len(readings)):
        stamp_s = (number + 1) * TICK_S
        engine.move(stamp_s, FREE, grip, STANDING)
        sample = engine.imu(stamp_s)
        readings[number, :3] = sample.angular_velocity
        readings[number, 3:] = sample.linear_acceleration
    return readings


def imu_figures(readings: np.ndarray, config: ImuConfig, walk_time_s: float) -> list[Figure]:
    """Hold readings (N, 6) of a unit at rest against its data sheet's figures."""
    figures = []
    for name, columns, density, walk, unit in (
        ("gyro", slice(0, 3), config.gyro_density, config.gyro_bias_walk, "rad/s"),
        ("accelerometer", slice(3, 6), config.accel_density, config.accel_bias_walk, "m/s2"),
    ):
        rates = readings[:, columns]
        measured = noise_density(rates, TICK_S)
        figures.append(Figure(f"{name} white noise", measured, density, f"{unit}/sqrt(Hz)"))
        walked = bias_walk(rates, TICK_S, walk_time_s, measured)
        figures.append(Figure(f"{name} bias walk", walked, walk, f"{unit}/sqrt(s)"))
    return figures


def record_fixes(
    engine: Engine, projection: MapProjection, seconds: float, antenna: np.ndarray, still: bool
) -> np.ndarray:
    """
    Let the robot stand and give the errors (N, 2) of its fixes in map.

    `still` tells that the engine may be asked without being moved, which the embedded one may.
    """
    errors = []
    for number in range(round(seconds / FIX_S)):
        stamp_s = (number + 1) * FIX_S
        for tick in range(0 if still else round(FIX_S / TICK_S)):
            engine.move(number * FIX_S + (tick + 1) * TICK_S, FREE, 1.0, STANDING)
        fix = engine.fix(stamp_s, 0.0)
        errors.append(projection.to_map(fix.latitude_deg, fix.longitude_deg) - antenna)
    return np.array(errors)


def gnss_figures(errors: np.ndarray, config: GnssConfig) -> list[Figure]:
    """Hold errors (N, 2) under open sky, where corrections are had, against the data sheet."""
    time_s, correlated = correlation_time(errors, FIX_S, config.multipath_time_s)
    total = float(np.sqrt(np.mean(errors**2)))
    white = np.sqrt(max(0.0, total**2 - correlated**2))
    return [
        Figure("fix white noise", float(white), config.rtk_sigma_m, "m"),
        Figure("fix correlated error", correlated, config.rtk_sigma_m, "m"),
        Figure("fix correlation time", time_s, config.multipath_time_s, "s"),
    ]
