"""What a party says about a handoff: the message that its journal's state stands for."""

from __future__ import annotations

from lastmile.handoff import messages
from lastmile.handoff.ledger import Handoff, Status


def state_message(handoff: Handoff, own_key: str) -> messages.AnyMessage:
    """Give the message that tells where a handoff stands; ValueError where nothing is to tell."""
    match handoff.status:
        case Status.OFFERED:
            return messages.Offer(
                handoff.id, handoff.request_id, handoff.order_id, handoff.parcel_id,
                handoff.epoch, own_key,
            )  # fmt: skip
        case Status.RELEASED:
            return messages.Released(handoff.id)
        case Status.GIVER_CLOSED:
            return messages.Closed(handoff.id, handoff.receipt.giver_signature)
        case Status.GRANTED:
            return messages.Grant(handoff.id, own_key)
        case Status.ACCEPTED | Status.RECEIVER_CLOSED:
            return messages.Accept(handoff.id, handoff.body, handoff.receiver_signature)
        case Status.VOIDED:
            return messages.Void(handoff.id, handoff.reason)
        case _:
            raise ValueError(f"a handoff that is {handoff.status} has nothing to tell")
