"""
Two models of motion run side by side for many tracks: standing, and constant velocity.

Interacting multiple models (Blom and Bar-Shalom, 1988) on batched arrays: the probability of
motion is part of the state, so that a thing which stands keeps a velocity of exactly zero however
its centre wobbles, and one that walks off has its speed within a few scans.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lastmile.perception import _motion_models
from lastmile.perception.config import TrackerConfig


@dataclass
class MotionState:
    """
    States of N things in odom.

    `moving` (N, 4) and `moving_P` (N, 4, 4) are x, y, vx, vy of the constant-velocity model;
    `standing` (N, 2) and `standing_P` (N, 2, 2) those of the standing model; `p_moving` (N,) is
    the probability of the first.
    """

    moving: np.ndarray
    moving_P: np.ndarray
    standing: np.ndarray
    standing_P: np.ndarray
    p_moving: np.ndarray

    def take(self, index: np.ndarray) -> MotionState:
        """Give the states of some things."""
        return MotionState(
            self.moving[index],
            self.moving_P[index],
            self.standing[index],
            self.standing_P[index],
            self.p_moving[index],
        )

    def put(self, index: np.ndarray, other: MotionState) -> None:
        """Replace the states of some things."""
        self.moving[index] = other.moving
        self.moving_P[index] = other.moving_P
        self.standing[index] = other.standing
        self.standing_P[index] = other.standing_P
        self.p_moving[index] = other.p_moving

    def join(self, other: MotionState) -> MotionState:
        """Append the states of other things."""
        return MotionState(
            np.concatenate([self.moving, other.moving]),
            np.concatenate([self.moving_P, other.moving_P]),
            np.concatenate([self.standing, other.standing]),
            np.concatenate([self.standing_P, other.standing_P]),
            np.concatenate([self.p_moving, other.p_moving]),
        )


def start(position: np.ndarray, sigma: np.ndarray, speed_sigma: np.ndarray) -> MotionState:
    """Begin N things at measured positions (N, 2) with deviations (N,) of position and speed."""
    n = len(position)
    moving = np.zeros((n, 4))
    moving[:, :2] = position
    P = np.zeros((n, 4, 4))
    standing_P = np.zeros((n, 2, 2))
    for k in range(2):
        P[:, k, k] = standing_P[:, k, k] = sigma**2
        P[:, 2 + k, 2 + k] = speed_sigma**2
    return MotionState(moving, P, position.copy(), standing_P, np.full(n, 0.4))


def predict(state: MotionState, dt_s: float, config: TrackerConfig) -> MotionState:
    """Mix the models by their switching probability and carry both over `dt_s`."""
    n = len(state.p_moving)
    after = MotionState(
        np.empty((n, 4)), np.empty((n, 4, 4)), np.empty((n, 2)), np.empty((n, 2, 2)), np.empty(n)
    )
    _motion_models.predict(
        state.moving,
        state.moving_P,
        state.standing,
        state.standing_P,
        state.p_moving,
        dt_s,
        config.switch_probability,
        config.set_off_mps**2,
        config.acceleration_mps2**2,
        config.static_drift_mps**2,
        np.zeros((1, 4)),
        np.zeros((1, 4, 4)),
        after.moving,
        after.moving_P,
        after.standing,
        after.standing_P,
        after.p_moving,
    )
    return after


def correct(
    state: MotionState, position: np.ndarray, sigma: np.ndarray, log_evidence: np.ndarray
) -> None:
    """
    Correct both models with measured positions (N, 2) and weigh them by their likelihoods.

    Works in place. `log_evidence` (N,) is added to the log likelihood of motion.
    """
    _motion_models.correct(
        state.moving,
        state.moving_P,
        state.standing,
        state.standing_P,
        state.p_moving,
        position,
        sigma,
        log_evidence,
    )
