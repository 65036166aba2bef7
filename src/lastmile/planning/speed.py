"""How fast to go along a guide, and the reference for the controller that follows from it."""

from __future__ import annotations

import math

import numpy as np

from lastmile.planning.config import SpeedConfig
from lastmile.planning.guide import Guide
from lastmile.planning.local_map import LocalMap


def curvatures(points: np.ndarray) -> np.ndarray:
    """Curvature (K,) of a chain by the circle through each three points."""
    if len(points) < 3:
        return np.zeros(len(points))
    a, b, c = points[:-2], points[1:-1], points[2:]
    ab, bc, ac = b - a, c - b, c - a
    cross = ab[:, 0] * bc[:, 1] - ab[:, 1] * bc[:, 0]
    sides = np.hypot(*ab.T) * np.hypot(*bc.T) * np.hypot(*ac.T)
    inner = 2.0 * cross / np.maximum(sides, 1e-9)
    return np.concatenate([inner[:1], inner, inner[-1:]])


def limit_by_bends(config: SpeedConfig, guide: Guide, yaw_rate_max: float) -> np.ndarray:
    """Speed at which lateral acceleration and yaw rate stay comfortable."""
    kappa = np.abs(curvatures(guide.points))
    # A chain of cells is rough; a bend must last for half a metre to count.
    kappa = np.convolve(np.pad(kappa, 2, mode="edge"), np.ones(5) / 5.0, mode="valid")
    kappa = np.maximum(kappa, 1e-6)
    by_turning = 0.6 * yaw_rate_max / kappa
    return np.minimum(np.sqrt(config.lateral_acceleration_mps2 / kappa), by_turning)


def limit_by_room(
    config: SpeedConfig, guide: Guide, local_map: LocalMap, half_width_m: float
) -> np.ndarray:
    """Slower where blocked cells are near."""
    room = local_map.clearance.sample(guide.points, 5.0) - half_width_m
    return config.narrow_mps + config.narrow_gain * np.maximum(room, 0.0)


def known_free_m(guide: Guide, local_map: LocalMap, half_width_m: float) -> float:
    """Length of the guide that leads over cells that are seen free."""
    known = local_map.known.sample(guide.points, -1.0)
    # The first metre is under and beside the robot; the certificate checks it with the outline.
    taken = (known < half_width_m) & (guide.arcs_m > 0.6)
    first = np.flatnonzero(taken)
    return float(guide.arcs_m[first[0]]) if len(first) else float(guide.arcs_m[-1])


def slow_for_stop(
    limit: np.ndarray, arcs_m: np.ndarray, stop_m: float, braking_mps2: float
) -> np.ndarray:
    """Lower a limit so that the robot can stop at an arc length."""
    return np.minimum(limit, np.sqrt(2.0 * braking_mps2 * np.maximum(stop_m - arcs_m, 0.0)))


def sweep_limits(
    limit: np.ndarray,
    arcs_m: np.ndarray,
    speed_mps: float,
    acceleration: float,
    braking: float,
) -> np.ndarray:
    """Speeds that keep to a limit with bounded change; starts from the present speed."""
    # Plain numbers: one follows from the other, and small arrays cost ten times as much.
    speeds, steps = limit.tolist(), np.diff(arcs_m).tolist()
    for k in range(len(steps) - 1, -1, -1):
        speeds[k] = min(speeds[k], math.sqrt(speeds[k + 1] ** 2 + 2.0 * braking * steps[k]))
    speeds[0] = min(speeds[0], max(speed_mps, 0.0) + 0.1)
    for k in range(len(steps)):
        most = math.sqrt(speeds[k] ** 2 + 2.0 * acceleration * steps[k])
        speeds[k + 1] = min(speeds[k + 1], most)
    return np.array(speeds)


def time_reference(
    guide: Guide, speeds: np.ndarray, yaw: float, stages: int, step_s: float
) -> np.ndarray:
    """
    Walk along a guide with the given speeds: states (N + 1, 5) at the controller's stages.

    Headings are unwrapped from the robot's own, so that the controller turns the short way.
    """
    segment = np.diff(guide.points, axis=0)
    heading = np.unwrap(np.concatenate([[yaw], np.arctan2(segment[:, 1], segment[:, 0])]))[1:]
    heading_at = np.concatenate([heading[:1], 0.5 * (heading[1:] + heading[:-1]), heading[-1:]])
    arcs = guide.arcs_m
    along = np.zeros(stages + 1)
    fine = 2
    s, end_m, at_vertex = 0.0, float(arcs[-1]), speeds.tolist()
    for k in range(stages):
        for _ in range(fine):
            s = min(s + _interpolate(s / end_m, at_vertex) * step_s / fine, end_m)
        along[k + 1] = s
    kappa = np.gradient(heading_at, np.maximum(arcs, 1e-9)) if len(arcs) > 2 else 0.0 * arcs
    v = np.interp(along, arcs, speeds)
    return np.stack(
        [
            np.interp(along, arcs, guide.points[:, 0]),
            np.interp(along, arcs, guide.points[:, 1]),
            np.interp(along, arcs, heading_at),
            v,
            v * np.interp(along, arcs, kappa),
        ],
        axis=-1,
    )


def _interpolate(share: float, speeds: list[float]) -> float:
    """Speed at a share of the way; vertices are equally far apart."""
    position = share * (len(speeds) - 1)
    k = min(int(position), len(speeds) - 2)
    part = position - k
    return (1.0 - part) * speeds[k] + part * speeds[k + 1]
