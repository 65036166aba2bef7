"""Handovers of the robot's and the locker's components at a fake dock."""

from dataclasses import replace

import pytest

from lastmile.errors import UserError
from lastmile.handoff import messages, receipt
from lastmile.handoff.journal import JournalWriteError
from lastmile.handoff.receipt import ReceiptBody, Signer
from lastmile.handoff.records import Held, read_record
from lastmile.types import DiagnosticLevel, Direction, TaskOutcome

DT_S = 0.1
ROBOT, LOCKER, PARCEL = "robot-1", "locker-a", "parcel-1"


class Crash(Exception):
    """The process dies here."""


def take_and_bring_back(rig):
    rig.run(2.0)
    rig.goal(Direction.TO_ROBOT, "take")
    assert rig.run_to_result("take").outcome is TaskOutcome.SUCCEEDED
    rig.run(3.0)
    rig.goal(Direction.TO_LOCKER, "give", order="order-2")
    return rig.run_to_result("give")


def test_parcel_goes_to_the_robot_and_back_with_growing_epoch(rig):
    one = rig()
    result = take_and_bring_back(one)
    assert result.outcome is TaskOutcome.SUCCEEDED, result.text
    assert result.data["epoch"] == 3.0
    assert one.dock.at_locker
    assert one.dock.door == 0.0 or one.run(3.0, lambda: one.dock.door == 0.0)
    states = [c.state for c in one.custody]
    assert states[0] == "idle"
    for earlier, later in (("requested", "granted"), ("granted", "aboard"),
                           ("aboard", "offered"), ("offered", "handed_over")):  # fmt: skip
        assert states.index(earlier) < states.index(later), states


@pytest.mark.parametrize("back_s", [0.5, 300.0])
@pytest.mark.parametrize("moment", ["asked", "granted", "in the gap"])
@pytest.mark.parametrize("direction", list(Direction))
def test_handover_completes_when_the_clock_is_set_back_in_it(rig, direction, moment, back_s):
    one = rig(at="locker" if direction is Direction.TO_ROBOT else "robot")
    one.run(2.0)
    if direction is Direction.TO_LOCKER:
        one.robot.custodian.deposit(one.now_s, PARCEL, "bay")
    one.goal(direction)
    moments = {
        "asked": lambda: True,
        "granted": lambda: one.custody[-1].state in ("granted", "offered"),
        "in the gap": lambda: 0.45 < one.dock.position < 0.55,
    }
    assert one.run(30.0, moments[moment])
    one.set_back_s = back_s
    result = one.run_to_result()
    assert result.outcome is TaskOutcome.SUCCEEDED, result.text
    assert result.data["duration_s"] == pytest.approx(one.step_count * DT_S - 2.0, abs=0.3)
    one.run(3.0)
    assert one.dock.door == 0.0


@pytest.mark.parametrize("direction", list(Direction))
def test_nothing_moves_on_what_was_seen_before_the_clock_was_set_back(rig, direction):
    one = rig(at="locker" if direction is Direction.TO_ROBOT else "robot")
    one.run(2.0)
    if direction is Direction.TO_LOCKER:
        one.robot.custodian.deposit(one.now_s, PARCEL, "bay")
    one.goal(direction)
    assert one.run(30.0, lambda: 0.45 < one.dock.position < 0.55)
    one.set_back_s = 60.0
    for _ in range(20):
        one.step_count += 1
        wires = dict(one.robot.step(one.now_s))["bay/command"]
        assert (wires.conveyor, wires.busy) == (0, True)
        command = dict(one.locker.step(one.now_s))["lockers/command"]
        assert (command.conveyor, command.open_door) == (0, True)
    for part, topic in ((one.robot, "bay/state"), (one.locker, "lockers/state")):
        diagnostic = part.diagnose(one.now_s)[0]
        assert diagnostic.message == f"{topic} is silent"
        assert diagnostic.values["clock set back"] == "1"
    assert one.run_to_result().outcome is TaskOutcome.SUCCEEDED


