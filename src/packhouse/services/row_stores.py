# SPDX-License-Identifier: Apache-2.0
"""The rows of a house by its settings, and how people are told of where it lies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from packhouse.config import Settings
from packhouse.errors import Kind, refuse
from packhouse.storage.rows import RowStore
from packhouse.storage.rows_sqlite import SqliteRows

_SCHEMAS = {"default": "catalogue", "activity": "activity"}


@contextmanager
def row_stores(settings: Settings) -> Iterator[dict[str, RowStore]]:
    """The rows of both databases, by alias. Raises UNAVAILABLE when they can't be reached."""
    opened: dict[str, RowStore] = {}
    try:
        for alias, schema in _SCHEMAS.items():
            opened[alias] = _open(settings, alias, schema)
        yield opened
    finally:
        for store in opened.values():
            store.close()


def _open(settings: Settings, alias: str, schema: str) -> RowStore:
    import psycopg

    from packhouse.storage.rows_postgresql import PostgresqlRows
    from packhouse.storage.sqlite import library

    try:
        if settings.on_postgresql:
            return PostgresqlRows(str(settings.database), schema)
        file = settings.catalogue_file if alias == "default" else settings.activity_file
        return SqliteRows(file)
    except (psycopg.Error, library.Error, OSError) as error:
        reason = " ".join(str(error).split())
        sentence = f"The database {shown(settings)} can't be opened ({reason}); see that it is there and lets us in."
        raise refuse(Kind.UNAVAILABLE, "database-unreadable", sentence) from error


def shown(settings: Settings) -> str:
    """A database as people are told of it: without password."""
    if not settings.on_postgresql:
        return str(settings.catalogue_file)
    address = str(settings.database)
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"


def storage_shown(settings: Settings) -> str:
    """Where files are, as people are told of it."""
    return str(settings.storage) if settings.has_bucket else str(settings.blobs_folder)
