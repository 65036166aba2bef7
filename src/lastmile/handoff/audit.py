"""An audit of a folder of journals: is all there, does every receipt hold, who has what."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from lastmile.handoff import receipt as receipts
from lastmile.handoff import records
from lastmile.handoff.journal import JournalError, read_journal
from lastmile.handoff.ledger import Ledger

CUSTODY, MISSION = "custody-", "mission-"


@dataclass(slots=True)
class Audit:
    """What the journals and receipts of a state folder say."""

    journals: int = 0
    records: int = 0
    receipts: int = 0
    troubles: list[str] = field(default_factory=list)
    """What is damaged or does not hold, with file and rule."""
    holders: dict[str, list[str]] = field(default_factory=dict)
    """Who holds each parcel by their own journals; one party where all is well."""
    handovers: dict[str, int] = field(default_factory=dict)
    """Handovers of each parcel that both sides signed."""

    def delivered_once(self, parcel_id: str, to: str) -> bool:
        """Tell whether a parcel is with `to` alone, after one handover from and one to a locker."""
        return (
            not self.troubles
            and self.holders.get(parcel_id) == [to]
            and self.handovers.get(parcel_id) == 2
        )


def audit(state_dir: Path) -> Audit:
    """
    Check every journal and receipt below a state folder and change nothing of them.

    Nothing may be using them.

    Parameters
    ----------
    state_dir : Path
        Folder of journals and keys of a run or of a robot.

    """
    found = Audit()
    for path in sorted(state_dir.glob("*.journal")):
        try:
            _check_journal(path, found)
        except JournalError as error:
            found.troubles.append(str(error))
    signed: Counter[str] = Counter()
    seen = set()
    for path in sorted(state_dir.glob("receipts/*/*.json")):
        try:
            receipt = receipts.read(path)
            receipts.verify(receipt)
        except receipts.ReceiptError as error:
            found.troubles.append(f"receipt {path.name}: {error}")
            continue
        found.receipts += 1
        if receipt.body.handoff_id not in seen:
            seen.add(receipt.body.handoff_id)
            signed[receipt.body.parcel_id] += 1
    found.handovers = dict(signed)
    return found


def _check_journal(path: Path, found: Audit) -> None:
    """Hold a journal against its chain of hashes and read off what its party holds."""
    custody = path.stem.startswith(CUSTODY)
    name = path.stem.removeprefix(CUSTODY).removeprefix(MISSION)
    entries = read_journal(path, name if custody else f"mission of {name}")
    found.journals += 1
    found.records += len(entries)
    if custody:
        ledger = Ledger(name)
        for entry in entries:
            ledger.apply(records.read_record(entry.body))
        for parcel_id in ledger.holdings:
            found.holders.setdefault(parcel_id, []).append(name)
