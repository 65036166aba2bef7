"""
The stop certificate: a motion is free, its braking tail included.

The robot's real outline is checked at every step against blocked and unknown cells, and its discs
against the predicted obstacles for as long as the robot itself moves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from lastmile.geometry.grid import ClearanceField
from lastmile.geometry.predicted_discs import Disc
from lastmile.types import ObstacleKind
from lastmile.vehicle.motion_plan import MOVES, Motion

BLOCKED_GROUND = "blocked ground"
OUTLINE_SPACING_M = 0.1
ESCAPE_SPEED_MPS = 0.3
CLOSES_M = 0.002
"""Way in a step, towards a person, that is none to speak of."""
PASSING_SLACK_M = 0.05
"""Outlines of people are seen from one side only."""
STANDS_BEFORE_S = 1.25
"""Before anybody who comes from ahead or aside could touch it the robot has stood for so long."""
NEARLY_M = 0.2
"""People do not walk quite straight: who would pass a robot so near is taken to touch it."""
PASSES_WITHIN_S, PASSES_M = 2.0, 0.5
"""A robot that stands goes on standing while somebody walks by so soon and so near."""
MOMENTS = 9
"""At which people are looked at after a stop."""
ROUNDING_M = 1e-6
"""Any more, and one plan after another would add it up to a way into what stands there."""


class Ground(Protocol):
    """What was seen of the ground, in odom."""

    @property
    def clearance(self) -> ClearanceField:
        """Distance to blocked cells."""

    @property
    def known(self) -> ClearanceField:
        """Distance to cells that are blocked or unknown."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What motions are checked against; discs hold at `times_s` from now."""

    local_map: Ground
    discs: list[Disc]
    times_s: np.ndarray