def test_silent_locker_fails_the_task_in_time_though_the_clock_is_set_back(rig):
    one = rig()
    one.run(1.0)
    one.silent.add("locker")
    one.goal()
    one.run(5.0)
    one.set_back_s = 300.0
    result = one.run_to_result(seconds=6.0)
    assert result.text == f"{LOCKER} made no offer within 10 s: no answer"


@pytest.mark.parametrize("seed", range(6))
def test_handover_completes_over_a_bad_link(rig, seed):
    one = rig(seed=seed, loss=0.4, duplication=0.4)
    assert take_and_bring_back(one).outcome is TaskOutcome.SUCCEEDED


def test_same_seed_gives_the_same_history(rig):
    histories = []
    for _ in range(2):
        one = rig(seed=5, loss=0.3, duplication=0.3)
        take_and_bring_back(one)
        histories.append((one.now_s, one.custody))
    assert histories[0] == histories[1]


@pytest.mark.parametrize("victim", ["robot", "locker"])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("boundary", range(1, 9))
def test_crash_at_a_journal_boundary_loses_nothing(rig, tmp_path, victim, after, boundary):
    one = rig(tmp_path, seed=boundary, loss=0.1, duplication=0.2)
    one.run(0.5)
    count = 0

    def arm(part):
        journal = part.custodian._journal
        append = journal.append

        def crashing(stamp_s, body):
            nonlocal count
            count += 1
            if count != boundary:
                return append(stamp_s, body)
            if after:
                append(stamp_s, body)
            raise Crash

        journal.append = crashing

    arm(getattr(one, victim))
    goals = [("take", Direction.TO_ROBOT, "order-1"), ("give", Direction.TO_LOCKER, "order-2")]
    for goal_id, direction, order in goals:
        one.goal(direction, goal_id, order=order)
        run_with_crash(one, victim, lambda goal_id=goal_id: goal_id in one.results,
                       lambda d=direction, g=goal_id, o=order: one.goal(d, g, order=o))  # fmt: skip
        result = one.results[goal_id]
        assert result.outcome is TaskOutcome.SUCCEEDED, result.text
    end_s = one.now_s + 8.0
    run_with_crash(one, victim, lambda: one.now_s > end_s, lambda: None)
    assert count == boundary
    assert one.dock.at_locker
    assert one.dock.door == 0.0
    assert list(one.locker.custodian.ledger.holdings) == [PARCEL]
    assert not one.robot.custodian.ledger.holdings


def run_with_crash(one, victim, until, order_again):
    for _ in range(900):
        try:
            one.step()
        except Crash:
            restart(one, victim)
            order_again()
        if until():
            return
    raise AssertionError(f"not there after {one.now_s} s")


def restart(one, victim):
    getattr(one, victim).close()
    if victim == "robot":
        one.dock.busy, one.dock.conveyors[0] = False, 0
        one.robot = one.make_robot()
    else:
        one.dock.conveyors[1] = 0
        one.locker = one.make_locker()


@pytest.mark.parametrize("direction", list(Direction))
def test_restart_with_the_parcel_in_the_gap_keeps_busy_up(rig, tmp_path, direction):
    one = rig(tmp_path)
    one.run(2.0)
    if direction is Direction.TO_LOCKER:
        one.goal(Direction.TO_ROBOT, "first")
        one.run_to_result("first")
        one.run(2.0)
    one.goal(direction, order="order-2")
    assert one.run(30.0, lambda: 0.45 < one.dock.position < 0.55)
    one.robot.close()
    one.robot = one.make_robot()
    one.silent.add("locker")
    commands = [dict(one.robot.step(one.now_s))["bay/command"]]
    for _ in range(5):
        one.step()
        commands.append(one.dock.busy)
    assert commands[0].busy
    assert commands[0].conveyor == 0
    assert all(commands[1:])
    one.silent.clear()
    one.goal(direction, "again", order="order-2")
    assert one.run_to_result("again").outcome is TaskOutcome.SUCCEEDED


