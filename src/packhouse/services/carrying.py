# SPDX-License-Identifier: Apache-2.0
"""Rows carried from one database to another while both the rows and the files they name change.

Every step reads, as of one moment, the rows that changed since the last one and the next portion of those not carried
yet, and writes both in one transaction of the target, together with how far it is. So the target is always what the
source was at one moment, as far as it has come, and whoever is killed goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256 as hash_of

from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.services.watching import Watch
from packhouse.storage.blobs import Blobs, BucketBlobs
from packhouse.storage.incoming import Hook, no_hook
from packhouse.storage.rows import Change, Digest, Key, Row, RowStore, Table, all_rows, batches, grouped, text_of

THREADS = 4
"""Files carried at once."""
_KEYS_AT_ONCE = 500
_DONE = "done"

Rows = list[tuple[Table, list[Row]]]


@dataclass(slots=True)
class Carried:
    """What was carried so far: rows, files and their bytes; digests of files that could not be had."""

    rows: int = 0
    blobs: int = 0
    size: int = 0
    missing: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Named:
    """A file that a row names: `size` in bytes, None when the row doesn't say; `needed` unless it can be had again."""

    sha256: str
    size: int | None
    needed: bool


def named_blobs(table: Table, rows: Iterable[Row]) -> Iterator[Named]:
    """The files that rows name."""
    if table.name not in {"catalogue_file", "catalogue_upstreamfile"}:
        return
    for row in rows:
        told = dict(zip(table.names, row, strict=True))
        if table.name == "catalogue_file":
            if told["purged_serial"] is None:
                yield Named(told["sha256"], told["size"], needed=True)
                if told["metadata_sha256"]:
                    yield Named(told["metadata_sha256"], None, needed=True)
            continue
        if told["kept"] and told["sha256"]:
            yield Named(told["sha256"], None, needed=False)
        if told["metadata_kept"] and told["metadata_sha256"]:
            yield Named(told["metadata_sha256"], None, needed=False)


class BlobCarrier:
    """Carries files by their digests, several at once; one that is there already is left there."""

    def __init__(self, source: Blobs, target: Blobs, scratch: Blobs, carried: Carried, watch: Watch) -> None:
        """`scratch` is where bytes on their way to a bucket are kept for a moment."""
        self._source, self._target, self._scratch = source, target, scratch
        self._carried, self._watch = carried, watch

    def carry(self, wanted: Iterable[Named]) -> None:
        """Bring these. Raises PackhouseError when the target takes none; what the source lacks is written down."""
        with ThreadPoolExecutor(THREADS, thread_name_prefix="carry") as pool:
            for some in batches(wanted, 64):
                distinct = {one.sha256: one for one in some}
                for size, missing in pool.map(self._one, distinct.values()):
                    self._carried.blobs += size is not None
                    self._carried.size += size or 0
                    if missing:
                        self._carried.missing.add(missing)
                    self._watch.advance(size or 0)

    def _one(self, named: Named) -> tuple[int | None, str]:
        """Bring one; its size, or that it is missing."""
        there = self._target.stat(named.sha256)
        if there is not None and named.size in {None, there}:
            return there, ""
        try:
            size = self._copy(named.sha256)
        except PackhouseError as error:
            if error.kind is not Kind.MISSING and error.code != "blob-damaged":
                raise
            return None, named.sha256 if named.needed else ""
        return size, ""

    def _copy(self, sha256: str) -> int:
        near = self._source.path(sha256)
        if near is not None and isinstance(self._target, BucketBlobs):
            running, size = hash_of(usedforsecurity=False), 0
            for chunk in self._source.open(sha256):
                running.update(chunk)
                size += len(chunk)
            _demand(sha256, running.hexdigest())
            self._target.send(near, sha256)
            return size
        through = self._scratch if isinstance(self._target, BucketBlobs) else self._target
        pieces, size = self._source.open(sha256), 0
        with through.incoming() as incoming:
            for chunk in pieces:
                incoming.write(chunk)
                size += len(chunk)
            _demand(sha256, incoming.digests().sha256)
            if isinstance(self._target, BucketBlobs):
                incoming.sync()
                self._target.send(incoming.path, sha256)
            else:
                incoming.keep()
        return size


def _demand(sha256: str, found: str) -> None:
    if found != sha256:
        message = f"The stored file {sha256} has the sha256 {found}; see `packhouse verify`."
        raise refuse(Kind.UNAVAILABLE, "blob-damaged", message)


