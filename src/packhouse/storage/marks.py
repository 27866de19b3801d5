# SPDX-License-Identifier: Apache-2.0
"""Marks: empty files by which a cache in front that knows no commits is told what it must not use now.

A transaction marks what it changes before it commits. Whoever then asks the cache is sent on to us, and what comes
back is not kept. An answer that was on its way when the mark was made may still be kept afterwards, but not longer
than the cache keeps anything; a mark lasts longer than that (`LASTING`), and is made new by each further change.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

from packhouse.storage.incoming import blob_errors

LASTING = 60.0
"""Seconds a mark lasts: more than a cache keeps an answer plus the time it may wait for one."""

ROOT = "_root"
"""The mark of root pages."""

EVERYTHING = "_all"
"""The mark of all pages: an index itself was changed."""


class Marks:
    """The marks in a folder; nothing happens while there is no such folder, for then there is no such cache."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def mark(self, names: Iterable[str]) -> None:
        """Make marks, or make them new. Raises PackhouseError (FULL, UNAVAILABLE)."""
        if not self._folder.is_dir():
            return
        for name in names:
            with blob_errors("marking changed pages"):
                path = self._folder / name
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))
                os.utime(path)

    def sweep(self, lasting: float = LASTING) -> int:
        """Remove the marks that have lasted; returns how many. Only while no transaction that marks is open."""
        limit, removed = time.time() - lasting, 0
        for path in self._folder.iterdir() if self._folder.is_dir() else ():
            if path.stat().st_mtime < limit:
                path.unlink()
                removed += 1
        return removed


def names_of(project: str) -> tuple[str, ...]:
    """The marks of what a project changes: its name (normalized) as pages and as filenames spell it, and root pages."""
    return project, project.replace("-", "_"), ROOT
