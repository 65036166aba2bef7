"""
What speaks for each place where the robot may have started: scans, satellites, and that it is none.

Scans of a standing robot are one piece of evidence however many come, so the score of a place
counts once, and again for each stretch of way. Satellite fixes share a slow error, so their mean
counts as one draw of it per correlation time, with the heavy tails that multipath has.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lastmile.geometry.se2 import transform
from lastmile.localization.config import StartConfig

FIXES_MOST = 600
TAIL_FREEDOM = 4.0
"""Degrees of freedom of the fixes' error, Student's t."""


@dataclass(frozen=True, slots=True)
class StartFix:
    """
    A satellite fix (2,) in map, and the antenna (2,) in odom when it was taken.

    `sigma_m` is its noise, `wander_sigma_m` its slowly changing error, 0 with carrier phase.
    """

    stamp_s: float
    position_map: np.ndarray
    antenna_odom: np.ndarray
    sigma_m: float
    wander_sigma_m: float


class FixEvidence:
    """The fixes since the search began."""

    def __init__(self, wander_time_s: float) -> None:
        self._wander_time_s = wander_time_s
        self.fixes: list[StartFix] = []

    def take(self, fix: StartFix) -> None:
        """Take a fix; beyond FIXES_MOST the oldest is forgotten."""
        self.fixes = [*self.fixes[1 - FIXES_MOST :], fix]

    def middle(self) -> tuple[np.ndarray, float] | None:
        """Median position (2,) of the newest fixes and their noise, None without any."""
        if not self.fixes:
            return None
        newest = self.fixes[-50:]
        position = np.median([fix.position_map for fix in newest], axis=0)
        return position, float(np.median([np.hypot(f.sigma_m, f.wander_sigma_m) for f in newest]))

    def mean_sigma_m(self) -> float:
        """Give the standard deviation of the mean of all fixes, infinite without any."""
        if not self.fixes:
            return np.inf
        precisions = self._precisions()
        span_s = self.fixes[-1].stamp_s - self.fixes[0].stamp_s
        draws = 1.0 + span_s / (2.0 * self._wander_time_s)
        return float(np.sqrt(len(self.fixes) / (draws * precisions.sum())))

    def log_likelihood(self, pose_map_odom: np.ndarray) -> float:
        """Logarithm of the likelihood of a place, 0 where it meets the fixes exactly."""
        if not self.fixes:
            return 0.0
        precisions = self._precisions()
        antennas_odom = np.array([fix.antenna_odom for fix in self.fixes])
        measured = np.array([fix.position_map for fix in self.fixes])
        residuals = measured - transform(pose_map_odom, antennas_odom)
        mean = (precisions[:, None] * residuals).sum(axis=0) / precisions.sum()
        distance2 = float(mean @ mean) / self.mean_sigma_m() ** 2
        return -0.5 * (TAIL_FREEDOM + 2.0) * float(np.log1p(distance2 / TAIL_FREEDOM))

    def _precisions(self) -> np.ndarray:
        return np.array([1.0 / (f.sigma_m**2 + f.wander_sigma_m**2) for f in self.fixes])


def probabilities(
    scores: np.ndarray,
    gathered: np.ndarray,
    log_priors: np.ndarray,
    log_elsewhere: float,
    config: StartConfig,
) -> np.ndarray:
    """
    Probability (n,) of each place; what is missing to 1 is for a place that was not found.

    Parameters
    ----------
    scores : ndarray, shape (n,)
        How well the newest scans fit.
    gathered : ndarray, shape (n,)
        Scores summed over the way driven, in units of `new_evidence_m`.
    log_priors : ndarray, shape (n,)
        What the fixes say.
    log_elsewhere : float
        The same for the place that was not found.
    config : StartConfig
        How much a score tells.

    """
    logs = config.sharpness * (scores + gathered) + log_priors
    # A place that nobody found is taken to fit as the best one did on the way so far.
    best = gathered[int(np.argmax(logs))]
    other = config.sharpness * (config.elsewhere_score + best) + log_elsewhere
    highest = max(float(logs.max()), other)
    weights = np.exp(logs - highest)
    return weights / (weights.sum() + np.exp(other - highest))
