"""What a plan is, where it begins, and the one that is always at hand: to brake."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lastmile.vehicle.certificate import Certifier, Surroundings
from lastmile.vehicle.description import MotionLimits
from lastmile.vehicle.motion_plan import Motion, drive_then_brake, stand

STANDING_MPS = 0.05


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, whether it is certified, why it is slow, and whether the goal is reached."""

    motion: Motion
    certified: bool
    reason: str
    arrived: bool = False
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Start:
    """Where the plan begins: pose and twist of the robot at the stamp of the step."""

    stamp_s: float
    pose: np.ndarray
    twist: np.ndarray


class Stopping:
    """Brakes from any start; counts how often no braking was free."""

    def __init__(self, limits: MotionLimits, step_s: float, certifier: Certifier):
        self.limits = limits
        self.step_s = step_s
        self.uncertified = 0
        self._certifier = certifier

    def brake(self, start: Start, braking_mps2: float | None = None) -> Motion:
        """Brake along the arc that the robot is on; as in service unless told otherwise."""
        braking = self.limits.braking_mps2 if braking_mps2 is None else braking_mps2
        if np.abs(start.twist).max() < 1e-3:
            return stand(start.pose, self.step_s)
        states = np.repeat(np.concatenate([start.pose, start.twist])[None], 2, axis=0)
        return drive_then_brake(states, 0, self.step_s, braking, self.limits)

    def plan(self, start: Start, around: Surroundings, reason: str, firmly: bool = False) -> Plan:
        """Brake as gently as is free, or at least firmly, else as hard as the robot can."""
        service, hardest = self.limits.braking_mps2, self.limits.emergency_braking_mps2
        for braking in (0.5 * (service + hardest) if firmly else service, hardest):
            motion = self.brake(start, braking)
            if not self._certifier.check(motion, around, stops=True):
                return Plan(motion, True, reason)
        self.uncertified += 1
        return Plan(motion, False, reason)

    def roll_out(self, start: Start, around: Surroundings, way_m: float, reason: str) -> Plan:
        """Come to a stand after a way, where that is free."""
        braking = float(np.clip(start.twist[0] ** 2 / (2.0 * max(way_m, 0.01)), 0.2, 1.5))
        motion = self.brake(start, braking)
        if not self._certifier.check(motion, around, stops=True):
            return Plan(motion, True, reason)
        return self.plan(start, around, reason)
