"""The two motion models of `_motion_models.pyx` on batched arrays, as a textbook writes them."""

import numpy as np

from lastmile.perception.motion_models import MotionState


def predict(state: MotionState, dt_s: float, config) -> MotionState:
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
    as_moving_P[:, 2, 2] = as_moving_P[:, 3, 3] = config.set_off_mps**2
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
