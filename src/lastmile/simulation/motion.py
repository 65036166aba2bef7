"""The state of the robot's body, as every engine gives it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Motion:
    """State of the base: pose, twist, attitude, and what IMU and encoders would feel."""

    pose_map_base: np.ndarray
    T_map_base: np.ndarray
    twist_base: np.ndarray
    angular_velocity_imu: np.ndarray
    specific_force_imu: np.ndarray
    wheel_angles: np.ndarray
    """(2,) left and right [rad]."""
