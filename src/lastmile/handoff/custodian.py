"""
One party of handovers: its journal, its link, and the decisions of `custody` carried out in order.

Write, sync, then send: every message is made from what the journal holds, and what cannot be
written is not said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from lastmile.handoff import custody, messages, records
from lastmile.handoff import receipt as receipts
from lastmile.handoff.config import CustodyConfig
from lastmile.handoff.custody import Evidence, EvidenceTrack, Heard
from lastmile.handoff.journal import Journal, JournalError
from lastmile.handoff.ledger import LIVE, Handoff, Ledger, Status
from lastmile.handoff.link import LinkWatch
from lastmile.handoff.telling import state_message

OfferJudge = Callable[[messages.Offer, str], tuple[str, str]]
"""From offer and giver to (place, "") when there is room, or ("", why not)."""
RequestJudge = Callable[[messages.Request, str], tuple[str, bool]]
"""From request and asker to ("", True) when it can be offered, or (why not, final)."""


class Custodian:
    """
    One party.

    Parameters
    ----------
    name : str
        The party.
    journal : Journal
        Its journal, opened; the custody state is read from it.
    link : Link
        Its end of the link.
    signer : Signer
        Its key.
    config : CustodyConfig
        Times.
    judge_offer, judge_request : callable
        The party's own rules about what it takes and gives.
    receipt_dir : Path, optional
        Where receipts with both signatures are filed.

    """

    def __init__(
        self,
        name: str,
        journal: Journal,
        link,
        signer: receipts.Signer,
        config: CustodyConfig,
        judge_offer: OfferJudge,
        judge_request: RequestJudge,
        receipt_dir: Path | None = None,
    ) -> None:
        self.name = name
        self.ledger = Ledger(name)
        self.fault = ""
        self.rejected: Counter[str] = Counter()
        self.last_rejected = ""
        self.last_heard_s: dict[str, float] = {}
        self.refusal: messages.Reject | None = None
        self.refused_offer = ""
        """Why the offer that came for the last request was refused, empty if it was not."""
        self.abort = ""
        self.hold = ""
        self.stuck = ""
        """Set by whoever drives the wires: why the parcel moves neither way."""
        self.link_watch = LinkWatch(link)
        self._journal = journal
        self._link = link
        self._signer = signer
        self._config = config
        self._judge_offer = judge_offer
        self._judge_request = judge_request
        self._receipt_dir = receipt_dir
        self._track = EvidenceTrack()
        self._heard = Heard()
        self._sent_s: dict[tuple[str, str], float] = {}
        for entry in journal.entries:
            self.ledger.apply(records.read_record(entry.body))
        if receipt_dir is not None:
            self._file_missing()

    # ------------------------------------------------------------------------ what a party wants

    def ask(self, stamp_s: float, giver: str, order_id: str, parcel_id: str) -> bool:
        """Ask a giver for a parcel; False if the journal refused."""
        self.refusal, self.refused_offer = None, ""
        request_id = self._new_id("q")
        return self._write(stamp_s, records.Requested(request_id, order_id, parcel_id, giver))

    def withdraw(self, stamp_s: float, reason: str) -> bool:
        """Take back an open request; an offer that still comes for it is refused."""
        if self.ledger.request is None:
            return True
        return self._write(stamp_s, records.Withdrawn(self.ledger.request.request_id, reason))

    def offer(
        self, stamp_s: float, receiver: str, order_id: str, parcel_id: str, request_id: str = ""
    ) -> bool:
        """Begin to give a parcel held here; False if the journal refused."""
        holding = self.ledger.holdings[parcel_id]
        return self._write(
            stamp_s,
            records.Offered(
                self._new_id("h"), request_id, order_id, parcel_id, holding.epoch + 1, receiver,
                holding.place,
            ),
        )  # fmt: skip

    def deposit(self, stamp_s: float, parcel_id: str, place: str) -> bool:
        """Take a parcel that came by other hands into the books."""
        return self._write(stamp_s, records.Deposited(parcel_id, 1, place))

    def call_off(self, reason: str) -> None:
        """Ask that the live handoff be brought back to the giver if it still can be."""
        if self.ledger.live is not None and not self.abort:
            self.abort = reason

    def note(self, stamp_s: float, reason: str) -> bool:
        """Put on record that a person is needed, apart from any handoff; False if refused."""
        return self._write(stamp_s, records.Held("", reason))

    def follow_clock(self, by_s: float) -> None:
        """Go on by a clock that was set by so much: evidence must stand anew, all is said again."""
        self._track.reset()
        self._sent_s.clear()
        self.last_heard_s = {peer: heard_s + by_s for peer, heard_s in self.last_heard_s.items()}

    @property
    def heard(self) -> Heard:
        """What the peer of the live handoff said."""
        return self._heard

    @property
    def wants_back(self) -> str:
        """Why either side called the live handoff off, empty for not."""
        return self.abort or self._heard.abort

    # ------------------------------------------------------------------------------------- steps

    def listen(self, stamp_s: float) -> None:
        """Take what came over the link."""
        self.link_watch.update(stamp_s)
        for sender, payload in self._link.poll():
            try:
                message = messages.decode(payload, sender, self.name)
            except messages.MessageError as error:
                self.rejected[error.reason] += 1
                continue
            self.last_heard_s[sender] = stamp_s
            self._take(stamp_s, sender, message)

    def observe(self, stamp_s: float, evidence: Evidence | None) -> Evidence | None:
        """Decide on sensors and messages; give the evidence with how long it has stood."""
        if evidence is None:
            self._track.reset()
        else:
            evidence = self._track.update(stamp_s, evidence)
        while (handoff := self.ledger.live) is not None:
            record = self._decide(stamp_s, handoff, evidence)
            if record is None or not self._write(stamp_s, record):
                break
        self._note_hold(stamp_s, evidence)
        return evidence

    def speak(self, stamp_s: float) -> None:
        """Send what is due again, all of it read off the journal."""
        request, handoff = self.ledger.request, self.ledger.live
        if request is not None:
            message = messages.Request(request.request_id, request.order_id, request.parcel_id)
            self._send(stamp_s, request.giver, message, request.request_id)
        if handoff is not None:
            if self.abort:
                self._send(
                    stamp_s, handoff.peer, messages.Abort(handoff.id, self.abort[:300]), handoff.id
                )
            if handoff.giving:
                self._tell(stamp_s, handoff)
        for accepted in self.ledger.unacknowledged():
            self._tell(stamp_s, accepted)

    def close(self) -> None:
        """Close journal and link."""
        self._journal.close()
        self._link.close()

    # ---------------------------------------------------------------------------------- messages

    def _take(self, stamp_s: float, sender: str, message: messages.AnyMessage) -> None:
        match message:
            case messages.Request():
                self._take_request(stamp_s, sender, message)
            case messages.Reject():
                if self._asked(sender, message.request_id):
                    self.refusal = message
            case messages.Offer():
                self._take_offer(stamp_s, sender, message)
            case _:
                self._take_about_handoff(stamp_s, sender, message)

    def _asked(self, giver: str, request_id: str) -> bool:
        request = self.ledger.request
        return request is not None and (request.giver, request.request_id) == (giver, request_id)

    def _take_request(self, stamp_s: float, sender: str, message: messages.Request) -> None:
        if message.request_id in self.ledger.by_request:
            return  # The offer made for it speaks for itself.
        live = self.ledger.live
        if live is not None:
            reason, final = f"{self.name} is busy with handoff {live.id}", False
        else:
            reason, final = self._judge_request(message, sender)
        if reason:
            answer = messages.Reject(message.request_id, reason[:300], final)
            self._send(stamp_s, sender, answer, message.request_id, now=True)
            return
        self.offer(stamp_s, sender, message.order_id, message.parcel_id, message.request_id)

    def _take_offer(self, stamp_s: float, sender: str, message: messages.Offer) -> None:
        known = self.ledger.handoffs.get(message.handoff_id)
        if known is None:
            record = self._judge(sender, message)
            if record is None or not self._write(stamp_s, record):
                return
            known = self.ledger.handoffs[message.handoff_id]
            if known.status is Status.VOIDED and self._asked(sender, message.request_id):
                # A giver answers a request once; for another offer it must be asked anew.
                self.withdraw(stamp_s, known.reason)
                self.refused_offer = known.reason
        if known.giving or known.peer != sender:
            self.rejected["stranger"] += 1
            return
        self._answer(stamp_s, known)

    def _judge(self, sender: str, message: messages.Offer) -> records.AnyRecord | None:
        """Grant or refuse a new offer; None lets it wait until the live handoff is decided."""
        asked = self.ledger.request.request_id if self.ledger.request is not None else ""
        newest = self.ledger.epochs.get(message.parcel_id, 0)
        if message.request_id and message.request_id != asked:
            place, reason = "", f"{self.name} did not ask for this offer"
        elif self.ledger.live is not None:
            return None
        elif message.epoch <= newest:
            place, reason = "", f"epoch {message.epoch} is over, the newest known is {newest}"
        else:
            place, reason = self._judge_offer(message, sender)
        if reason:
            return records.Voided(message.handoff_id, sender, message.parcel_id, reason[:300])
        return records.Granted(
            message.handoff_id, message.request_id, message.order_id, message.parcel_id,
            message.epoch, sender, message.giver_key, place,
        )  # fmt: skip

    def _take_about_handoff(self, stamp_s: float, sender: str, message) -> None:
        handoff = self.ledger.handoffs.get(message.handoff_id)
        if handoff is None or handoff.peer != sender:
            self.rejected["unknown_handoff"] += 1
            return
        if handoff.giving:
            self._take_as_giver(stamp_s, handoff, message)
        else:
            self._take_as_receiver(stamp_s, handoff, message)

    def _take_as_giver(self, stamp_s: float, handoff: Handoff, message) -> None:
        live = handoff.status in LIVE
        match message:
            case messages.Accept() if handoff.status is Status.GIVER_CLOSED:
                self._answer(stamp_s, handoff)
            case messages.Accept() if live:
                fault = custody.acceptance_fault(handoff, message, self._signer.public_key)
                if fault:
                    self._reject("acceptance", f"handoff {handoff.id}: {fault}")
                else:
                    self._heard = replace(self._heard, accept=message)
            case messages.Void() if live:
                self._heard = replace(self._heard, void=message.reason)
            case messages.Grant() if live:
                self._take_grant(stamp_s, handoff, message)
            case messages.Abort() if live:
                self._heard = replace(self._heard, abort=message.reason or "called off")
            case messages.Offer() | messages.Released() | messages.Closed():
                self.rejected["wrong_part"] += 1

    def _take_grant(self, stamp_s: float, handoff: Handoff, message: messages.Grant) -> None:
        key = message.receiver_key
        if not handoff.peer_key:
            if not self._write(stamp_s, records.GrantHeard(handoff.id, key)):
                return
        elif key != handoff.peer_key:
            self._reject(
                "grant_key",
                f"handoff {handoff.id}: the grant's key is {key!r}, it was {handoff.peer_key!r}",
            )
            return
        self._heard = replace(self._heard, granted=True)

    def _reject(self, word: str, text: str) -> None:
        self.rejected[word] += 1
        self.last_rejected = text

    def _take_as_receiver(self, stamp_s: float, handoff: Handoff, message) -> None:
        match message:
            case messages.Closed() if handoff.status is Status.ACCEPTED:
                self._close_receipt(stamp_s, handoff, message)
            case messages.Abort() if handoff.status is Status.GRANTED:
                self._heard = replace(self._heard, abort=message.reason or "called off")
            case messages.Released():
                if handoff.status is Status.GRANTED:
                    self._heard = replace(self._heard, released=True)
                self._answer(stamp_s, handoff)
            case messages.Accept() | messages.Void() | messages.Grant():
                self.rejected["wrong_part"] += 1

    def _close_receipt(self, stamp_s: float, handoff: Handoff, message: messages.Closed) -> None:
        body = handoff.body
        if not receipts.signature_holds(body, body.giver_key, message.giver_signature):
            self.rejected["acknowledgement"] += 1
            return
        receipt = receipts.Receipt(body, handoff.receiver_signature, message.giver_signature)
        if self._write(stamp_s, records.ReceiverClosed(handoff.id, receipt)):
            self._file(receipt)

    def _answer(self, stamp_s: float, handoff: Handoff) -> None:
        """Tell the peer at once how the handoff stands in the journal."""
        self._tell(stamp_s, handoff, now=True)

    def _tell(self, stamp_s: float, handoff: Handoff, *, now: bool = False) -> None:
        message = state_message(handoff, self._signer.public_key)
        self._send(stamp_s, handoff.peer, message, handoff.id, now=now)

    def _send(
        self,
        stamp_s: float,
        to: str,
        message: messages.AnyMessage,
        about: str,
        *,
        now: bool = False,
    ) -> None:
        """Send a message, at once or when the last of its kind is old enough."""
        key = (type(message).__name__, about)
        if not now and stamp_s - self._sent_s.get(key, -1e9) < self._config.resend_s:
            return
        self._sent_s[key] = stamp_s
        self._link.send(to, messages.encode(self.name, to, message))

    # ----------------------------------------------------------------------------------- journal

    def _decide(
        self, stamp_s: float, handoff: Handoff, evidence: Evidence | None
    ) -> records.AnyRecord | None:
        settle_s = self._config.settle_s
        if handoff.giving:
            return custody.decide_giving(
                handoff, self._heard, evidence, self._signer.public_key, self._signer.sign, settle_s
            )
        body = receipts.ReceiptBody(
            1, handoff.id, handoff.order_id, handoff.parcel_id, handoff.epoch, handoff.peer,
            self.name, handoff.peer_key, self._signer.public_key, stamp_s,
        )  # fmt: skip
        return custody.decide_receiving(
            handoff, self.wants_back, evidence, body, self._signer.sign, settle_s
        )

    def _write(self, stamp_s: float, record: records.AnyRecord) -> bool:
        """Make a record durable and take it over; False and a fault if the disk refuses."""
        before = self.ledger.live_id
        try:
            self._journal.append(stamp_s, records.write_record(record))
        except JournalError as error:
            self.fault = str(error)
            return False
        self.fault = ""
        self.ledger.apply(record)
        if self.ledger.live_id != before:
            self._heard, self.abort, self.hold, self.stuck = Heard(), "", "", ""
        if isinstance(record, records.GiverClosed):
            self._file(record.receipt)
        self._say(stamp_s, record)
        return True

    def _say(self, stamp_s: float, record: records.AnyRecord) -> None:
        """Tell the peer at once what was just decided."""
        handoff = self.ledger.handoffs.get(getattr(record, "handoff_id", ""))
        if handoff is None or isinstance(
            record, (records.GrantHeard, records.Returned, records.ReceiverClosed, records.Held)
        ):
            return
        self._answer(stamp_s, handoff)

    def _note_hold(self, stamp_s: float, evidence: Evidence | None) -> None:
        """Put on record that a person is needed for the live handoff, and why."""
        handoff = self.ledger.live
        if handoff is None or evidence is None:
            return
        reason = custody.hold_reason(handoff, evidence, self._config.settle_s) or self.stuck
        new = reason and reason != self.hold
        if new and not self._write(stamp_s, records.Held(handoff.id, reason)):
            return
        self.hold = reason

    def _file_missing(self) -> None:
        """File what a crash or a full disk kept from its folder."""
        for handoff in self.ledger.handoffs.values():
            if handoff.receipt is not None and not self._receipt_path(handoff.id).exists():
                self._file(handoff.receipt)

    def _receipt_path(self, handoff_id: str) -> Path:
        return self._receipt_dir / f"{handoff_id}.json"

    def _file(self, receipt: receipts.Receipt) -> None:
        if self._receipt_dir is None:
            return
        try:
            receipts.write(receipt, self._receipt_path(receipt.body.handoff_id))
        except OSError as error:
            # The journal holds the receipt; the file is a copy for people.
            self.fault = f"receipt {receipt.body.handoff_id} could not be filed: {error}"

    def _new_id(self, letter: str) -> str:
        """Make an id that is never used again: it carries the journal and its next record."""
        number = len(self._journal.entries) + 1
        return f"{self.name}-{self._journal.journal_id}-{letter}{number}"