class Carrier:
    """Carries the rows of one database, and before any row is written the files it names."""

    def __init__(
        self,
        source: RowStore,
        target: RowStore,
        tables: Sequence[Table],
        name: str,
        *,
        bring: Callable[[Iterable[Named]], None],
        carried: Carried,
        hook: Hook = no_hook,
        watch: Watch | None = None,
    ) -> None:
        """`name` is under what the source's changes are noted; see `RowStore.watch`."""
        self._source, self._target, self._tables, self._name = source, target, tables, name
        self._bring, self._carried, self._hook, self._watch = bring, carried, hook, watch or Watch()
        self._by_name = {table.name: table for table in tables}
        self._positions = self._told()
        self.touched: dict[str, set[Key]] = {}
        """What changed since `compare`, by table."""

    def _told(self) -> dict[str, str]:
        """How far each table is: nothing, `after:KEY` or `done`."""
        marks = self._target.marks() or {}
        return {table.name: marks.get(f"at:{table.name}", "") for table in self._tables}

    def begin(self) -> None:
        """Empty the target's tables, which the migrations may have put rows into; not when it was begun already."""
        if any(self._positions.values()) or "begun" in (self._target.marks() or {}):
            return
        self._target.let_go()
        with self._target.writing():
            self._target.empty(self._tables)
            self._target.mark("begun", "1")

    def carry_all(self) -> None:
        """Carry every table, portion by portion."""
        for table in self._tables:
            while self._positions[table.name] != _DONE:
                self._step(table)

    def catch_up(self) -> int:
        """Carry what changed; how many rows that were."""
        return self._step(None)

    def _step(self, table: Table | None) -> int:
        with self._source.reading():
            changes = self._source.changes(self._name)
            gone, rows = self._changed(changes)
            portion = self._source.after(table, self._last(table), table.at_once) if table else []
        if not changes and table is None:
            return 0
        self._bring(one for place, some in [*rows, *([(table, portion)] if table else [])]
                    for one in named_blobs(place, some))  # fmt: skip
        self._hook("m3")
        last = f"after:{text_of(portion[-1][table.key_place])}" if table is not None and portion else _DONE
        with self._target.writing():
            self._apply(gone, rows)
            if table is not None:
                self._target.insert(table, portion)
                self._target.mark(f"at:{table.name}", last)
            self._hook("m4")
        if table is not None:
            self._positions[table.name] = last
        self._hook("m5")
        self._source.forget(self._name, changes)
        self._carried.rows += len(portion) + sum(len(some) for _, some in rows)
        self._watch.advance(len(portion))
        return len(changes)

    def _last(self, table: Table) -> Key | None:
        told = self._positions[table.name]
        return table.key_of(told.removeprefix("after:")) if told else None

    def _changed(self, changes: Sequence[Change]) -> tuple[list[tuple[Table, list[Key]]], Rows]:
        """Of what changed and was carried before: the keys, and the rows that are there now."""
        gone: list[tuple[Table, list[Key]]] = []
        rows: Rows = []
        for name, texts in grouped(changes).items():
            table = self._by_name.get(name)
            told = self._positions[name] if table is not None else ""
            if table is None or not told:
                continue
            last = None if told == _DONE else self._last(table)
            keys = [key for key in map(table.key_of, texts) if last is None or key <= last]  # type: ignore[operator]
            for some in batches(keys, _KEYS_AT_ONCE):
                gone.append((table, some))
                rows.append((table, self._source.rows(table, some)))
            self.touched.setdefault(name, set()).update(keys)
        return gone, rows

    def _apply(self, gone: Iterable[tuple[Table, list[Key]]], rows: Rows) -> None:
        """First all that goes, then all that comes: no two rows want the same place then."""
        for table, keys in gone:
            self._target.remove(table, keys)
        for table, some in rows:
            self._target.insert(table, some)

    def hold_on(self) -> None:
        """Once all is carried: rows demand each other again, and new ones get numbers nobody had."""
        self._target.hold_on()
        self.raise_highest()

    def raise_highest(self) -> None:
        """New rows get numbers that nobody had."""
        with self._target.writing():
            for table in self._tables:
                self._target.raise_highest(table, self._source.highest(table))

    def compare(self) -> dict[str, str]:
        """Catch up, and compare every row with the source as of that moment; the digest of each table.

        Raises PackhouseError (CONFLICT) for a table that differs.
        """
        with self._source.reading():
            changes = self._source.changes(self._name)
            gone, rows = self._changed(changes)
            self._bring(one for place, some in rows for one in named_blobs(place, some))
            with self._target.writing():
                self._apply(gone, rows)
            digests = {table.name: self._compared(table) for table in self._tables}
        self._source.forget(self._name, changes)
        self.touched.clear()
        return digests

    def _compared(self, table: Table) -> str:
        ours, theirs = Digest(table), Digest(table)
        for rows in all_rows(self._source, table):
            ours.add(rows)
            self._watch.advance(len(rows))
        for rows in all_rows(self._target, table):
            theirs.add(rows)
        if (ours.sha256, ours.count) != (theirs.sha256, theirs.count):
            raise _differs(table, f"{theirs.count} rows (sha256 {theirs.sha256}), expected {ours.count}")
        return ours.sha256

    def compare_touched(self) -> int:
        """Compare what changed since `compare`, and the number of rows of each table; how many rows were looked at.

        To be called when nobody writes any more. Raises PackhouseError (CONFLICT) for what differs.
        """
        looked = 0
        for table in self._tables:
            keys = sorted(self.touched.get(table.name, ()))
            for some in batches(keys, _KEYS_AT_ONCE):
                ours, theirs = (_digest(table, store.rows(table, some)) for store in (self._source, self._target))
                looked += len(some)
                if ours != theirs:
                    raise _differs(table, "other rows than the source")
            there, expected = self._target.count(table), self._source.count(table)
            if there != expected:
                raise _differs(table, f"{there} rows, expected {expected}")
        return looked


def _digest(table: Table, rows: list[Row]) -> str:
    made = Digest(table)
    made.add(sorted(rows, key=lambda row: row[table.key_place]))
    return made.sha256


def _differs(table: Table, how: str) -> PackhouseError:
    message = (
        f"The target's table {table.name} has {how}; begin again with an empty target"
        " after `packhouse move --undo`, and report it."
    )
    return refuse(Kind.CONFLICT, "move-differs", message)
