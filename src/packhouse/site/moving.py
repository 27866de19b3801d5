# SPDX-License-Identifier: Apache-2.0
"""`packhouse move`: everything goes to another database and other storage, while the server goes on.

The source is watched from the beginning: what changes there is noted in it, and carried after. At the end it takes no
writes any more, the last changes are carried, and what changed last is compared; it stays as it is, and blocked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from secrets import token_hex

from packhouse.catalogue.tables import ALIASES, tables_of
from packhouse.config import Settings
from packhouse.errors import Kind, refuse
from packhouse.services import notes
from packhouse.services.carrying import BlobCarrier, Carried, Carrier, Named, named_blobs
from packhouse.services.maintenance import unnamed
from packhouse.services.resources import now
from packhouse.services.row_stores import row_stores, shown, storage_shown
from packhouse.services.watching import Watch
from packhouse.site.other_house import in_child
from packhouse.storage.blobs import LocalBlobs
from packhouse.storage.incoming import Hook, no_hook
from packhouse.storage.rows import RowStore, all_rows

NOTE = "moving"
"""The note in the data folder that a move is under way."""
WATCHED_AS = "move"
_NEAR = 100
"""Changes that are few enough for the last step."""
_ROUNDS = 20

Stores = dict[str, RowStore]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a move would do: rows by database, files with their bytes, and whether it was begun before."""

    settings: Settings
    target: Settings
    rows: int
    files: int
    size: int
    begun: bool

    @property
    def moves_rows(self) -> bool:
        """Whether the database is another."""
        return shown(self.settings) != shown(self.target) or self.settings.on_postgresql != self.target.on_postgresql

    @property
    def moves_files(self) -> bool:
        """Whether the files are kept elsewhere."""
        return storage_shown(self.settings) != storage_shown(self.target)


@dataclass(slots=True)
class Moved:
    """What a move did."""

    carried: Carried
    serial: int
    tables: int
    digests: dict[str, str]
    refused_seconds: float


def target_of(settings: Settings, database: str | None, storage: str | None) -> Settings:
    """The settings of the house after the move. Raises INVALID when that is where it is."""
    made = replace(settings, database=database or settings.database, storage=storage or settings.storage)
    if shown(made) == shown(settings) and storage_shown(made) == storage_shown(settings):
        message = "That is where everything is already; name another database with --to, or another --storage."
        raise refuse(Kind.INVALID, "move-nowhere", message)
    return made


def plan(settings: Settings, target: Settings) -> Plan:
    """Count what there is to move. Raises CONFLICT when the target holds something else."""
    with row_stores(settings) as source:
        note = notes.read(settings.data, NOTE)
        rows = sum(source[alias].count(table) for alias in ALIASES for table in tables_of(alias))
        files = list(_named(source["default"]))
        made = Plan(settings, target, rows, len(files), sum(one.size or 0 for one in files), note is not None)
        if made.moves_rows and (settings.on_postgresql or target.on_postgresql or target.catalogue_file.exists()):
            with _at(target) as stores:
                _demand_ours(stores, str((note or {}).get("id")), target)
    return made


@contextmanager
def _at(target: Settings) -> Iterator[Stores]:
    if not target.on_postgresql:
        target.catalogue_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with row_stores(target) as stores:
        yield stores


def _demand_ours(stores: Stores, identity: str, target: Settings) -> None:
    """Refuse a target that holds anything but what this very move put there."""
    for store in stores.values():
        if not store.is_new() and (store.marks() or {}).get("move") != identity:
            message = f"{shown(target)} holds tables already, and none of this move; name an empty database with --to."
            raise refuse(Kind.CONFLICT, "move-not-empty", message)


def _named(store: RowStore) -> Iterator[Named]:
    for table in tables_of("default"):
        if table.name in {"catalogue_file", "catalogue_upstreamfile"}:
            for rows in all_rows(store, table):
                yield from named_blobs(table, rows)


