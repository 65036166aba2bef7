"""Backing up a little where nothing goes ahead, over ground that is seen."""

from __future__ import annotations

import numpy as np

from lastmile.planning.stopping import Start
from lastmile.vehicle.certificate import Certifier, Surroundings
from lastmile.vehicle.description import MotionLimits
from lastmile.vehicle.motion_plan import Motion, reverse_straight

BACK_UP_M = 0.6
BACK_UP_AFTER_S = 3.0
BACK_UP_REST_S = 12.0
BACK_UP_SPEED_MPS = 0.25


class BackingUp:
    """Backs up once in a while; `going` tells that it is on the way."""

    def __init__(self, limits: MotionLimits, step_s: float, certifier: Certifier):
        self._limits = limits
        self._step_s = step_s
        self._certifier = certifier
        self._left_m = 0.0
        self._begun_s = -np.inf

    @property
    def going(self) -> bool:
        """Tell whether some way back is left."""
        return self._left_m > 0.0

    def begin(self, stuck_s: float, stamp_s: float) -> bool:
        """Begin when stuck for long enough and the last time is long enough ago."""
        if stuck_s <= BACK_UP_AFTER_S or stamp_s - self._begun_s <= BACK_UP_REST_S:
            return False
        self._left_m, self._begun_s = BACK_UP_M, stamp_s
        return True

    def find(self, start: Start, around: Surroundings) -> Motion | None:
        """Back up by the way that is left or half of it; None ends it for want of room."""
        for length_m in (self._left_m, 0.5 * self._left_m):
            motion = reverse_straight(
                start.pose,
                BACK_UP_SPEED_MPS,
                length_m,
                self._step_s,
                self._limits,
                float(start.twist[0]),
            )
            if length_m > 0.05 and not self._certifier.check(motion, around):
                moved = float(np.hypot(*(motion.poses[1] - motion.poses[0])[:2]))
                self._left_m = max(length_m - moved, 0.0)
                return motion
        self._left_m = 0.0
        return None
