# SPDX-License-Identifier: Apache-2.0
"""`packhouse restore PLACE --at MOMENT`: a continuous backup becomes a house as it was at a moment.

Rows are the same for every database, so that a house kept from PostgreSQL may come back in a folder, and the other
way round. As with any restore everything is unpacked below `restoring/` and moved up at the end.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packhouse import config
from packhouse.config import Settings
from packhouse.domain.moments import Named, read_moment
from packhouse.errors import Kind, refuse
from packhouse.site.restoration import Restored, move_up, settle, workplace
from packhouse.storage.backup_file import damaged, disk_refusals
from packhouse.storage.backup_reading import Manifest
from packhouse.storage.depots import Depot, depot_at
from packhouse.storage.states import State, StateReader, states, table_of

if TYPE_CHECKING:
    from packhouse.services.watching import Watch
    from packhouse.storage.rows import RowStore, Table


def is_depot(place: str) -> bool:
    """Whether a place given to `packhouse restore` is that of a continuous backup, not a file."""
    return "://" in place or Path(place).is_dir()


def recover(place: str, data: Path, watch: Watch, at: str | None = None, skip: int | None = None) -> Restored:
    """Put a house back as it was at a moment, or as late as it is known, into an empty folder.

    Raises PackhouseError when it can't be, and then leaves nothing behind.
    """
    from packhouse import bootstrap

    depot, named = depot_at(place), read_moment(at) if at else None
    with workplace(data.absolute()) as work:
        os.umask(0o077)
        chain = _chain(depot, named)
        base = StateReader(chain[0], depot.read(chain[0].name))
        with disk_refusals(work):
            for name, text in _texts(base).items():
                bootstrap.write_private(work / name, text)
            (work / "rows").mkdir()
        settings = config.load(data=work)
        bootstrap.configure(settings)
        done = _fill(settings, depot, chain, base, watch, skip)
        with disk_refusals(data):
            move_up(work)
    return done


def _chain(depot: Depot, named: Named | None) -> list[State]:
    """The base and the changes after it that lead to a moment, or to the last one kept."""
    there = states(depot)
    if not there:
        message = f"{depot.address} holds no continuous backup; name its place, or the file of a backup."
        raise refuse(Kind.MISSING, "depot-missing", message)
    wanted = [state for state in there if _is_within(state, named)]
    base = next((state for state in reversed(wanted) if state.is_base), None)
    if base is None:
        first = there[0]
        message = f"The oldest state kept is of {first.at:%Y-%m-%dT%H:%M:%SZ}, serial {first.serial}; name a later one."
        raise refuse(Kind.MISSING, "restore-too-early", message)
    chain = [base]
    for state in wanted:
        if state.number > base.number:
            if state.number != chain[-1].number + 1:
                raise damaged(f"number {chain[-1].number + 1} of {depot.address} is missing or there twice")
            chain.append(state)
    return chain


def _is_within(state: State, named: Named | None) -> bool:
    if named is None:
        return True
    if named.serial is not None:
        return state.serial <= named.serial
    return named.last is None or state.at <= named.last


def _texts(base: StateReader) -> dict[str, str]:
    """The signing key and the settings."""
    found = base.about.get("settings", {})
    return {name: str(found[name]) for name in ("secret-key", "packhouse.toml") if name in found}


def _fill(
    settings: Settings, depot: Depot, chain: list[State], base: StateReader, watch: Watch, skip: int | None
) -> Restored:
    """Tables as they were, then rows, then files."""
    from packhouse import bootstrap
    from packhouse.services import restoring
    from packhouse.services.row_stores import row_stores

    told, last = base.about, chain[-1]
    manifest = Manifest(
        version=str(told["version"]), made_at=last.at.isoformat(), serial=last.serial, serial_at=None, database="",
        migrations=told["migrations"], tables={}, blobs=0, size=0, members={},
    )  # fmt: skip
    restoring.demand_known(manifest)
    with _tables(settings, manifest):
        with row_stores(settings) as stores:
            _load(stores, depot, chain, base, watch)
            _bring_files(settings, stores, depot, base, watch)
        done = settle(settings, manifest, skip)
    bootstrap.close_databases()
    return done


@contextmanager
def _tables(settings: Settings, manifest: Manifest) -> Iterator[None]:
    """Empty tables as the version that was kept had them; taken away again when the block fails."""
    from packhouse import bootstrap
    from packhouse.catalogue import dumping
    from packhouse.services import restoring

    taken = [file for file in (settings.catalogue_file, settings.blobs_folder) if _holds(file)]
    if not settings.has_bucket and taken:
        message = f"{taken[0]}, which the settings name, is there already; move it away first."
        raise refuse(Kind.CONFLICT, "restore-not-empty", message)
    if settings.on_postgresql:
        restoring.demand_empty()
    try:
        dumping.make_tables(settings, manifest.migrations)
        bootstrap.close_databases()
        yield
    except BaseException:
        if settings.on_postgresql:
            dumping.drop_tables()
        raise


def _holds(path: Path) -> bool:
    return any(path.iterdir()) if path.is_dir() else path.exists()


def _load(stores: dict[str, RowStore], depot: Depot, chain: list[State], base: StateReader, watch: Watch) -> None:
    tables = _described(base)
    names = {table.name: table for some in tables.values() for table in some}
    highest: dict[str, int] = {}
    for alias, some in tables.items():
        stores[alias].let_go()
        with stores[alias].writing():
            stores[alias].empty(some)
    watch.begin("states", len(chain))
    for state in chain:
        reader = base if state is chain[0] else StateReader(state, depot.read(state.name))
        highest |= reader.about.get("highest", {})
        _apply(stores, reader, names)
        watch.advance(1)
    for alias, some in tables.items():
        store = stores[alias]
        try:
            store.hold_on()
        except ValueError as error:
            raise damaged(str(error)) from None
        with store.writing():
            for table in some:
                store.raise_highest(table, int(highest.get(table.name, 0)))
            store.end_marks()


def _described(base: StateReader) -> dict[str, list[Table]]:
    try:
        told: dict[str, list[dict[str, Any]]] = base.about["tables"]
        return {alias: [table_of(one) for one in told[alias]] for alias in ("activity", "default")}
    except (KeyError, TypeError, ValueError):
        raise damaged("its description can't be read") from None


def _apply(stores: dict[str, RowStore], reader: StateReader, names: dict[str, Table]) -> None:
    """One state: of a table whose rows change places, first all that goes, then all that comes."""
    if reader.is_base:
        for alias, table, _, rows in reader.portions(names):
            with stores[alias].writing():
                stores[alias].insert(table, rows)
        return
    portions = list(reader.portions(names))
    for alias, store in stores.items():
        with store.writing():
            for of, table, gone, _ in portions:
                if of == alias:
                    store.remove(table, gone)
            for of, table, _, rows in portions:
                if of == alias:
                    store.insert(table, rows)


def _bring_files(
    settings: Settings, stores: dict[str, RowStore], depot: Depot, base: StateReader, watch: Watch
) -> None:
    """Every file that a row names, each hashed on its way; one that the depot lacks is told by `verify`."""
    from packhouse import bootstrap
    from packhouse.services.carrying import BlobCarrier, Carried, named_blobs
    from packhouse.storage.blobs import LocalBlobs
    from packhouse.storage.rows import all_rows

    scratch = LocalBlobs(settings.blobs_folder)
    carrier = BlobCarrier(depot.blobs(settings.blobs_folder), bootstrap.blobs_of(settings), scratch, Carried(), watch)
    table = next(table for table in _described(base)["default"] if table.name == "catalogue_file")
    sizes = (int(row[table.names.index("size")]) for rows in all_rows(stores["default"], table) for row in rows)
    watch.begin("stored files", sum(sizes))
    for rows in all_rows(stores["default"], table):
        carrier.carry(one for one in named_blobs(table, rows) if one.needed)
