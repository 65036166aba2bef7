"""What is kept of a run to judge it: the same from lockstep and from a recording."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lastmile.geometry import se2
from lastmile.types import (
    BayState,
    Command,
    CustodyState,
    Diagnostic,
    GroundTruth,
    MissionState,
    OdometryEstimate,
    PlannerStatus,
    PoseEstimate,
    Route,
    SafetyState,
    TaskResult,
    Trajectory,
)

KEPT_TOPICS = (
    "ground_truth",
    "localization/status",
    "cmd_vel",
    "plan",
    "route",
    "safety_state",
    "mission/state",
    "custody",
    "planner/status",
    "bay/state",
)
"""Topics that a log is made of, besides the results of tasks and /diagnostics."""

PLAN_SPACING_S = 1.0
"""Plans are kept at most this often; they are for the picture."""
PLAN_TRAVEL_S = 0.02
"""A command decided sooner after a plan was published may not know it: one step of the gate."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A value with the time at which it was published and who did."""

    stamp_s: float
    publisher: str
    value: Any


@dataclass(slots=True)
class RunLog:
    """Values of one run in the order of publication; `observe` fits `Lockstep.observe`."""

    truth: list[GroundTruth] = field(default_factory=list)
    poses: list[PoseEstimate] = field(default_factory=list)
    odometry: list[OdometryEstimate] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    plans_map: list[Entry] = field(default_factory=list)
    """Planned paths (K, 2) in map."""
    plans_move: list[Entry] = field(default_factory=list)
    """Whether plans ask for motion, where that changed."""
    latencies_s: list[float] = field(default_factory=list)
    """From the middle of a lidar turn to the first command that rests on it."""
    routes: list[Entry] = field(default_factory=list)
    safety: list[Entry] = field(default_factory=list)
    mission: list[Entry] = field(default_factory=list)
    custody: list[Entry] = field(default_factory=list)
    planner: list[Entry] = field(default_factory=list)
    results: list[Entry] = field(default_factory=list)
    bay: list[Entry] = field(default_factory=list)
    """Bay states in which the dock contact changed."""
    diagnostics: dict[str, list[Entry]] = field(default_factory=dict)
    """Lines of /diagnostics by the name of what is watched."""
    _pending_sensed_s: float = float("nan")
    _pending_since_s: float = 0.0

    def observe(self, stamp_s: float, publisher: str, topic: str, value: Any) -> None:
        """Keep a published value if it is needed to judge the run."""
        match value:
            case GroundTruth():
                self.truth.append(value)
            case PoseEstimate():
                self.poses.append(value)
            case OdometryEstimate():
                self.odometry.append(value)
            case Command() if topic == "cmd_vel":
                self._add_command(stamp_s, value)
            case Trajectory():
                self._add_plan(stamp_s, publisher, value)
            case Route():
                self.routes.append(Entry(stamp_s, publisher, value))
            case SafetyState():
                _append_change(self.safety, stamp_s, publisher, value, _safety_key)
            case MissionState():
                _append_change(self.mission, stamp_s, publisher, value, _mission_key)
            case CustodyState():
                _append_change(self.custody, stamp_s, publisher, value, _custody_key)
            case PlannerStatus():
                _append_change(self.planner, stamp_s, publisher, value, _planner_key)
            case TaskResult():
                self.results.append(Entry(stamp_s, topic, value))
            case BayState():
                _append_change(self.bay, stamp_s, publisher, value, _bay_key)
            case Diagnostic():
                entry = Entry(stamp_s, publisher, value)
                self.diagnostics.setdefault(value.name, []).append(entry)
            case _:
                pass

    def truth_poses(self) -> np.ndarray:
        """Stamps and true poses, (T, 4): t, x, y, yaw."""
        return np.array([[t.stamp_s, *t.pose_map_base] for t in self.truth]).reshape(-1, 4)

    def estimated_poses(self) -> np.ndarray:
        """Stamps and estimated poses, (T, 4): t, x, y, yaw."""
        return np.array([[p.stamp_s, *p.pose_map_base] for p in self.poses]).reshape(-1, 4)

    def _add_command(self, stamp_s: float, command: Command) -> None:
        self.commands.append(command)
        if command.stamp_s >= self._pending_since_s and np.isfinite(self._pending_sensed_s):
            self.latencies_s.append(stamp_s - self._pending_sensed_s)
            self._pending_sensed_s = float("nan")

    def _add_plan(self, stamp_s: float, publisher: str, plan: Trajectory) -> None:
        self._pending_sensed_s = plan.sensed_stamp_s
        self._pending_since_s = stamp_s + PLAN_TRAVEL_S
        moves = bool(np.abs(plan.twists).max() > 1e-6)
        _append_change(self.plans_move, stamp_s, publisher, moves, bool)
        due = not self.plans_map or stamp_s - self.plans_map[-1].stamp_s >= PLAN_SPACING_S
        if due and self.poses:
            path_map = se2.transform(self.poses[-1].pose_map_odom, plan.poses[:, :2])
            self.plans_map.append(Entry(stamp_s, publisher, path_map))


def _append_change(entries: list[Entry], stamp_s: float, publisher: str, value: Any, key) -> None:
    if not entries or key(entries[-1].value) != key(value):
        entries.append(Entry(stamp_s, publisher, value))


def _safety_key(value: SafetyState) -> tuple:
    return value.level, value.source, tuple(cause.split(" ")[0] for cause in value.causes)


def _mission_key(value: MissionState) -> tuple:
    return value.order_id, value.phase, value.text


def _custody_key(value: CustodyState) -> tuple:
    return value.parcel_id, value.custodian, value.epoch, value.state


def _planner_key(value: PlannerStatus) -> tuple:
    return value.state, value.route_id, value.reason


def _bay_key(value: BayState) -> tuple:
    return (value.docked,)
