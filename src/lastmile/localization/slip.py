"""
Slip: motion that the lidar saw and the wheels did not, or the other way round.

Matches of successive scans share the error of the map, so their difference tells the motion far
better than each tells the place; held against odometry it shows slip whatever the map is worth.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from lastmile.geometry.se2 import between
from lastmile.localization.config import MotionConfig


class SlipWatch:
    """Compares matches with odometry over a short window."""

    def __init__(self, config: MotionConfig) -> None:
        self._config = config
        self._window: deque[tuple[float, np.ndarray, np.ndarray]] = deque()
        self.missed_m = 0.0
        """What odometry missed over the window, 0 where it and the matches agree."""

    def restart(self) -> None:
        """Forget the matches of an earlier track."""
        self._window.clear()
        self.missed_m = 0.0

    def update(
        self, stamp_s: float, pose_map_base: np.ndarray, pose_odom_base: np.ndarray
    ) -> float:
        """
        Take a match and the odometry at its stamp.

        Returns
        -------
        float
            Standard deviation [m] of what odometry missed since the match before, 0 where it and
            the matches agree.

        """
        config, window = self._config, self._window
        self.missed_m = 0.0
        previous_s = window[-1][0] if window else stamp_s
        window.append((stamp_s, pose_map_base, pose_odom_base))
        while len(window) > 2 and window[1][0] <= stamp_s - config.slip_window_s:
            window.popleft()
        first_s, first_map, first_odom = window[0]
        span_s = stamp_s - first_s
        if not 0.0 < span_s <= 2.0 * config.slip_window_s:
            return 0.0
        seen, driven = between(first_map, pose_map_base), between(first_odom, pose_odom_base)
        missed_m = float(np.hypot(*(seen - driven)[:2]))
        if missed_m < config.slip_least_m:
            return 0.0
        self.missed_m = missed_m
        return missed_m * float(np.sqrt((stamp_s - previous_s) / span_s))
