"""
What a party of handovers writes into its journal, and nothing else makes its custody state.

A party is a robot or a locker; both take both parts, giver and receiver.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from lastmile.handoff.journal import JournalCorruptError
from lastmile.handoff.receipt import Key, Receipt, ReceiptBody, Signature


class Record(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    """One thing that happened, as the journal keeps it."""


class Deposited(Record, frozen=True, tag="deposited"):
    """A parcel came by other hands than a robot's: its first custody here."""

    parcel_id: str
    epoch: int
    place: str


class Requested(Record, frozen=True, tag="requested"):
    """Receiver: asked `giver` for an offer."""

    request_id: str
    order_id: str
    parcel_id: str
    giver: str


class Withdrawn(Record, frozen=True, tag="withdrawn"):
    """Receiver: an offer for this request will not be granted any more."""

    request_id: str
    reason: str


class Offered(Record, frozen=True, tag="offered"):
    """Giver: a handoff begins; custody stays here until the receiver's acceptance is known."""

    handoff_id: str
    request_id: str
    order_id: str
    parcel_id: str
    epoch: int
    receiver: str
    place: str


class GrantHeard(Record, frozen=True, tag="grant-heard"):
    """Giver: the receiver has room, and this is the key that its acceptance must be signed with."""

    handoff_id: str
    receiver_key: Key


class ReleaseSeen(Record, frozen=True, tag="release-seen"):
    """Giver: the parcel has left this side."""

    handoff_id: str


class GiverClosed(Record, frozen=True, tag="giver-closed"):
    """Giver: the receiver is custodian; the receipt has both signatures."""

    handoff_id: str
    receipt: Receipt


class Returned(Record, frozen=True, tag="returned"):
    """Giver: the receiver voided the handoff; the parcel is still in custody here."""

    handoff_id: str
    reason: str


class Granted(Record, frozen=True, tag="granted"):
    """Receiver: room is kept for the parcel, the door may open for it."""

    handoff_id: str
    request_id: str
    order_id: str
    parcel_id: str
    epoch: int
    giver: str
    giver_key: Key
    place: str


class Voided(Record, frozen=True, tag="voided"):
    """Receiver: this handoff will never be accepted."""

    handoff_id: str
    giver: str
    parcel_id: str
    reason: str


class Accepted(Record, frozen=True, tag="accepted"):
    """Receiver: custodian from this record on."""

    handoff_id: str
    receipt: ReceiptBody
    receiver_signature: Signature


class ReceiverClosed(Record, frozen=True, tag="receiver-closed"):
    """Receiver: the giver knows; the receipt has both signatures."""

    handoff_id: str
    receipt: Receipt


class Held(Record, frozen=True, tag="held"):
    """Sensors and journal do not agree; a person is needed. Evidence only, changes no custody."""

    handoff_id: str
    reason: str


AnyRecord = (
    Deposited
    | Requested
    | Withdrawn
    | Offered
    | GrantHeard
    | ReleaseSeen
    | GiverClosed
    | Returned
    | Granted
    | Voided
    | Accepted
    | ReceiverClosed
    | Held
)

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
        raise JournalCorruptError(f"journal record is not known: {error}: {body!r}") from error
