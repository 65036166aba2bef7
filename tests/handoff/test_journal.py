"""The journal keeps what it said it kept, and notices when it did not."""

import sqlite3
import subprocess
import sys

import pytest

from lastmile.handoff.journal import (
    Journal,
    JournalCorruptError,
    JournalError,
    JournalForeignError,
    JournalWriteError,
    read_journal,
)


@pytest.fixture
def path(tmp_path):
    journal = Journal(tmp_path / "a.journal", "robot-1")
    for k in range(20):
        journal.append(0.1 * k, f"record {k}".encode())
    journal.close()
    return tmp_path / "a.journal"


def test_records_come_back_in_order(path):
    journal = Journal(path, "robot-1")
    assert [entry.body for entry in journal.entries] == [f"record {k}".encode() for k in range(20)]
    assert [entry.seq for entry in journal.entries] == list(range(1, 21))
    journal.close()


def test_durability_settings_are_those_promised(path):
    journal = Journal(path, "robot-1")
    assert journal._connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert journal._connection.execute("PRAGMA synchronous").fetchone()[0] == 2
    journal.close()


def test_new_journals_have_different_ids(tmp_path):
    one, other = Journal(tmp_path / "1", "r"), Journal(tmp_path / "2", "r")
    assert one.journal_id != other.journal_id
    one.close()
    other.close()


def test_changed_record_breaks_the_chain(path):
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE records SET body = 'other' WHERE seq = 7")
    with pytest.raises(JournalCorruptError, match="record 7"):
        Journal(path, "robot-1")


def test_missing_middle_record_is_noticed(path):
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM records WHERE seq = 7")
    with pytest.raises(JournalCorruptError, match="record 8"):
        Journal(path, "robot-1")


def test_cut_off_end_is_noticed(path):
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM records WHERE seq > 15")
    with pytest.raises(JournalCorruptError, match="15 of 20"):
        Journal(path, "robot-1")


@pytest.mark.parametrize("keep", [17, 512, 5000])
def test_truncated_file_is_a_clear_error_and_is_left_alone(path, keep):
    whole = path.read_bytes()
    path.write_bytes(whole[:keep])
    with pytest.raises(JournalError, match=r"a\.journal"):
        Journal(path, "robot-1")
    assert path.read_bytes() == whole[:keep]


@pytest.mark.parametrize("logged", [False, True])
def test_emptied_file_is_damaged_and_is_left_alone(path, logged):
    path.write_bytes(b"")
    log = path.with_name(f"{path.name}-wal")
    if logged:
        log.write_bytes(b"what was not yet in the file")
    with pytest.raises(JournalCorruptError, match=r"a\.journal is damaged: the file is empty"):
        Journal(path, "robot-1")
    with pytest.raises(JournalCorruptError, match=r"a\.journal is damaged: the file is empty"):
        read_journal(path, "robot-1")
    assert path.read_bytes() == b""
    assert log.exists() == logged


def test_database_without_tables_is_damaged(tmp_path):
    with sqlite3.connect(tmp_path / "x") as connection:
        connection.execute("PRAGMA user_version = 1")
    assert (tmp_path / "x").stat().st_size
    with pytest.raises(JournalCorruptError, match="no tables"):
        Journal(tmp_path / "x", "robot-1")


@pytest.mark.parametrize("statement", ["CREATE TABLE records", "INSERT INTO meta"])
def test_crash_while_a_journal_is_made_leaves_none_and_the_next_start_makes_it(
    tmp_path, monkeypatch, statement
):
    from lastmile.handoff import journal as module

    class Dying(sqlite3.Connection):
        def execute(self, sql, *given):
            if statement in sql:
                raise KeyboardInterrupt
            return super().execute(sql, *given)

    def connect(name):
        return sqlite3.connect(name, isolation_level=None, factory=Dying)

    monkeypatch.setattr(module, "_connect", connect)
    with pytest.raises(KeyboardInterrupt):
        Journal(tmp_path / "a.journal", "robot-1")
    assert not (tmp_path / "a.journal").exists()
    monkeypatch.undo()
    journal = Journal(tmp_path / "a.journal", "robot-1")
    assert journal.append(0.0, b"first").seq == 1
    journal.close()


