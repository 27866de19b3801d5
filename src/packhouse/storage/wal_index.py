# SPDX-License-Identifier: Apache-2.0
"""Noticing commits of any process by looking at SQLite's WAL index, which all of them share in memory.

The first 48 bytes of `<database>-shm` are the header of the index (https://www.sqlite.org/walformat.html, section
2.1): a counter that moves with each transaction, the last valid frame, salts and checksums. A commit writes the
second copy of it first, this one last, and only then does anybody see what was committed; so whoever finds these
bytes as they were has missed nothing. It costs 0.1 us, where `PRAGMA data_version` costs 3 us (docs/performance.md).
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Any

HEADER = 48
_WAL_INDEX_VERSION = 3007000
_kept: list[mmap.mmap] = []
"""Never closed: closing any descriptor of a file ends the POSIX locks this process has on it, SQLite's among them."""


def open_header(file: Path, connection: Any) -> mmap.mmap | None:
    """A view of the WAL index of a database; None when it has none, or one that is not as we know it.

    `connection` must stay open as long as the view is used: while it is, nobody removes or shortens the index.
    """
    try:
        if connection.execute("PRAGMA journal_mode").fetchall() != [("wal",)]:
            return None
        connection.execute("SELECT 1 FROM sqlite_schema").fetchall()  # from here on it holds the index
        descriptor = os.open(f"{file}-shm", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    view = mmap.mmap(descriptor, HEADER, prot=mmap.PROT_READ)
    _kept.append(view)  # the descriptor stays open too
    known = int.from_bytes(view[:4], "little") == _WAL_INDEX_VERSION or int.from_bytes(view[:4]) == _WAL_INDEX_VERSION
    return view if known else None
