"""Which detection of a scan belongs to which track."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from lastmile.perception.config import TrackerConfig
from lastmile.perception.detections import Detections
from lastmile.perception.motion_models import MotionState

FAR_COST, UNLIKE_MAX = 8.0, 3.0
NO_COST = FAR_COST + 2.0 * UNLIKE_MAX
"""
What it costs to leave a thing without a track: no more than the poorest match, or the optimum
would rather match two poorly than one well, and a hand beside a body take the body's track.
"""


def associate(
    state: MotionState,
    length_m: np.ndarray,
    detections: Detections,
    sigma: np.ndarray,
    config: TrackerConfig,
) -> tuple[np.ndarray, np.ndarray]:
    """
    Assign detections to tracks, optimally within gates.

    Parameters
    ----------
    state : MotionState
        Of N tracks, at the time of the detections.
    length_m : ndarray, shape (N,)
        Their lengths.
    detections : Detections
        M things.
    sigma : ndarray, shape (M,)
        Deviations of their positions [m].

    Returns
    -------
    rows, columns : ndarray
        Tracks and the detections that belong to them.

    """
    n, m = len(length_m), len(detections.thing)
    if n == 0 or m == 0:
        return np.zeros(0, int), np.zeros(0, int)
    best = np.full((n, m), np.inf)
    nearest = np.full((n, m), np.inf)
    for x, P in (
        (state.moving[:, :2], state.moving_P[:, :2, :2]),
        (state.standing, state.standing_P),
    ):
        # Scalar spread: gates are round, which no thing minds and which is quick.
        variance = 0.5 * (P[:, 0, 0] + P[:, 1, 1])
        dx = x[:, 0, None] - detections.position[:, 0]
        dy = x[:, 1, None] - detections.position[:, 1]
        distance2 = dx * dx + dy * dy
        best = np.minimum(best, distance2 / (variance[:, None] + sigma[None] ** 2))
        nearest = np.minimum(nearest, distance2)
    allowed = (best < config.gate_sigma**2) | (nearest < config.gate_min_m**2)
    unlike = np.log((length_m[:, None] + 0.3) / (detections.length_m[None] + 0.3)) ** 2
    allowed &= unlike < UNLIKE_MAX
    return assign(np.minimum(best, FAR_COST) + 2.0 * unlike, allowed, NO_COST)


def assign(
    cost: np.ndarray, allowed: np.ndarray, cost_of_none: float
) -> tuple[np.ndarray, np.ndarray]:
    """Give the pairs, rows and columns, that are allowed and cost least in all."""
    rows, columns = linear_sum_assignment(np.where(allowed, cost, cost_of_none))
    good = allowed[rows, columns]
    return rows[good], columns[good]
