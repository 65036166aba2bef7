"""The figures of one delivery run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from lastmile.evaluation.encounters import encounters, is_moving
from lastmile.evaluation.pace import Pace, pace_of
from lastmile.evaluation.run_log import RunLog
from lastmile.geometry import polyline, se2
from lastmile.maps.site import Site
from lastmile.types import EdgeKind, GroundTruth, TaskOutcome, TaskResult
from lastmile.vehicle.description import RobotDescription

OWN_CONTACT_WINDOW_S = 0.5
"""A contact is the robot's own if it moved within this time before."""
ON_CROSSING_M = 3.0
"""Nearer than this to the middle of a crossing, the robot is on it."""


@dataclass(frozen=True, slots=True)
class Contact:
    """The footprint touched something; `own` if the robot had just moved, or moved meanwhile."""

    stamp_s: float
    what: str
    own: bool


@dataclass(frozen=True, slots=True)
class DockingError:
    """Distance between the robot's port and the locker's, and angle between them, when docked."""

    locker_id: str
    distance_m: float
    angle_deg: float


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, 95th and 99th percentile and greatest of a figure; NaN without samples."""

    median: float
    p95: float
    p99: float
    worst: float


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything that the scorecard and the report say about one run."""

    delivered: bool
    outcome: str
    text: str
    duration_s: float
    distance_m: float
    route_m: float
    """Of the first route to each goal; ways around are not added."""
    crossings: int
    """Different crossings that were really driven over."""
    mean_speed_mps: float
    """While moving."""
    people_met: int
    closest_person_own_m: float
    closest_person_closing_m: float
    closest_person_any_m: float
    closest_anything_m: float
    contacts: tuple[Contact, ...]
    longest_unseen_s: float
    """
    Longest time without ground truth, until the result of the delivery: contacts go unseen.

    So it is after the death of a recorder, above all of one that does not come back.
    """
    docking: tuple[DockingError, ...]
    position_error_m: Spread
    yaw_error_deg: Spread
    latency_s: Spread
    """On the ROS clock, which waits for slow nodes: see `pace`."""
    pace: Pace | None
    """Of the world against wall time; None in lockstep."""
    protection_covers: float
    """Share of poses whose protection level bounds the error."""
    parcels: dict[str, str]
    """Where each parcel is at the end."""

    @property
    def own_contacts(self) -> int:
        """Contacts that the robot's own motion made."""
        return sum(contact.own for contact in self.contacts)

    def to_json(self) -> dict[str, Any]:
        """Write as plain values; infinities and NaN become None."""
        return _plain(asdict(self)) | {"own_contacts": self.own_contacts}


def summarise(log: RunLog, site: Site, robot: RobotDescription) -> Summary:
    """Work out the figures of a run from its log."""
    deliver = [e.value for e in log.results if e.publisher == "deliver/result"]
    last = deliver[-1] if deliver else None
    truth = log.truth_poses()
    met = encounters(log.truth, robot.footprint)
    _, position_error, yaw_error, covered = localization_errors(log)
    return Summary(
        delivered=last is not None and last.outcome is TaskOutcome.SUCCEEDED,
        outcome=str(last.outcome) if last else "unfinished",
        text=last.text if last else "no result of the delivery came",
        duration_s=float(truth[-1, 0] - truth[0, 0]) if len(truth) else 0.0,
        distance_m=float(np.hypot(*np.diff(truth[:, 1:3], axis=0).T).sum()),
        route_m=_planned_length(log),
        crossings=len(crossings_driven(log)),
        mean_speed_mps=_mean_moving_speed(log.truth, robot),
        people_met=met.met,
        closest_person_own_m=met.closest_own_m,
        closest_person_closing_m=met.closest_closing_m,
        closest_person_any_m=met.closest_any_m,
        closest_anything_m=min((t.clearance_m for t in log.truth), default=float("inf")),
        contacts=tuple(contacts(log.truth, robot)),
        longest_unseen_s=_longest_unseen(truth[:, 0], last),
        docking=tuple(docking_errors(log, site, robot)),
        position_error_m=spread(position_error),
        yaw_error_deg=spread(np.degrees(yaw_error)),
        latency_s=spread(np.array(log.latencies_s)),
        pace=pace_of(log.diagnostics),
        protection_covers=float(covered.mean()) if len(covered) else float("nan"),
        parcels=dict(log.truth[-1].parcel_places) if log.truth else {},
    )


