# SPDX-License-Identifier: Apache-2.0
"""Plain statements where many are made for one request: publishing and signing requests with tokens.

To put a query together costs Django ten times what SQLite takes to answer it; what is written here is written once.
Values go in and come out as both databases have them: see `moment_in`, `moment_out`, `read_json`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.utils.dateparse import parse_datetime

from packhouse.catalogue.sqlite.base import question_marks


def fetch(statement: str, *values: Any) -> list[Any]:
    """All rows of a statement."""
    found: list[Any] = _execute(statement, values, lambda cursor: list(cursor.fetchall()))
    return found


def fetch_one(statement: str, *values: Any) -> Any:
    """The first row, or None."""
    return _execute(statement, values, lambda cursor: cursor.fetchone())


def _execute(statement: str, values: tuple[Any, ...], take: Callable[[Any], Any]) -> Any:
    """What is taken of a cursor that has executed a statement; errors are Django's.

    On SQLite the driver is asked directly: what Django's cursors do around it costs three times what SQLite does.
    """
    database: Any = connections[DEFAULT_DB_ALIAS]
    if database.vendor != "sqlite" or database.queries_logged or database.execute_wrappers:
        with database.cursor() as cursor:
            cursor.execute(statement, values)
            return take(cursor)
    if database.connection is None:
        database.ensure_connection()
    if database.needs_rollback:
        database.validate_no_broken_transaction()
    try:
        cursor = database.connection.execute(question_marks(statement), values)
        found = take(cursor)
        cursor.close()
    except database.Database.Error:
        with database.wrap_database_errors:
            raise
    return found


@contextmanager
def snapshot() -> Iterator[None]:
    """See the catalogue as it is now for several statements, which must only read; holds up no writer."""
    if connection.in_atomic_block:
        yield
        return
    run("BEGIN" if connection.vendor == "sqlite" else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        yield
    finally:
        run("ROLLBACK")


def run(statement: str, *values: Any) -> None:
    """Execute a statement that returns nothing."""
    _execute(statement, values, lambda _cursor: None)


def insert(table: str, **columns: Any) -> None:
    """Add a row; names of tables and columns are ours, values are parameters."""
    run(_insertion(table, tuple(columns), returning=False), *columns.values())


def insert_with_id(table: str, **columns: Any) -> int:
    """Add a row and return the id the database gave it."""
    return int(fetch_one(_insertion(table, tuple(columns), returning=True), *columns.values())[0])


@lru_cache(maxsize=64)
def _insertion(table: str, columns: tuple[str, ...], *, returning: bool) -> str:
    marks = ", ".join("%s" for _ in columns)
    names = ", ".join(connection.ops.quote_name(column) for column in columns)
    tail = " RETURNING id" if returning else ""
    return f"INSERT INTO {table} ({names}) VALUES ({marks}){tail}"  # noqa: S608 - our own words


def moment_in(moment: datetime) -> Any:
    """A moment as a statement's parameter."""
    return connection.ops.adapt_datetimefield_value(moment)


def moment_out(value: datetime | str) -> datetime:
    """A moment as a row gives it (SQLite: text without a zone), with its zone."""
    moment = parse_datetime(value) if isinstance(value, str) else value
    if moment is None:
        raise ValueError(f"not a moment: {value!r}")
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def write_json(value: Any) -> str:
    """Plain data as a statement's parameter for a JSON column."""
    return json.dumps(value)


def read_json(value: Any) -> Any:
    """What a JSON column holds."""
    return json.loads(value) if isinstance(value, str | bytes) else value
