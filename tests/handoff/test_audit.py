"""An audit finds damaged journals and receipts, and tells who has the parcel."""

import sqlite3

import pytest
from typer.testing import CliRunner

from lastmile.cli.receipt_commands import app
from lastmile.errors import UserError
from lastmile.handoff.audit import audit
from lastmile.types import Direction, TaskOutcome

ROBOT, LOCKER, PARCEL = "robot-1", "locker-a", "parcel-1"


@pytest.fixture
def books(rig, tmp_path):
    """Journals and receipts of a parcel that was taken and given back."""
    one = rig(tmp_path)
    one.run(2.0)
    for direction, goal, order in (
        (Direction.TO_ROBOT, "take", "order-1"),
        (Direction.TO_LOCKER, "give", "order-2"),
    ):
        one.goal(direction, goal, order=order)
        assert one.run_to_result(goal).outcome is TaskOutcome.SUCCEEDED
        one.run(3.0)
    one.robot.close()
    one.locker.close()
    return tmp_path


def test_whole_books_tell_the_one_holder_and_both_handovers(books):
    found = audit(books)
    assert found.troubles == []
    assert (found.journals, found.receipts) == (2, 4)
    assert found.holders == {PARCEL: [LOCKER]}
    assert found.handovers == {PARCEL: 2}
    assert found.delivered_once(PARCEL, LOCKER)
    assert not found.delivered_once(PARCEL, ROBOT)
    result = CliRunner().invoke(app, ["audit", str(books)])
    assert result.exit_code == 0
    assert f"{PARCEL} is with {LOCKER}" in result.output


def test_changed_record_and_changed_receipt_are_named(books):
    with sqlite3.connect(books / f"custody-{ROBOT}.journal") as journal:
        journal.execute("UPDATE records SET body = x'00' WHERE seq = 2")
    journal.close()
    receipt = next((books / "receipts" / LOCKER).glob("*.json"))
    receipt.write_text(receipt.read_text().replace(PARCEL, "parcel-2"))
    chain, signature = audit(books).troubles
    assert "chain breaks at record 2" in chain
    assert receipt.name in signature
    assert "does not hold" in signature
    with pytest.raises(UserError, match="chain breaks at record 2"):
        app(args=["audit", str(books)])


def test_emptied_journal_is_trouble_and_the_books_are_left_alone(books):
    (books / f"custody-{ROBOT}.journal").write_bytes(b"")
    before = {file: file.read_bytes() for file in books.iterdir() if file.is_file()}
    found = audit(books)
    assert f"custody-{ROBOT}.journal is damaged: the file is empty" in found.troubles[0]
    assert found.journals == 1
    with pytest.raises(UserError, match="the file is empty"):
        app(args=["audit", str(books)])
    assert {file: file.read_bytes() for file in books.iterdir() if file.is_file()} == before


def test_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match="nowhere is no folder"):
        app(args=["audit", str(tmp_path / "nowhere")])
