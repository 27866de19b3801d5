# SPDX-License-Identifier: Apache-2.0
"""The choice of the SQLite library, and connections for reading."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from packhouse.storage import sqlite


def a_module(*version: int) -> ModuleType:
    module = ModuleType("some_sqlite")
    module.sqlite_version_info = version  # type: ignore[attr-defined]
    return module


@pytest.mark.parametrize(
    ("standard", "bundled", "chosen"),
    [
        ((3, 51, 3), (3, 53, 0), "standard"),
        ((3, 51, 2), (3, 53, 0), "bundled"),
        ((3, 40, 1), None, "standard"),
        ((3, 52, 0), None, "standard"),
    ],
)
def test_the_fixed_library_is_chosen(standard: tuple[int, ...], bundled: tuple[int, ...] | None, chosen: str) -> None:
    modules = {"standard": a_module(*standard), "bundled": a_module(*bundled) if bundled else None}
    ours, brought = modules["standard"], modules["bundled"]
    assert ours is not None
    assert sqlite.choose(ours, brought) is modules[chosen]


def test_the_library_of_this_environment_is_safe_and_says_so() -> None:
    assert sqlite.is_safe()
    assert sqlite.library.sqlite_version in sqlite.report()
    assert " has the fix" in sqlite.report()


@pytest.fixture(params=["plain.db", "with space, %41, ? and #.db", "é.db"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A database in WAL mode that nobody has open."""
    found: Path = tmp_path / request.param
    with_table = writer(found)
    with_table.execute("CREATE TABLE t (x)")
    with_table.close()
    return found


def writer(file: Path) -> Any:
    connection = sqlite.library.connect(str(file), isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    return connection


def test_reading_sees_each_commit_and_can_not_write(file: Path) -> None:
    reader = sqlite.connect_read_only(file)
    for number in range(3):
        other = writer(file)
        other.execute("INSERT INTO t VALUES (?)", (number,))
        other.close()
        assert reader.execute("SELECT max(x) FROM t").fetchall() == [(number,)]
    with pytest.raises(sqlite.library.OperationalError):
        reader.execute("INSERT INTO t VALUES (9)")
    reader.close()


def test_reading_makes_no_database(tmp_path: Path) -> None:
    with pytest.raises(sqlite.library.OperationalError):
        sqlite.connect_read_only(tmp_path / "none.db")
    assert list(tmp_path.iterdir()) == []
