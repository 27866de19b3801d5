# SPDX-License-Identifier: Apache-2.0
"""Reading many rows as they were at one moment, beside writers, without keeping any of them waiting."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections

CHUNK = 2000
"""Rows read at once."""


@contextmanager
def snapshot(alias: str = "default") -> Iterator[None]:
    """All that this thread reads inside is of one moment; nothing may be written. Inside a transaction: that one's.

    On SQLite the write-ahead log can't be reset meanwhile, so a snapshot is for minutes, not for hours.
    """
    connection = connections[alias]
    if connection.in_atomic_block:
        yield
        return
    begin = "BEGIN" if connection.vendor == "sqlite" else "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
    with connection.cursor() as cursor:
        cursor.execute(begin)
        cursor.execute("SELECT 1 FROM django_migrations")  # SQLite: the moment is that of the first read
        cursor.fetchall()
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ROLLBACK")


def rows_after(statement: str, start: int = 0, alias: str = "default") -> Iterator[tuple[Any, ...]]:
    """The rows of a statement that takes (last key, rows at once) and gives the key first, in its order.

    However many there are, only a chunk of them is in memory.
    """
    last = start
    while True:
        with connections[alias].cursor() as cursor:
            cursor.execute(statement, [last, CHUNK])
            rows = cursor.fetchall()
        yield from rows
        if len(rows) < CHUNK:
            return
        last = rows[-1][0]
