# SPDX-License-Identifier: Apache-2.0
"""The page table in PostgreSQL, read over a connection of the edge's own."""

from __future__ import annotations

from typing import Any

import psycopg

from packhouse.domain.page import Page
from packhouse.storage.commits import COUNTERS, Commits
from packhouse.storage.pages import COLUMNS, MARK, Mark, RootState, unreadable

_OF_PAGE = "FROM catalogue_page WHERE index_name = %s AND project = %s AND kind = %s"
CONNECT_TIMEOUT = 5
"""Seconds to wait for the server."""


class PostgresqlPages:
    """Reads the pages in the schema `catalogue`; a connection that was lost is opened again, once for each read."""

    def __init__(self, url: str, commits: Commits | None = None) -> None:
        """`commits` knows the counters mostly without asking; it is stopped with this reader."""
        self._url = url
        self._commits = commits
        self._state: int | None = None
        try:
            self._connection = self._connect()
        except psycopg.Error as error:
            raise unreadable(error) from error

    def _connect(self) -> psycopg.Connection[Any]:
        options = "-c search_path=catalogue,public -c default_transaction_read_only=on -c statement_timeout=5000"
        return psycopg.connect(self._url, autocommit=True, connect_timeout=CONNECT_TIMEOUT, options=options)

    def moved(self, *, ask: bool = False) -> bool:
        """See `PageReader.moved`: every commit that changes a page or a right moves one of the counters."""
        state = None if ask or self._commits is None else self._commits.known()
        if state is None:
            state = int(self._rows(COUNTERS)[0][0])
        changed = state != self._state
        self._state = state
        return changed

    def page(self, index: str, project: str, kind: str) -> Page | None:
        """See `PageReader.page`."""
        rows = self._rows(f"SELECT {COLUMNS} {_OF_PAGE}", index, project, kind)
        return Page(index, project, kind, *rows[0]) if rows else None

    def page_serial(self, index: str, project: str, kind: str = "html") -> int | None:
        """See `PageReader.page_serial`."""
        rows = self._rows(f"SELECT serial {_OF_PAGE}", index, project, kind)
        return int(rows[0][0]) if rows else None

    def page_mark(self, index: str, project: str, kind: str) -> Mark | None:
        """See `PageReader.page_mark`."""
        rows = self._rows(f"SELECT {MARK} {_OF_PAGE}", index, project, kind)
        return tuple(rows[0]) if rows else None

    def root_state(self, index: str) -> RootState | None:
        """See `PageReader.root_state`."""
        rows = self._rows("SELECT serial, audience FROM catalogue_index WHERE name = %s", index)
        return tuple(rows[0]) if rows else None

    def access_generation(self) -> int:
        """See `PageReader.access_generation`."""
        rows = self._rows("SELECT value FROM catalogue_counter WHERE name = 'access'")
        return int(rows[0][0]) if rows else 0

    def leave(self) -> None:
        """See `PageReader.leave`."""
        if self._commits is not None:
            self._commits.stop()

    def close(self) -> None:
        """See `PageReader.close`."""
        self.leave()
        self._connection.close()

    def _rows(self, statement: str, *values: str) -> list[Any]:
        """All rows of a prepared statement, bytes as bytes."""
        try:
            try:
                return self._read(statement, values)
            except psycopg.OperationalError:
                self._connection.close()
                self._connection = self._connect()
                return self._read(statement, values)
        except psycopg.Error as error:
            raise unreadable(error) from error

    def _read(self, statement: str, values: tuple[str, ...]) -> list[Any]:
        with self._connection.cursor(binary=True) as cursor:
            return cursor.execute(statement.encode(), values, prepare=True).fetchall()
