"""
Two models of motion run side by side for many tracks: standing, and constant velocity.

Interacting multiple models (Blom and Bar-Shalom, 1988) on batched arrays: the probability of
motion is part of the state, so that a thing which stands keeps a velocity of exactly zero however
its centre wobbles, and one that walks off has its speed within a few scans.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
    q = config.switch_probability
    pm, ps = state.p_moving, 1.0 - state.p_moving
    to_moving = pm * (1.0 - q) + ps * q
    to_standing = ps * (1.0 - q) + pm * q
    stays = (pm * (1.0 - q) / to_moving)[:, None]
    stands = (ps * (1.0 - q) / to_standing)[:, None]

    as_moving = np.concatenate([state.standing, np.zeros_like(state.standing)], axis=1)
    as_moving_P = np.zeros_like(state.moving_P)
    as_moving_P[:, :2, :2] = state.standing_P
    as_moving_P[:, 2, 2] = as_moving_P[:, 3, 3] = config.speed_prior_mps**2
    moving, moving_P = _mix(state.moving, state.moving_P, as_moving, as_moving_P, stays)
    standing, standing_P = _mix(
        state.standing, state.standing_P, state.moving[:, :2], state.moving_P[:, :2, :2], stands
    )

    F = np.eye(4)
    F[0, 2] = F[1, 3] = dt_s
    a = config.acceleration_mps2**2
    Q = np.zeros((4, 4))
    for k in range(2):
        Q[k, k] = a * dt_s**4 / 4.0
        Q[k, 2 + k] = Q[2 + k, k] = a * dt_s**3 / 2.0
        Q[2 + k, 2 + k] = a * dt_s**2
    return MotionState(
        moving @ F.T,
        F @ moving_P @ F.T + Q,
        standing,
        standing_P + np.eye(2) * (config.static_drift_mps**2 * dt_s),
        to_moving,
    )


def _mix(x_a, P_a, x_b, P_b, weight_a):
    """Moments of a mixture of two Gaussians per row."""
    x = weight_a * x_a + (1.0 - weight_a) * x_b
    wa = weight_a[:, :, None]
    da, db = (x_a - x)[:, :, None], (x_b - x)[:, :, None]
    P = wa * (P_a + da @ da.transpose(0, 2, 1)) + (1.0 - wa) * (P_b + db @ db.transpose(0, 2, 1))
    return x, P


def correct(
    state: MotionState, position: np.ndarray, sigma: np.ndarray, log_evidence: np.ndarray
) -> MotionState:
    """
    Correct both models with measured positions (N, 2) and weigh them by their likelihoods.

    `log_evidence` (N,) is added to the log likelihood of motion.
    """
    R = np.eye(2)[None] * (sigma**2)[:, None, None]
    moving, moving_P, log_moving = _kalman(state.moving, state.moving_P, position, R)
    standing, standing_P, log_standing = _kalman(state.standing, state.standing_P, position, R)
    log_odds = (
        np.log(state.p_moving)
        - np.log1p(-state.p_moving)
        + np.clip(log_moving - log_standing, -6.0, 6.0)
        + log_evidence
    )
    p = 1.0 / (1.0 + np.exp(-np.clip(log_odds, -7.0, 7.0)))
    return MotionState(moving, moving_P, standing, standing_P, p)


def _kalman(x, P, z, R):
    """Correction with a measured position; also its log likelihood."""
    innovation = z - x[:, :2]
    S = P[:, :2, :2] + R
    S_inverse = np.linalg.inv(S)
    K = P[:, :, :2] @ S_inverse
    corrected = x + (K @ innovation[:, :, None])[:, :, 0]
    P = P - K @ S @ K.transpose(0, 2, 1)
    P = 0.5 * (P + P.transpose(0, 2, 1))
    distance2 = np.einsum("ni,nij,nj->n", innovation, S_inverse, innovation)
    return corrected, P, -0.5 * (distance2 + np.log(np.linalg.det(S)))
