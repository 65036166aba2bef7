"""
The base's own controller: what it makes of cmd_vel, and when it stops by itself.

It obeys within its own acceleration, and stops 0.25 s after the last command, on its e-stop, and
against a pressed bumper. Every engine that moves the robot has it between the gate and the motors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lastmile.simulation.config import BaseConfig
from lastmile.types import Command

STOP_DECELERATION_MPS2 = 3.0


@dataclass(frozen=True, slots=True)
class Hold:
    """What keeps the base from moving: its e-stop, and a bumper pressed at either end."""

    estop: bool = False
    ahead: bool = False
    behind: bool = False


FREE = Hold()
"""Nothing does."""


class Drive:
    """The controller; `step` gives what the motors are asked for."""

    def __init__(self, config: BaseConfig) -> None:
        """Stand, without a command so far."""
        self._config = config
        self._command = Command(-np.inf, 0.0, 0.0)
        self._speed, self._yaw_rate = 0.0, 0.0
        self.braked = True
        self.timed_out = True

    def obey(self, command: Command, stamp_s: float) -> None:
        """Take a command that came at `stamp_s`."""
        self._command = Command(stamp_s, command.speed_mps, command.yaw_rate)

    def step(self, stamp_s: float, dt_s: float, hold: Hold) -> tuple[float, float]:
        """Give the speed [m/s] and yaw rate [rad/s] of the wheels `dt_s` after the last step."""
        self.timed_out = stamp_s - self._command.stamp_s > self._config.command_timeout_s
        self.braked = bool(hold.estop or self.timed_out)
        speed, yaw_rate = self._command.speed_mps, self._command.yaw_rate
        if hold.ahead:
            speed, yaw_rate = min(speed, 0.0), 0.0
        if hold.behind:
            speed, yaw_rate = max(speed, 0.0), 0.0
        if self.braked:
            speed, yaw_rate = 0.0, 0.0
        self._slew(speed, yaw_rate, dt_s)
        return self._speed, self._yaw_rate

    def _slew(self, speed: float, yaw_rate: float, dt_s: float) -> None:
        """Bring what the motors are asked for nearer to what is wanted."""
        most = STOP_DECELERATION_MPS2 if self.braked else self._config.acceleration_mps2
        most, most_turn = most * dt_s, self._config.yaw_acceleration * dt_s
        self._speed += min(max(speed - self._speed, -most), most)
        self._yaw_rate += min(max(yaw_rate - self._yaw_rate, -most_turn), most_turn)
