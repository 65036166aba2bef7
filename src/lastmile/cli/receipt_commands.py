"""`lastmile receipt`: check receipts and journals of handovers, offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lastmile.config import ConfigError
from lastmile.errors import UserError
from lastmile.handoff import receipt as receipts
from lastmile.handoff.audit import audit

app = typer.Typer(no_args_is_help=True, help="Check receipts of handovers.")


@app.callback()
def _group() -> None:
    """Check receipts of handovers."""


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="The receipt, as a party filed it.")],
    key: Annotated[
        list[str] | None,
        typer.Option(help="Known key, PARTY=HEX; a receipt signed by another key fails."),
    ] = None,
) -> None:
    """Check that giver and receiver both signed this receipt."""
    try:
        receipt = receipts.read(file)
        receipts.verify(receipt, _known_keys(key or []))
    except receipts.ReceiptError as error:
        raise UserError(str(error)) from error
    body = receipt.body
    typer.echo(f"parcel {body.parcel_id} of order {body.order_id}, epoch {body.epoch}")
    typer.echo(f"from   {body.giver}, key {body.giver_key}")
    typer.echo(f"to     {body.receiver}, key {body.receiver_key}")
    typer.echo(f"at     {body.accepted_at_s:.3f} s, handoff {body.handoff_id}")
    typer.echo("both signatures hold")


@app.command("audit")
def audit_command(
    folder: Annotated[Path, typer.Argument(help="State folder of a run or a robot that rests.")],
) -> None:
    """Check every journal and receipt of a state folder, and tell who holds which parcel."""
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder; journals are in <run folder>/state")
    found = audit(folder)
    for parcel_id, holders in sorted(found.holders.items()):
        typer.echo(f"{parcel_id} is with {', '.join(holders)}")
    typer.echo(f"{found.journals} journals, {found.records} records, {found.receipts} receipts")
    if found.troubles:
        raise UserError("; ".join(found.troubles))
    typer.echo("all hold")


def _known_keys(pairs: list[str]) -> dict[str, str]:
    keys = {}
    for pair in pairs:
        party, _, value = pair.partition("=")
        if not party or len(value) != 64 or set(value) - set("0123456789abcdef"):
            raise ConfigError(f"--key {pair!r}: expected PARTY=HEX with 64 hexadecimal digits")
        keys[party] = value
    return keys
