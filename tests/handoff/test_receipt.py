"""Receipts hold when both sides signed them, and only then."""

import msgspec
import pytest
from typer.testing import CliRunner

from lastmile.cli.receipt_commands import app
from lastmile.errors import UserError
from lastmile.handoff import receipt as receipts
from lastmile.handoff.receipt import Receipt, ReceiptBody, ReceiptError, Signer

GIVER, RECEIVER = Signer.from_seed(b"g" * 32), Signer.from_seed(b"r" * 32)
BODY = ReceiptBody(
    1, "h-1", "order-1", "parcel-1", 2, "robot-1", "locker-b", GIVER.public_key,
    RECEIVER.public_key, 123.4,
)  # fmt: skip
GOOD = Receipt(BODY, RECEIVER.sign(BODY), GIVER.sign(BODY))


def test_receipt_signed_by_both_holds():
    receipts.verify(GOOD)
    receipts.verify(GOOD, {"robot-1": GIVER.public_key, "somebody": "00" * 32})


@pytest.mark.parametrize("name", ["order_id", "parcel_id", "giver", "receiver", "handoff_id"])
def test_changed_field_does_not_hold(name):
    changed = msgspec.structs.replace(BODY, **{name: "other"})
    with pytest.raises(ReceiptError, match="does not hold"):
        receipts.verify(msgspec.structs.replace(GOOD, body=changed))


def test_swapped_signatures_do_not_hold():
    with pytest.raises(ReceiptError, match="giver 'robot-1'"):
        receipts.verify(Receipt(BODY, GOOD.receiver_signature, GOOD.receiver_signature))


def test_key_other_than_the_known_one_fails():
    with pytest.raises(ReceiptError, match="known is 00"):
        receipts.verify(GOOD, {"locker-b": "00" * 32})


def test_key_file_is_made_once_and_private(tmp_path):
    path = tmp_path / "keys" / "robot-1.key.pem"
    first = Signer.from_file(path)
    assert Signer.from_file(path).public_key == first.public_key
    assert path.stat().st_mode & 0o077 == 0
    path.write_text("nonsense")
    with pytest.raises(ReceiptError, match=r"robot-1\.key\.pem"):
        Signer.from_file(path)


def test_command_verifies_a_file(tmp_path):
    path = tmp_path / "r.json"
    receipts.write(GOOD, path)
    result = CliRunner().invoke(app, ["verify", str(path)])
    assert result.exit_code == 0
    assert "both signatures hold" in result.output
    result = CliRunner().invoke(app, ["verify", str(path), "--key", f"robot-1={'00' * 32}"])
    assert isinstance(result.exception, UserError)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"body": 3}', "x" * 70000])
def test_command_refuses_what_is_no_receipt(tmp_path, text):
    path = tmp_path / "r.json"
    path.write_text(text)
    result = CliRunner().invoke(app, ["verify", str(path)])
    assert isinstance(result.exception, UserError)
    assert "r.json" in str(result.exception)


def test_command_names_a_missing_file(tmp_path):
    result = CliRunner().invoke(app, ["verify", str(tmp_path / "none.json")])
    assert "cannot be read" in str(result.exception)
