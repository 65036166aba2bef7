"""
A durable, hash-chained journal in SQLite (WAL, synchronous=FULL).

`append` returns once the record is on disk. Each record's hash covers the one before it, and the
head is kept beside the chain, so that a changed, missing or cut-off record is found on opening.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

FORMAT = 1
APPLICATION_ID = 0x6C6D6A31  # "lmj1"

_SCHEMA = """
CREATE TABLE meta (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    format INTEGER NOT NULL, party TEXT NOT NULL, journal_id TEXT NOT NULL,
    head_seq INTEGER NOT NULL, head_hash BLOB NOT NULL);
CREATE TABLE records (
    seq INTEGER PRIMARY KEY, stamp_s REAL NOT NULL, body BLOB NOT NULL, hash BLOB NOT NULL);
"""


class JournalError(RuntimeError):
    """The journal cannot be used; the message names the file and what is wrong."""


class JournalCorruptError(JournalError):
    """The file is damaged, truncated or not a journal."""


class JournalForeignError(JournalError):
    """The journal belongs to another party or is of another format."""


class JournalWriteError(JournalError):
    """A record could not be made durable; nothing was recorded."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One record: its number from 1, when it was written, and its bytes."""

    seq: int
    stamp_s: float
    body: bytes


class Journal:
    """
    The journal of one party.

    Parameters
    ----------
    path : str or Path
        The file, made if absent; `:memory:` for none.
    party : str
        Whose journal this is.
    journal_id : str, optional
        Name of a new journal; random when not given. It makes ids unique even after a journal was
        lost and begun anew.

    Raises
    ------
    JournalError
        If the file is damaged, of another party or format, in use, or cannot be made.

    """

    def __init__(self, path: str | Path, party: str, journal_id: str = "") -> None:
        self.path = str(path)
        self.party = party
        self._connection = self._open()
        try:
            self._prepare(journal_id or os.urandom(4).hex())
            self.entries: list[Entry] = self._check()
        except sqlite3.OperationalError as error:
            self._connection.close()
            raise JournalError(f"journal {self.path}: {error}") from error
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise JournalCorruptError(f"journal {self.path} is damaged: {error}") from error
        except JournalError:
            self._connection.close()
            raise

    def append(self, stamp_s: float, body: bytes) -> Entry:
        """
        Make a record durable.

        Raises
        ------
        JournalWriteError
            If the disk is full or refuses; the journal is as before.

        """
        entry = Entry(self._seq + 1, float(stamp_s), bytes(body))
        digest = _chain(self._hash, entry)
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute(
                "INSERT INTO records VALUES (?, ?, ?, ?)",
                (entry.seq, entry.stamp_s, entry.body, digest),
            )
            self._connection.execute(
                "UPDATE meta SET head_seq = ?, head_hash = ?", (entry.seq, digest)
            )
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            raise JournalWriteError(
                f"journal {self.path}: record {entry.seq} could not be written: {error}"
            ) from error
        self._seq, self._hash = entry.seq, digest
        self.entries.append(entry)
        return entry

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _open(self) -> sqlite3.Connection:
        try:
            if self.path != ":memory:":
                Path(self.path).parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(
                self.path, isolation_level=None, timeout=2.0, check_same_thread=False
            )
        except (OSError, sqlite3.Error) as error:
            raise JournalError(f"journal {self.path} cannot be opened: {error}") from error
        return connection

    def _prepare(self, journal_id: str) -> None:
        execute = self._connection.execute
        # Reading the header first: a damaged file must not be written to.
        tables = execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        application = execute("PRAGMA application_id").fetchone()[0]
        if tables and application != APPLICATION_ID:
            raise JournalForeignError(f"{self.path} is a database, but not a journal")
        execute("PRAGMA journal_mode = WAL")
        execute("PRAGMA synchronous = FULL")
        if tables:
            return
        execute("BEGIN IMMEDIATE")
        execute(f"PRAGMA application_id = {APPLICATION_ID}")
        for statement in _SCHEMA.split(";\n"):
            execute(statement)
        first = _first_hash(self.party, journal_id)
        execute("INSERT INTO meta VALUES (1, ?, ?, ?, 0, ?)",
                (FORMAT, self.party, journal_id, first))  # fmt: skip
        execute("COMMIT")

    def _check(self) -> list[Entry]:
        execute = self._connection.execute
        integrity = execute("PRAGMA quick_check").fetchone()[0]
        if integrity != "ok":
            raise JournalCorruptError(f"journal {self.path} is damaged: {integrity}")
        meta = execute("SELECT format, party, journal_id, head_seq, head_hash FROM meta").fetchone()
        if meta is None:
            raise JournalCorruptError(f"journal {self.path} is damaged: it has no head")
        version, party, self.journal_id, head_seq, head_hash = meta
        if version != FORMAT:
            raise JournalForeignError(
                f"journal {self.path} is of format {version}, known is {FORMAT}"
            )
        if party != self.party:
            raise JournalForeignError(
                f"journal {self.path} belongs to {party!r}, not to {self.party!r}"
            )
        digest, entries = _first_hash(party, self.journal_id), []
        for seq, stamp_s, body, stored in execute("SELECT * FROM records ORDER BY seq"):
            entry = Entry(seq, stamp_s, body)
            typed = isinstance(stamp_s, float) and isinstance(body, bytes)
            digest = _chain(digest, entry) if typed else b""
            if seq != len(entries) + 1 or digest != stored:
                raise JournalCorruptError(
                    f"journal {self.path} is damaged: the chain breaks at record {seq}"
                )
            entries.append(entry)
        if head_seq != len(entries) or head_hash != digest:
            raise JournalCorruptError(
                f"journal {self.path} is truncated: it has {len(entries)} of {head_seq} records"
            )
        self._seq, self._hash = head_seq, digest
        return entries

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


def journal_path(state_dir: str, name: str) -> str:
    """Path of the journal `name` in a state directory; `:memory:` stays so."""
    return state_dir if state_dir == ":memory:" else str(Path(state_dir) / f"{name}.journal")


def _first_hash(party: str, journal_id: str) -> bytes:
    return hashlib.sha256(f"{FORMAT}|{party}|{journal_id}".encode()).digest()


def _chain(previous: bytes, entry: Entry) -> bytes:
    text = f"{entry.seq}|{entry.stamp_s!r}|".encode()
    return hashlib.sha256(previous + text + entry.body).digest()