class Certifier:
    """Checks motions of one robot; what is slower than `least_motion` [m/s, rad/s] stands."""

    def __init__(
        self,
        footprint: np.ndarray,
        margin_m: float,
        least_people_m: float,
        robot_discs_m: tuple[float, ...],
        robot_radius_m: float,
        least_motion: float = MOVES,
    ):
        self.outline = outline_points(footprint, OUTLINE_SPACING_M)
        self.margin_m = margin_m
        self.middles_m = np.asarray(robot_discs_m, float)
        self._least_m = least_people_m
        self._radius_m = robot_radius_m
        self._least_motion = least_motion

    def check(self, motion: Motion, around: Surroundings, stops: bool = False) -> str:
        """
        Say what the motion would meet, empty when it is free.

        `stops` tells that it only brakes: that may bring the robot nearer to who came too near.
        """
        if np.abs(motion.twists).max() <= self._least_motion:
            return ""
        ground = self._check_ground(motion, around.local_map)
        return ground or self._check_discs(motion, around, stops)

    def is_walked_into(self, pose: np.ndarray, around: Surroundings) -> str:
        """
        Say who is about to walk into the robot where it stands at `pose`, empty if nobody.

        Who walks by at arm's length is one of them until gone: the next step may be aside.
        """
        people = [d for d in around.discs if d.kind is ObstacleKind.PERSON and d.moving]
        middles = _along(self.middles_m, pose[None])
        reach_m = self._radius_m + PASSES_M
        for disc in _that_may_come(people, around.times_s, PASSES_WITHIN_S, middles, reach_m):
            centre = _centres_at(disc, _moments(0.0, PASSES_WITHIN_S), around.times_s)
            walks = (centre[-1] != centre[0]).any()
            if walks and self._gaps(pose, disc, centre).min() < PASSES_M:
                return f"{disc.kind.value} {disc.id} walks up to the robot"
        return ""

    def keep_off(self, pose: np.ndarray, discs: list[Disc]) -> np.ndarray:
        """
        Give standing discs (K, 3) as x, y and how near the robot's middles may come.

        That is no nearer than the least distance, or than the robot at `pose` is already.
        """
        middles = _along(self.middles_m, pose[None])[0]
        rows = []
        for disc in discs:
            if not disc.moving:
                least_m = self._least_for(disc) + PASSING_SLACK_M + disc.radius_m + self._radius_m
                here_m = float(np.hypot(*(middles - disc.centres[0]).T).min())
                rows.append([*disc.centres[0], min(least_m, here_m)])
        return np.array(rows).reshape(-1, 3)

    def clearance(self, poses: np.ndarray, local_map: Ground) -> np.ndarray:
        """Least distance (T,) of the outline from blocked cells."""
        return local_map.clearance.sample(self._outline_at(poses)).min(axis=-1)

    def _check_ground(self, motion: Motion, local_map: Ground) -> str:
        points = self._outline_at(motion.poses)
        blocked = local_map.clearance.sample(points).min(axis=-1)
        # Who stands too near already may go where it is not nearer, slowly.
        slow = np.abs(motion.twists[:, 0]).max() < ESCAPE_SPEED_MPS
        least = min(self.margin_m, float(blocked[0])) if slow else self.margin_m
        if blocked.min() < least - ROUNDING_M:
            return BLOCKED_GROUND
        # Half a cell of unknown at the outline is the grid's own roughness.
        known = local_map.known.sample(points).min(axis=-1)
        tolerated = -0.5 * local_map.known.resolution_m
        return "ground not seen" if known.min() < tolerated else ""

    def _check_discs(self, motion: Motion, around: Surroundings, stops: bool) -> str:
        if not around.discs:
            return ""
        moving = np.abs(motion.twists).max(axis=1) > 1e-3
        last = int(np.flatnonzero(moving)[-1]) + 1 if moving.any() else 0
        steps = np.arange(min(last, len(motion.poses) - 1) + 1)
        times = steps * motion.step_s
        middles = _along(self.middles_m, motion.poses[steps])
        until_s = float(times[-1]) + STANDS_BEFORE_S
        reach_m = self._radius_m + self._least_m + PASSING_SLACK_M
        for disc in _that_may_come(around.discs, around.times_s, until_s, middles, reach_m):
            centre = _centres_at(disc, times, around.times_s)
            radii_m = disc.radius_m + self._radius_m
            gap = _least_gap(middles, centre) - radii_m
            person = disc.kind is ObstacleKind.PERSON
            least = self._least_for(disc)
            if gap[0] < least:
                # Someone who came near by himself does not hold the robot where it gets away: it
                # may come no nearer than it is, or than it would be if it stood.
                standing = _least_gap(np.repeat(middles[:1], len(middles), axis=0), centre)
                least = np.minimum(gap[0], standing - radii_m)
            if (gap < least - ROUNDING_M).any():
                return f"{disc.kind.value} {disc.id} in the way"
            if person and disc.moving and self._is_met(motion, times[-1], disc, around.times_s):
                return f"{disc.kind.value} {disc.id} comes"
            if person and not stops and self._closes(gap, middles, centre):
                return f"{disc.kind.value} {disc.id} too near"
        return ""

    def _least_for(self, disc: Disc) -> float:
        return self._least_m if disc.kind is ObstacleKind.PERSON else 0.5 * self._least_m

    def _is_met(self, motion: Motion, stamp_s: float, disc: Disc, times_s: np.ndarray) -> bool:
        """
        Tell whether somebody walks into the robot soon after it came to a stand at `stamp_s`.

        Who follows, behind it or before it when it reverses, sees that it stops.
        """
        pose, sense = motion.poses[-1], -1.0 if motion.twists[:, 0].sum() < 0.0 else 1.0
        heading = np.array([np.cos(pose[2]), np.sin(pose[2])])
        centre = _centres_at(disc, _moments(stamp_s, STANDS_BEFORE_S), times_s)
        ahead = sense * ((centre - pose[:2]) @ heading) > (sense * self.middles_m).min()
        gap_m = self._gaps(pose, disc, centre)
        touches = gap_m < (NEARLY_M if gap_m.min() < gap_m[0] - 2.0 * CLOSES_M else 0.0)
        # Carried on through the robot, who follows would come out ahead of it.
        return bool(touches.any() and ahead[touches.argmax()])

    def _gaps(self, pose: np.ndarray, disc: Disc, centre: np.ndarray) -> np.ndarray:
        """Gaps (T,) between a disc at places `centre` (T, 2) and the robot at `pose`."""
        middles = _along(self.middles_m, pose[None])
        near_m = _least_gap(np.repeat(middles, len(centre), axis=0), centre)
        return near_m - disc.radius_m - self._radius_m

    def _closes(self, gap: np.ndarray, middles: np.ndarray, centre: np.ndarray) -> bool:
        """Tell whether the robot, rather than the person, closes a gap that is too small."""
        here = _least_gap(middles[:-1], centre[:-1])
        by_robot = here - _least_gap(middles[1:], centre[:-1])
        by_person = here - _least_gap(middles[:-1], centre[1:])
        near = gap[:-1] < self._least_m + PASSING_SLACK_M
        return bool((near & (by_robot > CLOSES_M) & (by_robot > by_person)).any())

    def _outline_at(self, poses: np.ndarray) -> np.ndarray:
        c, s = np.cos(poses[:, 2])[:, None], np.sin(poses[:, 2])[:, None]
        x, y = self.outline[:, 0], self.outline[:, 1]
        turned = np.stack([c * x - s * y, s * x + c * y], axis=-1)
        return turned + poses[:, None, :2]


