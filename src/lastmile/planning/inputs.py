"""The planner's inputs: checked at the door, and how old each is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lastmile.planning.config import InputsConfig
from lastmile.types import (
    BaseState,
    LocalCostMap,
    ObstacleArray,
    OdometryEstimate,
    PoseEstimate,
    Route,
    SignalStates,
)


class Rejected(ValueError):
    """A value that breaks a rule of its topic; the message states value and rule."""


class Inbox:
    """Newest good value of each topic, and what was turned away and why."""

    def __init__(self, config: InputsConfig):
        self._limits = {
            "odometry": config.odometry_s,
            "localization/status": config.localization_s,
            "obstacles": config.obstacles_s,
            "cost_map": config.cost_map_s,
            "signals": config.signals_s,
            "base/state": config.base_state_s,
        }
        self._ahead_s = config.ahead_s
        self._values: dict[str, Any] = {}
        self.rejections: dict[str, int] = {}
        self.last_rejection = ""

    def put(self, topic: str, value: Any, now_s: float) -> None:
        """Take a value, or count its rejection."""
        try:
            check = CHECKS.get(topic)
            if check is None:
                raise Rejected("the planner does not read this topic")
            if not np.isfinite(value.stamp_s):
                raise Rejected(f"stamp is {value.stamp_s!r}, it must be finite")
            if value.stamp_s > now_s + self._ahead_s:
                raise Rejected(f"stamp {value.stamp_s:.3f} s is ahead of the clock, {now_s:.3f} s")
            last = self._values.get(topic)
            if last is not None and value.stamp_s <= last.stamp_s:
                raise Rejected(f"stamp {value.stamp_s:.3f} s is not after {last.stamp_s:.3f} s")
            check(value)
        except Rejected as error:
            self.rejections[topic] = self.rejections.get(topic, 0) + 1
            self.last_rejection = f"{topic}: {error}"
            return
        self._values[topic] = value

    def value(self, topic: str) -> Any:
        """Give the newest value, None before the first."""
        return self._values.get(topic)

    def stale(self, topic: str, now_s: float) -> str:
        """Say that a topic is missing or too old, empty when it is fresh."""
        value = self._values.get(topic)
        if value is None:
            return f"{topic}: nothing received"
        age_s, limit_s = now_s - value.stamp_s, self._limits[topic]
        return f"{topic}: {age_s:.2f} s old, limit {limit_s:.2f} s" if age_s > limit_s else ""


def check_route(route: Route) -> None:
    """Raise `Rejected` for a route that cannot be followed."""
    points = np.asarray(route.points)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2:
        raise Rejected(f"route has points of shape {points.shape}, it must be (2 or more, 2)")
    if not np.isfinite(points).all():
        raise Rejected("points of the route must be finite")
    steps = np.hypot(*np.diff(points, axis=0).T)
    if steps.max() > 5.0:
        raise Rejected(f"points of the route are {steps.max():.1f} m apart, at most 5 m is allowed")
    if steps.sum() < 1e-3:
        raise Rejected("the route has no length")
    if np.isinf(route.goal_yaw):
        raise Rejected(f"goal heading is {route.goal_yaw!r}, it must be finite or NaN")
    for span in route.spans:
        if not (np.isfinite([span.start_m, span.end_m, span.width_m, span.speed_mps]).all()):
            raise Rejected(f"span {span!r} must be finite")


def _finite(name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    array = np.asarray(array)
    if array.shape != shape:
        raise Rejected(f"{name} has shape {array.shape}, it must be {shape}")
    if not np.isfinite(array).all():
        raise Rejected(f"{name} is {array.tolist()!r}, it must be finite")


def _all_good(value: ObstacleArray) -> bool:
    """Tell at once, in the common case, that all obstacles are good."""
    arrays = []
    for o in value.obstacles:
        steps = len(o.predicted_path)
        if not (
            np.shape(o.position) == np.shape(o.velocity) == (2,)
            and np.shape(o.footprint)[1:] == (2,)
            and (steps == 0 or np.shape(o.predicted_path)[1:] == (2,))
            and np.shape(o.predicted_sigma) == (steps,)
            and (steps == 0 or 0.0 < o.prediction_dt_s < np.inf)
        ):
            return False
        arrays += [o.position, o.velocity, o.predicted_sigma]
        arrays += [np.ravel(o.footprint), np.ravel(o.predicted_path)]
    return not arrays or bool(np.isfinite(np.concatenate(arrays)).all())


def _check_odometry(value: OdometryEstimate) -> None:
    _finite("pose", value.pose_odom_base, (3,))
    _finite("twist", value.twist_base, (2,))


def _check_localization(value: PoseEstimate) -> None:
    _finite("pose", value.pose_map_base, (3,))
    _finite("correction", value.pose_map_odom, (3,))


def _check_obstacles(value: ObstacleArray) -> None:
    if _all_good(value):
        return
    for o in value.obstacles:
        _finite(f"position of obstacle {o.id}", o.position, (2,))
        _finite(f"velocity of obstacle {o.id}", o.velocity, (2,))
        outline, path = np.asarray(o.footprint), np.asarray(o.predicted_path)
        _finite(f"outline of obstacle {o.id}", outline, (len(outline), 2))
        _finite(f"path of obstacle {o.id}", path, (len(path), 2))
        _finite(f"sigma of obstacle {o.id}", o.predicted_sigma, (len(path),))
        if len(path) and not (np.isfinite(o.prediction_dt_s) and o.prediction_dt_s > 0.0):
            raise Rejected(f"prediction step of obstacle {o.id} is {o.prediction_dt_s!r} s")


def _check_cost_map(value: LocalCostMap) -> None:
    _finite("origin", value.origin, (2,))
    if value.cells.ndim != 2 or min(value.cells.shape) < 8:
        raise Rejected(f"cost map has shape {value.cells.shape}, it must be at least (8, 8)")
    if not (np.isfinite(value.resolution_m) and 0.01 <= value.resolution_m <= 1.0):
        raise Rejected(f"resolution is {value.resolution_m!r} m, it must be in [0.01, 1]")


def _accept(value: BaseState | SignalStates) -> None:
    """Nothing but the stamp, which is checked for every topic."""


CHECKS: dict[str, Callable[[Any], None]] = {
    "odometry": _check_odometry,
    "localization/status": _check_localization,
    "obstacles": _check_obstacles,
    "cost_map": _check_cost_map,
    "signals": _accept,
    "base/state": _accept,
}
