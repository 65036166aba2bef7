"""
The custody protocol: pure decisions of giver and receiver on journal, messages and sensors.

The giver is custodian until the receiver's acceptance is durable in the receiver's journal; only
the receiver accepts or voids; no time decides. Robot and locker take both parts; what differs is
who has which wire: the robot drives BUSY, the locker the door.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from lastmile.handoff import messages, records
from lastmile.handoff.ledger import Handoff, Status
from lastmile.handoff.receipt import Receipt, ReceiptBody, signature_holds

NOT_DOCKED = "not docked during handoff"


@dataclass(frozen=True, slots=True)
class Evidence:
    """
    What one side's sensors and wires say of its own place of the parcel, the door and the gap.

    `door_closed` is None where the wire is open (not docked). `busy` is, at the robot, what it
    drives itself, at the locker the wire. `stamp_s` is when the sensors saw this. `steady_s` is how
    long all of it has not changed, `place_steady_s` how long the channels, the reader and the gap
    have not.
    """

    stamp_s: float
    docked: bool
    door_closed: bool | None
    gap_clear: bool
    busy: bool
    occupied_a: bool
    occupied_b: bool
    parcel_id: str
    steady_s: float = 0.0
    place_steady_s: float = 0.0

    @property
    def full(self) -> bool:
        """Both channels see something, and nothing is between the two sides."""
        return self.occupied_a and self.occupied_b and self.gap_clear

    @property
    def empty(self) -> bool:
        """Neither channel sees anything, and nothing is between the two sides."""
        return not self.occupied_a and not self.occupied_b and self.gap_clear


class EvidenceTrack:
    """
    Adds to evidence how long it has been unchanged.

    Measured from the moment a change was noticed to the newest sample of the sensors: what nobody
    looked at again has not stood, however late it is.
    """

    def __init__(self) -> None:
        self.reset()

    def update(self, stamp_s: float, evidence: Evidence) -> Evidence:
        """Give the evidence with the times for which it has stood."""
        place = (
            evidence.occupied_a, evidence.occupied_b, evidence.parcel_id, evidence.gap_clear
        )  # fmt: skip
        wires = (evidence.docked, evidence.door_closed, evidence.busy)
        if place != self._place:
            self._place, self._place_since_s = place, stamp_s
        if wires != self._wires:
            self._wires, self._wires_since_s = wires, stamp_s
        place_steady_s = max(evidence.stamp_s - self._place_since_s, 0.0)
        wires_steady_s = max(evidence.stamp_s - self._wires_since_s, 0.0)
        return replace(
            evidence,
            steady_s=min(place_steady_s, wires_steady_s),
            place_steady_s=place_steady_s,
        )

    def reset(self) -> None:
        """Forget, because the sensors fell silent."""
        self._place: tuple | None = None
        self._wires: tuple | None = None
        self._place_since_s = self._wires_since_s = 0.0


@dataclass(frozen=True, slots=True)
class Heard:
    """What the peer said about the live handoff; lost in a crash, then said again."""

    granted: bool = False
    released: bool = False
    abort: str = ""
    accept: messages.Accept | None = None
    void: str | None = None


def decide_giving(
    handoff: Handoff,
    heard: Heard,
    evidence: Evidence | None,
    key: str,
    sign,
    settle_s: float,
) -> records.AnyRecord | None:
    """
    Decide what the giver writes next about its live handoff.

    Parameters
    ----------
    handoff : Handoff
        Offered or released.
    heard : Heard
        What the receiver said.
    evidence : Evidence or None
        Own sensors, None while they are silent.
    key : str
        Own public key.
    sign : callable
        Gives the own signature of a receipt's body.
    settle_s : float
        How long evidence must stand.

    Returns
    -------
    record or None
        GiverClosed when a true acceptance came, Returned when the receiver voided, ReleaseSeen
        when the parcel left.

    """
    if heard.accept is not None and acceptance_fault(handoff, heard.accept, key) == "":
        body = heard.accept.receipt
        return records.GiverClosed(
            handoff.id, Receipt(body, heard.accept.receiver_signature, sign(body))
        )
    if heard.void is not None:
        return records.Returned(handoff.id, heard.void)
    left = evidence is not None and evidence.empty and evidence.place_steady_s >= settle_s
    if handoff.status is Status.OFFERED and heard.granted and left:
        return records.ReleaseSeen(handoff.id)
    return None


def decide_receiving(
    handoff: Handoff,
    abort: str,
    evidence: Evidence | None,
    receipt: ReceiptBody,
    sign,
    settle_s: float,
) -> records.AnyRecord | None:
    """
    Decide what the receiver writes next about its granted handoff.

    It accepts when the door is closed, the gap clear, BUSY down, both channels see something and
    the reader reads the right parcel. It voids when somebody asked to abort and, with the door
    closed and BUSY down, its own place is empty. Everything else waits.

    Parameters
    ----------
    handoff : Handoff
        Granted.
    abort : str
        Why the handoff is to be called off, empty for not.
    evidence : Evidence or None
        Own sensors, None while they are silent.
    receipt : ReceiptBody
        What would be signed on acceptance.
    sign : callable
        Gives the own signature of a receipt's body.
    settle_s : float
        How long evidence must stand; longer than the wires' latency, as the door may still be
        opening for a BUSY that was just lowered.

    """
    if evidence is None or evidence.steady_s < settle_s:
        return None
    if evidence.door_closed is not True or evidence.busy:
        return None
    if evidence.full and evidence.parcel_id == handoff.parcel_id:
        return records.Accepted(handoff.id, receipt, sign(receipt))
    if abort and evidence.empty:
        return records.Voided(handoff.id, handoff.peer, handoff.parcel_id, abort)
    return None


def acceptance_fault(handoff: Handoff, accept: messages.Accept, giver_key: str) -> str:
    """Tell what is wrong with an acceptance that a giver got, empty if nothing."""
    body = accept.receipt
    wanted = {
        "handoff_id": handoff.id,
        "order_id": handoff.order_id,
        "parcel_id": handoff.parcel_id,
        "epoch": handoff.epoch,
        "receiver": handoff.peer,
        "giver_key": giver_key,
    }
    for name, value in wanted.items():
        if getattr(body, name) != value:
            return f"{name} is {getattr(body, name)!r}, offered was {value!r}"
    # Without a grant heard the parcel did not move by itself: somebody carried it over, and this is
    # the receiver's first word.
    if handoff.peer_key and body.receiver_key != handoff.peer_key:
        return f"receiver_key is {body.receiver_key!r}, the grant's was {handoff.peer_key!r}"
    if not signature_holds(body, body.receiver_key, accept.receiver_signature):
        return "the receiver's signature does not hold"
    return ""


def hold_reason(handoff: Handoff, evidence: Evidence, settle_s: float) -> str:
    """
    Tell why a person is needed, empty if not: evidence that stands and decides nothing.

    A parcel in the gap is left to the wires' own time limit, for it may just be moving.
    """
    if evidence.steady_s < max(4.0 * settle_s, 2.0):
        return ""
    if not evidence.docked:
        return NOT_DOCKED
    if evidence.door_closed is not True:
        return ""
    if evidence.occupied_a != evidence.occupied_b:
        return (
            f"occupancy channels disagree at {handoff.place}: "
            f"a {_seen(evidence.occupied_a)}, b {_seen(evidence.occupied_b)}"
        )
    if not evidence.gap_clear:
        return "something is in the gap with the door closed"
    if evidence.full and evidence.parcel_id != handoff.parcel_id:
        read = repr(evidence.parcel_id) if evidence.parcel_id else "nothing"
        return f"the reader at {handoff.place} reads {read}, expected {handoff.parcel_id!r}"
    return ""


def _seen(occupied: bool) -> str:
    return "occupied" if occupied else "empty"