def test_unknown_parcel_fails_at_once_and_names_it(rig):
    one = rig()
    one.run(2.0)
    one.goal(parcel="parcel-9")
    result = one.run_to_result(seconds=5.0)
    assert result.outcome is TaskOutcome.FAILED
    assert "'parcel-9'" in result.text
    assert result.data["retry"] == 0.0


def test_giving_a_parcel_that_is_not_aboard_fails(rig):
    one = rig()
    one.goal(Direction.TO_LOCKER)
    result = one.run_to_result(seconds=5.0)
    assert result.outcome is TaskOutcome.FAILED
    assert "does not hold 'parcel-1'" in result.text


def test_not_docked_fails_without_a_word_to_the_locker(rig):
    one = rig()
    one.dock.docked = False
    one.goal()
    result = one.run_to_result(seconds=8.0)
    assert result.outcome is TaskOutcome.FAILED
    assert "not docked at locker-a" in result.text
    assert not one.locker.custodian.ledger.handoffs


def test_silent_locker_fails_and_leaves_custody(rig):
    one = rig()
    one.run(2.0)
    one.silent.add("locker")
    one.goal()
    result = one.run_to_result(seconds=20.0)
    assert result.outcome is TaskOutcome.FAILED
    assert "no answer" in result.text
    one.silent.clear()
    one.run(5.0)
    assert list(one.locker.custodian.ledger.holdings) == [PARCEL]
    assert one.dock.door == 0.0


def test_jam_brings_the_parcel_back_to_the_giver(rig):
    one = rig()
    one.run(2.0)
    one.dock.jam = 0.55
    one.goal()
    result = one.run_to_result(seconds=80.0)
    assert result.outcome is TaskOutcome.FAILED
    assert "did not get through" in result.text
    assert one.dock.at_locker
    one.run(5.0)
    assert one.dock.door == 0.0
    one.dock.jam = None
    one.goal(goal_id="again")
    assert one.run_to_result("again").outcome is TaskOutcome.SUCCEEDED


@pytest.mark.parametrize("wait_s", [0.1, 0.5, 1.5, 3.0, 4.5, 6.0])
@pytest.mark.parametrize("direction", list(Direction))
def test_cancel_finishes_or_brings_back(rig, direction, wait_s):
    one = rig()
    one.run(2.0)
    if direction is Direction.TO_LOCKER:
        one.goal(Direction.TO_ROBOT, "first")
        one.run_to_result("first")
        one.run(2.0)
    one.goal(direction, order="order-2")
    one.run(wait_s)
    one.cancel()
    result = one.run_to_result()
    one.run(6.0)
    assert one.dock.door == 0.0
    assert not one.dock.in_gap
    moved = result.outcome is TaskOutcome.SUCCEEDED
    assert moved or result.outcome is TaskOutcome.CANCELED
    assert one.dock.at_robot == (moved == (direction is Direction.TO_ROBOT))


def test_hand_in_the_gap_keeps_the_door_open(rig):
    one = rig()
    one.run(2.0)
    one.goal()
    assert one.run(30.0, lambda: one.dock.at_robot)
    one.dock.hand = True
    one.run(5.0)
    assert one.dock.door == 1.0
    assert "g1" not in one.results
    one.dock.hand = False
    assert one.run_to_result().outcome is TaskOutcome.SUCCEEDED


def test_disagreeing_channels_send_the_parcel_back(rig):
    one = rig()
    one.run(2.0)
    one.goal()
    one.run(30.0, lambda: one.dock.position < 0.3)
    one.dock.stuck_a = False
    result = one.run_to_result()
    assert result.outcome is TaskOutcome.FAILED
    assert PARCEL not in one.robot.custodian.ledger.holdings
    one.run(5.0)
    assert one.dock.at_locker
    assert one.dock.door == 0.0


def test_wrong_parcel_is_held_not_accepted(rig):
    one = rig()
    one.run(2.0)
    one.goal()
    one.run(30.0, lambda: one.dock.in_gap)
    one.dock.parcel_id = "parcel-7"
    one.run(15.0)
    assert "g1" not in one.results
    assert one.custody[-1].state == "hold"
    assert "'parcel-7'" in one.custody[-1].reason
    assert not one.robot.custodian.ledger.holdings


