"""Rules that the values of topics keep, for every part that takes them at its door."""

from __future__ import annotations

import math

import numpy as np

from lastmile.geometry.se2 import wrap_angle
from lastmile.types import LocalCostMap, ObstacleArray, OdometryEstimate, PoseEstimate

# A gap in odometry that is longer than this is a break. All who drive have stopped for the want of
# odometry by then, and localization keeps silent for as long after its start, so that a start anew
# always leaves a gap.
BREAK_S = 0.5
# No robot of ours moves faster; odometry that does has jumped.
SPEED_MAX_MPS, YAW_RATE_MAX_RADPS = 3.0, 4.0
JUMP_M, JUMP_RAD = 0.1, 0.1
# A step whose stamp lies this much before that of the last tells of a clock that was set back.
SET_BACK_S = 0.1

_newest_good: ObstacleArray | None = None


class Rejected(ValueError):
    """A value that breaks a rule of its topic; the message states value and rule."""


def check_finite(name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    """Raise `Rejected` unless an array has a shape and finite values."""
    array = np.asarray(array)
    if array.shape != shape:
        raise Rejected(f"{name} has shape {array.shape}, it must be {shape}")
    if not np.isfinite(array).all():
        raise Rejected(f"{name} is {array.tolist()!r}, it must be finite")


def check_odometry(value: OdometryEstimate) -> None:
    """Raise `Rejected` for a pose or twist that is not finite."""
    check_finite("pose", value.pose_odom_base, (3,))
    check_finite("twist", value.twist_base, (2,))


def odometry_breaks(before: OdometryEstimate, after: OdometryEstimate) -> bool:
    """
    Tell whether odom after a break is another frame than before.

    `odom` never jumps while localization lives. When it starts anew, `odom` begins at zero again,
    and whatever was remembered in odom before is in the wrong place. So is it after a gap in which
    way may have been lost. Values in odom with stamps before that of `after` are of the old frame.

    Parameters
    ----------
    before, after : OdometryEstimate
        One after the other, checked.

    """
    gap_s = after.stamp_s - before.stamp_s
    if gap_s > BREAK_S:
        return True
    dx, dy, turn = np.subtract(after.pose_odom_base, before.pose_odom_base).tolist()
    return (
        math.hypot(dx, dy) > SPEED_MAX_MPS * gap_s + JUMP_M
        or abs(wrap_angle(turn)) > YAW_RATE_MAX_RADPS * gap_s + JUMP_RAD
    )


def is_set_back(last_s: float, now_s: float) -> bool:
    """
    Tell from the stamps of two steps, one after the other, that the clock was set back.

    Stamps of before are then ahead of the clock, and no stamp that comes can rise above them:
    whoever wants stamps to rise forgets the last ones, and what it remembers by its stamp.
    """
    return now_s < last_s - SET_BACK_S


def is_fresh(stamp_s: float, now_s: float, age_max_s: float) -> bool:
    """Tell that a stamp is not older than allowed, nor ahead of a clock that was set back."""
    return -SET_BACK_S <= now_s - stamp_s <= age_max_s


def check_localization(value: PoseEstimate) -> None:
    """Raise `Rejected` for a pose or correction that is not finite."""
    check_finite("pose", value.pose_map_base, (3,))
    check_finite("correction", value.pose_map_odom, (3,))


def check_obstacles(value: ObstacleArray) -> None:
    """
    Raise `Rejected` for an obstacle with numbers missing or not finite.

    Several parts of one process take the same value, which is looked over for the first of them:
    values must not be written to once they were handed over.
    """
    global _newest_good
    if value is _newest_good:
        return
    if _all_good(value):
        _newest_good = value
        return
    for o in value.obstacles:
        check_finite(f"position of obstacle {o.id}", o.position, (2,))
        check_finite(f"velocity of obstacle {o.id}", o.velocity, (2,))
        outline, path = np.asarray(o.footprint), np.asarray(o.predicted_path)
        check_finite(f"outline of obstacle {o.id}", outline, (len(outline), 2))
        check_finite(f"path of obstacle {o.id}", path, (len(path), 2))
        check_finite(f"sigma of obstacle {o.id}", o.predicted_sigma, (len(path),))
        if len(path) and not (np.isfinite(o.prediction_dt_s) and o.prediction_dt_s > 0.0):
            raise Rejected(f"prediction step of obstacle {o.id} is {o.prediction_dt_s!r} s")


def check_cost_map(value: LocalCostMap) -> None:
    """Raise `Rejected` for a cost map without cells, place or scale."""
    check_finite("origin", value.origin, (2,))
    if value.cells.ndim != 2 or min(value.cells.shape) < 8:
        raise Rejected(f"cost map has shape {value.cells.shape}, it must be at least (8, 8)")
    if not (np.isfinite(value.resolution_m) and 0.01 <= value.resolution_m <= 1.0):
        raise Rejected(f"resolution is {value.resolution_m!r} m, it must be in [0.01, 1]")


def _all_good(value: ObstacleArray) -> bool:
    """Tell at once, in the common case, that all obstacles are good."""
    arrays = []
    for o in value.obstacles:
        position, velocity = np.asarray(o.position), np.asarray(o.velocity)
        outline, path = np.asarray(o.footprint), np.asarray(o.predicted_path)
        sigma, steps = np.asarray(o.predicted_sigma), len(path)
        if not (
            position.shape == velocity.shape == (2,)
            and outline.shape[1:] == (2,)
            and (steps == 0 or path.shape[1:] == (2,))
            and sigma.shape == (steps,)
            and (steps == 0 or 0.0 < o.prediction_dt_s < np.inf)
        ):
            return False
        arrays += (position, velocity, sigma, outline, path)
    return not arrays or bool(np.isfinite(np.concatenate(arrays, axis=None)).all())
