"""How fast the robot may go for the people around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lastmile.geometry import polyline
from lastmile.geometry.predicted_discs import Disc
from lastmile.planning.config import PlannerConfig, SpeedConfig
from lastmile.planning.guide import Guide
from lastmile.types import Obstacle, ObstacleKind

NEAR_M, BEHIND_M = 8.0, 0.5
"""Who is farther off does not matter yet; who is farther behind the robot sees it."""
REACTION_S, STOOD_S = 0.3, 0.6
"""From a turn of somebody to braking for it; how long to stand before they arrive."""
TURNS_UP_TO_MPS, MOMENTS = 1.6, 7
TURNED_MPS = 2.0
"""Whoever walks and turns aside changes their velocity by so much."""
NEW_S, WALK_MPS = 0.6, 1.3
"""What was seen for so short a time has no velocity yet, though it may walk."""
NEW_HEIGHT_MIN_M, NEW_SIZE_MAX_M, PERSON_RADIUS_M = 0.7, 0.9, 0.3
FOLLOWED_STEPS = 5
"""Predicted steps that tell which way somebody walks."""
BESIDE_M = 0.5
"""Farther from somebody than this, least distance apart, is no longer right beside."""


@dataclass(frozen=True, slots=True)
class PeopleLimit:
    """Speed limit at each point of the guide (K,), and on any way; whether people are near."""

    along: np.ndarray
    top_mps: float
    near: bool


class PeopleSpeeds:
    """
    Looks how fast to go among people.

    Parameters
    ----------
    config : PlannerConfig
        Limits and distances.
    middles_m : ndarray, shape (M,)
        Middles of the discs that cover the robot, along its axis from rear to front.
    radius_m, half_width_m : float
        Radius of these discs, half the width of the robot.
    braking_mps2 : float
        How the robot brakes for people who turn.

    """

    def __init__(
        self,
        config: PlannerConfig,
        middles_m: np.ndarray,
        radius_m: float,
        half_width_m: float,
        braking_mps2: float,
    ) -> None:
        self._config = config.speed
        self._least_m = config.people.least_m
        self._middles_m, self._radius_m = middles_m, radius_m
        self._half_width_m = half_width_m
        self._braking_mps2 = braking_mps2

    def limit(
        self,
        guide: Guide,
        pose: np.ndarray,
        discs: list[Disc],
        obstacles: tuple[Obstacle, ...],
        times_s: np.ndarray,
    ) -> PeopleLimit:
        """Give the limits at `pose` (3,) in odom; `discs` are of `obstacles` at `times_s` (T,)."""
        config, front_m = self._config, self._radius_m + self._middles_m[-1]
        people = [disc for disc in discs if disc.kind is ObstacleKind.PERSON]
        ahead = _ahead(people, pose, self._middles_m[0])
        new = _ahead(newcomers(obstacles, len(times_s)), pose, self._middles_m[0])
        near = limit_by_distance(config, guide, people, self._radius_m, self._least_m)
        headway = limit_by_headway(config, guide, ahead, front_m, self._half_width_m)
        turns = limit_by_turns(
            config, guide, ahead + new, times_s, self._middles_m, self._radius_m, self._braking_mps2
        )
        least = min(turns, headway, near[guide.arcs_m < 2.5].min())
        return PeopleLimit(np.minimum(near, min(headway, turns)), turns, least < 0.6)


def newcomers(obstacles: tuple[Obstacle, ...], steps: int) -> list[Disc]:
    """
    Cover what came into view just now by discs on the spot, centres (`steps`, 2).

    Somebody who walks out from behind a thing shows in part at first, and as no person.
    """
    return [
        Disc(
            obstacle.id,
            obstacle.kind,
            PERSON_RADIUS_M,
            np.tile(obstacle.position, (steps, 1)),
            np.zeros(steps),
            False,
            obstacle.age_s,
        )
        for obstacle in obstacles
        if obstacle.kind is ObstacleKind.UNKNOWN
        and obstacle.age_s < NEW_S
        and obstacle.height_m > NEW_HEIGHT_MIN_M
        and not obstacle.velocity.any()
        and np.ptp(obstacle.footprint, axis=0).max() < NEW_SIZE_MAX_M
    ]


def _ahead(discs: list[Disc], pose: np.ndarray, rear_m: float) -> list[Disc]:
    """Leave out what is behind the robot; who walks beside it may turn into it."""
    forward = np.array([np.cos(pose[2]), np.sin(pose[2])])
    return [
        disc
        for disc in discs
        if float((disc.centres[0] - pose[:2]) @ forward) > rear_m - BEHIND_M
        and np.hypot(*(disc.centres[0] - pose[:2])) < NEAR_M
    ]


def limit_by_distance(
    config: SpeedConfig, guide: Guide, people: list[Disc], robot_radius_m: float, least_m: float
) -> np.ndarray:
    """
    Slower where people are near: where they are within the next seconds, along the guide.

    Who stands may walk off, which shows in a velocity only half a second later.
    """
    limit = np.full(len(guide.points), np.inf)
    for disc in people:
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
    ground vehicles"), up to a bounded change of velocity. Who came into view just now and has no
    velocity yet may walk already. What a faster robot could get away with is not asked.
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
    radii_m = np.array([disc.radius_m for disc in people]) + radius_m
    index = np.minimum(np.round(at_s / (times_s[1] - times_s[0])).astype(int), len(times_s) - 1)
    away = robot[None] - centres[:, index][:, :, :, None]
    gap_m = np.hypot(away[..., 0], away[..., 1]).min(axis=-1) - radii_m[:, None, None]
    # At 0 m/s2, which turns this off, nobody ever gets there.
    turned_s = np.minimum(at_s, TURNED_MPS / max(config.turning_mps2, 1e-9))
    reach_m = 0.5 * config.turning_mps2 * turned_s**2 + TURNED_MPS * (at_s - turned_s)
    new = np.array([not disc.moving and disc.seen_s < NEW_S for disc in people])
    safe = (gap_m > reach_m + WALK_MPS * new[:, None, None] * at_s).all(axis=(0, 2))
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
