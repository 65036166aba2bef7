"""
Docking motion as trajectories that always end in a stop.

Each motion is a law, from a pose to the twist wanted there, rolled out from where the robot is.
The approach steers by Park and Kuipers (2011), "A smooth control law for graceful motion of
differential wheeled mobile robots in 2D environment", with its target a little behind the port, so
that the law stays smooth up to contact.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lastmile.geometry.se2 import advance, between, wrap_angle
from lastmile.handoff.config import ApproachConfig
from lastmile.types import Trajectory, TrajectorySource

Law = Callable[[np.ndarray], np.ndarray]
"""From a pose in odom to the twist wanted there."""

STEPS_MAX = 400
STAND = np.zeros(2)


def roll_out(
    stamp_s: float,
    pose_odom_base: np.ndarray,
    twist_base: np.ndarray,
    law: Law,
    config: ApproachConfig,
    reason: str = "",
) -> Trajectory:
    """
    Follow a law for the horizon, then brake to a stop on the same arc.

    Speed and yaw rate change no faster than the config allows, so the first twist is the one that
    the robot has.
    """
    dt_s = config.dt_s
    pose, twist = np.array(pose_odom_base, dtype=float), np.array(twist_base, dtype=float)
    poses, twists = [pose], [twist]
    steps = round(config.horizon_s / dt_s)
    for k in range(STEPS_MAX):
        wanted = law(pose) if k < steps else STAND
        following = _limit(wanted, twist, dt_s, config, braking=k >= steps)
        pose = advance(pose, 0.5 * (twist + following), dt_s)
        twist = following
        poses.append(pose)
        twists.append(twist)
        if k >= steps - 1 and not twist.any():
            break
    twists[-1] = STAND
    return Trajectory(
        stamp_s=stamp_s,
        source=TrajectorySource.DOCKING,
        dt_s=dt_s,
        poses=np.array(poses),
        twists=np.array(twists),
        certified=True,
        reason=reason,
    )


def stand_law(pose: np.ndarray) -> np.ndarray:
    """Stop and stay."""
    return STAND


def approach_law(pose_odom_port: np.ndarray, goal_x_m: float, config: ApproachConfig) -> Law:
    """
    Drive to where base lies `goal_x_m` before the port, on its axis and facing it.

    Parameters
    ----------
    pose_odom_port : ndarray, shape (3,)
        The port, x outward.
    goal_x_m : float
        x of base in the port frame at the end.

    """

    def law(pose: np.ndarray) -> np.ndarray:
        pose_port_base = between(pose_odom_port, pose)
        left_m = float(pose_port_base[0]) - goal_x_m
        speed = approach_speed(left_m, config)
        if speed <= 0.0:
            return STAND
        curvature = park_kuipers(pose_port_base, goal_x_m - config.aim_beyond_m, config)
        speed = min(speed, config.yaw_rate_max / max(abs(curvature), 1e-6))
        return np.array([speed, curvature * speed])

    return law


def park_kuipers(pose_port_base: np.ndarray, target_x_m: float, config: ApproachConfig) -> float:
    """Curvature towards (target_x_m, 0) of the port frame, arriving with heading pi."""
    x, y, yaw = (float(v) for v in pose_port_base)
    distance = max(float(np.hypot(x - target_x_m, y)), 0.05)
    sight = np.arctan2(-y, target_x_m - x)
    theta = float(wrap_angle(np.pi - sight))
    delta = float(wrap_angle(yaw - sight))
    slow = config.k2 * (delta - np.arctan(-config.k1 * theta))
    fast = (1.0 + config.k1 / (1.0 + (config.k1 * theta) ** 2)) * np.sin(delta)
    return float(-(slow + fast) / distance)


def approach_speed(left_m: float, config: ApproachConfig) -> float:
    """Speed at a distance to contact: brakes into the slow stretch, then into contact."""
    if left_m <= 0.0:
        return 0.0
    braking = 0.5 * config.acceleration_mps2
    before_slow = max(left_m - config.slow_distance_m, 0.0)
    far = np.sqrt(config.contact_speed_mps**2 + 2.0 * braking * before_slow)
    near = np.sqrt(2.0 * 0.1 * left_m)
    return float(min(config.speed_mps, far, near, left_m / config.dt_s))


def straight_law(
    origin_odom: np.ndarray, distance_m: float, speed_mps: float, config: ApproachConfig
) -> Law:
    """Drive straight on (distance positive) or back (negative) from a pose, and stop there."""
    sign = np.copysign(1.0, distance_m)

    def law(pose: np.ndarray) -> np.ndarray:
        gone = between(origin_odom, pose)
        left_m = abs(distance_m) - sign * float(gone[0])
        if left_m <= 0.002:
            return STAND
        speed = min(speed_mps, np.sqrt(config.acceleration_mps2 * left_m), left_m / config.dt_s)
        # Hold the line: steering is mirrored when going backwards.
        steer = -2.0 * sign * float(gone[1]) - 1.5 * float(gone[2])
        yaw_rate = np.clip(steer, -1.0, 1.0) * 0.3 * min(1.0, speed / 0.1)
        return np.array([sign * speed, yaw_rate])

    return law


def turn_law(yaw_odom: float, yaw_rate: float, config: ApproachConfig) -> Law:
    """Turn on the spot to a heading."""

    def law(pose: np.ndarray) -> np.ndarray:
        left = float(wrap_angle(yaw_odom - pose[2]))
        rate = min(yaw_rate, np.sqrt(config.yaw_acceleration * abs(left)), abs(left) / config.dt_s)
        return np.array([0.0, np.copysign(rate, left) if abs(left) > 0.005 else 0.0])

    return law


def _limit(
    wanted: np.ndarray, last: np.ndarray, dt_s: float, config: ApproachConfig, *, braking: bool
) -> np.ndarray:
    step_v, step_w = config.acceleration_mps2 * dt_s, config.yaw_acceleration * dt_s
    speed = float(np.clip(wanted[0], last[0] - step_v, last[0] + step_v))
    yaw_rate = float(np.clip(wanted[1], last[1] - step_w, last[1] + step_w))
    if braking and abs(last[0]) > 0.02:
        yaw_rate = float(last[1]) * speed / float(last[0])
    return np.array([speed, yaw_rate])
