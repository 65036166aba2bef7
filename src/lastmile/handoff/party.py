"""Opening a party of handovers with its journal, key, link and receipts."""

from __future__ import annotations

from pathlib import Path

from lastmile.errors import UserError
from lastmile.handoff.config import CustodyConfig
from lastmile.handoff.custodian import Custodian, OfferJudge, RequestJudge
from lastmile.handoff.journal import Journal, JournalError, journal_path
from lastmile.handoff.receipt import ReceiptError, Signer


def open_custodian(
    name: str,
    context,
    config: CustodyConfig,
    judge_offer: OfferJudge,
    judge_request: RequestJudge,
) -> Custodian:
    """
    Open a party's journal, key and link.

    On disk the journal is `<state_dir>/custody-<name>.journal`, the key `<name>.key.pem` and the
    receipts go to `receipts/<name>/`. With `:memory:` nothing is kept and all is drawn from the
    context's generator.

    Raises
    ------
    UserError
        If journal or key cannot be used; the message names the file and what is wrong.

    """
    state_dir = context.state_dir
    in_memory = state_dir == ":memory:"
    try:
        if in_memory:
            signer = Signer.from_seed(context.rng.bytes(32))
        else:
            signer = Signer.from_file(Path(state_dir) / f"{name}.key.pem")
        journal_id = context.rng.bytes(4).hex() if in_memory else ""
        receipt_dir = None if in_memory else Path(state_dir) / "receipts" / name
        journal = Journal(journal_path(state_dir, f"custody-{name}"), name, journal_id)
        return Custodian(
            name, journal, context.link(name), signer, config, judge_offer, judge_request,
            receipt_dir,
        )  # fmt: skip
    except (JournalError, ReceiptError) as error:
        raise UserError(str(error)) from error