def test_journal_in_use_is_refused_until_it_is_closed(path):
    first = Journal(path, "robot-1")
    with pytest.raises(JournalError, match=r"a\.journal is in use"):
        Journal(path, "robot-1")
    assert first.append(9.0, b"goes on").seq == 21
    first.close()
    second = Journal(path, "robot-1")
    assert second.append(9.1, b"next").seq == 22
    second.close()


KILLED = """
import os, signal, sys
from lastmile.handoff.journal import Journal
journal = Journal(sys.argv[1], "robot-1")
journal.append(9.0, b"last word")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_reading_sees_what_a_killed_writer_left_in_the_log_and_changes_nothing(path):
    subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    assert before["a.journal-wal"]
    assert read_journal(path, "robot-1")[-1].body == b"last word"
    after = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    # The log's index is no record: readers note in it that they are there.
    for files in (before, after):
        files.pop("a.journal-shm")
    assert after == before
    journal = Journal(path, "robot-1")
    assert journal.append(9.1, b"next").seq == 22
    journal.close()


def test_reading_a_journal_makes_no_file_beside_it(path):
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    assert len(read_journal(path, "robot-1")) == 20
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before
    with pytest.raises(JournalError, match=r"other\.journal"):
        read_journal(path.parent / "other.journal", "robot-1")
    assert not (path.parent / "other.journal").exists()


def test_garbage_is_a_clear_error(tmp_path):
    (tmp_path / "x").write_bytes(b"not a database, but long enough to be read as one" * 50)
    with pytest.raises(JournalCorruptError, match="damaged"):
        Journal(tmp_path / "x", "robot-1")


def test_journal_of_another_party_is_refused(path):
    with pytest.raises(JournalForeignError, match="belongs to 'robot-1', not to 'robot-2'"):
        Journal(path, "robot-2")


def test_journal_of_another_format_is_refused(path):
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE meta SET format = 99")
    with pytest.raises(JournalForeignError, match="format 99"):
        Journal(path, "robot-1")


def test_other_database_is_refused_and_left_alone(tmp_path):
    with sqlite3.connect(tmp_path / "x") as connection:
        connection.execute("CREATE TABLE cats (name TEXT)")
    before = (tmp_path / "x").read_bytes()
    with pytest.raises(JournalForeignError, match="not a journal"):
        Journal(tmp_path / "x", "robot-1")
    assert (tmp_path / "x").read_bytes() == before


def test_full_disk_raises_and_keeps_what_was_there(tmp_path):
    journal = Journal(tmp_path / "a.journal", "robot-1")
    journal.append(0.0, b"first")
    pages = journal._connection.execute("PRAGMA page_count").fetchone()[0]
    journal._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(JournalWriteError, match="record 2 could not be written"):
        journal.append(1.0, b"x" * 100_000)
    journal._connection.execute("PRAGMA max_page_count = 100000")
    assert journal.append(2.0, b"second").seq == 2
    journal.close()
    again = Journal(tmp_path / "a.journal", "robot-1")
    assert [entry.body for entry in again.entries] == [b"first", b"second"]
    again.close()


def test_unwritable_place_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(JournalError, match="cannot be opened"):
        Journal(tmp_path / "file" / "a.journal", "robot-1")


FULL_DISK = """
import resource, sys
from lastmile.handoff.journal import Journal, JournalWriteError
journal = Journal(sys.argv[1], "robot-1")
journal.append(0.0, b"first")
# The system refuses to let files grow any more, as a full disk does, for root too.
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
try:
    journal.append(1.0, b"x" * 200_000)
except JournalWriteError as error:
    print(error)
    sys.exit(3)
"""


def test_disk_that_the_system_calls_full_loses_nothing_that_was_written(tmp_path):
    path = tmp_path / "a.journal"
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 3, done.stderr
    assert "a.journal: record 2 could not be written: " in done.stdout
    again = Journal(path, "robot-1")
    assert [entry.body for entry in again.entries] == [b"first"]
    assert again.append(2.0, b"second").seq == 2
    again.close()
