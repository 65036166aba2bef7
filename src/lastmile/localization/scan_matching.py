"""
Matching of planar scans to the distance field of a map.

Gauss-Newton on the distances of the scan's points to the nearest mapped surface, with a Cauchy
kernel: a likelihood-field scan matcher in the sense of Thrun, Burgard and Fox (2005), section 6.4,
solved by its gradient.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lastmile.geometry.se2 import wrap_angle
from lastmile.localization import _distance_field
from lastmile.localization.config import MatcherConfig
from lastmile.localization.scan import PlanarScan
from lastmile.maps.likelihood import DistanceField

YAW_LEVER_M = 10.0
"""Distance at which an error of heading is compared with one of position."""


@dataclass(frozen=True, slots=True)
class Match:
    """
    Where a scan fits the map.

    `information` (3, 3) of x, y, yaw is what the scan alone tells, without the hold of the
    prediction; it is singular along a direction that the map leaves open. `spread_m` is the robust
    standard deviation of the distances, which tells a survey-grade map from a rough one.
    """

    stamp_s: float
    pose_map_base: np.ndarray
    information: np.ndarray
    inlier_share: float
    spread_m: float
    points: int
    accepted: bool
    reason: str


@dataclass(frozen=True, slots=True)
class ObservedDirections:
    """The well-known part of a match: rows (k, 3) over x, y, yaw, and their variances (k,)."""

    rows: np.ndarray
    variances: np.ndarray


class ScanMatcher:
    """Matches scans to one map."""

    def __init__(self, field: DistanceField, config: MatcherConfig) -> None:
        self.field = field
        self._config = config
        self._grid = np.array([*field.centre, field.resolution_m, field.limit_m], dtype=float)
        hold = [config.prior_sigma_m, config.prior_sigma_m, config.prior_sigma_rad]
        self._hold = 1.0 / np.square(hold)
        self._H, self._g, self._work = np.zeros((3, 3)), np.zeros(3), np.zeros((5, 3))

    def match(self, scan: PlanarScan, pose_map_base: np.ndarray) -> Match:
        """
        Find the pose near a prediction where the scan fits the map.

        The kernel is wide first, so that a prediction half a metre off is caught, and then as
        narrow as the map proves to be exact.

        Raises
        ------
        ValueError
            If the prediction is not three finite numbers.

        """
        pose = np.array(pose_map_base, dtype=float)
        if pose.shape != (3,) or not np.isfinite(pose).all():
            raise ValueError(f"prediction is {pose_map_base!r}, it must be three finite numbers")
        shortage = self.shortage(scan)
        if shortage:
            n = len(scan.points_base)
            return Match(scan.stamp_s, pose, np.zeros((3, 3)), 0.0, np.inf, n, False, shortage)
        # Without points there is no cost to balance, so the hold is weighed in units of the
        # kernel: a prediction one sigma away costs as much as a fiftieth of the points.
        hold = self._hold * (0.02 * len(scan.points_base)) * self._config.wide_scale_m**2
        self._descend(scan, pose, hold, self._config.wide_scale_m)
        scale = self._fitted_scale(scan, pose)
        self._descend(scan, pose, hold * (scale / self._config.wide_scale_m) ** 2, scale)
        return self._judge(scan, pose, scale)

    def shortage(self, scan: PlanarScan) -> str:
        """Tell that a scan has too few points to say anything, empty when it has enough."""
        n, least = len(scan.points_base), self._config.min_points
        return f"scan has {n} points of upright surfaces (least {least})" if n < least else ""

    def distances(self, scan: PlanarScan, pose_map_base: np.ndarray) -> np.ndarray:
        """Distance (n,) of each point of the scan to the map, at a pose."""
        out = np.empty(len(scan.points_base))
        _distance_field.distances(
            self.field.distance, self._grid, scan.points_base, pose_map_base, out
        )
        return out

    def _descend(self, scan: PlanarScan, pose: np.ndarray, hold: np.ndarray, scale: float) -> None:
        _distance_field.minimise(
            self.field.distance,
            self._grid,
            scan.points_base,
            pose,
            hold,
            scale,
            self._config.iterations,
            self._H,
            self._g,
            self._work,
        )
        pose[2] = wrap_angle(pose[2])

    def _fitted_scale(self, scan: PlanarScan, pose: np.ndarray) -> float:
        """Twice the robust standard deviation of the distances of the better-fitting points."""
        distances = self.distances(scan, pose)
        near = distances[distances < self._config.inlier_distance_m]
        # A distance is never negative: its median is 0.67 sigma of the normal error behind it.
        spread = 1.48 * float(np.median(near)) if len(near) else self._config.max_scale_m
        return min(max(2.0 * spread, self._config.min_scale_m), self._config.max_scale_m)

    def _judge(self, scan: PlanarScan, pose: np.ndarray, scale: float) -> Match:
        config = self._config
        distances = self.distances(scan, pose)
        inlier_share = float(np.mean(distances < config.inlier_distance_m))
        weights = 1.0 / (1.0 + np.square(distances / scale))
        spread = float(np.sqrt((weights * np.square(distances)).sum() / weights.sum()))
        spread = max(spread, config.sigma_floor_m)
        # Points of one facade share its error, so they count as one draw per stretch of surface.
        draws = min(max(scan.surface_length_m / config.surface_length_m, 1.0), len(distances))
        information = self._H * (draws / len(distances)) / spread**2
        accepted = inlier_share >= config.min_inlier_share
        reason = (
            ""
            if accepted
            else f"map explains {inlier_share:.2f} of the scan (least {config.min_inlier_share:g})"
        )
        return Match(
            scan.stamp_s, pose, information, inlier_share, spread, len(distances), accepted, reason
        )


def observed_directions(information: np.ndarray, config: MatcherConfig) -> ObservedDirections:
    """
    Split a match into the directions that it knows well and those it must not correct.

    Along a facade, or on an open square, the Hessian is near singular; its eigenvectors there are
    left out (heading counted by its shift at YAW_LEVER_M). Zhang, Kaess and Singh (2016) call this
    solution remapping.
    """
    lever = np.array([1.0, 1.0, YAW_LEVER_M])
    values, vectors = np.linalg.eigh(information / np.outer(lever, lever))
    known = values > config.degenerate_sigma_m**-2
    rows = (vectors[:, known] * lever[:, None]).T
    return ObservedDirections(rows, 1.0 / values[known])
