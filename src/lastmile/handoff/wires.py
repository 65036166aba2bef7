"""
What robot and locker do with conveyor, BUSY line and door during a handoff.

Abort means: bring the parcel back to the giver unless it is all the way in. The door never closes
on something in the gap. BUSY stays up while a parcel is between the two sides.
"""

from __future__ import annotations

from dataclasses import dataclass

from lastmile.handoff.config import CustodyConfig
from lastmile.handoff.custody import Evidence, Heard
from lastmile.handoff.ledger import Handoff, Status

TAKE_IN, HOLD, GIVE_OUT = -1, 0, 1


@dataclass(frozen=True, slots=True)
class RobotWires:
    """What the robot drives, and what its time limits say."""

    conveyor: int = HOLD
    busy: bool = False
    abort: str = ""
    stuck: str = ""


@dataclass(frozen=True, slots=True)
class LockerWires:
    """What the locker drives, and what its time limits say."""

    open_door: bool = False
    place: str = ""
    conveyor: int = HOLD
    abort: str = ""
    stuck: str = ""


class Stopwatch:
    """Measures how long a condition has held; less than that where the clock was set back."""

    def __init__(self) -> None:
        self._since_s: float | None = None

    def update(self, stamp_s: float, running: bool) -> float:
        """Give the time since the condition began to hold, 0 while it does not."""
        if not running:
            self._since_s = None
            return 0.0
        if self._since_s is None or stamp_s < self._since_s:
            self._since_s = stamp_s
        return stamp_s - self._since_s


class RobotDrive:
    """Conveyor and BUSY of the robot."""

    def __init__(self, config: CustodyConfig) -> None:
        self._config = config
        self._handoff_id = ""
        self._reset()

    def _reset(self) -> None:
        self._door = Stopwatch()
        self._waiting = Stopwatch()
        self._forward = Stopwatch()
        self._backward = Stopwatch()

    def step(
        self, stamp_s: float, handoff: Handoff | None, heard: Heard, abort: str, evidence: Evidence
    ) -> RobotWires:
        """
        Say what to drive now.

        Parameters
        ----------
        handoff : Handoff or None
            The live handoff.
        abort : str
            Why it is to be called off, empty for not.
        evidence : Evidence
            The robot's sensors and the dock's wires.

        """
        if handoff is None or handoff.id != self._handoff_id:
            self._handoff_id = handoff.id if handoff else ""
            self._reset()
        if handoff is None:
            return RobotWires()
        if not _may_move(handoff, heard):
            # After a restart the grant is heard anew, perhaps with the parcel in the gap.
            return RobotWires(busy=evidence.docked and not evidence.gap_clear)
        arrived, at_giver = _places(handoff, evidence, self._config.settle_s)
        if handoff.status is Status.RELEASED:
            return self._take_back(stamp_s, heard.abort, evidence, at_giver)
        if arrived:
            # A giver's BUSY falls with the record of the release, not before.
            return RobotWires(busy=handoff.giving)
        if abort and at_giver:
            return RobotWires()
        open_s = self._door.update(stamp_s, evidence.door_closed is False)
        moving = open_s >= self._config.door_wait_s and open_s > 0.0
        forward = GIVE_OUT if handoff.giving else TAKE_IN
        if abort:
            drive, stuck = _bring_back(self._backward.update(stamp_s, True), abort, self._config)
            return RobotWires(-forward if moving and drive else HOLD, True, stuck=stuck)
        self._backward.update(stamp_s, False)
        if self._waiting.update(stamp_s, not moving) > self._config.start_timeout_s:
            return RobotWires(busy=True, abort="the locker's door did not open")
        if self._forward.update(stamp_s, moving) > self._config.transfer_timeout_s:
            return RobotWires(busy=True, abort="the parcel did not get through the door")
        return RobotWires(forward if moving else HOLD, True)

    def _take_back(
        self, stamp_s: float, abort: str, evidence: Evidence, at_giver: bool
    ) -> RobotWires:
        """After the release: take the parcel in again if the locker cannot get it in."""
        if not abort or at_giver:
            return RobotWires()
        drive, stuck = _bring_back(self._backward.update(stamp_s, True), abort, self._config)
        # BUSY rests in between, so that a locker that did get the parcel in can accept it.
        busy = drive or not evidence.gap_clear
        moving = drive and evidence.door_closed is False
        return RobotWires(TAKE_IN if moving else HOLD, busy, stuck=stuck)


