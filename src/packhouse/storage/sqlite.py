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


def _choose() -> ModuleType:
    if sqlite3.sqlite_version_info >= FIXED:
        return sqlite3
    try:
        import pysqlite3.dbapi2 as bundled
    except ImportError:
        return sqlite3
    return bundled  # type: ignore[no-any-return]


library: Any = _choose()
"""The DB-API module in use."""


def is_safe() -> bool:
    """Whether the library in use has the WAL-reset fix."""
    return bool(library.sqlite_version_info >= FIXED)


def connect_read_only(file: Path) -> Any:
    """Open a database for reading alone, for use in any one thread at a time; autocommit, rows as tuples."""
    return library.connect(f"file:{file}?mode=ro", uri=True, isolation_level=None, check_same_thread=False)
