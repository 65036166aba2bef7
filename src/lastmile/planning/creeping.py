"""
Creeping on: slow short arcs out of a corner that the controller's plans cannot leave.

Beside a wall, with somebody standing ahead, every plan of the controller swings a corner of the
robot into something, and going straight for half a metre first is what a driver would do.
"""

from __future__ import annotations

import numpy as np

from lastmile.geometry import polyline
from lastmile.planning.guide import Guide
from lastmile.planning.stopping import Start
from lastmile.vehicle.certificate import Certifier, Surroundings
from lastmile.vehicle.motion_plan import Motion, integrate

AFTER_S = 1.5
LASTS_S = 2.0
SPEED_MPS = 0.2
ACCELERATION_MPS2, YAW_ACCELERATION = 1.0, 1.5
YAW_RATES = (0.0, 0.15, -0.15, 0.3, -0.3, 0.5, -0.5)
DRIVE_S = 1.2
AIM_M = 1.5
GAIN_M = 0.08
"""An arc must lead so much nearer to the guide's point ahead."""


class Creeping:
    """Creeps for a while once it is allowed to begin."""

    def __init__(self, step_s: float, certifier: Certifier):
        self._step_s = step_s
        self._certifier = certifier
        self._until_s = -np.inf

    def going(self, stamp_s: float) -> bool:
        """Tell whether it has begun and is not over."""
        return stamp_s < self._until_s

    def begin(self, stuck_s: float, stamp_s: float) -> bool:
        """Begin when stuck for long enough."""
        if stuck_s < AFTER_S:
            return False
        self._until_s = stamp_s + LASTS_S
        return True

    def find(self, start: Start, around: Surroundings, guide: Guide) -> Motion | None:
        """Take the free arc that leads nearest to the guide's point ahead; None ends it."""
        aim = polyline.sample(guide.points, np.array([AIM_M]))[0]
        best, least_m = None, float(np.hypot(*(aim - start.pose[:2]))) - GAIN_M
        for yaw_rate in YAW_RATES:
            motion = self._arc(start, yaw_rate)
            away_m = float(np.hypot(*(aim - motion.poses[-1, :2])))
            if away_m < least_m and not self._certifier.check(motion, around):
                best, least_m = motion, away_m
        if best is None:
            self._until_s = -np.inf
        return best

    def _arc(self, start: Start, yaw_rate: float) -> Motion:
        twists = [np.array(start.twist, float)]
        change = self._step_s * np.array([ACCELERATION_MPS2, YAW_ACCELERATION])
        wanted = np.array([SPEED_MPS, yaw_rate])
        for _ in range(round(DRIVE_S / self._step_s)):
            twists.append(twists[-1] + np.clip(wanted - twists[-1], -change, change))
        while np.abs(twists[-1]).max() > 1e-9:
            twists.append(twists[-1] + np.clip(-twists[-1], -change, change))
        return integrate(start.pose, np.array(twists), self._step_s)
