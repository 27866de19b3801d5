# SPDX-License-Identifier: Apache-2.0
"""Noticing commits by the WAL index."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from packhouse.storage.sqlite import connect_read_only, library
from packhouse.storage.wal_index import HEADER, open_header

LIBRARY = library.__name__
COMMIT = f"import {LIBRARY} as l, sys; c = l.connect(sys.argv[1]); c.execute('INSERT INTO t VALUES (1)'); c.commit()"  # noqa: S608 - a program, no SQL of ours


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database in WAL mode with one table."""
    found = tmp_path / "catalogue.db"
    connection = library.connect(str(found))
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE t (n)")
    connection.commit()
    connection.close()
    return found


def other_process(code: str, file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=False)


def count(connection: Any) -> int:
    return int(connection.execute("SELECT count(*) FROM t").fetchone()[0])


def test_each_commit_of_another_process_moves_the_header(file: Path) -> None:
    reader = connect_read_only(file)
    header = open_header(file, reader)
    assert header is not None
    for number in range(5):
        before = header[:HEADER]
        assert header[:HEADER] == before
        assert count(reader) == number
        other_process(COMMIT, file)
        assert header[:HEADER] != before
        assert count(reader) == number + 1


def test_commits_after_the_log_began_anew_move_it_too(file: Path) -> None:
    reader, writer = connect_read_only(file), library.connect(str(file))
    header = open_header(file, reader)
    assert header is not None
    seen = set()
    for _ in range(20):
        writer.execute("INSERT INTO t VALUES (1)")
        writer.commit()
        writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        seen.add(header[:HEADER])
    assert len(seen) == 20
    assert count(reader) == 20


def test_looking_at_the_index_ends_no_lock_of_this_process(file: Path) -> None:
    """Closing a second descriptor of the file would: another process could then take the whole index."""
    writer = library.connect(str(file))
    writer.execute("BEGIN IMMEDIATE")
    for _ in range(3):
        reader = connect_read_only(file)
        assert open_header(file, reader) is not None
        reader.close()
    refused = other_process(COMMIT.replace("(sys.argv[1])", "(sys.argv[1], timeout=0)"), file)
    assert "locked" in refused.stderr
    writer.rollback()
    assert other_process(COMMIT, file).returncode == 0


def test_without_a_log_there_is_no_header(tmp_path: Path) -> None:
    plain = tmp_path / "plain.db"
    connection = library.connect(str(plain))
    connection.execute("CREATE TABLE t (n)")
    connection.commit()
    assert open_header(plain, connect_read_only(plain)) is None
