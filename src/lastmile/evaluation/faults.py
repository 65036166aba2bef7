"""What the robot did after one of its processes failed, judged from the log of the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from markupsafe import escape

from lastmile.control.gate import STEP_MAX_S
from lastmile.evaluation.run_log import RunLog
from lastmile.types import DiagnosticLevel, SafetyLevel
from lastmile.vehicle.description import MotionLimits

BRAKING_BEGINS_S = 0.3
STANDING_MPS = 0.02
# The speed has fallen by so much below the highest since the fault: it brakes. Less may be the
# planner's own doing. A robot that was gaining speed gains on until it brakes.
SLOWER_MPS = 0.03
# What follows a fault is looked at for so long; a node that was killed is back after about 5 s.
AFTERMATH_S = 6.0
# How it sets off is looked at for so long after its node is back.
SETTING_OFF_S = 3.0
# It rocks on its wheels as it comes to stand.
UNASKED_MAX_M = 0.05
# /diagnostics comes once a second, and says what was wrong in the second before.
DIAGNOSTICS_S = 2.0

CAUSES: Mapping[str, tuple[str, ...]] = {
    "localization": ("odometry:", "localization/status:"),
    "perception": ("obstacles:",),
    "planner": ("plan:",),
    "command_gate": ("no command",),
}
"""Words that begin the cause on /diagnostics when a node that is needed to drive fails."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A signal sent to a node, at a time of the ROS clock."""

    node: str
    signal: str
    stamp_s: float


@dataclass(frozen=True, slots=True)
class StopVerdict:
    """
    How the robot stopped after a fault.

    `allowed_m` is v t + v^2 / 2b with the speed v at the fault, t the time in which braking must
    begin and b the service braking of the robot. `unasked_m` is how far it got from where it stood
    first before the gate let a plan drive it again, and beyond the a t^2 / 2 of setting off then.
    """

    fault: Fault
    speed_mps: float
    braking_after_s: float
    stopped_m: float
    allowed_m: float
    unasked_m: float
    cause: str
    """What /diagnostics named, empty if nothing fitting."""

    @property
    def holds(self) -> bool:
        """Tell whether it braked and stood in time and stayed, and the cause was named."""
        in_time = self.braking_after_s <= BRAKING_BEGINS_S and self.stopped_m <= self.allowed_m
        return in_time and self.unasked_m <= UNASKED_MAX_M and bool(self.cause)

    def to_json(self) -> dict[str, Any]:
        """Write as plain values."""
        return asdict(self) | {"holds": self.holds}


def judge_stop(
    log: RunLog, fault: Fault, limits: MotionLimits, back_s: float = float("inf")
) -> StopVerdict:
    """
    Judge by the true motion how the robot stopped after a fault, and how it set off again.

    Parameters
    ----------
    log : RunLog
        Of the whole run.
    fault : Fault
        What happened.
    limits : MotionLimits
        Of the robot.
    back_s : float
        When the node was let go on or was started again; infinite if it was not.

    Raises
    ------
    ValueError
        If the log holds no true motion around the fault.

    """
    truth = [t for t in log.truth if -0.1 <= t.stamp_s - fault.stamp_s <= AFTERMATH_S]
    before = [t for t in truth if t.stamp_s <= fault.stamp_s]
    after = [t for t in truth if t.stamp_s > fault.stamp_s]
    if not before or not after:
        raise ValueError(f"the log holds no motion about the fault at {fault.stamp_s:.2f} s")
    speed = abs(float(before[-1].twist_base[0]))
    stamps = np.array([t.stamp_s for t in after])
    speeds = np.abs([t.twist_base[0] for t in after])
    places = np.array([before[-1].pose_map_base[:2], *(t.pose_map_base[:2] for t in after)])
    gone = np.hypot(*np.diff(places, axis=0).T).cumsum()
    standing = speeds < STANDING_MPS
    return StopVerdict(
        fault,
        speed,
        _begin_of_braking(stamps, np.append(speed, speeds)) - fault.stamp_s,
        float(gone[standing.argmax()]) if standing.any() else float("inf"),
        speed * BRAKING_BEGINS_S + speed**2 / (2.0 * limits.braking_mps2),
        _moved_unasked(log, fault, back_s, limits.acceleration_mps2),
        _named_cause(log, fault),
    )


