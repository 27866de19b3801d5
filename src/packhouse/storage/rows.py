# SPDX-License-Identifier: Apache-2.0
"""The rows of a database as plain values, the same for SQLite and PostgreSQL, so that they can be carried elsewhere.

A row is a list of values in the order of its table's columns. By kind: `int`, `text`, `bool`, `float`, `bytes` as in
Python; `time` an aware datetime, `date` a date; `json` the text of a document. Any of them may be None.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from hashlib import sha256 as hash_of
from itertools import islice
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
Row = Sequence[Any]
Key = int | str
KINDS = frozenset({"int", "text", "bool", "time", "date", "float", "bytes", "json"})
MOVED = "packhouse-moved"
"""What a database says to whoever writes to it after its rows went elsewhere."""
AT_ONCE = 1000
"""Rows read at once; of tables that hold large values `FEW`."""
FEW = 20


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its name, the column of its key, and all columns with their kinds."""

    name: str
    key: str
    columns: tuple[tuple[str, str], ...]

    @property
    def names(self) -> list[str]:
        """The columns."""
        return [name for name, _ in self.columns]

    @property
    def key_place(self) -> int:
        """Where in a row the key stands."""
        return self.names.index(self.key)

    @property
    def key_kind(self) -> str:
        """The kind of the key: int or text."""
        return dict(self.columns)[self.key]

    @property
    def at_once(self) -> int:
        """How many rows are read at once."""
        return FEW if "bytes" in dict(self.columns).values() else AT_ONCE

    def key_of(self, text: str) -> Key:
        """A key out of its text."""
        return int(text) if self.key_kind == "int" else text


@dataclass(frozen=True, slots=True)
class Change:
    """That a row was written or removed: its table, and its key as text. `number` grows within a database."""

    number: int
    table: str
    key: str


class RowStore(Protocol):
    """The rows of one database (SQLite) or schema (PostgreSQL), over a connection of its own; for one thread."""

    def close(self) -> None:
        """End the connection."""

    def reading(self) -> AbstractContextManager[None]:
        """All that is read inside is of one moment; holds up no writer."""

    def writing(self) -> AbstractContextManager[None]:
        """One transaction."""

    def count(self, table: Table) -> int:
        """How many rows a table has."""

    def after(self, table: Table, last: Key | None, limit: int) -> list[Row]:
        """The rows after a key, in the order of keys (texts by their bytes), at most `limit`."""

    def rows(self, table: Table, keys: Sequence[Key]) -> list[Row]:
        """Those rows of these keys that are there."""

    def insert(self, table: Table, rows: Sequence[Row]) -> None:
        """Add rows."""

    def remove(self, table: Table, keys: Sequence[Key]) -> None:
        """Remove rows by their keys."""

    def empty(self, tables: Iterable[Table]) -> None:
        """Remove all rows of these tables."""

    def highest(self, table: Table) -> int:
        """The highest number that was ever given to a row of a table; 0 when numbers are not given there."""

    def raise_highest(self, table: Table, number: int) -> None:
        """Let numbers given to new rows begin after `number`, and after those that are there."""

    def watch(self, name: str, tables: Iterable[Table]) -> None:
        """Begin to note under a name which rows are written and removed, from the commit on; anew if it was begun."""

    def is_watched(self, name: str, tables: Iterable[Table]) -> bool:
        """Whether all of these tables have been watched under that name without a gap."""

    def unwatch(self, name: str) -> None:
        """End it, and forget what was noted."""

    def changes(self, name: str) -> list[Change]:
        """What was noted and not forgotten yet."""

    def forget(self, name: str, changes: Sequence[Change]) -> None:
        """These are dealt with."""

    def block(self, tables: Iterable[Table], note: Mapping[str, str]) -> None:
        """From the commit on, whoever writes to these tables is told `MOVED`; transactions under way end before."""

    def unblock(self) -> None:
        """Let everybody write again."""

    def blocked(self) -> dict[str, str] | None:
        """The note of `block`; None when it is not blocked."""

    def marks(self) -> dict[str, str] | None:
        """Our own notes in a database that is being filled; None when it has none."""

    def mark(self, name: str, text: str) -> None:
        """Make such a note; the first makes room for them."""

    def is_new(self) -> bool:
        """Whether there is no table at all."""

    def end_marks(self) -> None:
        """Remove the notes: it is a database like any other now."""

    def let_go(self) -> None:
        """Have no row demand that another is there, until `hold_on`."""

    def hold_on(self) -> None:
        """Demand it again. Raises ValueError when a row is missing."""


def text_of(key: Key) -> str:
    """A key as text."""
    return str(key)


def canonical(table: Table, row: Row) -> list[Any]:
    """A row as it can be compared across databases: JSON without regard to order and blanks."""
    return [
        json.dumps(json.loads(value), sort_keys=True) if kind == "json" and value is not None else value
        for (_, kind), value in zip(table.columns, row, strict=True)
    ]


class Digest:
    """The digest of a table's rows in the order of their keys."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._running = hash_of(usedforsecurity=False)
        self.count = 0

    def add(self, rows: Iterable[Row]) -> None:
        """Go on with these."""
        for row in rows:
            told = [value.hex() if isinstance(value, bytes) else value for value in canonical(self._table, row)]
            self._running.update(json.dumps(told, default=str).encode() + b"\n")
            self.count += 1

    @property
    def sha256(self) -> str:
        """So far."""
        return self._running.hexdigest()


def all_rows(store: RowStore, table: Table) -> Iterator[list[Row]]:
    """Every row of a table, in portions."""
    last: Key | None = None
    while rows := store.after(table, last, table.at_once):
        yield rows
        last = rows[-1][table.key_place]


def grouped(changes: Iterable[Change]) -> dict[str, list[str]]:
    """The keys that changed, each once, by table."""
    found: dict[str, dict[str, None]] = {}
    for change in changes:
        found.setdefault(change.table, {})[change.key] = None
    return {table: list(keys) for table, keys in found.items()}


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of at most `size`."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
