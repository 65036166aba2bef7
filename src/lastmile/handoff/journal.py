"""
A durable, hash-chained journal in SQLite (WAL, synchronous=FULL).

`append` returns once the record is on disk. Each record's hash covers the one before it, and the
head is kept beside the chain, so that a changed, missing or cut-off record is found on opening. A
journal that is made anew appears under its name only once it is whole: what is empty was emptied.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

FORMAT = 1
APPLICATION_ID = 0x6C6D6A31  # "lmj1"
MEMORY = ":memory:"

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
    """The file is damaged, truncated, empty or not a journal."""


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
    The journal of one party, which nobody else can open until it is closed.

    Parameters
    ----------
    path : str or Path
        The file, made if absent; `:memory:` for none. A lock file lies beside it.
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
        self._lock = None if self.path == MEMORY else _take_lock(self.path)
        self._connection: sqlite3.Connection | None = None
        try:
            with _errors_named(self.path):
                self._connection = self._open(journal_id or os.urandom(4).hex())
                # Reading first: a damaged file must not be written to.
                self.journal_id, self.entries, self._hash = _read(
                    self._connection, self.path, party
                )
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA synchronous = FULL")
        except BaseException:
            self.close()
            raise

    def append(self, stamp_s: float, body: bytes) -> Entry:
        """
        Make a record durable.

        Raises
        ------
        JournalWriteError
            If the disk is full or refuses; the journal is as before.

        """
        entry = Entry(len(self.entries) + 1, float(stamp_s), bytes(body))
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
        self._hash = digest
        self.entries.append(entry)
        return entry

    def close(self) -> None:
        """Close the file and let others open it."""
        if self._connection is not None:
            self._connection.close()
        if self._lock is not None:
            self._lock.close()

    def _open(self, journal_id: str) -> sqlite3.Connection:
        if self.path == MEMORY:
            connection = _connect(MEMORY)
            _fill(connection, self.party, journal_id)
            return connection
        if not Path(self.path).exists():
            _make(self.path, self.party, journal_id)
        _refuse_empty(self.path)
        return _connect(self.path)

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


def read_journal(path: Path, party: str) -> list[Entry]:
    """
    Read a journal that nobody writes to, its write-ahead log too, and change neither.

    Raises
    ------
    JournalError
        If the file is damaged, of another party or format, or cannot be read.

    """
    # Without a write-ahead log the file is all there is; SQLite would lay one beside it.
    logged = Path(f"{path}-wal").exists()
    options = "mode=ro" if logged else "mode=ro&immutable=1"
    with _errors_named(str(path)):
        _refuse_empty(path)
        with closing(_connect(f"{path.absolute().as_uri()}?{options}", uri=True)) as connection:
            return _read(connection, str(path), party)[1]


def journal_path(state_dir: str, name: str) -> str:
    """Path of the journal `name` in a state directory; `:memory:` stays so."""
    return state_dir if state_dir == MEMORY else str(Path(state_dir) / f"{name}.journal")


@contextmanager
def _errors_named(path: str) -> Iterator[None]:
    """Name the file in what SQLite and the system complain of."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise JournalError(f"journal {path}: {error}") from error
    except sqlite3.DatabaseError as error:
        raise JournalCorruptError(f"journal {path} is damaged: {error}") from error
    except OSError as error:
        raise JournalError(f"journal {path} cannot be opened: {error}") from error


def _take_lock(path: str) -> IO[bytes]:
    """Lock a journal by a file beside it: to close the journal's own would undo SQLite's locks."""
    with _errors_named(path):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        file = open(f"{path}.lock", "ab")  # noqa: SIM115
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise JournalError(f"journal {path} is in use by another process") from None
        return file


def _connect(name: str, *, uri: bool = False) -> sqlite3.Connection:
    return sqlite3.connect(
        name, isolation_level=None, timeout=2.0, check_same_thread=False, uri=uri
    )


def _refuse_empty(path: str | Path) -> None:
    # SQLite takes an empty file for a new database, and deletes the write-ahead log beside it.
    if Path(path).stat().st_size == 0:
        raise JournalCorruptError(f"journal {path} is damaged: the file is empty")


def _make(path: str, party: str, journal_id: str) -> None:
    """Make a journal without records; a crash leaves it whole or not there."""
    new = Path(f"{path}.new")
    new.unlink(missing_ok=True)
    with closing(_connect(str(new))) as connection:
        connection.execute("PRAGMA journal_mode = MEMORY")
        connection.execute("PRAGMA synchronous = FULL")
        _fill(connection, party, journal_id)
    new.replace(path)
    folder = os.open(new.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _fill(connection: sqlite3.Connection, party: str, journal_id: str) -> None:
    """Write the head of a journal without records into an empty database."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    for statement in _SCHEMA.split(";\n"):
        connection.execute(statement)
    connection.execute(
        "INSERT INTO meta VALUES (1, ?, ?, ?, 0, ?)",
        (FORMAT, party, journal_id, _first_hash(party, journal_id)),
    )
    connection.execute("COMMIT")


def _read(
    connection: sqlite3.Connection, path: str, party: str
) -> tuple[str, list[Entry], bytes]:
    """Give a journal's id, its records and the hash of the last, if it is whole."""
    execute = connection.execute
    if not execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise JournalCorruptError(f"journal {path} is damaged: it has no tables")
    if execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise JournalForeignError(f"{path} is a database, but not a journal")
    integrity = execute("PRAGMA quick_check").fetchone()[0]
    if integrity != "ok":
        raise JournalCorruptError(f"journal {path} is damaged: {integrity}")
    meta = execute("SELECT format, party, journal_id, head_seq, head_hash FROM meta").fetchone()
    if meta is None:
        raise JournalCorruptError(f"journal {path} is damaged: it has no head")
    version, owner, journal_id, head_seq, head_hash = meta
    if version != FORMAT:
        raise JournalForeignError(f"journal {path} is of format {version}, known is {FORMAT}")
    if owner != party:
        raise JournalForeignError(f"journal {path} belongs to {owner!r}, not to {party!r}")
    digest, entries = _first_hash(party, journal_id), []
    for seq, stamp_s, body, stored in execute("SELECT * FROM records ORDER BY seq"):
        entry = Entry(seq, stamp_s, body)
        typed = isinstance(stamp_s, float) and isinstance(body, bytes)
        digest = _chain(digest, entry) if typed else b""
        if seq != len(entries) + 1 or digest != stored:
            raise JournalCorruptError(
                f"journal {path} is damaged: the chain breaks at record {seq}"
            )
        entries.append(entry)
    if head_seq != len(entries) or head_hash != digest:
        raise JournalCorruptError(
            f"journal {path} is truncated: it has {len(entries)} of {head_seq} records"
        )
    return journal_id, entries, digest


def _first_hash(party: str, journal_id: str) -> bytes:
    return hashlib.sha256(f"{FORMAT}|{party}|{journal_id}".encode()).digest()


def _chain(previous: bytes, entry: Entry) -> bytes:
    text = f"{entry.seq}|{entry.stamp_s!r}|".encode()
    return hashlib.sha256(previous + text + entry.body).digest()
