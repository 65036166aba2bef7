"""Who came near whom: gaps between the true footprint and true people, and whose move it was."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lastmile.geometry import se2
from lastmile.types import GroundTruth

PERSON_RADIUS_M = 0.25
"""Half the shoulder width of an adult (0.45-0.5 m); people are discs of this radius."""
MOVING_MPS = 0.05
"""Body speed (or rim speed in a turn) above which the robot counts as moving."""


@dataclass(frozen=True, slots=True)
class NearestPerson:
    """The nearest person at one moment, and how fast each of both closes the gap [m/s]."""

    id: int
    distance_m: float
    robot_closing_mps: float
    person_closing_mps: float


def person_distances(pose_map_base: np.ndarray, footprint: np.ndarray, people: np.ndarray):
    """
    Distances (P,) from a rectangular footprint to people, and the nearest footprint points.

    Parameters
    ----------
    pose_map_base : ndarray, shape (3,)
    footprint : ndarray, shape (4, 2)
        Axis-aligned rectangle in base.
    people : ndarray, shape (P, 5)
        id, x, y, vx, vy in map.

    Returns
    -------
    distance : ndarray, shape (P,)
        Gap between footprint and person's disc [m], negative inside.
    nearest_base : ndarray, shape (P, 2)
        Nearest point of the footprint in base.

    """
    at_base = se2.transform(se2.invert(pose_map_base), people[:, 1:3])
    low, high = footprint.min(axis=0), footprint.max(axis=0)
    nearest = np.clip(at_base, low, high)
    gap = np.hypot(*(at_base - nearest).T)
    inside = np.minimum(at_base - low, high - at_base).min(axis=1)
    distance = np.where(gap > 0.0, gap, -inside) - PERSON_RADIUS_M
    return distance, nearest


def nearest_person(truth: GroundTruth, footprint: np.ndarray) -> NearestPerson | None:
    """Find the person nearest to the footprint and who closes the gap; None without people."""
    if not len(truth.people):
        return None
    distance, nearest = person_distances(truth.pose_map_base, footprint, truth.people)
    i = int(np.argmin(distance))
    v, w = truth.twist_base
    point_velocity_base = np.array([v - w * nearest[i, 1], w * nearest[i, 0]])
    yaw = float(truth.pose_map_base[2])
    nearest_map = se2.transform(truth.pose_map_base, nearest[i])
    towards_person = truth.people[i, 1:3] - nearest_map
    towards_person = towards_person / max(float(np.hypot(*towards_person)), 1e-6)
    robot_closing = float(se2.rotate(yaw, point_velocity_base) @ towards_person)
    person_closing = float(-truth.people[i, 3:5] @ towards_person)
    return NearestPerson(int(truth.people[i, 0]), float(distance[i]), robot_closing, person_closing)


def is_moving(truth: GroundTruth, footprint: np.ndarray) -> bool:
    """Tell whether the robot moves, its turning included."""
    reach = float(np.hypot(*footprint.T).max())
    return abs(truth.twist_base[0]) + abs(truth.twist_base[1]) * reach > MOVING_MPS


@dataclass(frozen=True, slots=True)
class Encounters:
    """
    Encounters of one run.

    `met` counts the people who came within 5 m. `closest_own_m` is the smallest gap reached while
    the robot moved and closed it faster than the person did; `closest_any_m` the smallest gap while
    the robot moved, whoever closed it.
    """

    met: int
    closest_own_m: float
    closest_any_m: float


def encounters(truths: list[GroundTruth], footprint: np.ndarray) -> Encounters:
    """Sum up who came near, from all moments of a run."""
    met: set[int] = set()
    closest_own = closest_any = float("inf")
    for truth in truths:
        if not len(truth.people):
            continue
        distance, _ = person_distances(truth.pose_map_base, footprint, truth.people)
        met.update(int(i) for i in truth.people[distance <= 5.0, 0])
        if distance.min() > 2.0 or not is_moving(truth, footprint):
            continue
        nearest = nearest_person(truth, footprint)
        closest_any = min(closest_any, nearest.distance_m)
        if nearest.robot_closing_mps > max(0.02, nearest.person_closing_mps):
            closest_own = min(closest_own, nearest.distance_m)
    return Encounters(len(met), closest_own, closest_any)
