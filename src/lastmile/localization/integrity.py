"""
How far the pose can be trusted: protection levels, and the state with its reasons.

A protection level bounds the error of an axis with a stated risk. It holds the filter's covariance
and what the filter cannot average out: the error of the map that the last matches saw, which all
scans of a place share. Innovations that are larger than they should be widen it.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from lastmile.localization.config import IntegrityConfig, MapError
from lastmile.localization.filter import FilterState, Innovation
from lastmile.localization.scan_matching import Match
from lastmile.types import LocalizationState

NIS_MOST = 25.0


@dataclass(frozen=True, slots=True)
class Protection:
    """Bounds of the error along and across the heading [m], and of the heading [rad]."""

    along_m: float
    lateral_m: float
    yaw_rad: float

    def widened(self, way_m: float) -> Protection:
        """Bound a position that may be off by so much more."""
        return Protection(self.along_m + way_m, self.lateral_m + way_m, self.yaw_rad)


@dataclass(frozen=True, slots=True)
class Assessment:
    """State of the localization and the reason for it, empty while tracking."""

    state: LocalizationState
    reason: str


class IntegrityMonitor:
    """Watches ages, innovations and matches."""

    def __init__(self, config: IntegrityConfig, map_error: MapError) -> None:
        self._config = config
        frame_m, frame_rad = map_error.frame_sigma_m, map_error.frame_sigma_rad
        self._frame_covariance = np.diag(np.square([frame_m, frame_m, frame_rad]))
        self._factor = -float(ndtri(config.risk / 2.0))
        self._nis: dict[str, deque[float]] = {}
        self._mean_nis: dict[str, float] = {}
        self._map_covariance = np.zeros((3, 3))
        self.last_match_s = -np.inf
        self.misfits = 0
        self.misfit_reason = ""

    def restart(self) -> None:
        """Forget what was seen of an earlier track."""
        self._nis.clear()
        self._mean_nis.clear()
        self._map_covariance = np.zeros((3, 3))
        self.last_match_s = -np.inf
        self.misfits = 0

    def note_innovation(self, source: str, innovation: Innovation) -> None:
        """Take the innovation of a measurement of `source`."""
        window = self._nis.setdefault(source, deque(maxlen=self._config.nis_window))
        # A single spike says little; fixes or matches that stay off say much.
        window.append(min(innovation.nis_per_dof, NIS_MOST))
        self._mean_nis[source] = float(np.mean(window))

    def note_match(self, match: Match, map_covariance: np.ndarray) -> None:
        """Take an accepted match, with the covariance that the map's error alone gives it."""
        self.last_match_s = match.stamp_s
        self.misfits = 0
        # The map's error changes from street to street, within some seconds of driving.
        self._map_covariance += 0.1 * (map_covariance - self._map_covariance)

    def note_misfit(self, reason: str) -> None:
        """Count a scan that the map does not explain."""
        self.misfits += 1
        self.misfit_reason = reason

    def mean_nis(self, source: str) -> float:
        """Mean normalised innovation of a source, 1 when consistent, NaN without any."""
        return self._mean_nis.get(source, math.nan)

    def protection(self, state: FilterState) -> Protection:
        """Bound the error of a belief."""
        consistency = self.mean_nis("lidar")
        widen = max(consistency, 1.0) if math.isfinite(consistency) else 1.0
        P = state.pose_covariance * widen + self._map_covariance + self._frame_covariance
        (xx, xy, _), (_, yy, _), (_, _, turn) = P.tolist()
        yaw = float(state.mean[2])
        c, s = math.cos(yaw), math.sin(yaw)
        along = c * c * xx + 2.0 * c * s * xy + s * s * yy
        across = s * s * xx - 2.0 * c * s * xy + c * c * yy
        return Protection(
            self._factor * math.sqrt(along),
            self._factor * math.sqrt(across),
            min(self._factor * math.sqrt(turn), math.pi),
        )

    def assess_sensors(self, imu_age_s: float, wheel_age_s: float) -> str:
        """Name the sensor without which no odometry can be given, empty when there is none."""
        for name, age_s, limit_s in (
            ("gyro", imu_age_s, self._config.imu_timeout_s),
            ("wheel odometry", wheel_age_s, self._config.wheel_timeout_s),
        ):
            if age_s > limit_s:
                age = f"{age_s:.2f} s old" if math.isfinite(age_s) else "missing"
                return f"{name} {age} (limit {limit_s:g} s)"
        return ""

    def assess(self, stamp_s: float, protection: Protection) -> Assessment:
        """Judge a track."""
        config = self._config
        level_m = max(protection.along_m, protection.lateral_m)
        if self.misfits >= config.lost_matches:
            reason = f"{self.misfits} scans in a row do not fit the map: {self.misfit_reason}"
            return Assessment(LocalizationState.LOST, reason)
        lost = _over(level_m, config.lost_protection_m, protection.yaw_rad, config.lost_yaw_rad)
        if lost:
            return Assessment(LocalizationState.LOST, lost)
        wide = _over(
            level_m, config.degraded_protection_m, protection.yaw_rad, config.degraded_yaw_rad
        )
        if wide:
            return Assessment(LocalizationState.DEGRADED, wide)
        match_age_s = stamp_s - self.last_match_s
        if match_age_s > config.match_timeout_s:
            age = f"for {match_age_s:.1f} s" if np.isfinite(match_age_s) else "yet"
            reason = f"no lidar match {age} (limit {config.match_timeout_s:g} s)"
            if self.misfits:
                reason += f": {self.misfit_reason}"
            return Assessment(LocalizationState.DEGRADED, reason)
        gnss_nis = self.mean_nis("gnss")
        if gnss_nis > config.gnss_nis:
            reason = (
                f"satellite fixes disagree, mean NIS {gnss_nis:.1f} (limit {config.gnss_nis:g})"
            )
            return Assessment(LocalizationState.DEGRADED, reason)
        return Assessment(LocalizationState.TRACKING, "")


def _over(level_m: float, limit_m: float, yaw_rad: float, yaw_limit_rad: float) -> str:
    """Say which protection level is over its limit, empty for none."""
    if not level_m <= limit_m:
        return f"position known to {level_m:.2f} m only (limit {limit_m:g} m)"
    if not yaw_rad <= yaw_limit_rad:
        return f"heading known to {yaw_rad:.2f} rad only (limit {yaw_limit_rad:g} rad)"
    return ""
