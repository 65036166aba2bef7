"""Motion that ends in a stop: driving and then braking, turning on the spot, standing."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lastmile.geometry.se2 import advance, wrap_angle
from lastmile.vehicle.description import MotionLimits

MOVES = 0.02
"""Slower motion, in m/s or rad/s, is the controller's trembling about a stop."""


@dataclass(frozen=True, slots=True)
class Motion:
    """Poses (T + 1, 3) and twists (T + 1, 2) at steps of `step_s`; the last twist is zero."""

    step_s: float
    poses: np.ndarray
    twists: np.ndarray

    @property
    def moves(self) -> bool:
        """Tell whether anything moves to speak of."""
        return bool(np.abs(self.twists).max() > MOVES)

    def after(self, elapsed_s: float) -> Motion:
        """Cut off what is past after a time; standing at its end when nothing is left."""
        last = len(self.poses) - 1
        position = max(elapsed_s / self.step_s, 0.0)
        if position >= last:
            return stand(self.poses[-1], self.step_s)
        times = np.arange(position, last + 1.0)
        if times[-1] < last - 1e-9:
            times = np.append(times, last)
        steps = np.arange(last + 1)
        yaw = np.unwrap(self.poses[:, 2])
        columns = [self.poses[:, 0], self.poses[:, 1], yaw, *self.twists.T]
        values = np.stack([np.interp(times, steps, column) for column in columns], axis=-1)
        values[:, 2] = wrap_angle(values[:, 2])
        return Motion(self.step_s, values[:, :3], values[:, 3:])


def stand(pose: np.ndarray, step_s: float) -> Motion:
    """Stay where the robot is."""
    return Motion(step_s, np.repeat(np.asarray(pose, float)[None], 2, axis=0), np.zeros((2, 2)))


def drive_then_brake(
    states: np.ndarray, stages: int, step_s: float, braking_mps2: float, limits: MotionLimits
) -> Motion:
    """
    Follow planned states (N + 1, 5) for some stages, then brake along the way that they lead.

    The yaw rate follows the curvature of the planned way as the speed falls.
    """
    stages = min(stages, len(states) - 1)
    twists = states[: stages + 1, 3:5].tolist()
    steps = np.hypot(*np.diff(states[:, :2], axis=0).T)
    arcs = np.concatenate([[0.0], np.cumsum(steps)])
    speeds = states[:, 3]
    safe = np.where(np.abs(speeds) < 0.1, np.inf, speeds)
    curvature = np.clip(states[:, 4] / safe, -4.0, 4.0)
    s = arcs[stages]
    v, w = twists[-1]
    turn = limits.yaw_acceleration_max * step_s
    while abs(v) > 1e-9 or abs(w) > 1e-9:
        slower = math.copysign(max(abs(v) - braking_mps2 * step_s, 0.0), v)
        s += 0.5 * abs(v + slower) * step_s
        wanted = slower * float(np.interp(s, arcs, curvature))
        w = min(max(wanted, w - turn), w + turn)
        v = slower
        if v == 0.0 and abs(w) < 1e-9:
            w = 0.0
        twists.append([v, w])
    return integrate(states[0, :3], np.array(twists), step_s)


def integrate(pose: np.ndarray, twists: np.ndarray, step_s: float) -> Motion:
    """Poses that follow from twists that change linearly between the steps."""
    poses = [np.array(pose, float)]
    poses[0][2] = float(wrap_angle(poses[0][2]))
    for twist in 0.5 * (twists[:-1] + twists[1:]):
        poses.append(advance(poses[-1], twist, step_s))
    if len(twists) == 1:
        return stand(poses[0], step_s)
    return Motion(step_s, np.array(poses), np.asarray(twists, float))


def turn_on_spot(
    pose: np.ndarray,
    yaw_rate: float,
    angle: float,
    step_s: float,
    rate_max: float,
    acceleration: float,
) -> Motion:
    """
    Turn by an angle [rad] about the base, starting with a yaw rate.

    The rate ramps up, holds and ramps down in whole steps; the remainder of the angle is spread
    over the ramp down, so that the turn ends where it should.
    """
    rates = [float(yaw_rate)]
    turned = 0.0
    sign = 1.0 if angle >= 0.0 else -1.0
    change = acceleration * step_s
    for _ in range(400):
        w = rates[-1] * sign
        left = sign * angle - sign * turned
        # The greatest rate from which the turn can still end in time.
        faster = min(w + change, rate_max)
        if left <= 0.0 or 0.5 * (w + faster) * step_s + _ramp_angle(faster, change, step_s) > left:
            hold = min(w, rate_max)
            if 0.5 * (w + hold) * step_s + _ramp_angle(hold, change, step_s) <= left:
                faster = hold
            else:
                faster = max(w - change, 0.0) if w > 0.0 else 0.0
        turned += sign * 0.5 * (w + faster) * step_s
        rates.append(sign * faster)
        if abs(faster) < 1e-9:
            break
    rates[-1] = 0.0
    rates = np.array(rates)
    planned = step_s * 0.5 * (rates[1:] + rates[:-1]).sum()
    inner = step_s * rates[1:-1].sum()
    if abs(inner) > 1e-6:
        scale = 1.0 + (angle - planned) / inner
        if 0.3 < scale < 1.3:
            rates[1:-1] *= scale
    return integrate(pose, np.stack([np.zeros_like(rates), rates], axis=-1), step_s)


def _ramp_angle(rate: float, change: float, step_s: float) -> float:
    """Angle that a ramp down to zero in whole steps takes."""
    angle = 0.0
    while rate > 1e-9:
        slower = max(rate - change, 0.0)
        angle += 0.5 * (rate + slower) * step_s
        rate = slower
    return angle
