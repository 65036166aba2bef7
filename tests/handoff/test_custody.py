"""What counts as evidence, and which decisions it bears."""

import pytest

from lastmile.handoff.config import CustodyConfig
from lastmile.handoff.custody import Evidence, EvidenceTrack, decide_receiving
from lastmile.handoff.ledger import Handoff, Status
from lastmile.handoff.wires import Stopwatch

SETTLE_S = CustodyConfig().settle_s
GRANTED = Handoff(
    "h-1", False, "locker-a", "order-1", "parcel-1", 2, "bay", "q-1", Status.GRANTED, "ab" * 32
)


def arrived(stamp_s, **changes):
    values = {
        "docked": True, "door_closed": True, "gap_clear": True, "busy": False, "occupied_a": True,
        "occupied_b": True, "parcel_id": "parcel-1",
    }  # fmt: skip
    return Evidence(stamp_s, **(values | changes))


def decide(evidence):
    return decide_receiving(GRANTED, "", evidence, None, lambda body: "signed", SETTLE_S)


def test_one_sample_followed_by_silence_decides_nothing():
    track = EvidenceTrack()
    for now_s in (10.0, 10.1, 10.2, 10.3, 10.4, 10.5):
        evidence = track.update(now_s, arrived(10.0))
        assert evidence.steady_s == 0.0
        assert decide(evidence) is None


def test_samples_that_span_the_settling_time_decide():
    track = EvidenceTrack()
    for now_s in (10.0, 10.2, 10.39):
        assert decide(track.update(now_s, arrived(now_s))) is None
    assert decide(track.update(10.5, arrived(10.5))).handoff_id == "h-1"


def test_wire_that_changed_after_the_sample_has_not_stood():
    track = EvidenceTrack()
    track.update(10.0, arrived(10.0, busy=True))
    track.update(11.0, arrived(10.6, busy=True))
    evidence = track.update(11.2, arrived(10.6, busy=False))
    assert evidence.steady_s == 0.0
    assert evidence.place_steady_s == pytest.approx(0.6)


def test_condition_has_held_for_less_when_the_clock_was_set_back():
    watch = Stopwatch()
    assert [watch.update(now_s, True) for now_s in (100.0, 105.0, 102.0)] == [0.0, 5.0, 2.0]
    assert [watch.update(now_s, True) for now_s in (95.0, 96.0)] == [0.0, 1.0]
