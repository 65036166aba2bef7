"""
Receipts of handovers: what was handed over, signed by giver and receiver (Ed25519, RFC 8032).

A receipt can be verified offline by anybody who has the file and, to know who signed, the two
public keys.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from msgspec import Meta, Struct

_Id = Annotated[str, Meta(min_length=1, max_length=96)]
Key = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Signature = Annotated[str, Meta(pattern="^[0-9a-f]{128}$")]

SIZE_MAX = 65536


class ReceiptError(ValueError):
    """A receipt that cannot be read or does not hold."""


class ReceiptBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What both sides sign; keys are raw Ed25519 public keys in hex."""

    version: Annotated[int, Meta(ge=1, le=1)]
    handoff_id: _Id
    order_id: _Id
    parcel_id: _Id
    epoch: Annotated[int, Meta(ge=1, le=2**53)]
    giver: _Id
    receiver: _Id
    giver_key: Key
    receiver_key: Key
    accepted_at_s: float


class Receipt(Struct, frozen=True, forbid_unknown_fields=True):
    """A receipt as it is filed, signed by both sides."""

    body: ReceiptBody
    receiver_signature: Signature
    giver_signature: Signature


class Signer:
    """A private key and what it signs."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.public_key = raw.hex()

    @classmethod
    def from_seed(cls, seed: bytes) -> Signer:
        """Make the key of 32 given bytes."""
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    @classmethod
    def from_file(cls, path: Path) -> Signer:
        """
        Read a PEM private key, or make one there when the file does not exist.

        Raises
        ------
        ReceiptError
            If the file holds no Ed25519 key or cannot be read or made.

        """
        try:
            if not path.exists():
                _write_new_key(path)
            key = load_pem_private_key(path.read_bytes(), password=None)
        except (OSError, ValueError, TypeError) as error:
            raise ReceiptError(f"{path}: cannot read or make a private key: {error}") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise ReceiptError(f"{path}: {type(key).__name__} is not an Ed25519 private key")
        return cls(key)

    def sign(self, body: ReceiptBody) -> str:
        """Sign a receipt's body; the signature comes in hex."""
        return self._key.sign(_canonical(body)).hex()


def signature_holds(body: ReceiptBody, key: str, signature: str) -> bool:
    """Tell whether `signature` is that of `key` on the body."""
    try:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))
        public.verify(bytes.fromhex(signature), _canonical(body))
    except (InvalidSignature, ValueError):
        return False
    return True


def verify(receipt: Receipt, keys: dict[str, str] | None = None) -> None:
    """
    Check both signatures of a receipt.

    Parameters
    ----------
    receipt : Receipt
        What to check.
    keys : dict, optional
        Party to public key (hex): where a party is listed, its key in the receipt must be this.

    Raises
    ------
    ReceiptError
        Naming the side whose signature or key does not hold.

    """
    body = receipt.body
    sides = (
        ("giver", body.giver, body.giver_key, receipt.giver_signature),
        ("receiver", body.receiver, body.receiver_key, receipt.receiver_signature),
    )
    for side, party, key, signature in sides:
        known = (keys or {}).get(party)
        if known is not None and known != key:
            raise ReceiptError(f"the key of the {side} {party!r} is {key}, known is {known}")
        if not signature_holds(body, key, signature):
            raise ReceiptError(f"the signature of the {side} {party!r} does not hold")


def write(receipt: Receipt, path: Path) -> None:
    """File a receipt as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = msgspec.json.format(msgspec.json.encode(receipt), indent=2)
    part = path.with_suffix(".part")
    part.write_bytes(text + b"\n")
    part.replace(path)


def read(path: Path) -> Receipt:
    """
    Read a filed receipt, without verifying it.

    Raises
    ------
    ReceiptError
        If the file cannot be read or is no receipt.

    """
    try:
        payload = path.read_bytes()
    except OSError as error:
        raise ReceiptError(f"{path}: cannot be read: {error.strerror}") from error
    if len(payload) > SIZE_MAX:
        raise ReceiptError(f"{path}: {len(payload)} bytes, a receipt has at most {SIZE_MAX}")
    try:
        return msgspec.json.decode(payload, type=Receipt)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ReceiptError(f"{path}: not a receipt: {error}") from error


def _canonical(body: ReceiptBody) -> bytes:
    return msgspec.json.encode(body, order="sorted")


def _write_new_key(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    part = path.with_suffix(".part")
    part.touch(mode=0o600)
    part.write_bytes(pem)
    part.replace(path)
