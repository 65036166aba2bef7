"""
Docking motion as trajectories that always end in a stop.

Each motion is a law, from a pose to the twist wanted there, rolled out from where the robot is.
The approach steers by Park and Kuipers (2011), "A smooth control law for graceful motion of
differential wheeled mobile robots in 2D environment", with its target a little behind the port, so
that the law stays smooth up to contact.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from lastmile.geometry.se2 import between
from lastmile.handoff.config import ApproachConfig
from lastmile.types import Trajectory, TrajectorySource

Pose = tuple[float, float, float]
Twist = tuple[float, float]
Law = Callable[[Pose], Twist]
"""From a pose in odom to the twist wanted there."""

STEPS_MAX = 400
TO_CONTACT_S = 12.0
"""More than the approach takes from where its alignment is judged."""
STAND: Twist = (0.0, 0.0)


def roll_out(
    stamp_s: float,
    pose_odom_base: np.ndarray,
    twist_base: np.ndarray,
    law: Law,
    config: ApproachConfig,
    horizon_s: float | None = None,
) -> Trajectory:
    """
    Follow a law for the horizon, then brake to a stop on the same arc; nothing is certified yet.

    Speed and yaw rate change no faster than the config allows, so the first twist is the one that
    the robot has. Plain floats, because a roll-out has some thirty steps and numpy's overhead on
    three numbers costs ten times as much as the sums.
    """
    dt_s = config.dt_s
    pose = tuple(float(v) for v in pose_odom_base)
    twist = tuple(float(v) for v in twist_base)
    poses, twists = [pose], [twist]
    steps = round((config.horizon_s if horizon_s is None else horizon_s) / dt_s)
    for k in range(STEPS_MAX):
        braking = k >= steps
        following = _limit(STAND if braking else law(pose), twist, dt_s, config, braking)
        pose = _advance(pose, twist, following, dt_s)
        twist = following
        poses.append(pose)
        twists.append(twist)
        if k >= steps - 1 and twist == STAND:
            break
    twists[-1] = STAND
    return Trajectory(
        stamp_s=stamp_s,
        source=TrajectorySource.DOCKING,
        dt_s=dt_s,
        poses=np.array(poses),
        twists=np.array(twists),
        certified=False,
        reason="",
    )


def brake(
    stamp_s: float,
    pose_odom_base: np.ndarray,
    twist_base: np.ndarray,
    braking_mps2: float,
    config: ApproachConfig,
    reason: str,
) -> Trajectory:
    """Brake at once, on the arc that the robot is on."""
    config = dataclasses.replace(config, acceleration_mps2=braking_mps2)
    plan = roll_out(stamp_s, pose_odom_base, twist_base, _stand, config, horizon_s=0.0)
    return dataclasses.replace(plan, reason=reason)


def off_at_contact(
    pose_odom_base: np.ndarray,
    twist_base: np.ndarray,
    pose_odom_port: np.ndarray,
    goal_x_m: float,
    config: ApproachConfig,
) -> tuple[float, float]:
    """Lateral offset and heading error that the approach would have at its end."""
    law = approach_law(pose_odom_port, goal_x_m, config)
    plan = roll_out(0.0, pose_odom_base, twist_base, law, config, horizon_s=TO_CONTACT_S)
    _, lateral_m, yaw = between(pose_odom_port, plan.poses[-1])
    return float(lateral_m), _wrap(float(yaw) - math.pi)


def _stand(pose: Pose) -> Twist:
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
    into_port = _into_frame(pose_odom_port)

    def law(pose: Pose) -> Twist:
        pose_port_base = into_port(pose)
        speed = approach_speed(pose_port_base[0] - goal_x_m, config)
        if speed <= 0.0:
            return STAND
        curvature = park_kuipers(pose_port_base, goal_x_m - config.aim_beyond_m, config)
        speed = min(speed, config.yaw_rate_max / max(abs(curvature), 1e-6))
        return speed, curvature * speed

    return law


def park_kuipers(pose_port_base: Pose, target_x_m: float, config: ApproachConfig) -> float:
    """Curvature towards (target_x_m, 0) of the port frame, arriving with heading pi."""
    x, y, yaw = pose_port_base
    distance = max(math.hypot(x - target_x_m, y), 0.05)
    sight = math.atan2(-y, target_x_m - x)
    theta = _wrap(math.pi - sight)
    delta = _wrap(yaw - sight)
    slow = config.k2 * (delta - math.atan(-config.k1 * theta))
    fast = (1.0 + config.k1 / (1.0 + (config.k1 * theta) ** 2)) * math.sin(delta)
    return -(slow + fast) / distance


def approach_speed(left_m: float, config: ApproachConfig) -> float:
    """Speed at a distance to contact: brakes into the slow stretch, then into contact."""
    if left_m <= 0.0:
        return 0.0
    braking = 0.5 * config.acceleration_mps2
    before_slow = max(left_m - config.slow_distance_m, 0.0)
    far = math.sqrt(config.contact_speed_mps**2 + 2.0 * braking * before_slow)
    near = math.sqrt(2.0 * 0.1 * left_m)
    return min(config.speed_mps, far, near, left_m / config.dt_s)


def straight_law(
    origin_odom: np.ndarray, distance_m: float, speed_mps: float, config: ApproachConfig
) -> Law:
    """Drive straight on (distance positive) or back (negative) from a pose, and stop there."""
    sign = math.copysign(1.0, distance_m)
    into_origin = _into_frame(origin_odom)

    def law(pose: Pose) -> Twist:
        along, across, turned = into_origin(pose)
        left_m = abs(distance_m) - sign * along
        if left_m <= 0.002:
            return STAND
        speed = min(speed_mps, math.sqrt(config.acceleration_mps2 * left_m), left_m / config.dt_s)
        # Hold the line: steering is mirrored when going backwards.
        steer = min(max(-2.0 * sign * across - 1.5 * turned, -1.0), 1.0)
        return sign * speed, 0.3 * steer * min(1.0, speed / 0.1)

    return law


def turn_law(yaw_odom: float, yaw_rate: float, config: ApproachConfig) -> Law:
    """Turn on the spot to a heading."""

    def law(pose: Pose) -> Twist:
        left = _wrap(yaw_odom - pose[2])
        if abs(left) <= 0.005:
            return STAND
        easing = math.sqrt(config.yaw_acceleration * abs(left))
        return 0.0, math.copysign(min(yaw_rate, easing, abs(left) / config.dt_s), left)

    return law


def _limit(wanted: Twist, last: Twist, dt_s: float, config: ApproachConfig, braking: bool) -> Twist:
    step_v, step_w = config.acceleration_mps2 * dt_s, config.yaw_acceleration * dt_s
    speed = min(max(wanted[0], last[0] - step_v), last[0] + step_v)
    yaw_rate = min(max(wanted[1], last[1] - step_w), last[1] + step_w)
    if braking and abs(last[0]) > 0.02:
        yaw_rate = last[1] * speed / last[0]
    return speed, yaw_rate


def _advance(pose: Pose, twist: Twist, following: Twist, dt_s: float) -> Pose:
    """Move along the arc of the mean twist of a step, as geometry.se2.advance does."""
    turn = 0.5 * (twist[1] + following[1]) * dt_s
    heading = pose[2] + 0.5 * turn
    chord = 0.5 * (twist[0] + following[0]) * dt_s
    if abs(turn) > 1e-6:
        chord *= math.sin(0.5 * turn) / (0.5 * turn)
    return (
        pose[0] + chord * math.cos(heading),
        pose[1] + chord * math.sin(heading),
        _wrap(pose[2] + turn),
    )


def _into_frame(pose_odom_frame: np.ndarray) -> Callable[[Pose], Pose]:
    """Make the function that takes poses from odom to a frame."""
    x, y, yaw = (float(v) for v in pose_odom_frame)
    c, s = math.cos(yaw), math.sin(yaw)

    def into(pose: Pose) -> Pose:
        dx, dy = pose[0] - x, pose[1] - y
        return c * dx + s * dy, c * dy - s * dx, _wrap(pose[2] - yaw)

    return into


def _wrap(angle: float) -> float:
    return math.remainder(angle, math.tau)
