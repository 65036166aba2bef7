"""Messages are read strictly: what breaks a rule is named and changes nothing."""

import re

import msgspec
import numpy as np
import pytest

from lastmile.handoff import messages
from lastmile.handoff.messages import Grant, MessageError, Offer, decode, encode

GOOD = Offer("h-1", "", "order-1", "parcel-1", 2, "ab" * 32)


def test_message_comes_back_as_it_was():
    assert decode(encode("a", "b", GOOD), "a", "b") == GOOD


def altered(**changes):
    mapping = msgspec.json.decode(encode("a", "b", GOOD))
    for key, value in changes.items():
        place = mapping["body"] if key in mapping["body"] or key == "colour" else mapping
        place[key] = value
    return msgspec.json.encode(mapping)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "malformed"),
        (b"\xff\xfe", "malformed"),
        (b"[" * 4000, "malformed"),
        (b" " * 5000, "oversized"),
        (b'{"v": "1"}', "malformed"),
        (altered(v=1), "version"),
        (altered(extra=1), "invalid"),
        (altered(colour="red"), "invalid"),
        (altered(epoch=-1), "invalid"),
        (altered(epoch=1.5), "invalid"),
        (altered(epoch=2**60), "invalid"),
        (altered(handoff_id=""), "invalid"),
        (altered(handoff_id="x" * 97), "invalid"),
        (altered(giver_key="zz"), "invalid"),
        (altered(giver_key="ab" * 31), "invalid"),
        (altered(type="open_sesame"), "invalid"),
        (altered(sender="c"), "sender"),
        (altered(to="c"), "receiver"),
    ],
)
def test_bad_message_is_refused_with_its_reason(payload, reason):
    with pytest.raises(MessageError) as caught:
        decode(payload, "a", "b")
    assert caught.value.reason == reason


def test_random_damage_is_refused_with_a_reason_or_leaves_a_message_that_keeps_the_rules():
    rng = np.random.default_rng(3)
    good = encode("a", "b", GOOD)
    refused = 0
    for _ in range(2000):
        damaged = bytearray(good)
        for place in rng.integers(0, len(good), rng.integers(1, 4)):
            damaged[place] = rng.integers(0, 256)
        try:
            message = decode(bytes(damaged), "a", "b")
        except MessageError as error:
            assert error.reason in ("malformed", "version", "invalid", "sender", "receiver")
            refused += 1
        else:
            # Another letter in an id cannot be seen; signatures and the journals answer that.
            assert 1 <= len(message.handoff_id) <= 96
            assert 0 <= message.epoch <= 2**53
            assert re.fullmatch("[0-9a-f]{64}", message.giver_key)
    assert refused > 1000


def test_hostile_messages_change_nothing_and_are_counted(rig):
    one = rig()
    one.run(2.0)
    locker = one.locker.custodian
    count = len(locker._journal.entries)
    rng = np.random.default_rng(0)
    hostile = [
        Grant("h-none", "ab" * 32),
        messages.Void("h-none", "x"),
        messages.Released("h-none"),
        messages.Closed("h-none", "00" * 64),
        messages.Abort("h-none", ""),
    ]
    for k in range(300):
        sender = ("robot-1", "stranger")[k % 2]
        one.network.post(sender, "locker-a", encode(sender, "locker-a", hostile[k % 5]))
        one.network.post(sender, "locker-a", rng.bytes(50))
        one.network.post(sender, "locker-a", encode("robot-1", "locker-b", hostile[k % 5]))
    one.run(3.0)
    assert len(locker._journal.entries) == count
    assert locker.rejected["unknown_handoff"] == 300
    assert locker.rejected["malformed"] == 300
    assert sum(locker.rejected.values()) == 900
    assert one.dock.door == 0.0
