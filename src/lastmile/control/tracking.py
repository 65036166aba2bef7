"""Follow a trajectory by its stamps, and change speed no faster than the robot may."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lastmile.control.config import TrackingConfig
from lastmile.geometry.se2 import advance, wrap_angle
from lastmile.types import OdometryEstimate, Trajectory
from lastmile.vehicle.description import MotionLimits


@dataclass(frozen=True, slots=True)
class TrackingError:
    """Where the robot is, seen from where the plan wants it: along, across, turned."""

    along_m: float
    lateral_m: float
    heading: float

    def beyond(self, config: TrackingConfig) -> bool:
        """Tell whether the robot is too far from the plan to follow it."""
        distance = math.hypot(self.along_m, self.lateral_m)
        return distance > config.error_max_m or abs(self.heading) > config.error_max_rad


def sample_trajectory(plan: Trajectory, elapsed_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Pose and twist of a plan at a time after its stamp, held at its ends."""
    last = len(plan.poses) - 1
    position = min(max(elapsed_s / plan.dt_s, 0.0), float(last))
    k = min(int(position), last - 1) if last > 0 else 0
    part = position - k
    if last == 0 or part == 0.0:
        return plan.poses[k].copy(), plan.twists[k].copy()
    a, b = plan.poses[k], plan.poses[k + 1]
    pose = a + part * (b - a)
    pose[2] = a[2] + part * float(wrap_angle(b[2] - a[2]))
    return pose, plan.twists[k] + part * (plan.twists[k + 1] - plan.twists[k])


def tracking_error(plan: Trajectory, odometry: OdometryEstimate, stamp_s: float) -> TrackingError:
    """Compare the plan at a time with the odometry, carried to that time on its own twist."""
    wanted, _ = sample_trajectory(plan, stamp_s - plan.stamp_s)
    ahead_s = min(max(stamp_s - odometry.stamp_s, 0.0), 0.3)
    pose = advance(odometry.pose_odom_base, odometry.twist_base, ahead_s)
    dx, dy, turn = (wanted - pose).tolist()
    c, s = math.cos(pose[2]), math.sin(pose[2])
    return TrackingError(c * dx + s * dy, c * dy - s * dx, wrap_angle(turn))


def follow(
    plan: Trajectory, odometry: OdometryEstimate, stamp_s: float, config: TrackingConfig
) -> np.ndarray:
    """
    Twist that keeps the robot on a plan: its own twist plus bounded feedback of the pose.

    Where the plan stands nothing is corrected, so that the robot does not hunt about a stop.
    """
    _, wanted = sample_trajectory(plan, stamp_s + config.delay_s - plan.stamp_s)
    speed, yaw_rate = float(wanted[0]), float(wanted[1])
    if abs(speed) < 1e-3 and abs(yaw_rate) < 1e-3:
        return np.zeros(2)
    error = tracking_error(plan, odometry, stamp_s)
    dv = config.gain_along * error.along_m
    # A robot that turns on the spot cannot mend its position; correcting speed would make it creep.
    dv *= min(1.0, abs(speed) / 0.1)
    dw = config.gain_heading * error.heading + config.gain_lateral * speed * error.lateral_m
    return np.array(
        [
            speed * math.cos(error.heading) + _bound(dv, config.speed_correction_max_mps),
            yaw_rate + _bound(dw, config.yaw_rate_correction_max),
        ]
    )


def limit_twist(wanted: np.ndarray, last: np.ndarray, dt_s: float, limits: MotionLimits):
    """
    Bound speed, yaw rate and their change over one step.

    Slowing down may use emergency braking, because a plan that brakes so hard has its reason.
    """
    speed, yaw_rate = wanted.tolist()
    speed = min(max(speed, -limits.reverse_speed_max_mps), limits.speed_max_mps)
    yaw_rate = _bound(yaw_rate, limits.yaw_rate_max)
    braking = limits.emergency_braking_mps2
    last_speed, last_yaw_rate = last.tolist()
    speed = _slew(speed, last_speed, limits.acceleration_mps2, braking, dt_s)
    turn = limits.yaw_acceleration_max * dt_s
    return np.array([speed, min(max(yaw_rate, last_yaw_rate - turn), last_yaw_rate + turn)])


def brake_twist(
    last: np.ndarray, dt_s: float, braking_mps2: float, yaw_braking: float, curvature: float | None
) -> np.ndarray:
    """
    One step of braking.

    The robot stays on an arc: of the given curvature, or that of the last command.
    """
    last_speed, last_yaw_rate = last.tolist()
    speed = _towards_zero(last_speed, braking_mps2 * dt_s)
    if abs(last_speed) < 0.05:
        return np.array([speed, _towards_zero(last_yaw_rate, yaw_braking * dt_s)])
    if curvature is None:
        return np.array([speed, last_yaw_rate * speed / last_speed])
    turn = yaw_braking * dt_s
    wanted = curvature * speed
    return np.array([speed, min(max(wanted, last_yaw_rate - turn), last_yaw_rate + turn)])


def _slew(wanted: float, last: float, acceleration: float, braking: float, dt_s: float) -> float:
    """Move a speed towards a wanted one; across zero it brakes first."""
    if last > 0.0 or (last == 0.0 and wanted > 0.0):
        low, high = last - braking * dt_s, last + acceleration * dt_s
        low = max(low, 0.0) if last > 0.0 else low
    else:
        low, high = last - acceleration * dt_s, last + braking * dt_s
        high = min(high, 0.0) if last < 0.0 else high
    return min(max(wanted, low), high)


def _towards_zero(value: float, step: float) -> float:
    return math.copysign(max(abs(value) - step, 0.0), value)


def _bound(value: float, limit: float) -> float:
    return min(max(value, -limit), limit)
