"""
Messages between robot and locker, and their strict reading.

A message only tells what its sender's journal already holds. All of them may be lost, doubled,
late or out of order.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from lastmile.handoff.receipt import Key, ReceiptBody, Signature

VERSION = 2
SIZE_MAX = 4096

Id = Annotated[str, Meta(min_length=1, max_length=96)]
OptionalId = Annotated[str, Meta(max_length=96)]
Hex = Annotated[str, Meta(pattern="^[0-9a-f]*$", max_length=128)]
Text = Annotated[str, Meta(max_length=300)]
Epoch = Annotated[int, Meta(ge=0, le=2**53)]


class Message(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type"):
    """Anything that robot and locker tell each other."""


class Request(Message, frozen=True, tag="request"):
    """A receiver asks a giver to offer a parcel; one request leads to at most one offer."""

    request_id: Id
    order_id: Id
    parcel_id: Id


class Reject(Message, frozen=True, tag="reject"):
    """The giver will not offer; unless `final`, asking again may help."""

    request_id: Id
    reason: Text
    final: bool


class Offer(Message, frozen=True, tag="offer"):
    """The giver would hand the parcel over; it stays custodian until the receiver accepts."""

    handoff_id: Id
    request_id: OptionalId
    order_id: Id
    parcel_id: Id
    epoch: Epoch
    giver_key: Key


class Grant(Message, frozen=True, tag="grant"):
    """The receiver has room and waits for the parcel; it will sign with this key and no other."""

    handoff_id: Id
    receiver_key: Key


class Released(Message, frozen=True, tag="released"):
    """The parcel has left the giver's side and the gap is clear there."""

    handoff_id: Id


class Abort(Message, frozen=True, tag="abort"):
    """Either side asks to bring the parcel back to the giver if it is not all the way in."""

    handoff_id: Id
    reason: Text


class Accept(Message, frozen=True, tag="accept"):
    """The receiver is custodian from now on, with its signature on the receipt."""

    handoff_id: Id
    receipt: ReceiptBody
    receiver_signature: Signature


class Void(Message, frozen=True, tag="void"):
    """The receiver has not got the parcel and never will by this handoff; also a refusal."""

    handoff_id: Id
    reason: Text


class Closed(Message, frozen=True, tag="closed"):
    """The giver knows of the acceptance, with its signature on the receipt."""

    handoff_id: Id
    giver_signature: Signature


AnyMessage = Request | Reject | Offer | Grant | Released | Abort | Accept | Void | Closed


class Envelope(Struct, frozen=True, forbid_unknown_fields=True):
    """A message with its version, sender and receiver; `signature` is for signed links."""

    v: int
    sender: Id
    to: Id
    body: AnyMessage
    signature: Hex = ""


class _Versioned(Struct, frozen=True):
    v: int


class MessageError(ValueError):
    """A message that breaks a stated rule; `reason` is the word it is counted under."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


_encoder = msgspec.json.Encoder(order="deterministic")
_version_decoder = msgspec.json.Decoder(_Versioned)
_decoder = msgspec.json.Decoder(Envelope, strict=True)


def encode(sender: str, to: str, body: AnyMessage) -> bytes:
    """Write a message as it travels."""
    return _encoder.encode(Envelope(VERSION, sender, to, body))


def decode(payload: bytes, sender: str, to: str) -> AnyMessage:
    """
    Read a message that `sender` delivered to `to`.

    Raises
    ------
    MessageError
        If it is too big, malformed, of another version, has an unknown field or a value out of
        range, or was written by or for somebody else.

    """
    if len(payload) > SIZE_MAX:
        raise MessageError("oversized", f"message of {len(payload)} bytes, at most {SIZE_MAX}")
    try:
        version = _version_decoder.decode(payload).v
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError("malformed", f"not a message: {error}") from error
    if version != VERSION:
        raise MessageError("version", f"message of version {version}, known is {VERSION}")
    try:
        envelope = _decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError("invalid", f"message breaks the format: {error}") from error
    if envelope.sender != sender:
        raise MessageError("sender", f"message of {envelope.sender!r} came from {sender!r}")
    if envelope.to != to:
        raise MessageError("receiver", f"message for {envelope.to!r} came to {to!r}")
    return envelope.body
