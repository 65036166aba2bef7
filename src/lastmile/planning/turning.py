"""Turning on the spot, where the way leads too much aside to be driven into."""

from __future__ import annotations

import numpy as np

from lastmile.planning.stopping import Start
from lastmile.vehicle.certificate import Certifier, Surroundings
from lastmile.vehicle.motion_plan import Motion, turn_on_spot

TURN_FROM_RAD = 0.9
TURN_UNTIL_RAD = 0.2
TURN_RATE = 0.8
TURN_ACCELERATION = 1.5


class Turning:
    """Decides, with hysteresis, whether to turn, and finds free turns."""

    def __init__(self, step_s: float, certifier: Certifier):
        self._step_s = step_s
        self._certifier = certifier
        self._turns = False

    def wanted(self, error: float) -> bool:
        """Tell whether a heading error [rad] is to be turned off standing."""
        self._turns = abs(error) > (TURN_UNTIL_RAD if self._turns else TURN_FROM_RAD)
        return self._turns

    def find(self, start: Start, around: Surroundings, angle: float) -> tuple[Motion | None, str]:
        """Turn by an angle, the short way or else the long way; or say what bars it."""
        bars = ""
        for turn in (angle, angle - np.copysign(2.0 * np.pi, angle)):
            if abs(turn) > 1.5 * np.pi:
                continue
            rate = float(start.twist[1])
            motion = turn_on_spot(
                start.pose, rate, turn, self._step_s, TURN_RATE, TURN_ACCELERATION
            )
            problem = self._certifier.check(motion, around)
            if not problem:
                return motion, ""
            bars = bars or problem
        return None, bars
