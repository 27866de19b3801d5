# SPDX-License-Identifier: Apache-2.0
"""Django's SQLite back end on another SQLite library.

WAL with `synchronous=FULL` makes every commit durable; IMMEDIATE transactions take the write lock at BEGIN, so
that no transaction fails half-way for want of it.
"""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from django.db.backends.sqlite3 import base
from django.db.backends.sqlite3._functions import register as register_functions
from django.utils.dateparse import parse_date, parse_datetime, parse_time

from packhouse.storage.sqlite import library

PRAGMAS = (
    "PRAGMA foreign_keys = ON",
    "PRAGMA legacy_alter_table = OFF",
    "PRAGMA busy_timeout = 20000",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA journal_size_limit = 67108864",
)


def _register(module: Any) -> None:
    """Give a DB-API module the converters and adapters that Django gives to sqlite3."""
    module.register_converter("bool", b"1".__eq__)
    module.register_converter("date", lambda raw: parse_date(raw.decode()))
    module.register_converter("time", lambda raw: parse_time(raw.decode()))
    module.register_converter("datetime", lambda raw: parse_datetime(raw.decode()))
    module.register_converter("timestamp", lambda raw: parse_datetime(raw.decode()))
    module.register_adapter(decimal.Decimal, str)
    module.register_adapter(datetime.date, lambda value: value.isoformat())
    module.register_adapter(datetime.datetime, lambda value: value.isoformat(" "))


_register(library)


@lru_cache(maxsize=512)
def question_marks(query: str) -> str:
    """A statement with the placeholders of SQLite for Django's `%s`."""
    return base.FORMAT_QMARK_REGEX.sub("?", query).replace("%%", "%")


class Cursor(library.Cursor):  # type: ignore[misc]
    """A cursor that takes Django's `%s` and `%(name)s` placeholders."""

    convert_query = base.SQLiteCursorWrapper.convert_query

    def execute(self, query: str, params: Any = None) -> Any:
        """Run one statement."""
        if params is None:
            return super().execute(query)
        if isinstance(params, Mapping):
            return super().execute(self.convert_query(query, param_names=list(params)), params)
        return super().execute(question_marks(query), params)

    def executemany(self, query: str, param_list: Iterable[Any]) -> Any:
        """Run one statement for each of the parameters."""
        rows = list(param_list)
        names = list(rows[0]) if rows and isinstance(rows[0], Mapping) else None
        return super().executemany(self.convert_query(query, param_names=names), rows)


class DatabaseWrapper(base.DatabaseWrapper):
    """`ENGINE = "packhouse.catalogue.sqlite"`."""

    Database = library

    def get_connection_params(self) -> dict[str, Any]:
        """Django's own, with the write lock taken at BEGIN."""
        self.settings_dict["OPTIONS"].setdefault("transaction_mode", "IMMEDIATE")
        return super().get_connection_params()

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Open with our library and our pragmas."""
        connection = library.connect(**conn_params)
        register_functions(connection)
        for pragma in PRAGMAS:
            connection.execute(pragma).fetchall()
        return connection

    def create_cursor(self, name: str | None = None) -> Any:
        """A cursor of our library."""
        return self.connection.cursor(factory=Cursor)
