# SPDX-License-Identifier: Apache-2.0
"""The rows of a SQLite file (see `storage.rows`)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from packhouse.storage.rows import MOVED, Change, Key, Row, Table, batches
from packhouse.storage.sqlite import library

_MARKS, _BLOCK = "packhouse_marks", "packhouse_moved"
_MOST_VALUES = 500
_EVENTS = ("INSERT", "UPDATE", "DELETE")


class SqliteRows:
    """Of the file, which is made when it is not there."""

    def __init__(self, file: Path) -> None:
        self._connection = library.connect(str(file), isolation_level=None, timeout=60.0)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = OFF", "temp_store = MEMORY"):
            self._ask(f"PRAGMA {pragma}")

    def close(self) -> None:
        """See `RowStore.close`."""
        self._connection.close()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """See `RowStore.reading`."""
        self._ask("BEGIN")
        self._ask("SELECT count(*) FROM sqlite_schema")  # the moment is that of the first read
        try:
            yield
        finally:
            self._ask("ROLLBACK")

    @contextmanager
    def writing(self) -> Iterator[None]:
        """See `RowStore.writing`."""
        self._ask("BEGIN IMMEDIATE")
        try:
            yield
            self._ask("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._ask("ROLLBACK")
            raise

    def count(self, table: Table) -> int:
        """See `RowStore.count`."""
        return int(self._ask(f"SELECT count(*) FROM {_quoted(table.name)}")[0][0])

    def after(self, table: Table, last: Key | None, limit: int) -> list[Row]:
        """See `RowStore.after`."""
        key, columns = _quoted(table.key), ", ".join(map(_quoted, table.names))
        where, values = ("", []) if last is None else (f"WHERE {key} > ?", [last])
        found = self._ask(
            f"SELECT {columns} FROM {_quoted(table.name)} {where} ORDER BY {key} LIMIT ?",
            [*values, limit],
        )
        return _read(table, found)

    def rows(self, table: Table, keys: Sequence[Key]) -> list[Row]:
        """See `RowStore.rows`."""
        columns, found = ", ".join(map(_quoted, table.names)), []
        for some in batches(keys, _MOST_VALUES):
            marks = ", ".join("?" for _ in some)
            statement = f"SELECT {columns} FROM {_quoted(table.name)} WHERE {_quoted(table.key)} IN ({marks})"
            found += self._ask(statement, some)
        return _read(table, found)

    def insert(self, table: Table, rows: Sequence[Row]) -> None:
        """See `RowStore.insert`."""
        writers = [_WRITERS.get(kind) for _, kind in table.columns]
        columns, marks = ", ".join(map(_quoted, table.names)), ", ".join("?" for _ in table.columns)
        statement = f"INSERT INTO {_quoted(table.name)} ({columns}) VALUES ({marks})"
        self._connection.executemany(statement, [_converted(writers, row) for row in rows])

    def remove(self, table: Table, keys: Sequence[Key]) -> None:
        """See `RowStore.remove`."""
        statement = f"DELETE FROM {_quoted(table.name)} WHERE {_quoted(table.key)} = ?"
        self._connection.executemany(statement, [(key,) for key in keys])

    def empty(self, tables: Iterable[Table]) -> None:
        """See `RowStore.empty`."""
        for table in tables:
            self._ask(f"DELETE FROM {_quoted(table.name)}")

    def highest(self, table: Table) -> int:
        """See `RowStore.highest`."""
        if not self._has("table", "sqlite_sequence"):
            return 0
        found = self._ask("SELECT seq FROM sqlite_sequence WHERE name = ?", [table.name])
        return int(found[0][0]) if found else 0

    def raise_highest(self, table: Table, number: int) -> None:
        """See `RowStore.raise_highest`."""
        if not self._has("table", "sqlite_sequence") or table.key_kind != "int":
            return
        found = self._ask("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?", [table.name])
        if number <= self.highest(table) or "AUTOINCREMENT" not in str(found[0][0]).upper():
            return
        self._ask("DELETE FROM sqlite_sequence WHERE name = ?", [table.name])
        self._ask("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", [table.name, number])

    def watch(self, name: str, tables: Iterable[Table]) -> None:
        """See `RowStore.watch`."""
        self.unwatch(name)
        notes = _quoted(_notes(name))
        with self.writing():
            self._ask(
                f"CREATE TABLE {notes} (number INTEGER PRIMARY KEY AUTOINCREMENT, place TEXT NOT NULL,"
                " key TEXT NOT NULL)"
            )
            for table in tables:
                for event in _EVENTS:
                    self._ask(
                        f"CREATE TRIGGER {_quoted(_trigger(name, table, event))} AFTER {event} ON"
                        f" {_quoted(table.name)} BEGIN {_noting(notes, table, event)} END"
                    )

    def is_watched(self, name: str, tables: Iterable[Table]) -> bool:
        """See `RowStore.is_watched`: what alters a table drops its triggers."""
        there = {row[0] for row in self._ask("SELECT name FROM sqlite_schema WHERE type = 'trigger'")}
        wanted = {_trigger(name, table, event) for table in tables for event in _EVENTS}
        return self._has("table", _notes(name)) and wanted <= there

    def unwatch(self, name: str) -> None:
        """See `RowStore.unwatch`."""
        with self.writing():
            self._drop_triggers(f"{_notes(name)}_")
            self._ask(f"DROP TABLE IF EXISTS {_quoted(_notes(name))}")

    def changes(self, name: str) -> list[Change]:
        """See `RowStore.changes`."""
        found = self._ask(f"SELECT number, place, key FROM {_quoted(_notes(name))} ORDER BY number")
        return [Change(*row) for row in found]

    def forget(self, name: str, changes: Sequence[Change]) -> None:
        """See `RowStore.forget`: there is one writer at a time, so numbers are in the order of commits."""
        if changes:
            statement = f"DELETE FROM {_quoted(_notes(name))} WHERE number <= ?"
            self._ask(statement, [changes[-1].number])

    def block(self, tables: Iterable[Table], note: Mapping[str, str]) -> None:
        """See `RowStore.block`."""
        with self.writing():
            self._ask(f"CREATE TABLE {_BLOCK} (note TEXT NOT NULL)")
            self._ask(f"INSERT INTO {_BLOCK} (note) VALUES (?)", [json.dumps(dict(note))])
            for table in tables:
                for event in _EVENTS:
                    self._ask(
                        f"CREATE TRIGGER {_quoted(f'{_BLOCK}_{table.name}_{event}')} BEFORE {event} ON"
                        f" {_quoted(table.name)} BEGIN SELECT RAISE(ABORT, '{MOVED}'); END"
                    )

    def unblock(self) -> None:
        """See `RowStore.unblock`."""
        with self.writing():
            self._drop_triggers(f"{_BLOCK}_")
            self._ask(f"DROP TABLE IF EXISTS {_BLOCK}")

    def blocked(self) -> dict[str, str] | None:
        """See `RowStore.blocked`."""
        if not self._has("table", _BLOCK):
            return None
        note: dict[str, str] = json.loads(self._ask(f"SELECT note FROM {_BLOCK}")[0][0])
        return note

    def marks(self) -> dict[str, str] | None:
        """See `RowStore.marks`."""
        if not self._has("table", _MARKS):
            return None
        return dict(self._ask(f"SELECT name, text FROM {_MARKS}"))

    def mark(self, name: str, text: str) -> None:
        """See `RowStore.mark`."""
        self._ask(f"CREATE TABLE IF NOT EXISTS {_MARKS} (name TEXT PRIMARY KEY, text TEXT NOT NULL)")
        self._ask(f"INSERT OR REPLACE INTO {_MARKS} (name, text) VALUES (?, ?)", [name, text])

    def is_new(self) -> bool:
        """See `RowStore.is_new`."""
        return not self._ask("SELECT 1 FROM sqlite_schema WHERE type = 'table'")

    def end_marks(self) -> None:
        """See `RowStore.end_marks`."""
        self._ask(f"DROP TABLE IF EXISTS {_MARKS}")

    def let_go(self) -> None:
        """See `RowStore.let_go`: this connection demands nothing."""

    def hold_on(self) -> None:
        """See `RowStore.hold_on`."""
        found = self._ask("PRAGMA foreign_key_check")
        if found:
            raise ValueError(f"{len(found)} rows name others that are not there, in {found[0][0]} first")

    def _ask(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        return list(self._connection.execute(statement, values).fetchall())

    def _has(self, kind: str, name: str) -> bool:
        return bool(self._ask("SELECT 1 FROM sqlite_schema WHERE type = ? AND name = ?", [kind, name]))

    def _drop_triggers(self, beginning: str) -> None:
        names = [row[0] for row in self._ask("SELECT name FROM sqlite_schema WHERE type = 'trigger'")]
        for name in names:
            if name.startswith(beginning):
                self._ask(f"DROP TRIGGER {_quoted(name)}")


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def _notes(name: str) -> str:
    return f"packhouse_changes_{name}"


def _trigger(name: str, table: Table, event: str) -> str:
    return f"{_notes(name)}_{table.name}_{event}"


def _noting(notes: str, table: Table, event: str) -> str:
    """What a trigger does: note the key, of an update the old one too when it is another."""
    key = _quoted(table.key)
    one = f"INSERT INTO {notes} (place, key) SELECT '{table.name}', CAST({{row}}.{key} AS TEXT)"
    new, old = one.format(row="new"), one.format(row="old")
    if event == "INSERT":
        return f"{new};"
    return f"{old};" if event == "DELETE" else f"{new}; {old} WHERE old.{key} IS NOT new.{key};"


def _read(table: Table, found: Iterable[Row]) -> list[Row]:
    readers = [_READERS.get(kind) for _, kind in table.columns]
    return [_converted(readers, row) for row in found]


def _converted(converters: Sequence[Callable[[Any], Any] | None], row: Row) -> Row:
    return [
        value if convert is None or value is None else convert(value)
        for convert, value in zip(converters, row, strict=True)
    ]


def _time_out(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _time_in(moment: datetime) -> str:
    """As Django writes it."""
    return str(moment.astimezone(UTC).replace(tzinfo=None))


_READERS: dict[str, Callable[[Any], Any]] = {
    "time": _time_out,
    "date": date.fromisoformat,
    "bool": bool,
    "float": float,
    "bytes": bytes,
}
_WRITERS: dict[str, Callable[[Any], Any]] = {"time": _time_in, "date": date.isoformat, "bool": int}