class LockerDrive:
    """Door and conveyor of a locker."""

    def __init__(self, config: CustodyConfig) -> None:
        self._config = config
        self._handoff_id = ""
        self._place = ""
        self._reset()

    def _reset(self) -> None:
        self._idle = Stopwatch()
        self._forward = Stopwatch()
        self._backward = Stopwatch()

    def step(
        self,
        stamp_s: float,
        handoff: Handoff | None,
        heard: Heard,
        abort: str,
        evidence: Evidence,
        door_open: bool,
    ) -> LockerWires:
        """Say what to drive now; `door_open` is the door's fully-open switch."""
        if handoff is None or handoff.id != self._handoff_id:
            self._handoff_id = handoff.id if handoff else ""
            self._reset()
        if handoff is not None:
            self._place = handoff.place
        if handoff is None or not _may_move(handoff, heard):
            # Nothing may move: the door only closes, and never on something in the gap.
            return LockerWires(_keep_open(handoff, evidence), self._place)
        arrived, at_giver = _places(handoff, evidence, self._config.settle_s)
        if handoff.status is Status.RELEASED:
            # The parcel is the receiver's to take, unless it wants to give it back.
            abort = heard.abort
            if not abort:
                return LockerWires(_keep_open(handoff, evidence), handoff.place)
            arrived = False
        wanted = evidence.docked and evidence.busy and not arrived and not (abort and at_giver)
        closed = evidence.door_closed is not False
        # The door closes on BUSY's fall; a parcel that is all the way in may close it too.
        may_close = evidence.gap_clear and (
            not evidence.busy or not evidence.docked or (arrived and not handoff.giving)
        )
        open_door = wanted if closed else not may_close
        if arrived:
            return LockerWires(open_door, handoff.place)
        return self._transfer(stamp_s, handoff, abort, at_giver, open_door, door_open)

    def _transfer(
        self,
        stamp_s: float,
        handoff: Handoff,
        abort: str,
        at_giver: bool,
        open_door: bool,
        door_open: bool,
    ) -> LockerWires:
        forward = GIVE_OUT if handoff.giving else TAKE_IN
        place = handoff.place
        if abort:
            if at_giver:
                return LockerWires(open_door, place)
            drive, stuck = _bring_back(self._backward.update(stamp_s, True), abort, self._config)
            conveyor = -forward if door_open and drive else HOLD
            return LockerWires(open_door, place, conveyor, stuck=stuck)
        self._backward.update(stamp_s, False)
        if self._idle.update(stamp_s, not open_door) > self._config.start_timeout_s:
            return LockerWires(open_door, place, abort="the robot did not raise BUSY")
        if self._forward.update(stamp_s, door_open) > self._config.transfer_timeout_s:
            return LockerWires(open_door, place, abort="the parcel did not get through the door")
        return LockerWires(open_door, place, forward if door_open and open_door else HOLD)


def _bring_back(tried_s: float, abort: str, config: CustodyConfig) -> tuple[bool, str]:
    """Tell whether to drive backwards now, and why a person is needed; tries again and again."""
    turn, _ = divmod(tried_s, config.transfer_timeout_s)
    stuck = f"the parcel does not come back: {abort}" if turn >= 1 else ""
    return turn % 2 == 0, stuck


def _places(handoff: Handoff, evidence: Evidence, settle_s: float) -> tuple[bool, bool]:
    """Tell whether the parcel is all the way at the receiver, or at the giver, by own sensors."""
    # A moving parcel may pass a spot that no sensor sees; only what stands counts.
    full = evidence.full and evidence.place_steady_s >= settle_s
    empty = evidence.empty and evidence.place_steady_s >= settle_s
    return (empty, full) if handoff.giving else (full, empty)


def _may_move(handoff: Handoff, heard: Heard) -> bool:
    if handoff.status is Status.OFFERED:
        return heard.granted
    return True


def _keep_open(handoff: Handoff | None, evidence: Evidence) -> bool:
    if evidence.door_closed is not False:
        return False
    robot_done = handoff is None or not evidence.busy or not evidence.docked
    return not (evidence.gap_clear and robot_done)
