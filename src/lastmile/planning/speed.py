"""How fast to go along a guide, and the reference for the controller that follows from it."""

from __future__ import annotations

import math

import numpy as np

from lastmile.geometry import polyline
from lastmile.geometry.predicted_discs import Disc
from lastmile.planning.config import SpeedConfig
from lastmile.planning.guide import Guide
from lastmile.planning.local_map import LocalMap
from lastmile.types import ObstacleKind

REACTION_S, STOOD_S = 0.3, 0.6
"""From a turn of somebody to braking for it; how long to stand before they arrive."""
TURNS_UP_TO_MPS, MOMENTS = 1.6, 7
FOLLOWED_STEPS = 5
"""Predicted steps that tell which way somebody walks."""
BESIDE_M = 0.5
"""Farther from somebody than this, least distance apart, is no longer right beside."""


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


def limit_by_people(
    config: SpeedConfig, guide: Guide, discs: list[Disc], robot_radius_m: float, least_m: float
) -> np.ndarray:
    """
    Slower where people are near: where they are within the next seconds, along the guide.

    Who stands may walk off, which shows in a velocity only half a second later.
    """
    limit = np.full(len(guide.points), np.inf)
    for disc in discs:
        if disc.kind is not ObstacleKind.PERSON:
            continue
        centres = disc.centres[:20:4]
        distance = np.hypot(*(guide.points[:, None] - centres[None]).transpose(2, 0, 1)).min(axis=1)
        gap = np.maximum(distance - disc.radius_m - robot_radius_m - least_m, 0.0)
        limit = np.minimum(limit, config.people_mps + config.people_gain * gap)
        if not disc.moving:
            off = np.maximum(gap - BESIDE_M, 0.0)
            limit = np.minimum(limit, config.standing_mps + config.standing_gain * off)
    return limit


def limit_by_turns(
    config: SpeedConfig,
    guide: Guide,
    people: list[Disc],
    times_s: np.ndarray,
    middles_m: np.ndarray,
    radius_m: float,
    braking_mps2: float,
) -> float:
    """
    Highest speed from which the robot has stood for a moment before people could reach it.

    Their reachable sets are discs about the predicted ways that grow with a bounded acceleration
    (Mitsch, Ghorbal and Platzer, 2013, "On provably safe obstacle avoidance for autonomous robotic
    ground vehicles"); what a faster robot could get away with is not asked.
    """
    if not people:
        return np.inf
    speeds = np.arange(config.turning_least_mps, TURNS_UP_TO_MPS, 0.1)
    shares = np.linspace(0.0, 1.0, MOMENTS)
    stop_s = speeds / braking_mps2
    at_s = (REACTION_S + stop_s + STOOD_S)[:, None] * shares
    braked_s = np.clip(at_s - REACTION_S, 0.0, stop_s[:, None])
    driven_s = np.minimum(at_s, REACTION_S) + braked_s
    arcs_m = speeds[:, None] * driven_s - 0.5 * braking_mps2 * braked_s**2
    robot = polyline.sample(guide.points, np.maximum(arcs_m[..., None] + middles_m, 0.0))
    centres = np.array([disc.centres for disc in people])
    reach_m = np.array([disc.radius_m for disc in people]) + radius_m
    index = np.minimum(np.round(at_s / (times_s[1] - times_s[0])).astype(int), len(times_s) - 1)
    away = robot[None] - centres[:, index][:, :, :, None]
    gap_m = np.hypot(away[..., 0], away[..., 1]).min(axis=-1) - reach_m[:, None, None]
    safe = (gap_m > 0.5 * config.turning_mps2 * at_s**2).all(axis=(0, 2))
    return float(speeds[max(0, int(np.argmin(safe)) - 1)]) if not safe.all() else np.inf


def limit_by_headway(
    config: SpeedConfig, guide: Guide, people: list[Disc], front_m: float, half_width_m: float
) -> float:
    """
    Speed at which the robot keeps its time headway to whoever walks on before it.

    They stop and turn round at once, which nobody who comes towards the robot does unseen.
    `front_m` is how far the robot reaches ahead.
    """
    limit = np.inf
    for disc in people:
        away = np.hypot(*(guide.points - disc.centres[0]).T)
        i = int(np.argmin(away))
        way = disc.centres[FOLLOWED_STEPS] - disc.centres[0]
        ahead = guide.points[min(i + 1, len(away) - 1)] - guide.points[max(i - 1, 0)]
        beside = away[i] > disc.radius_m + half_width_m + BESIDE_M
        along = way @ ahead > 0.5 * np.hypot(*way) * np.hypot(*ahead)
        if beside or guide.arcs_m[i] <= front_m or not along:
            continue
        gap_m = guide.arcs_m[i] - front_m - disc.radius_m
        limit = min(limit, max(gap_m / config.headway_s, config.turning_least_mps))
    return limit


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