def localization_errors(
    log: RunLog,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """
    Hold every estimated pose against the truth interpolated to its stamp.

    Returns
    -------
    stamps_s, position_error : ndarray, shape (T,)
        [s], [m]
    yaw_error : ndarray, shape (T,)
        Absolute, [rad].
    covered : ndarray of bool, shape (T,)
        Whether the protection levels along, across and in yaw all bound the error.

    """
    truth, estimate = log.truth_poses(), log.estimated_poses()
    if len(truth) < 2 or not len(estimate):
        return np.empty(0), np.empty(0), np.empty(0), np.empty(0, dtype=bool)
    inside = (estimate[:, 0] >= truth[0, 0]) & (estimate[:, 0] <= truth[-1, 0])
    estimate = estimate[inside]
    true_pose = np.stack(
        [
            np.interp(estimate[:, 0], truth[:, 0], truth[:, 1]),
            np.interp(estimate[:, 0], truth[:, 0], truth[:, 2]),
            np.interp(estimate[:, 0], truth[:, 0], np.unwrap(truth[:, 3])),
        ],
        axis=-1,
    )
    error = se2.between(estimate[:, 1:], true_pose)
    levels = np.array(
        [
            [p.protection_along_m, p.protection_lateral_m, p.protection_yaw_rad]
            for p, keep in zip(log.poses, inside, strict=True)
            if keep
        ]
    ).reshape(-1, 3)
    covered = (np.abs(error) <= levels).all(axis=1)
    return estimate[:, 0], np.hypot(error[:, 0], error[:, 1]), np.abs(error[:, 2]), covered


def contacts(truths: list[GroundTruth], robot: RobotDescription) -> list[Contact]:
    """
    List the beginnings of contacts, one for each thing that is touched.

    A contact that begins at a standing robot becomes its own if it moves while it touches. What
    the robot did in a gap of the truth is not known: a contact seen right after one is its own.
    """
    found: list[Contact] = []
    touching: dict[str, int] = {}
    last_moved_s = float("-inf")
    for before, truth in zip([*truths[:1], *truths], truths, strict=False):
        unseen = truth.stamp_s - before.stamp_s > OWN_CONTACT_WINDOW_S
        if unseen or is_moving(truth, robot.footprint):
            last_moved_s = truth.stamp_s
        own = truth.stamp_s - last_moved_s <= OWN_CONTACT_WINDOW_S
        touched, touching = touching, {}
        for what in filter(None, truth.contact.split(", ")):
            if what not in touched:
                found.append(Contact(truth.stamp_s, what, own))
            touching[what] = i = touched.get(what, len(found) - 1)
            if own and not found[i].own:
                found[i] = replace(found[i], own=True)
    return found


def docking_errors(log: RunLog, site: Site, robot: RobotDescription) -> list[DockingError]:
    """Hold the robot's true port against the locker's, each time the robot stands docked."""
    truth = log.truth_poses()
    pose_base_port = se2.from_matrix(robot.mount("port_link"))
    found = []
    for entry in log.bay:
        standing = _first_standing(log.truth, entry.stamp_s, robot) if entry.value.docked else None
        if standing is None:
            continue
        pose_map_port = se2.compose(truth[standing, 1:], pose_base_port)
        locker = min(
            site.lockers, key=lambda k: np.hypot(*(k.pose_map_port[:2] - pose_map_port[:2]))
        )
        distance = np.hypot(*(locker.pose_map_port[:2] - pose_map_port[:2]))
        angle = se2.wrap_angle(locker.pose_map_port[2] + np.pi - pose_map_port[2])
        found.append(DockingError(locker.id, float(distance), abs(float(np.degrees(angle)))))
    return found


def crossings_driven(log: RunLog) -> set[str]:
    """Name the crossings of the routes whose middle the robot came near."""
    truth = log.truth_poses()[:, 1:3]
    driven = set()
    for route in (entry.value for entry in log.routes):
        for span in route.spans:
            if span.kind is not EdgeKind.CROSSING or not len(truth):
                continue
            middle = polyline.sample(route.points, np.array([0.5 * (span.start_m + span.end_m)]))
            if np.hypot(*(truth - middle).T).min() < ON_CROSSING_M:
                driven.add(span.crossing_id)
    return driven


def _planned_length(log: RunLog) -> float:
    first = {}
    for route in (entry.value for entry in log.routes):
        goal = tuple(np.round(route.points[-1], 1))
        first.setdefault(goal, max((span.end_m for span in route.spans), default=0.0))
    return float(sum(first.values()))


def _longest_unseen(seen_s: np.ndarray, result: TaskResult | None) -> float:
    """Find the longest gap of the truth's stamps, the one from the last to the result included."""
    stamps = seen_s if len(seen_s) else np.zeros(1)
    if result is not None:
        stamps = np.append(stamps, result.stamp_s)
    return float(np.diff(stamps).max(initial=0.0))


def _first_standing(
    truths: list[GroundTruth], after_s: float, robot: RobotDescription
) -> int | None:
    for i, truth in enumerate(truths):
        if truth.stamp_s >= after_s and not is_moving(truth, robot.footprint):
            return i
    return None


def spread(samples: np.ndarray) -> Spread:
    """Median, 95th, 99th percentile and greatest."""
    if not len(samples):
        return Spread(*[float("nan")] * 4)
    return Spread(*(float(v) for v in np.quantile(samples, [0.5, 0.95, 0.99, 1.0])))


def _mean_moving_speed(truths: list[GroundTruth], robot: RobotDescription) -> float:
    speeds = [abs(float(t.twist_base[0])) for t in truths if is_moving(t, robot.footprint)]
    return float(np.mean(speeds)) if speeds else 0.0


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