def _along(middles_m: np.ndarray, poses: np.ndarray) -> np.ndarray:
    """Middles (T, D, 2) of the robot's discs at poses (T, 3)."""
    heading = np.stack([np.cos(poses[:, 2]), np.sin(poses[:, 2])], axis=-1)
    return poses[:, None, :2] + middles_m[None, :, None] * heading[:, None]


def _that_may_come(
    discs: list[Disc], times_s: np.ndarray, until_s: float, middles: np.ndarray, reach_m: float
) -> list[Disc]:
    """
    Leave out discs that keep farther than `reach_m` from all `middles` (T, D, 2) up to a time.

    By the boxes about their ways and the robot's: most discs need no closer look.
    """
    if not discs:
        return []
    last = int(np.searchsorted(times_s, until_s)) + 1
    ways = np.array([disc.centres[:last] for disc in discs])
    low, high = middles.min(axis=(0, 1)), middles.max(axis=(0, 1))
    apart = np.maximum(np.maximum(low - ways.max(axis=1), ways.min(axis=1) - high), 0.0)
    apart_m = np.hypot(apart[:, 0], apart[:, 1]).tolist()
    reach_m += ROUNDING_M
    return [d for d, gap in zip(discs, apart_m, strict=True) if gap < d.radius_m + reach_m]


def _moments(stamp_s: float, lasts_s: float) -> np.ndarray:
    """Give times (MOMENTS,) from a stamp on."""
    return stamp_s + np.linspace(0.0, lasts_s, MOMENTS)


def _centres_at(disc: Disc, at_s: np.ndarray, times_s: np.ndarray) -> np.ndarray:
    return np.stack([np.interp(at_s, times_s, disc.centres[:, i]) for i in range(2)], axis=-1)


def _least_gap(middles: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Distance (T,) of the nearest of the robot's discs (T, D, 2) from a centre (T, 2)."""
    return np.hypot(*(middles - centre[:, None]).transpose(2, 0, 1)).min(axis=1)


def cover_by_discs(footprint: np.ndarray) -> tuple[tuple[float, float], float]:
    """Give the x of two discs that cover a footprint's bounding box, and their radius."""
    low, high = footprint.min(axis=0), footprint.max(axis=0)
    quarter = 0.25 * float(high[0] - low[0])
    middle = 0.5 * float(high[0] + low[0])
    return (middle - quarter, middle + quarter), float(np.hypot(quarter, 0.5 * (high - low)[1]))


def outline_points(footprint: np.ndarray, spacing_m: float) -> np.ndarray:
    """Points along a closed outline, and its middle."""
    points = []
    for a, b in zip(footprint, np.roll(footprint, -1, axis=0), strict=True):
        count = max(1, int(np.ceil(np.hypot(*(b - a)) / spacing_m)))
        points.append(a + np.arange(count)[:, None] / count * (b - a))
    return np.concatenate([*points, footprint.mean(axis=0)[None]])
