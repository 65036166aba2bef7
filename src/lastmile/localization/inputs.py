"""The public door: each sensor value is checked once, and what is refused is counted and told."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from lastmile.types import FixType, GnssFix, ImuSample, InitialPose, PointGrid, WheelOdometry

FUTURE_S = 0.1
"""Stamps further ahead than this are refused: two clocks that are not set alike."""
SITE_MOST_M = 50e3
"""No site is so wide; the projection of places much farther away has no finite numbers."""
OFFSET_MOST_S = 1.0
"""Columns of a lidar turn are no farther from its stamp."""


class InputGuard:
    """
    Checks the values of one topic.

    Values must come in the order of their stamps, each newer than the one before; a latency that
    varies is no reason to be out of order on one topic. `fault` tells what is wrong with the shape
    or the numbers of a value, `malformed` unless given.
    """

    def __init__(
        self, topic: str, oldest_s: float, fault: Callable[[Any], str] | None = None
    ) -> None:
        self.topic = topic
        self.accepted = 0
        self.refused: Counter[str] = Counter()
        self.last_refusal = ""
        self._oldest_s = oldest_s
        self._malformed = fault or malformed
        self._newest_s = -np.inf

    def admit(self, value: object, now_s: float) -> bool:
        """Say whether to use a value; a refusal is counted under its rule."""
        rule, text = self._fault(value, now_s)
        if rule:
            self.refused[rule] += 1
            self.last_refusal = f"{self.topic}: {text}"
            return False
        self.accepted += 1
        self._newest_s = value.stamp_s
        return True

    def _fault(self, value: object, now_s: float) -> tuple[str, str]:
        """Name the broken rule and tell the value, ("", "") for none."""
        text = self._malformed(value)
        if text:
            return "malformed", text
        stamp_s = value.stamp_s
        if stamp_s > now_s + FUTURE_S:
            return "future", f"stamp {stamp_s:.3f} s is ahead of now, {now_s:.3f} s"
        if stamp_s < now_s - self._oldest_s:
            return "old", f"stamp {stamp_s:.3f} s is over {self._oldest_s:g} s old"
        if stamp_s == self._newest_s:
            return "duplicate", f"stamp {stamp_s:.3f} s came before"
        if stamp_s < self._newest_s:
            return "order", f"stamp {stamp_s:.3f} s is older than the last, {self._newest_s:.3f} s"
        return "", ""


def malformed(value: object) -> str:
    """Tell what is wrong with the shape or the numbers of a sensor value, empty for nothing."""
    if not math.isfinite(value.stamp_s):
        return f"stamp {value.stamp_s!r} is not finite"
    if isinstance(value, ImuSample):
        return _numbers("angular_velocity", value.angular_velocity, (3,), 35.0)
    if isinstance(value, WheelOdometry):
        return _numbers("twist_base", value.twist_base, (2,), 20.0)
    if isinstance(value, GnssFix):
        return _malformed_fix(value)
    if isinstance(value, PointGrid):
        return _malformed_cloud(value)
    return f"{type(value).__name__} is not a sensor value"


def malformed_place(position_map: np.ndarray) -> str:
    """Tell that a fix (2,) in map is not at the site, empty when it may be."""
    away_m = float(np.hypot(*position_map))
    if not away_m <= SITE_MOST_M:
        return f"position is {away_m:.0f} m from the site's origin, beyond {SITE_MOST_M:.0f} m"
    return ""


def malformed_start(value: InitialPose) -> str:
    """Tell what is wrong with an operator's pose, empty for nothing."""
    text = _numbers("pose_map_base", value.pose_map_base, (3,), 1e7)
    text = text or _numbers("covariance", value.covariance, (3, 3), 1e4)
    if text or not np.any(value.covariance):
        return text
    least = float(np.linalg.eigvalsh(0.5 * (value.covariance + value.covariance.T)).min())
    return "" if least > 0.0 else f"covariance has eigenvalue {least:g}, all must be positive"


def _numbers(name: str, value: np.ndarray, shape: tuple[int, ...], most: float) -> str:
    array = np.asarray(value)
    if array.shape != shape:
        return f"{name} has shape {array.shape}, it must be {shape}"
    numbers = array.ravel().tolist()
    if not all(map(math.isfinite, numbers)):
        return f"{name} is {array.tolist()}, it must be finite"
    if max(map(abs, numbers)) > most:
        return f"{name} is {array.tolist()}, beyond {most:g}"
    return ""


def _malformed_fix(fix: GnssFix) -> str:
    if fix.fix_type == FixType.NONE:
        # A receiver without a fix says so, and its position means nothing.
        return ""
    if not (abs(fix.latitude_deg) <= 90.0 and abs(fix.longitude_deg) <= 180.0):
        return f"position {fix.latitude_deg!r}, {fix.longitude_deg!r} is not on the globe"
    covariance = np.asarray(fix.covariance)
    if covariance.shape != (3, 3):
        return f"covariance has shape {covariance.shape}, it must be (3, 3)"
    plane = covariance[:2, :2]
    if not np.isfinite(plane).all() or plane[0, 0] < 0.0 or plane[1, 1] < 0.0:
        return f"covariance is {plane.tolist()}, it must be finite and not negative"
    return ""


def _malformed_cloud(cloud: PointGrid) -> str:
    shape = np.shape(cloud.points)
    if len(shape) != 3 or shape[2] != 3 or 0 in shape:
        return f"points have shape {shape}, they must be (rows, columns, 3), not empty"
    if np.shape(cloud.offset_s) != (shape[1],):
        return f"offset_s has shape {np.shape(cloud.offset_s)}, it must be ({shape[1]},)"
    offset_s = np.asarray(cloud.offset_s, float)
    if not np.isfinite(offset_s).all():
        return "offset_s has values that are not finite"
    most_s = float(np.abs(offset_s).max())
    if most_s > OFFSET_MOST_S:
        return f"offset_s is up to {most_s:g} s, beyond {OFFSET_MOST_S:g} s"
    return ""