class Move:
    """One move, from where it was left. `tell` is given a line about each stage that ended."""

    def __init__(self, planned: Plan, watch: Watch, tell: Callable[[str], None], hook: Hook = no_hook) -> None:
        self._plan, self._watch, self._tell, self._hook = planned, watch, tell, hook
        self._settings, self._target = planned.settings, planned.target
        self._carried = Carried()

    def run(self, *, quick: bool = False) -> Moved:
        """Move everything. `quick`: the files of the target are not read once more.

        Raises PackhouseError when it can't go on; called again, it goes on where it was.
        """
        from packhouse import bootstrap

        note = notes.read(self._settings.data, NOTE) or {"id": token_hex(16), "at": now().isoformat()}
        notes.keep(self._settings.data, NOTE, note)
        here, there = bootstrap.blobs_of(self._settings), bootstrap.blobs_of(self._target)
        scratch = LocalBlobs(self._settings.blobs_folder)
        with row_stores(self._settings) as source:
            if self._plan.moves_files:
                self._watch.begin("stored files", self._plan.size)
                BlobCarrier(here, there, scratch, self._carried, self._watch).carry(_named(source["default"]))
                self._tell(f"{self._carried.blobs} stored files ({self._carried.size} bytes) are there.")
            later = BlobCarrier(here, there, scratch, self._carried, Watch())
            if not self._plan.moves_rows:
                return self._end_of_files(source, later)
            with _at(self._target) as target:
                self._make_target(source, target, str(note["id"]))
                carriers = [
                    Carrier(
                        source[alias], target[alias], tables_of(alias), WATCHED_AS,
                        bring=later.carry if self._plan.moves_files else lambda _: None,
                        carried=self._carried, hook=self._hook, watch=self._watch,
                    )
                    for alias in ALIASES
                ]  # fmt: skip
                return self._carry(source, target, carriers, quick=quick)

    def _make_target(self, source: Stores, target: Stores, identity: str) -> None:
        """The target is marked as ours and has its tables; the source is watched."""
        _demand_ours(target, identity, self._target)
        begun = any("begun" in (store.marks() or {}) for store in target.values())
        watched = all(source[alias].is_watched(WATCHED_AS, tables_of(alias)) for alias in ALIASES)
        if begun and not watched:
            message = (
                "The tables were altered since the move began, so that what changed is not known; take the target away,"
                " run `packhouse move --undo`, and begin again."
            )
            raise refuse(Kind.CONFLICT, "move-interrupted", message)
        for store in target.values():
            store.mark("move", identity)
        for alias in () if watched else ALIASES:
            source[alias].watch(WATCHED_AS, tables_of(alias))
        self._hook("m1")
        in_child(self._target, "tables")
        self._hook("m2")

    def _carry(self, source: Stores, target: Stores, carriers: list[Carrier], *, quick: bool) -> Moved:
        self._watch.begin("rows", self._plan.rows)
        for carrier in carriers:
            carrier.begin()
            carrier.carry_all()
            try:
                carrier.hold_on()
            except ValueError as error:
                message = f"Rows of this house name others that are not there ({error}); see `packhouse verify`."
                raise refuse(Kind.CONFLICT, "move-differs", message) from None
        self._catch_up(carriers)
        self._tell(f"{self._carried.rows} rows are there.")
        self._watch.begin("comparison", self._plan.rows)
        digests: dict[str, str] = {}
        for carrier in carriers:
            digests |= carrier.compare()
        self._tell(f"{len(digests)} tables have the same rows on both sides.")
        self._demand_whole()
        problems = in_child(self._target, "quick" if quick or not self._plan.moves_files else "verify")
        if problems:
            message = f"The target is not as it should be ({problems[0]['sentence']}); nothing was switched."
            raise refuse(Kind.CONFLICT, "move-target-failed", message)
        self._tell("The target was looked at by `packhouse verify`: all is right.")
        self._catch_up(carriers)
        self._hook("m6")
        return self._switch(source, target, carriers, digests)

    def _catch_up(self, carriers: list[Carrier]) -> None:
        for _ in range(_ROUNDS):
            if sum(carrier.catch_up() for carrier in carriers) < _NEAR:
                return

    def _switch(self, source: Stores, target: Stores, carriers: list[Carrier], digests: dict[str, str]) -> Moved:
        """From here on the source takes no writes."""
        begun = time.monotonic()
        for alias in reversed(ALIASES):
            if source[alias].blocked() is None:
                source[alias].block(tables_of(alias), self._note())
        self._hook("m7")
        for carrier in carriers:
            while carrier.catch_up():
                pass
            carrier.raise_highest()
        for carrier in carriers:
            carrier.compare_touched()
        self._demand_whole()
        serial = _serial(target)
        if serial != _serial(source):
            message = f"The target is at serial {serial}, the source at {_serial(source)}; report it."
            raise refuse(Kind.CONFLICT, "move-differs", message)
        self._hook("m8")
        for store in target.values():
            store.end_marks()
        seconds = time.monotonic() - begun
        self._settle(source)
        return Moved(self._carried, serial, len(digests), digests, seconds)

    def _end_of_files(self, source: Stores, later: BlobCarrier) -> Moved:
        """The database stays: what was uploaded meanwhile comes after, with the writers stopped."""
        self._demand_whole()
        begun = time.monotonic()
        if source["default"].blocked() is None:
            source["default"].block(tables_of("default"), self._note() | {"until": str(self._target.storage)})
        later.carry(_named(source["default"]))
        self._demand_whole()
        seconds = time.monotonic() - begun
        self._settle(source)
        return Moved(self._carried, _serial(source), 0, {}, seconds)

    def _note(self) -> dict[str, str]:
        return {"at": now().isoformat(), "database": shown(self._target), "storage": storage_shown(self._target)}

    def _demand_whole(self) -> None:
        """Refuse to go on without a file that a row names still."""
        lost = sorted(self._carried.missing.difference(unnamed(self._carried.missing)))
        if lost:
            message = (
                f"{len(lost)} stored files are missing or damaged here, {lost[0]} first; mend or purge them (see"
                " `packhouse verify`), and run the move again."
            )
            raise refuse(Kind.CONFLICT, "move-files-missing", message)

    def _settle(self, source: Stores) -> None:
        """What is left to do once all is there: the secrets of a folder of its own, and no watching any more."""
        folder = self._target.catalogue_file.parent
        if self._plan.moves_rows and not self._target.on_postgresql and folder != self._settings.data:
            for name in ("secret-key", "packhouse.toml"):
                if (self._settings.data / name).is_file():
                    _copy_private(self._settings, name, folder / name)
        for store in source.values():
            store.unwatch(WATCHED_AS)
        (self._settings.data / NOTE).unlink(missing_ok=True)


