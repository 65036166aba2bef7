"""The custody state of one party: the fold of its journal, changed by records alone."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

from lastmile.handoff import records
from lastmile.handoff.receipt import Receipt, ReceiptBody


class Status(StrEnum):
    """How far a handoff is, as the journal of one side says."""

    OFFERED = "offered"
    RELEASED = "released"
    RETURNED = "returned"
    GIVER_CLOSED = "giver_closed"
    GRANTED = "granted"
    VOIDED = "voided"
    ACCEPTED = "accepted"
    RECEIVER_CLOSED = "receiver_closed"


LIVE = frozenset({Status.OFFERED, Status.RELEASED, Status.GRANTED})
"""Not decided yet, or not known to be."""


@dataclass(frozen=True, slots=True)
class Handoff:
    """One handoff as one side knows it."""

    id: str
    giving: bool
    peer: str
    order_id: str
    parcel_id: str
    epoch: int
    place: str
    request_id: str
    status: Status
    peer_key: str = ""
    reason: str = ""
    body: ReceiptBody | None = None
    receiver_signature: str = ""
    receipt: Receipt | None = None


@dataclass(frozen=True, slots=True)
class Holding:
    """A parcel in custody here."""

    parcel_id: str
    epoch: int
    place: str


@dataclass(slots=True)
class Ledger:
    """What a party holds, what it handed over and to whom."""

    party: str
    holdings: dict[str, Holding] = field(default_factory=dict)
    epochs: dict[str, int] = field(default_factory=dict)
    """Newest epoch known of each parcel."""
    handoffs: dict[str, Handoff] = field(default_factory=dict)
    by_request: dict[str, str] = field(default_factory=dict)
    """Request to the handoff that answered it."""
    request: records.Requested | None = None
    live_id: str = ""

    @property
    def live(self) -> Handoff | None:
        """The one handoff that is not decided, if any."""
        return self.handoffs.get(self.live_id)

    def unacknowledged(self) -> list[Handoff]:
        """List the acceptances that the giver has not confirmed."""
        return [h for h in self.handoffs.values() if h.status is Status.ACCEPTED]

    def last_of(self, parcel_id: str) -> Handoff | None:
        """Find the newest handoff of a parcel that was not a refusal."""
        for handoff in reversed(self.handoffs.values()):
            if handoff.parcel_id == parcel_id and handoff.place:
                return handoff
        return None

    def apply(self, record: records.AnyRecord) -> None:
        """Take over one record that is durable."""
        match record:
            case records.Deposited():
                self._hold(record.parcel_id, record.epoch, record.place)
            case records.Requested():
                self.request = record
            case records.Withdrawn():
                self.request = None
            case records.Offered():
                self._begin_giving(record)
            case records.Granted():
                self._begin_receiving(record)
            case records.GrantHeard():
                self._change(record.handoff_id, peer_key=record.receiver_key)
            case records.ReleaseSeen():
                self._change(record.handoff_id, status=Status.RELEASED)
            case records.Returned():
                self._end(record.handoff_id, status=Status.RETURNED, reason=record.reason)
            case records.GiverClosed():
                handoff = self._end(
                    record.handoff_id, status=Status.GIVER_CLOSED, receipt=record.receipt
                )
                self.holdings.pop(handoff.parcel_id, None)
                self.epochs[handoff.parcel_id] = handoff.epoch
            case records.Voided():
                self._void(record)
            case records.Accepted():
                handoff = self._end(
                    record.handoff_id,
                    status=Status.ACCEPTED,
                    body=record.receipt,
                    receiver_signature=record.receiver_signature,
                )
                self._hold(handoff.parcel_id, handoff.epoch, handoff.place)
            case records.ReceiverClosed():
                self._change(
                    record.handoff_id, status=Status.RECEIVER_CLOSED, receipt=record.receipt
                )
            case records.Held():
                pass

    def _hold(self, parcel_id: str, epoch: int, place: str) -> None:
        self.holdings[parcel_id] = Holding(parcel_id, epoch, place)
        self.epochs[parcel_id] = max(epoch, self.epochs.get(parcel_id, 0))

    def _begin_giving(self, r: records.Offered) -> None:
        self._begin(
            Handoff(
                r.handoff_id, True, r.receiver, r.order_id, r.parcel_id, r.epoch, r.place,
                r.request_id, Status.OFFERED,
            )
        )  # fmt: skip

    def _begin_receiving(self, r: records.Granted) -> None:
        self._begin(
            Handoff(
                r.handoff_id, False, r.giver, r.order_id, r.parcel_id, r.epoch, r.place,
                r.request_id, Status.GRANTED, r.giver_key,
            )
        )  # fmt: skip
        if self.request is not None and self.request.request_id == r.request_id:
            self.request = None

    def _begin(self, handoff: Handoff) -> None:
        self.handoffs[handoff.id] = handoff
        self.live_id = handoff.id
        if handoff.request_id:
            self.by_request[handoff.request_id] = handoff.id

    def _void(self, record: records.Voided) -> None:
        if record.handoff_id in self.handoffs:
            self._end(record.handoff_id, status=Status.VOIDED, reason=record.reason)
            return
        # A refusal: never granted, so it has no place here.
        self.handoffs[record.handoff_id] = Handoff(
            record.handoff_id, False, record.giver, "", record.parcel_id, 0, "", "",
            Status.VOIDED, reason=record.reason,
        )  # fmt: skip

    def _change(self, handoff_id: str, **changes) -> Handoff:
        self.handoffs[handoff_id] = replace(self.handoffs[handoff_id], **changes)
        return self.handoffs[handoff_id]

    def _end(self, handoff_id: str, **changes) -> Handoff:
        if self.live_id == handoff_id:
            self.live_id = ""
        return self._change(handoff_id, **changes)
