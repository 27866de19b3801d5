# SPDX-License-Identifier: Apache-2.0
"""Read-only readers of the page table, for the edge: one connection each, for use by one thread at a time.

The table is written by the catalogue (`catalogue.models.Page`, `catalogue.models.Counter`); a reader sees each
commit at once. What a reader raises when the database can't be read is `PackhouseError` (UNAVAILABLE).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from packhouse.config import Settings
from packhouse.domain.page import Page
from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.storage.sqlite import connect_read_only, library
from packhouse.storage.wal_index import HEADER, open_header

# How a commit is noticed: by the WAL index, which SQLite's processes share in memory, or else by `PRAGMA data_version`;
# on PostgreSQL by listening for it (`storage.commits`), or by reading the counters.
MARK = "serial, modified, etag, audience"
COLUMNS = "serial, modified, etag, audience, valid_until, body, gzip, zstd, br"
MMAP_SIZE = 256 * 1024 * 1024
"""Bytes of the database file SQLite may read through memory mapping."""


Mark = tuple[int, int, str, str]
"""Serial, time of modification, tag and audience of a page."""

RootState = tuple[int, str]
"""Serial of the last change of an index's root page, and its audience."""


class PageReader(Protocol):
    """What the edge asks of the page table."""

    def moved(self, *, ask: bool = False) -> bool:
        """Whether anything was committed since the last call; True at the first one.

        `ask`: whatever is known without the database is not enough.
        """

    def page(self, index: str, project: str, kind: str) -> Page | None:
        """The stored page, or None: ask the origin. `project` is normalized, "" for the root page."""

    def page_serial(self, index: str, project: str, kind: str = "html") -> int | None:
        """The serial of a stored page without its bytes, or None when it is not stored."""

    def page_mark(self, index: str, project: str, kind: str) -> Mark | None:
        """What tells a stored page from every other state of it, without its bytes; None when it is not stored."""

    def root_state(self, index: str) -> RootState | None:
        """What tells whether a root page kept elsewhere is current and for whom it is; None without the index."""

    def access_generation(self) -> int:
        """The number that moves whenever somebody's right to read may have changed."""

    def leave(self) -> None:
        """Have nobody who commits wait for this process any more; may be called from any thread."""

    def close(self) -> None:
        """Give the connection back."""


_OF_PAGE = "FROM catalogue_page WHERE index_name = ? AND project = ? AND kind = ?"


def open_pages(settings: Settings) -> PageReader:
    """A new reader for the catalogue of these settings; raises PackhouseError (UNAVAILABLE) when there is none."""
    if settings.on_postgresql:
        from packhouse.storage.commits import Commits
        from packhouse.storage.pages_postgresql import PostgresqlPages

        commits = Commits(str(settings.database))
        reader = PostgresqlPages(str(settings.database), commits)
        commits.start()
        return reader
    return SqlitePages(settings.catalogue_file)


class SqlitePages:
    """Reads the pages in the catalogue's SQLite file."""

    def __init__(self, file: Path) -> None:
        try:
            self._connection = connect_read_only(file)
            for pragma in ("query_only = ON", f"mmap_size = {MMAP_SIZE}", "busy_timeout = 2000"):
                self._connection.execute(f"PRAGMA {pragma}").fetchall()
            self._header = open_header(file, self._connection)
        except library.Error as error:
            raise unreadable(error) from error
        # One cursor for all, with the library's cache of statements, spares a parse for each read.
        self._cursor: Any = self._connection.cursor()
        self._version: Any = None

    def moved(self, *, ask: bool = False) -> bool:
        """See `PageReader.moved`."""
        if self._header is not None:
            header = self._header[:HEADER]
            if header == self._version:
                return False
            self._version = header
            return True
        try:  # moves with every commit of another connection
            version = self._cursor.execute("PRAGMA data_version").fetchall()
        except library.Error as error:
            raise unreadable(error) from error
        changed = bool(version != self._version)
        self._version = version
        return changed

    def page(self, index: str, project: str, kind: str) -> Page | None:
        """See `PageReader.page`."""
        row = self._row(f"SELECT {COLUMNS} {_OF_PAGE}", index, project, kind)
        return None if row is None else Page(index, project, kind, *row)

    def page_serial(self, index: str, project: str, kind: str = "html") -> int | None:
        """See `PageReader.page_serial`."""
        row = self._row(f"SELECT serial {_OF_PAGE}", index, project, kind)
        return None if row is None else int(row[0])

    def page_mark(self, index: str, project: str, kind: str) -> Mark | None:
        """See `PageReader.page_mark`."""
        row = self._row(f"SELECT {MARK} {_OF_PAGE}", index, project, kind)
        return None if row is None else tuple(row)

    def root_state(self, index: str) -> RootState | None:
        """See `PageReader.root_state`."""
        row = self._row("SELECT serial, audience FROM catalogue_index WHERE name = ?", index)
        return None if row is None else tuple(row)

    def access_generation(self) -> int:
        """See `PageReader.access_generation`."""
        row = self._row("SELECT value FROM catalogue_counter WHERE name = 'access'")
        return 0 if row is None else int(row[0])

    def leave(self) -> None:
        """See `PageReader.leave`: nobody does."""

    def close(self) -> None:
        """See `PageReader.close`."""
        self._connection.close()

    def _row(self, statement: str, *values: str) -> Any:
        """The one row of a statement, or None; reading to the end closes the statement and its view of the file."""
        try:
            rows = self._cursor.execute(statement, values).fetchall()
        except library.Error as error:
            raise unreadable(error) from error
        return rows[0] if rows else None


def unreadable(error: Exception) -> PackhouseError:
    """Our error for one of the database library's."""
    message = f"The page table can't be read ({error}); see `packhouse doctor`."
    return refuse(Kind.UNAVAILABLE, "pages-unreadable", message)
