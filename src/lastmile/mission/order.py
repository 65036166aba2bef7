"""
A delivery as its journal tells it: records, and the state they add up to.

After a restart the state is read again, and the current step is begun anew; every task server takes
an errand it knows already for the same errand.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import msgspec
from msgspec import Struct

from lastmile.handoff.journal import JournalCorruptError
from lastmile.types import TaskOutcome


class Step(IntEnum):
    """Steps of a delivery, in order."""

    DRIVE_TO_ORIGIN = 0
    DOCK_AT_ORIGIN = 1
    TAKE = 2
    LEAVE_ORIGIN = 3
    DRIVE_TO_DESTINATION = 4
    DOCK_AT_DESTINATION = 5
    GIVE = 6
    LEAVE_DESTINATION = 7

    @property
    def word(self) -> str:
        """The step in small letters."""
        return self.name.lower()


DRIVES = frozenset({Step.DRIVE_TO_ORIGIN, Step.DRIVE_TO_DESTINATION})
DOCKS = frozenset({Step.DOCK_AT_ORIGIN, Step.DOCK_AT_DESTINATION})
HANDOVERS = frozenset({Step.TAKE, Step.GIVE})
LEAVES = frozenset({Step.LEAVE_ORIGIN, Step.LEAVE_DESTINATION})


class Record(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    """One thing that happened, as the journal keeps it."""


class Ordered(Record, frozen=True, tag="ordered"):
    """An order was taken; `first_step` is later than 0 when the parcel is aboard already."""

    order_id: str
    goal_id: str
    parcel_id: str
    from_locker_id: str
    to_locker_id: str
    first_step: int


class Began(Record, frozen=True, tag="began"):
    """A task is about to be sent out for the current step."""

    task_id: str
    step: int
    action: str


class Finished(Record, frozen=True, tag="finished"):
    """The step is done."""

    step: int
    text: str


class Stumbled(Record, frozen=True, tag="stumbled"):
    """A task failed; the delivery goes on with `next_step`, without the closed edges."""

    step: int
    next_step: int
    text: str
    closed: tuple[str, ...] = ()


class CancelAsked(Record, frozen=True, tag="cancel-asked"):
    """Somebody asked to stop."""


class Ended(Record, frozen=True, tag="ended"):
    """The delivery is over."""

    outcome: TaskOutcome
    text: str


AnyRecord = Ordered | Began | Finished | Stumbled | CancelAsked | Ended

_decoder = msgspec.json.Decoder(AnyRecord, strict=True)


def write_record(record: AnyRecord) -> bytes:
    """Write a record as the journal keeps it."""
    return msgspec.json.encode(record)


def read_record(body: bytes) -> AnyRecord:
    """
    Read a record of the journal.

    Raises
    ------
    JournalCorruptError
        If the bytes are no record that this version knows.

    """
    try:
        return _decoder.decode(body)
    except msgspec.DecodeError as error:
        raise JournalCorruptError(f"mission record is not known: {error}: {body!r}") from error


@dataclass(slots=True)
class Delivery:
    """One order and how far it is."""

    order: Ordered
    step: Step
    failures: dict[Step, int] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    begun: int = 0
    last_began: Began | None = None
    canceled: bool = False
    ended: Ended | None = None

    @property
    def aboard(self) -> bool:
        """The parcel is on the robot, as far as the finished steps tell."""
        return Step.TAKE < self.step <= Step.GIVE

    @property
    def locker_id(self) -> str:
        """The locker of the current step."""
        to_origin = self.step <= Step.LEAVE_ORIGIN
        return self.order.from_locker_id if to_origin else self.order.to_locker_id

    def apply(self, record: AnyRecord) -> None:
        """Take over one record that is durable."""
        match record:
            case Began():
                self.begun += 1
                self.last_began = record
            case Finished():
                self.step = Step(min(record.step + 1, Step.LEAVE_DESTINATION))
                self.last_began = None
                if Step(record.step) in DRIVES:
                    self.closed.clear()
            case Stumbled():
                stumbled = Step(record.step)
                self.failures[stumbled] = self.failures.get(stumbled, 0) + 1
                self.step = Step(record.next_step)
                self.closed |= set(record.closed)
                self.last_began = None
            case CancelAsked():
                self.canceled = True
            case Ended():
                self.ended = record


def fold(bodies: list[bytes]) -> dict[str, Delivery]:
    """Read all deliveries out of a journal, by order id, oldest first."""
    deliveries: dict[str, Delivery] = {}
    current: Delivery | None = None
    for body in bodies:
        record = read_record(body)
        if isinstance(record, Ordered):
            current = Delivery(record, Step(record.first_step))
            deliveries[record.order_id] = current
        elif current is None:
            raise JournalCorruptError(f"mission record before any order: {body!r}")
        else:
            current.apply(record)
    return deliveries
