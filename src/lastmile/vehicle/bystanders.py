"""Who near the robot walks up to it, or might: then it stands."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator

import numpy as np

from lastmile.types import ObstacleArray, ObstacleKind
from lastmile.vehicle.certificate import Certifier, Surroundings

STANDING = 0.05
"""Slower than this [m/s, rad/s] the robot stands, as far as odometry can tell."""
WARY_S = 1.0
"""The robot stands for so long after somebody last walked up to it: they may hesitate."""
NEW_S, NEW_WITHIN_M = 0.35, 2.5
"""Whoever was seen for so short a time and so near may walk up to it: nobody knows yet."""
LOST_WITHIN_M = 1.8
"""
Whoever is that near and is not seen any more may have turned to the robot: lost behind a bin that
they brush past, not behind people, who would have to let them through.
"""
CLOSES_WITHIN_S, BODIES_M = 1.2, 0.7
"""Who gets nearer fast enough to be here so soon; half the robot and half a person between."""
TURNS_WITHIN_S, LEAVES_RATIO = 0.8, 0.5
"""
Who walks by could turn and be here so soon, unless so much of their velocity leads away: stopping
takes a slow robot 0.3 s, and it is to have stood for half a second before anybody touches it.
"""
SHIFT_M, SHIFT_S, SHIFT_WITHIN_M, PERSON_MAX_M = 0.07, 0.5, 1.7, 1.2
"""
What moves so far in so short a time sets off: perception gives a velocity to somebody who stood
only after 0.4 s of walking, and a robot that stands can wait for that.
"""


class Bystanders:
    """Remembers who came, and where all that is near was a moment ago."""

    def __init__(self, certifier: Certifier):
        self._certifier = certifier
        self._came = "", -np.inf
        self._places: deque[tuple[float, dict[int, np.ndarray]]] = deque()

    def note(self, obstacles: ObstacleArray, pose: np.ndarray, twist: np.ndarray) -> None:
        """
        Keep where things without a velocity are near `pose`, (3,) in odom; call at each step.

        Things seem to shift as the robot drives, at `twist` (2,): only what it sees standing is
        compared.
        """
        if np.abs(twist).max() >= STANDING:
            self._places.clear()
            return
        here = pose[:2].tolist()
        places = {
            o.id: o.position
            for o in obstacles.obstacles
            if math.dist(o.position.tolist(), here) < SHIFT_WITHIN_M
            and not o.velocity.any()
            and np.ptp(o.footprint, axis=0).max() < PERSON_MAX_M
        }
        if not self._places or obstacles.stamp_s > self._places[-1][0]:
            self._places.append((obstacles.stamp_s, places))
        while self._places[0][0] < obstacles.stamp_s - SHIFT_S:
            self._places.popleft()

    def who(
        self, stamp_s: float, pose: np.ndarray, obstacles: ObstacleArray, around: Surroundings
    ) -> str:
        """Say who walks up to the robot, did a moment ago, or might; empty for nobody."""
        comes = (
            self._certifier.is_walked_into(pose, around)
            or who_is_lost(obstacles, pose)
            or _who_closes(obstacles, pose)
        )
        if comes:
            self._came = comes, stamp_s
        came, last_s = self._came
        wary = came if stamp_s - last_s < WARY_S else ""
        return (
            comes
            or wary
            or _who_walks_by(obstacles, pose)
            or _who_is_new(obstacles, pose)
            or self._who_shifts()
        )

    def _who_shifts(self) -> str:
        if not self._places:
            return ""
        before, now = self._places[0][1], self._places[-1][1]
        for number, place in now.items():
            if number in before and np.hypot(*(place - before[number])) > SHIFT_M:
                return f"obstacle {number} may have set off"
        return ""


def who_is_lost(obstacles: ObstacleArray, pose: np.ndarray) -> str:
    """Say who near the robot, at `pose` (3,) in odom, walks or stands and is not seen any more."""
    here = pose[:2].tolist()
    for obstacle in obstacles.obstacles:
        if obstacle.observed:
            continue
        somebody = obstacle.kind is ObstacleKind.PERSON or obstacle.velocity.any()
        if somebody and math.dist(obstacle.position.tolist(), here) < LOST_WITHIN_M:
            return f"{obstacle.kind.value} {obstacle.id} is out of sight"
    return ""


def _who_closes(obstacles: ObstacleArray, pose: np.ndarray) -> str:
    """
    Say which person gets nearer so fast that they may be here before long.

    Who walks in a bow is straight ahead of nobody until the last moment.
    """
    for person, apart_m, leaving_mps, _ in _walkers(obstacles, pose):
        if apart_m - BODIES_M < -CLOSES_WITHIN_S * leaving_mps:
            return f"person {person} comes near"
    return ""


def _who_walks_by(obstacles: ObstacleArray, pose: np.ndarray) -> str:
    """Say which person walks past so near that they would be here before long if they turned."""
    for person, apart_m, leaving_mps, speed_mps in _walkers(obstacles, pose):
        leaves = leaving_mps > LEAVES_RATIO * speed_mps
        if not leaves and apart_m - BODIES_M < TURNS_WITHIN_S * speed_mps:
            return f"person {person} walks by"
    return ""


def _walkers(
    obstacles: ObstacleArray, pose: np.ndarray
) -> Iterator[tuple[int, float, float, float]]:
    """Give each person who walks: number, distance [m], speed away from here, speed [m/s]."""
    for obstacle in obstacles.obstacles:
        if obstacle.kind is ObstacleKind.PERSON and obstacle.velocity.any():
            away, velocity = obstacle.position - pose[:2], obstacle.velocity
            apart_m = math.hypot(*away.tolist())
            leaving_mps = float(away @ velocity) / max(apart_m, 1e-6)
            yield obstacle.id, apart_m, leaving_mps, math.hypot(*velocity.tolist())


def _who_is_new(obstacles: ObstacleArray, pose: np.ndarray) -> str:
    """Say which person near the robot was seen for too short a time to have a velocity."""
    for obstacle in obstacles.obstacles:
        if obstacle.kind is not ObstacleKind.PERSON or obstacle.age_s >= NEW_S:
            continue
        near = np.hypot(*(obstacle.position - pose[:2])) < NEW_WITHIN_M
        if near and not obstacle.velocity.any():
            return f"person {obstacle.id} came into view just now"
    return ""
