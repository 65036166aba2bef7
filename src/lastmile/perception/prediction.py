"""
Where tracked things will be: constant velocity with growing uncertainty; standing things stand.

Goals along the sidewalk, yielding and crossing intent come in here later; the baseline that they
must beat is this one (Schöller et al., 2020, found it hard to beat on short horizons).
"""

from __future__ import annotations

import numpy as np

from lastmile.perception.config import PredictionConfig


def predict_paths(
    position: np.ndarray,
    velocity: np.ndarray,
    covariance: np.ndarray,
    config: PredictionConfig,
) -> tuple[np.ndarray, np.ndarray]:
    """
    Predict the centres of things.

    Parameters
    ----------
    position, velocity : ndarray, shape (N, 2)
        In odom; a velocity of zero means that the thing stands.
    covariance : ndarray, shape (N, 4, 4)
        Of x, y, vx, vy.

    Returns
    -------
    paths : ndarray, shape (N, M, 2)
        Centres at (1..M) * step_s.
    sigmas : ndarray, shape (N, M)
        Standard deviation per axis [m]: position, velocity times time, and an unknown
        acceleration of the configured deviation.

    """
    t = config.step_s * np.arange(1, round(config.horizon_s / config.step_s) + 1)
    paths = position[:, None, :] + velocity[:, None, :] * t[None, :, None]
    position_var = 0.5 * (covariance[:, 0, 0] + covariance[:, 1, 1])
    velocity_var = 0.5 * (covariance[:, 2, 2] + covariance[:, 3, 3])
    moves = np.hypot(velocity[:, 0], velocity[:, 1]) > 0.0
    growth = velocity_var[:, None] * t**2 + (0.5 * config.acceleration_mps2 * t**2) ** 2
    sigmas = np.sqrt(position_var[:, None] + np.where(moves[:, None], growth, 0.0))
    return paths, sigmas