def _moved_unasked(log: RunLog, fault: Fault, back_s: float, acceleration_mps2: float) -> float:
    """Measure how far it gets from where it stands first, beyond setting off when it may."""
    until_s = min(back_s, fault.stamp_s + AFTERMATH_S) + SETTING_OFF_S
    after = [t for t in log.truth if fault.stamp_s < t.stamp_s <= until_s]
    stood = next((i for i, t in enumerate(after) if abs(t.twist_base[0]) < STANDING_MPS), None)
    if stood is None:
        return float("inf")
    places = np.array([t.pose_map_base[:2] for t in after[stood:]])
    since_s = np.array([t.stamp_s for t in after[stood:]]) - _sets_off_s(log, back_s)
    gone = np.hypot(*(places - places[0]).T)
    return float((gone - 0.5 * acceleration_mps2 * np.maximum(since_s, 0.0) ** 2).max())


def _sets_off_s(log: RunLog, back_s: float) -> float:
    """Find from when on it may gain speed: the gate's first step counts from the one before it."""
    may_s = _may_drive_s(log, back_s)
    before_s = max((c.stamp_s for c in log.commands if c.stamp_s < may_s), default=-np.inf)
    return max(before_s, may_s - STEP_MAX_S)


def _may_drive_s(log: RunLog, back_s: float) -> float:
    """Find when, with a node back, the gate first drove and the newest plan asked for motion."""
    drives = [e.value for e in log.safety if e.value.level is SafetyLevel.DRIVE]
    driven_s = min((v.stamp_s for v in drives if v.stamp_s > back_s), default=float("inf"))
    before = [e.value for e in log.plans_move if e.stamp_s <= driven_s]
    if before and before[-1]:
        return driven_s
    return min(
        (e.stamp_s for e in log.plans_move if e.stamp_s > driven_s and e.value),
        default=float("inf"),
    )


def _begin_of_braking(stamps: np.ndarray, speeds: np.ndarray) -> float:
    """
    Find when the speed has fallen from its highest, between the samples; never is infinite.

    `speeds` has the speed at the fault in front of those at the stamps.
    """
    limits = np.maximum.accumulate(speeds)[1:] - SLOWER_MPS
    below = speeds[1:] < limits
    if not below.any():
        return float("inf")
    i = int(below.argmax())
    if i == 0:
        return float(stamps[0])
    before, after, limit = speeds[i], speeds[i + 1], limits[i]
    return float(stamps[i - 1] + (before - limit) / (before - after) * (stamps[i] - stamps[i - 1]))


def report_names_cause(page: str, log: RunLog, fault: Fault) -> bool:
    """Tell whether the report of a run holds a cause that was told after a fault, word for word."""
    told = [message for _, message in _told(log, fault)]
    for entry in log.safety:
        if _soon(entry.stamp_s, fault):
            told += [c for c in entry.value.causes if c.startswith(CAUSES[fault.node])]
    return any(str(escape(message)) in page for message in told)


def _named_cause(log: RunLog, fault: Fault) -> str:
    """Find the first diagnostic after a fault that names its cause."""
    return next((f"{name}: {message}" for name, message in _told(log, fault)), "")


def _told(log: RunLog, fault: Fault) -> Iterator[tuple[str, str]]:
    """Yield who said on /diagnostics what names the cause of a fault."""
    words = CAUSES[fault.node]
    for name, entries in log.diagnostics.items():
        for entry in entries:
            bad = entry.value.level is not DiagnosticLevel.OK
            message = entry.value.message
            named = any(cause.startswith(words) for cause in message.split("; "))
            if _soon(entry.stamp_s, fault) and bad and named:
                yield name, message


def _soon(stamp_s: float, fault: Fault) -> bool:
    return 0.0 < stamp_s - fault.stamp_s < AFTERMATH_S + DIAGNOSTICS_S
