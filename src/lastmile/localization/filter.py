"""
The planar filter: pose in map, gyro bias, wheel scale and the slow error of the satellite fixes.

An extended Kalman filter on the error of the pose, with the equations written out so that each can
be checked against a textbook (Thrun, Burgard and Fox 2005, chapter 3; Groves 2013, chapter 14).
Everything here is a function of a state; order in time is the business of `history.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lastmile.geometry.se2 import rotate, wrap_angle
from lastmile.localization import _filter
from lastmile.localization.config import GnssConfig, MotionConfig

X, Y, YAW, GYRO_BIAS, WHEEL_SCALE, GNSS_EAST, GNSS_NORTH = range(7)
STATES = 7

SCALE_MOST = 0.05
"""Wheels are worn or soft by less than this; what looks like more is slip."""


@dataclass(frozen=True, slots=True)
class Blind:
    """
    Motion that gyro or wheels do not tell since `since_s`: how fast it may be, 0 for what they do.

    What is missed is one motion, not noise: it grows with the time, not with the root of it.
    """

    since_s: float
    speed_mps: float
    yaw_rate_radps: float


@dataclass(frozen=True, slots=True)
class FilterState:
    """
    Belief at `stamp_s`.

    `mean` (7,): x, y, yaw in map, gyro bias [rad/s], wheel scale error, and the slowly changing
    error of the fixes, east and north [m]. `twist_base` (2,) is the last measured motion, already
    corrected for bias and scale, by which the state is carried on until the next one; `still` says
    that the robot is known to stand. `slipping` says that the lidar saw another motion than the
    wheels; nothing is learnt about their scale then. `blind` is what is not measured of the motion.
    """

    stamp_s: float
    mean: np.ndarray
    covariance: np.ndarray
    twist_base: np.ndarray
    still: bool = False
    slipping: bool = False
    blind: Blind | None = None

    @property
    def pose(self) -> np.ndarray:
        """Pose (3,) of base in map."""
        return self.mean[:3]

    @property
    def pose_covariance(self) -> np.ndarray:
        """Covariance (3, 3) of the pose."""
        return self.covariance[:3, :3]


@dataclass(frozen=True, slots=True)
class Innovation:
    """What a measurement added: normalised innovation squared over its dimension, and weight."""

    nis_per_dof: float
    weight: float


def start_state(
    stamp_s: float,
    pose_map_base: np.ndarray,
    covariance: np.ndarray,
    motion: MotionConfig,
    gnss: GnssConfig,
    gyro_bias: float = 0.0,
) -> FilterState:
    """Believe in a pose with its covariance (3, 3), and nothing yet about the rest."""
    mean = np.zeros(STATES)
    mean[:3] = pose_map_base
    mean[GYRO_BIAS] = gyro_bias
    P = np.zeros((STATES, STATES))
    P[:3, :3] = covariance
    P[GYRO_BIAS, GYRO_BIAS] = motion.gyro_bias_initial_radps**2
    P[WHEEL_SCALE, WHEEL_SCALE] = motion.wheel_scale_initial**2
    P[GNSS_EAST, GNSS_EAST] = P[GNSS_NORTH, GNSS_NORTH] = gnss.multipath_sigma_m**2
    return FilterState(float(stamp_s), mean, P, np.zeros(2))


def carry(
    state: FilterState, stamp_s: float, motion: MotionConfig, gnss: GnssConfig
) -> FilterState:
    """Move the belief to a later stamp along its twist; while still, only slow errors change."""
    dt = stamp_s - state.stamp_s
    if dt <= 0.0:
        return state
    mean, P = state.mean.copy(), np.empty((STATES, STATES))
    _filter.predict(
        mean,
        state.covariance,
        state.twist_base,
        dt,
        state.still,
        motion.speed_noise_mps,
        motion.lateral_noise_mps,
        motion.gyro_noise_radps,
        motion.wheel_scale_drift,
        motion.gyro_bias_drift_radps,
        gnss.multipath_time_s,
        gnss.multipath_sigma_m,
        P,
    )
    if state.blind is not None and not state.still:
        _spread_blind(P, state.blind, state.stamp_s, stamp_s)
    return FilterState(
        float(stamp_s), mean, P, state.twist_base, state.still, state.slipping, state.blind
    )


def _spread_blind(P: np.ndarray, blind: Blind, from_s: float, to_s: float) -> None:
    """Add what the blind motion may have done between two stamps, the same in whatever steps."""
    grown = (to_s - blind.since_s) ** 2 - (from_s - blind.since_s) ** 2
    P[X, X] += blind.speed_mps**2 * grown
    P[Y, Y] += blind.speed_mps**2 * grown
    P[YAW, YAW] += blind.yaw_rate_radps**2 * grown


def take_motion(
    state: FilterState,
    speed_mps: float,
    yaw_rate_radps: float,
    still: bool,
    blind: Blind | None = None,
) -> FilterState:
    """Carry on with a newly measured motion, corrected for bias and scale."""
    twist = np.zeros(2)
    if not still:
        twist[0] = speed_mps * (1.0 + state.mean[WHEEL_SCALE])
        twist[1] = yaw_rate_radps - state.mean[GYRO_BIAS]
    return FilterState(
        state.stamp_s, state.mean, state.covariance, twist, still, state.slipping, blind
    )


def update(
    state: FilterState, H: np.ndarray, innovation: np.ndarray, R: np.ndarray, robust_scale: float
) -> tuple[FilterState, Innovation | None]:
    """
    Correct the belief by a linear measurement, Joseph form.

    A surprising innovation loses weight (Cauchy) instead of being refused, so that a filter that
    is wrong can still come back. While the wheels slip nothing is learnt about their scale.
    Without a finite innovation there is nothing to correct by, and None is given with the belief.
    """
    if not np.isfinite(innovation).all():
        return state, None
    P = state.covariance
    S = H @ P @ H.T + R
    nis = float(innovation @ np.linalg.solve(S, innovation)) / len(innovation)
    weight = 1.0
    if nis > robust_scale**2:
        weight = robust_scale**2 / nis
        R = R / weight
        S = H @ P @ H.T + R
    K = np.linalg.solve(S, H @ P).T
    if state.slipping:
        K[WHEEL_SCALE] = 0.0
    A = np.eye(STATES) - K @ H
    mean = state.mean + K @ innovation
    mean[YAW] = wrap_angle(mean[YAW])
    mean[WHEEL_SCALE] = min(max(mean[WHEEL_SCALE], -SCALE_MOST), SCALE_MOST)
    P = A @ P @ A.T + K @ R @ K.T
    return replace(state, mean=mean, covariance=0.5 * (P + P.T)), Innovation(nis, weight)


def update_position_fix(
    state: FilterState,
    position_map: np.ndarray,
    R: np.ndarray,
    antenna_base: np.ndarray,
    wanders: bool,
    robust_scale: float,
) -> tuple[FilterState, Innovation | None]:
    """
    Correct by a satellite fix (2,) of an antenna at (2,) in base.

    With `wanders` the fix carries the slowly changing error; one with carrier phase (RTK) does not.
    """
    arm = rotate(float(state.mean[YAW]), antenna_base)
    H = np.zeros((2, STATES))
    H[0, X] = H[1, Y] = 1.0
    H[0, GNSS_EAST] = H[1, GNSS_NORTH] = float(wanders)
    H[0, YAW], H[1, YAW] = -arm[1], arm[0]
    expected = state.mean[:2] + arm + wanders * state.mean[GNSS_EAST:]
    return update(state, H, position_map - expected, R, robust_scale)


def update_pose(
    state: FilterState,
    pose_map_base: np.ndarray,
    rows: np.ndarray,
    variances: np.ndarray,
    robust_scale: float,
    slip_sigma_m: float = 0.0,
) -> tuple[FilterState, Innovation | None]:
    """
    Correct by a pose (3,), along the directions `rows` (k, 3) only.

    `slip_sigma_m` is how far the wheels missed the motion since the last such correction.
    """
    difference = pose_map_base - state.mean[:3]
    difference[2] = wrap_angle(difference[2])
    H = np.zeros((len(rows), STATES))
    H[:, :3] = rows
    P = state.covariance.copy()
    P[X, X] += slip_sigma_m**2
    P[Y, Y] += slip_sigma_m**2
    state = replace(state, covariance=P, slipping=slip_sigma_m > 0.0)
    return update(state, H, rows @ difference, np.diag(variances), robust_scale)


def update_still_gyro(
    state: FilterState, yaw_rate_radps: float, sigma_radps: float
) -> tuple[FilterState, Innovation | None]:
    """Correct the gyro bias by what the gyro reads while the robot stands."""
    H = np.zeros((1, STATES))
    H[0, GYRO_BIAS] = 1.0
    innovation = np.array([yaw_rate_radps - state.mean[GYRO_BIAS]])
    return update(state, H, innovation, np.array([[sigma_radps**2]]), 5.0)