def _copy_private(settings: Settings, name: str, target: Path) -> None:
    """The signing key, and the settings without what names the old stores."""
    from packhouse.bootstrap import write_private

    text = (settings.data / name).read_text(encoding="utf-8")
    if name == "packhouse.toml":
        kept = [line for line in text.splitlines() if line.partition("=")[0].strip() not in {"database", "storage"}]
        text = "\n".join(kept) + "\n"
    write_private(target, text)


def _serial(stores: Stores) -> int:
    table = next(table for table in tables_of("default") if table.name == "catalogue_counter")
    (row,) = stores["default"].rows(table, ["serial"])
    return int(row[table.names.index("value")])


def undo(settings: Settings) -> bool:
    """Take the house back: end a move that was begun, and let a house that was moved take writes again."""
    with row_stores(settings) as source:
        was = notes.read(settings.data, NOTE) is not None
        for alias in ALIASES:
            was |= source[alias].blocked() is not None
            source[alias].unblock()
            source[alias].unwatch(WATCHED_AS)
        (settings.data / NOTE).unlink(missing_ok=True)
    return was


def heed_block(settings: Settings) -> str:
    """At a start: what is to be said of a house that was moved away, or nothing; its files may be here by now."""
    if not settings.on_postgresql and not settings.catalogue_file.exists():
        return ""
    with row_stores(settings) as stores:
        note = stores["default"].blocked()
        if note is None:
            return ""
        if note.get("until") and note["until"] == settings.storage:
            stores["default"].unblock()
            return ""
    return (
        f"This house was moved on {note['at']} to {note['database']} with its files in {note['storage']}. It goes on"
        " being read, and takes no writes: start with the new settings, or take it back with `packhouse move --undo`."
    )
