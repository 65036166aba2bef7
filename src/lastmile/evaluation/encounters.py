"""Who came near whom: gaps between the true footprint and true people, and whose move it was."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lastmile.geometry import se2
from lastmile.types import GroundTruth

PERSON_RADIUS_M = 0.25
"""Half the shoulder width of an adult (0.45-0.5 m); people are discs of this radius."""
MOVING_MPS = 0.02
"""
Body speed (or rim speed in a turn) above which the robot counts as moving; docking creeps. A
robot that stands in the simulator is below 0.01.
"""
OWN_APPROACH_MPS = 0.02
"""A robot that comes nearer more slowly than this does not approach."""


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


def closing_speeds(truth: GroundTruth, nearest_base: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """
    Tell how fast the robot and each person close the gap between them.

    Parameters
    ----------
    truth : GroundTruth
    nearest_base : ndarray, shape (P, 2)
        Point of the footprint nearest to each person, in base.

    Returns
    -------
    robot_mps, person_mps : ndarray, shape (P,)
        Positive where the gap becomes smaller.

    """
    v, w = truth.twist_base
    point_velocity_base = np.column_stack([v - w * nearest_base[:, 1], w * nearest_base[:, 0]])
    nearest_map = se2.transform(truth.pose_map_base, nearest_base)
    towards = truth.people[:, 1:3] - nearest_map
    towards = towards / np.maximum(np.hypot(*towards.T), 1e-6)[:, None]
    point_velocity = se2.rotate(float(truth.pose_map_base[2]), point_velocity_base)
    robot = (point_velocity * towards).sum(axis=1)
    return robot, -(truth.people[:, 3:5] * towards).sum(axis=1)


def is_moving(truth: GroundTruth, footprint: np.ndarray) -> bool:
    """Tell whether the robot moves, its turning included."""
    reach = float(np.hypot(*footprint.T).max())
    return abs(truth.twist_base[0]) + abs(truth.twist_base[1]) * reach > MOVING_MPS


@dataclass(frozen=True, slots=True)
class Encounters:
    """
    Encounters of one run.

    `met` counts the people who came within 5 m. `closest_own_m` is the smallest gap reached while
    the robot moved and closed it faster than the person did; `closest_closing_m` that reached while
    the robot closed it at all; `closest_any_m` the smallest gap while the robot moved, whoever
    closed it.
    """

    met: int
    closest_own_m: float
    closest_closing_m: float
    closest_any_m: float


def encounters(truths: list[GroundTruth], footprint: np.ndarray) -> Encounters:
    """Sum up who came near, from all moments of a run."""
    met: set[int] = set()
    closest_own = closest_closing = closest_any = float("inf")
    for truth in truths:
        if not len(truth.people):
            continue
        distance, nearest_base = person_distances(truth.pose_map_base, footprint, truth.people)
        met.update(int(i) for i in truth.people[distance <= 5.0, 0])
        if distance.min() > 2.0 or not is_moving(truth, footprint):
            continue
        closest_any = min(closest_any, float(distance.min()))
        robot_mps, person_mps = closing_speeds(truth, nearest_base)
        closing = robot_mps > OWN_APPROACH_MPS
        own = closing & (robot_mps > person_mps)
        closest_closing = min(closest_closing, float(distance[closing].min(initial=np.inf)))
        closest_own = min(closest_own, float(distance[own].min(initial=np.inf)))
    return Encounters(len(met), closest_own, closest_closing, closest_any)
