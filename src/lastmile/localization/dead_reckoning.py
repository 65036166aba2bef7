"""Odometry from wheels and gyro: the smooth pose of base in odom, and when the robot stands."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np

from lastmile.geometry.se2 import advance
from lastmile.localization.config import MotionConfig

BIAS_WINDOW_S = 0.5


class DeadReckoning:
    """Integrates speed and yaw rate; corrections of bias and scale change its rates only."""

    def __init__(self, length_s: float) -> None:
        self.stamp_s = -np.inf
        self.pose_odom_base = np.zeros(3)
        self.twist_base = np.zeros(2)
        self._length_s = length_s
        self._stamps: list[float] = []
        self._poses: list[np.ndarray] = []
        self._twists: list[np.ndarray] = []

    def update(self, stamp_s: float, twist_base: np.ndarray) -> None:
        """Move on to a stamp by the twist before, and go on with a new twist."""
        if self._stamps:
            self.pose_odom_base = advance(
                self.pose_odom_base, self.twist_base, stamp_s - self.stamp_s
            )
        self.stamp_s = stamp_s
        self.twist_base = np.asarray(twist_base, dtype=float)
        self._stamps.append(stamp_s)
        self._poses.append(self.pose_odom_base)
        self._twists.append(self.twist_base)
        if self._stamps[0] < stamp_s - 2.0 * self._length_s:
            old = bisect_right(self._stamps, stamp_s - self._length_s)
            del self._stamps[:old], self._poses[:old], self._twists[:old]

    def at(self, stamp_s: float) -> tuple[np.ndarray, np.ndarray] | None:
        """Pose in odom and twist at a stamp, None before the first or beyond the history."""
        i = bisect_right(self._stamps, stamp_s) - 1
        if i < 0:
            return None
        pose = advance(self._poses[i], self._twists[i], stamp_s - self._stamps[i])
        return pose, self._twists[i]


class Standstill:
    """Tells from wheels and gyro that the robot stands, and then what the gyro reads."""

    def __init__(self, config: MotionConfig) -> None:
        self._config = config
        self._since_s = np.inf
        self._window_start_s = np.inf
        self._readings: list[float] = []

    def update(
        self, stamp_s: float, wheel_twist: np.ndarray, yaw_rate_radps: float, bias_radps: float
    ) -> bool:
        """Take a raw reading and its known bias; True once the robot has stood long enough."""
        config = self._config
        moving = (
            not self.wheels_stand(wheel_twist)
            or abs(yaw_rate_radps - bias_radps) > config.standstill_yaw_rate_radps
        )
        if moving:
            self.forget()
            return False
        self._since_s = min(self._since_s, stamp_s)
        if stamp_s - self._since_s < config.standstill_time_s:
            return False
        self._window_start_s = min(self._window_start_s, stamp_s)
        self._readings.append(float(yaw_rate_radps))
        return True

    def wheels_stand(self, wheel_twist: np.ndarray) -> bool:
        """Tell that wheels (2,) read no motion."""
        return bool(
            abs(wheel_twist[0]) <= self._config.standstill_speed_mps
            and abs(wheel_twist[1]) <= self._config.standstill_yaw_rate_radps
        )

    def forget(self) -> None:
        """Know nothing of standing any more, for gyro or wheels are silent."""
        self._since_s = self._window_start_s = np.inf
        self._readings.clear()

    def take_gyro_bias(self, stamp_s: float) -> float | None:
        """Mean gyro reading of a full window of standstill, None while it is not full."""
        if stamp_s - self._window_start_s < BIAS_WINDOW_S or not self._readings:
            return None
        bias = float(np.mean(self._readings))
        self._window_start_s = stamp_s
        self._readings.clear()
        return bias
