# SPDX-License-Identifier: Apache-2.0
"""The files of a continuous backup: a base holds every row as of a moment, a change those that changed since.

Each is lines of JSON, compressed: what it is, portions of rows and of keys that are gone, and how many lines there
were. Its name says its number, moment and serial, and begins its sha256, so that a file is whole or known not to be.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256 as hash_of
from io import BytesIO
from pathlib import Path
from typing import Any

import orjson
import zstandard

from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.storage.depots import Depot
from packhouse.storage.rows import Key, Row, Table

FORMAT = 1
BASES, CHANGES = "bases", "changes"
_NAME = re.compile(r"(bases|changes)/(\d{12})-(\d{8}T\d{6}\.\d{6})Z-(\d{1,18})-([0-9a-f]{16})\.zst")
_MOMENT = "%Y%m%dT%H%M%S.%f"


@dataclass(frozen=True, slots=True)
class State:
    """A file of a backup: its number in order, the moment its rows were read at, the serial then."""

    name: str
    is_base: bool
    number: int
    at: datetime
    serial: int

    @classmethod
    def of(cls, name: str) -> State | None:
        """What a name says; None for a name of somebody else's."""
        found = _NAME.fullmatch(name)
        if found is None:
            return None
        at = datetime.strptime(found[3], _MOMENT).replace(tzinfo=UTC)
        return cls(name, found[1] == BASES, int(found[2]), at, int(found[4]))


def states(depot: Depot) -> list[State]:
    """All that is kept, in order."""
    found = [State.of(name) for folder in (BASES, CHANGES) for name in depot.names(folder)]
    return sorted((state for state in found if state), key=lambda state: (state.number, not state.is_base))


def name_of(file: Path, *, is_base: bool, number: int, at: datetime, serial: int) -> str:
    """The name a written file is kept under."""
    running = hash_of(usedforsecurity=False)
    with file.open("rb") as source:
        while chunk := source.read(1024 * 1024):
            running.update(chunk)
    folder = BASES if is_base else CHANGES
    return f"{folder}/{number:012d}-{at.astimezone(UTC).strftime(_MOMENT)}Z-{serial}-{running.hexdigest()[:16]}.zst"


class StateWriter:
    """Writes one to a file of this machine."""

    def __init__(self, file: Path) -> None:
        self._out = zstandard.ZstdCompressor(level=3).stream_writer(file.open("xb"), closefd=True)
        self._lines = 0

    def line(self, told: Any) -> None:
        """One line."""
        self._out.write(orjson.dumps(told) + b"\n")
        self._lines += 1

    def rows(self, alias: str, table: Table, gone: Sequence[Key], rows: Iterable[Row]) -> None:
        """A portion: keys of which nothing is left but these rows."""
        encoders = [_ENCODERS.get(kind) for _, kind in table.columns]
        told = [
            [
                value if encode is None or value is None else encode(value)
                for encode, value in zip(encoders, row, strict=True)
            ]
            for row in rows
        ]
        self.line([alias, table.name, list(gone), told])

    def end(self) -> None:
        """The last line."""
        self.line({"end": self._lines})
        self._out.close()  # type: ignore[no-untyped-call]


class StateReader:
    """Reads one, and demands that it is whole. `about` is its first line."""

    def __init__(self, state: State, chunks: Iterator[bytes]) -> None:
        self._state = state
        self._running = hash_of(usedforsecurity=False)
        self._lines = self._read(chunks)
        self._seen = 0
        self.about: dict[str, Any] = self._next() or {}
        if self.about.get("format", FORMAT) > FORMAT:
            version = str(self.about.get("version"))[:40]
            message = f"The backup was made by a newer version of Packhouse ({version}); restore it with that one."
            raise refuse(Kind.INVALID, "backup-newer", message)

    @property
    def is_base(self) -> bool:
        """Whether it holds every row."""
        return self._state.is_base

    def portions(self, tables: dict[str, Table]) -> Iterator[tuple[str, Table, list[Key], list[Row]]]:
        """What changed, in order: database, table, keys that are gone, rows that are there. Raises INVALID."""
        while True:
            told = self._next()
            if told is None:
                raise self._damaged("its end is missing")
            if isinstance(told, dict):
                break
            alias, name, gone, rows = told
            table = tables[name]
            decoders = [_DECODERS.get(kind) for _, kind in table.columns]
            yield (
                alias,
                table,
                gone,
                [
                    [v if decode is None or v is None else decode(v) for decode, v in zip(decoders, row, strict=True)]
                    for row in rows
                ],
            )
        if told.get("end") != self._seen - 1 or self._next() is not None:
            raise self._damaged("it has another number of lines than it had")
        if self._running.hexdigest()[:16] != self._state.name[-20:-4]:
            raise self._damaged("it has other bytes than it had")

    def _next(self) -> Any:
        try:
            line = next(self._lines, None)
            self._seen += line is not None
            return None if line is None else orjson.loads(line)
        except (zstandard.ZstdError, orjson.JSONDecodeError):
            raise self._damaged("it can't be read") from None

    def _read(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        reader = zstandard.ZstdDecompressor().stream_reader(
            _Hashed(chunks, self._running.update), read_across_frames=True
        )
        rest = b""
        while chunk := reader.read(1024 * 1024):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines
        if rest:
            yield rest

    def _damaged(self, how: str) -> PackhouseError:
        message = f"{self._state.name} is damaged: {how}; restore to an earlier moment, or from another backup."
        return refuse(Kind.INVALID, "backup-damaged", message)


class _Hashed(BytesIO):
    """Chunks as something to read from, each told to `see` first."""

    def __init__(self, chunks: Iterator[bytes], see: Callable[[bytes], None]) -> None:
        super().__init__()
        self._chunks, self._see, self._rest = chunks, see, b""

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        if not self._rest:
            self._rest = next(self._chunks, b"")
            self._see(self._rest)
        size = len(self._rest) if size is None or size < 0 else size
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece


_ENCODERS: dict[str, Callable[[Any], Any]] = {
    "time": datetime.isoformat,
    "date": date.isoformat,
    "bytes": lambda value: b64encode(value).decode(),
}
_DECODERS: dict[str, Callable[[Any], Any]] = {
    "time": datetime.fromisoformat,
    "date": date.fromisoformat,
    "bytes": b64decode,
    "float": float,
}


def told_of(table: Table) -> dict[str, Any]:
    """A table as a base describes it."""
    return {"name": table.name, "key": table.key, "columns": [list(column) for column in table.columns]}


def table_of(told: dict[str, Any]) -> Table:
    """The table that a base describes."""
    return Table(told["name"], told["key"], tuple((name, kind) for name, kind in told["columns"]))