def test_full_disk_says_nothing_and_opens_nothing(rig):
    one = rig()
    one.run(2.0)
    journal = one.robot.custodian._journal
    append = journal.append

    def full(stamp_s, body):
        raise JournalWriteError("journal x: record 3 could not be written: disk is full")

    journal.append = full
    one.goal()
    one.run(5.0)
    assert not one.locker.custodian.ledger.handoffs
    assert "disk is full" in one.robot.diagnose(one.now_s)[0].message
    journal.append = append
    assert one.run_to_result().outcome is TaskOutcome.SUCCEEDED


def test_journal_with_an_unknown_record_is_one_sentence(rig, tmp_path):
    one = rig(tmp_path)
    one.robot.custodian._journal.append(1.0, b'{"kind":"from-the-future"}')
    one.robot.close()
    with pytest.raises(UserError, match="journal record is not known"):
        one.make_robot()
    one.robot = one.locker


def test_refused_offer_fails_the_task_at_once_and_another_is_made_for_the_next(rig):
    one = rig()
    one.run(2.0)
    one.goal()
    assert one.run(5.0, lambda: one.robot.custodian.ledger.request is not None)
    bay = one.dock.bay
    one.dock.bay = lambda stamp_s: replace(bay(stamp_s), docked=False, door_closed=None)
    result = one.run_to_result(seconds=2.0)
    assert result.text == f"the offer of {LOCKER} was refused: {ROBOT} is not docked"
    assert result.data["retry"] == 1.0
    assert one.robot.custodian.ledger.request is None
    one.dock.bay = bay
    one.goal(goal_id="again")
    assert one.run_to_result("again").outcome is TaskOutcome.SUCCEEDED


def test_offer_that_was_not_asked_for_leaves_the_request_open(rig):
    one = rig()
    robot = one.robot.custodian
    one.silent.add("locker")
    one.run(2.0)
    one.goal()
    one.run(1.0)
    request = robot.ledger.request
    offer = messages.Offer("h-9", "other", "order-1", PARCEL, 2, "ab" * 32)
    one.network.post(LOCKER, ROBOT, messages.encode(LOCKER, ROBOT, offer))
    one.run(1.0)
    assert str(robot.ledger.handoffs["h-9"].status) == "voided"
    assert robot.ledger.request == request
    one.silent.clear()
    assert one.run_to_result().outcome is TaskOutcome.SUCCEEDED


def test_offer_with_a_short_key_leaves_no_record(rig):
    one = rig()
    robot = one.robot.custodian
    robot.ask(0.0, LOCKER, "order-1", PARCEL)
    before = len(robot._journal.entries)
    offer = messages.Offer("h-9", robot.ledger.request.request_id, "order-1", PARCEL, 2, "ab")
    one.network.post(LOCKER, ROBOT, messages.encode(LOCKER, ROBOT, offer))
    one.network.advance(5.0)
    robot.listen(5.0)
    assert robot.rejected["invalid"] == 1
    assert len(robot._journal.entries) == before


def test_acceptance_under_another_key_than_the_grants_is_refused(rig, tmp_path):
    one = rig(tmp_path)
    one.run(2.0)
    one.goal()
    assert one.run(30.0, lambda: one.dock.in_gap)
    pinned = one.locker.custodian.ledger.live
    assert pinned.peer_key == one.robot.custodian._signer.public_key
    # The pin outlives the locker's process.
    one.locker.close()
    one.locker = one.make_locker()
    thief = Signer.from_seed(bytes(32))
    live = one.locker.custodian.ledger.live
    assert live.peer_key == pinned.peer_key
    body = ReceiptBody(
        1, live.id, live.order_id, PARCEL, live.epoch, LOCKER, ROBOT,
        one.locker.custodian._signer.public_key, thief.public_key, 1.0,
    )  # fmt: skip
    for message in (
        messages.Grant(live.id, thief.public_key),
        messages.Accept(live.id, body, thief.sign(body)),
    ):
        one.network.post(ROBOT, LOCKER, messages.encode(ROBOT, LOCKER, message))
    one.run(2.0)
    assert one.locker.custodian.rejected["grant_key"] == 1
    assert one.locker.custodian.rejected["acceptance"] == 1
    told = one.locker.diagnose(one.now_s)[0].values["last_rejected_message"]
    assert thief.public_key in told
    assert PARCEL in one.locker.custodian.ledger.holdings
    assert one.run_to_result().outcome is TaskOutcome.SUCCEEDED


