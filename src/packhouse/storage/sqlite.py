# SPDX-License-Identifier: Apache-2.0
"""Which SQLite library every process uses: one with the WAL-reset fix (see docs/adr/0002).

SQLite 3.7.0 to 3.51.2 can corrupt a WAL database when several connections reset the log at once, so we bring
our own library where a wheel for it exists and tell `packhouse doctor` where not.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from types import ModuleType
from typing import Any

FIXED = (3, 51, 3)
"""The first version without the WAL-reset corruption."""


def choose(standard: ModuleType, bundled: ModuleType | None) -> ModuleType:
    """The standard library's module when its SQLite is fixed, else the bundled one if there is one."""
    return standard if bundled is None or standard.sqlite_version_info >= FIXED else bundled


def _bundled() -> ModuleType | None:
    try:
        import pysqlite3.dbapi2 as bundled
    except ImportError:
        return None
    return bundled  # type: ignore[no-any-return]


library: Any = choose(sqlite3, _bundled())
"""The DB-API module in use."""


def is_safe() -> bool:
    """Whether the library in use has the WAL-reset fix."""
    return bool(library.sqlite_version_info >= FIXED)


def report() -> str:
    """One sentence for `packhouse doctor`: which SQLite runs, where it comes from, and whether it is safe."""
    source = library.__name__.partition(".")[0]
    verdict = "has" if is_safe() else f"lacks (install pysqlite3, or a Python with SQLite {'.'.join(map(str, FIXED))})"
    return f"SQLite {library.sqlite_version} from {source} {verdict} the fix for resetting a shared write-ahead log."


def address_to_read(file: Path) -> str:
    """The address (a `file:` URI) under which a database can be read.

    Beside a log (`-wal`) SQLite needs, or makes, a shared index of it. Where none can be made, on a full disk or a
    read-only file system, and no log is there either, nobody writes: the file is then read as one that can't change.
    """
    address = f"{Path(file).absolute().as_uri()}?mode=ro"
    connection = library.connect(address, uri=True)
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
    except library.OperationalError:
        log = file.with_name(file.name + "-wal")
        if file.is_file() and not (log.exists() and log.stat().st_size):
            return f"{address}&immutable=1"
    except library.DatabaseError:
        pass  # whoever reads it says what is wrong with it
    finally:
        connection.close()
    return address


def connect_read_only(file: Path | str) -> Any:
    """Open a database for reading alone, for use in any one thread at a time; autocommit, rows as tuples."""
    address = f"{Path(file).absolute().as_uri()}?mode=ro"
    return library.connect(address, uri=True, isolation_level=None, check_same_thread=False)
