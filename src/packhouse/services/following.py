# SPDX-License-Identifier: Apache-2.0
"""A continuous backup: a base of all rows once a day, and every second what changed since; files as they come.

The database notes which rows change (`storage.rows`). A step reads those rows as of one moment, keeps the files they
name, then the rows, and only then lets the database forget. Whoever is killed does the step again: rows kept twice
are the same rows.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from secrets import token_hex
from typing import Any

from packhouse import __version__
from packhouse.catalogue.dumping import migrations
from packhouse.catalogue.tables import ALIASES, tables_of
from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.services import notes
from packhouse.services.carrying import BlobCarrier, Carried, Named, named_blobs
from packhouse.services.maintenance import unnamed
from packhouse.services.resources import Resources
from packhouse.services.row_stores import row_stores
from packhouse.services.watching import Watch
from packhouse.storage.blobs import LocalBlobs
from packhouse.storage.depots import Depot, depot_at
from packhouse.storage.rows import Change, Row, RowStore, Table, all_rows, batches, grouped
from packhouse.storage.states import FORMAT, State, StateWriter, name_of, states, told_of
from packhouse.upstream.errors import UnreachableError

NOTE = "last-continuous"
WATCHED_AS = "backup"
EVERY = 1.0
"""Seconds between two looks at what changed."""
CALM = 60.0
"""Seconds that what happens around the facts (counts of downloads, last uses) may wait when no fact changes."""
BASE_EVERY = timedelta(days=1)
TELL_EVERY = 10.0
"""Seconds after which the depot is told that nothing has changed."""
_KEYS_AT_ONCE = 500
_LAST, _NEXT = _MARKS = ("backup", "backup-next")
"""Notes in the database: the names of the state kept last, and of the one after it."""
_DESCRIPTION, SEEN, _UNNAMED = "packhouse-depot.json", "seen.json", "unnamed.json"


def read_json(depot: Depot, name: str) -> dict[str, Any]:
    """A small note in the depot; empty when there is none."""
    try:
        told = json.loads(b"".join(depot.read(name)))
    except PackhouseError as error:
        if error.kind is Kind.MISSING:
            return {}
        raise
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


@dataclass
class Following:
    """One house and the depot it is kept in, for one thread; connections are opened at the first step."""

    resources: Resources
    address: str
    watch: Watch = field(default_factory=Watch)

    def __post_init__(self) -> None:
        """Nothing is asked of anybody yet."""
        self._depot = depot_at(self.address, self.resources.hook)
        self._open = ExitStack()
        self._stores: dict[str, RowStore] | None = None
        self._number = 0
        self._base: State | None = None
        self._writer = token_hex(16)  # of those who take themselves for one house, the last to begin goes on
        self._told = self._kept = 0.0  # on the monotonic clock

    def close(self) -> None:
        """End the connections."""
        self._open.close()
        self._stores = None

    def catch_up(self, stop: threading.Event) -> None:
        """See `jobs.worker.Following`: one step. Raises UnreachableError for what is logged and tried again."""
        try:
            if not stop.is_set():
                self.step()
        except PackhouseError as error:
            self.close()
            raise UnreachableError(error.faults[0].message) from error
        except BaseException:
            self.close()
            raise

    def step(self) -> State | None:
        """Keep what changed; what was kept, None when nothing was to be. Raises PackhouseError."""
        stores = self._stores or self._begin()
        if self._base is None or self.resources.clock() - self._base.at > BASE_EVERY:
            self._base = self._keep_base(stores)
            self._clear()
            return self._base
        kept = self._keep_changes(stores)
        if kept is None and time.monotonic() - self._told > TELL_EVERY:
            self._tell(self.resources.clock())
        return kept

    def _begin(self) -> dict[str, RowStore]:
        """Open everything, and see whether the depot goes on where the database's notes begin."""
        stores = self._open.enter_context(row_stores(self.resources.settings))
        there, marks = states(self._depot), stores["default"].marks() or {}
        if there and there[-1].name not in {marks.get(mark) for mark in _MARKS}:
            raise self._not_ours()
        self._number = max((state.number for state in there), default=0)
        self._put_json(_DESCRIPTION, {"format": FORMAT, "writer": self._writer})
        watched = all(stores[alias].is_watched(WATCHED_AS, tables_of(alias)) for alias in ALIASES)
        self._base = next((state for state in reversed(there) if state.is_base), None) if watched else None
        if not watched:
            for alias in ALIASES:
                stores[alias].watch(WATCHED_AS, tables_of(alias))
        self._stores = stores
        return stores

    def _not_ours(self) -> PackhouseError:
        """Whose newest state our database does not know holds another's: or a copy's of ours, as after a restore."""
        message = (
            f"{self._depot.address} is the backup of another house, or of a copy of this one; name another place in"
            " PACKHOUSE_BACKUP."
        )
        return refuse(Kind.CONFLICT, "depot-not-ours", message)

    def _keep_changes(self, stores: dict[str, RowStore]) -> State | None:
        taken: dict[str, list[Change]] = {}
        serial, at = 0, self.resources.clock()
        found: list[tuple[str, Table, list[Any], list[Row]]] = []
        for alias in ALIASES:  # what happens around the facts first: see catalogue.tables
            with stores[alias].reading():
                taken[alias] = stores[alias].changes(WATCHED_AS)
                found += [(alias, *one) for one in _changed(stores[alias], tables_of(alias), taken[alias])]
                serial, at = _serial(stores, alias), self.resources.clock()
        if not any(taken.values()) or (not taken["default"] and time.monotonic() - self._kept < CALM):
            return None
        self._carry(one for _, table, _, rows in found for one in named_blobs(table, rows))
        with self._writing() as (writer, file):
            highest = {table.name: stores[alias].highest(table) for alias, table, _, _ in found}
            writer.line({"format": FORMAT, "version": __version__, "highest": highest})
            for alias, table, gone, rows in found:
                writer.rows(alias, table, gone, rows)
            writer.end()
            return self._put(file, stores, taken, is_base=False, at=at, serial=serial)

    def _keep_base(self, stores: dict[str, RowStore]) -> State:
        """All rows, as of one moment, and before them every file they name."""
        if self._base is None:  # later on they have come with the rows that name them
            self._carry_all(stores["default"])
        taken: dict[str, list[Change]] = {}
        named: list[Named] = []
        with self._writing() as (writer, file):
            with ExitStack() as reading:
                for alias in ALIASES:
                    reading.enter_context(stores[alias].reading())
                    taken[alias] = stores[alias].changes(WATCHED_AS)
                serial, at = _serial(stores, "default"), self.resources.clock()
                writer.line(self._about(stores))
                for alias in ALIASES:
                    for table in tables_of(alias):
                        for rows in all_rows(stores[alias], table):
                            writer.rows(alias, table, [], rows)
                for _, table, _, rows in (
                    (0, *one) for one in _changed(stores["default"], tables_of("default"), taken["default"])
                ):
                    named += named_blobs(table, rows)
            writer.end()
            self._carry(iter(named))  # those that came while the others were copied
            return self._put(file, stores, taken, is_base=True, at=at, serial=serial)

    def _carry_all(self, store: RowStore) -> None:
        table = next(table for table in tables_of("default") if table.name == "catalogue_file")
        self.watch.begin("stored files", store.count(table))
        for rows in all_rows(store, table):
            self._carry(named_blobs(table, rows))
            self.watch.advance(len(rows))

    def _about(self, stores: dict[str, RowStore]) -> dict[str, Any]:
        data = self.resources.settings.data
        return {
            "format": FORMAT,
            "version": __version__,
            "migrations": migrations(),
            "tables": {alias: [told_of(table) for table in tables_of(alias)] for alias in ALIASES},
            "highest": {t.name: stores[alias].highest(t) for alias in ALIASES for t in tables_of(alias)},
            "settings": {
                name: (data / name).read_text(encoding="utf-8")
                for name in ("secret-key", "packhouse.toml")
                if (data / name).is_file()
            },
        }

    def _carry(self, wanted: Iterator[Named]) -> None:
        """Files before rows; those kept of upstreams can be had again. A missing one is told by `verify`."""
        settings = self.resources.settings
        there = self._depot.blobs(settings.blobs_folder)
        carrier = BlobCarrier(self.resources.blobs, there, LocalBlobs(settings.blobs_folder), Carried(), Watch())
        carrier.carry(one for one in wanted if one.needed)

    @contextmanager
    def _writing(self) -> Iterator[tuple[StateWriter, Path]]:
        with tempfile.TemporaryDirectory(dir=self.resources.settings.data, prefix=".following-") as folder:
            file = Path(folder) / "state"
            yield StateWriter(file), file

    def _put(
        self, file: Path, stores: dict[str, RowStore], taken: dict[str, list[Change]], *, is_base: bool, at: datetime,
        serial: int,
    ) -> State:  # fmt: skip
        name = name_of(file, is_base=is_base, number=self._number + 1, at=at, serial=serial)
        if read_json(self._depot, _DESCRIPTION).get("writer") != self._writer:
            raise self._not_ours()
        with stores["default"].writing():  # so that who is killed after the next line knows its own state
            stores["default"].mark(_NEXT, name)
        self._depot.put(name, file)
        self._number += 1
        self.resources.hook("b2")
        stores["activity"].forget(WATCHED_AS, taken["activity"])
        with stores["default"].writing():
            stores["default"].forget(WATCHED_AS, taken["default"])
            stores["default"].mark(_LAST, name)
        self._kept = time.monotonic()
        self._tell(at)
        state = State.of(name)
        assert state is not None  # noqa: S101 - we have just made the name
        notes.keep(self.resources.settings.data, NOTE, {
            "at": at.isoformat(), "serial": serial, "place": self._depot.address, "number": self._number,
        })  # fmt: skip
        return state

    def _tell(self, at: datetime) -> None:
        """Say in the depot that it has everything up to now."""
        self._put_json(SEEN, {"at": at.isoformat()})
        self._told = time.monotonic()

    def _put_json(self, name: str, told: dict[str, Any]) -> None:
        with tempfile.TemporaryDirectory(dir=self.resources.settings.data, prefix=".following-") as folder:
            file = Path(folder) / "note"
            file.write_text(json.dumps(told) + "\n", encoding="utf-8")
            self._depot.put(name, file)

    def _clear(self) -> None:
        """Remove states beyond the days that are kept, and files that no row has named for as long."""
        limit = self.resources.clock() - timedelta(days=self.resources.settings.backup_days)
        there = states(self._depot)
        bases = [state for state in there if state.is_base]
        first = next((state for state in reversed(bases) if state.at <= limit), bases[0])
        for state in there:
            if state.number < first.number:
                self._depot.delete(state.name)
        since, blobs = read_json(self._depot, _UNNAMED), self._depot.blobs(self.resources.settings.blobs_folder)
        now, still = self.resources.clock().timestamp(), {}
        for some in batches((sha256 for sha256, _ in blobs.kept()), _KEYS_AT_ONCE):
            for sha256 in unnamed(some):
                still[sha256] = since.get(sha256, now)
                if still[sha256] < limit.timestamp():
                    blobs.delete(sha256)
                    del still[sha256]
        self._put_json(_UNNAMED, still)


def _changed(
    store: RowStore, tables: Sequence[Table], changes: Sequence[Change]
) -> Iterator[tuple[Table, list[Any], list[Row]]]:
    """The keys that changed, and the rows that are there now."""
    by_name = {table.name: table for table in tables}
    for name, texts in grouped(changes).items():
        table = by_name.get(name)
        if table is not None:
            for some in batches(map(table.key_of, texts), _KEYS_AT_ONCE):
                yield table, some, store.rows(table, some)


def _serial(stores: dict[str, RowStore], alias: str) -> int:
    if alias != "default":
        return 0
    table = next(table for table in tables_of("default") if table.name == "catalogue_counter")
    (row,) = stores["default"].rows(table, ["serial"])
    return int(row[table.names.index("value")])