@pytest.mark.parametrize("direction", list(Direction))
def test_lost_dock_contact_holds_and_fails_the_task(rig, direction):
    one = rig()
    one.run(2.0)
    if direction is Direction.TO_LOCKER:
        one.goal(Direction.TO_ROBOT, "first")
        one.run_to_result("first")
        one.run(2.0)
    one.goal(direction, order="order-2")
    parties = (one.robot, one.locker)
    assert one.run(30.0, lambda: all(p.custodian.ledger.live is not None for p in parties))
    one.dock.docked = False
    result = one.run_to_result(seconds=10.0)
    assert result.outcome is TaskOutcome.FAILED
    assert "not docked during handoff" in result.text
    assert one.robot.custodian.hold == "not docked during handoff"
    assert (one.custody[-1].state, one.custody[-1].reason) == ("hold", one.robot.custodian.hold)
    one.dock.docked = True
    assert one.run(40.0, lambda: one.robot.custodian.ledger.live is None)
    assert one.dock.at_robot is (direction is Direction.TO_LOCKER)


@pytest.mark.parametrize("gone", [True, False])
def test_locker_tells_that_a_parcel_of_its_books_is_not_there(rig, gone):
    one = rig()
    one.run(3.0)
    assert list(one.locker.custodian.ledger.holdings) == [PARCEL]
    before = len(one.locker.custodian._journal.entries)
    if gone:
        one.dock.position = 0.0
    else:
        one.dock.parcel_id = "parcel-7"
    one.check = lambda: None  # Somebody took the parcel: the books are wrong, that is the point.
    one.run(3.0)
    diagnostic = one.locker.diagnose(one.now_s)[0]
    assert diagnostic.level is DiagnosticLevel.WARN
    assert "the journal says 'parcel-1' is in c1" in diagnostic.message
    assert ("reads empty" if gone else "reads 'parcel-7'") in diagnostic.message
    new = [read_record(entry.body) for entry in one.locker.custodian._journal.entries[before:]]
    assert [type(record) for record in new] == [Held]
    assert PARCEL in one.locker.custodian.ledger.holdings
    one.dock.position, one.dock.parcel_id = 1.0, PARCEL
    one.run(1.0)
    assert one.locker.diagnose(one.now_s)[0].message == "ready"


def test_receipts_are_filed_by_both_sides_and_verify(rig, tmp_path):
    one = rig(tmp_path)
    one.run(2.0)
    one.goal()
    one.run_to_result()
    one.run(3.0)
    filed = sorted(tmp_path.glob("receipts/*/*.json"))
    assert [path.parent.name for path in filed] == [LOCKER, ROBOT]
    receipts = [receipt.read(path) for path in filed]
    assert receipts[0] == receipts[1]
    receipt.verify(receipts[0])


@pytest.mark.parametrize("victim", ["robot", "locker"])
def test_receipt_that_a_crash_kept_from_its_folder_is_filed_at_the_next_start(
    rig, tmp_path, victim, monkeypatch
):
    one = rig(tmp_path)
    one.run(2.0)
    custodian = getattr(one, victim).custodian

    def crash(receipt):
        raise Crash

    monkeypatch.setattr(custodian, "_file", crash)
    one.goal()
    with pytest.raises(Crash):
        one.run(60.0)
    party = custodian.name
    assert not list(tmp_path.glob(f"receipts/{party}/*.json"))
    restart(one, victim)
    (filed,) = tmp_path.glob(f"receipts/{party}/*.json")
    receipt.verify(receipt.read(filed))
    before = filed.stat().st_mtime_ns
    restart(one, victim)
    assert filed.stat().st_mtime_ns == before
