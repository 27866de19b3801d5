# SPDX-License-Identifier: Apache-2.0
"""Rows put back, and what a house that went back in time has to be told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from packhouse.catalogue import dumping
from packhouse.catalogue.activity.models import Session
from packhouse.catalogue.migrating import known_migrations
from packhouse.catalogue.models import Page
from packhouse.config import Settings
from packhouse.errors import Kind, refuse
from packhouse.services import notes
from packhouse.services.journal import (
    COMMAND,
    Clock,
    Entry,
    Fact,
    bump_access,
    last_serial,
    record,
    skip_to,
    take,
    write,
)
from packhouse.services.resources import Resources
from packhouse.storage.backup_file import damaged
from packhouse.storage.backup_reading import Manifest, newer

SKIP = 1_000_000
"""Serials left out after a restore when nobody says how many: more than were given since the backup."""


def demand_known(manifest: Manifest) -> None:
    """Refuse what a newer version wrote."""
    known = known_migrations()
    if any((app, name) not in known for pairs in manifest.migrations.values() for app, name in pairs):
        raise newer(manifest.version)


def demand_empty() -> None:
    """Refuse a PostgreSQL database that holds tables of ours."""
    if not dumping.is_empty_postgresql():
        message = "The PostgreSQL database holds tables of Packhouse already; name an empty one in PACKHOUSE_DATABASE."
        raise refuse(Kind.CONFLICT, "restore-not-empty", message)


def load_rows(manifest: Manifest, folder: Path, settings: Settings) -> None:
    """PostgreSQL: make the tables in an empty database and fill them."""
    dumping.make_tables(settings, manifest.migrations)
    try:
        dumping.load_postgresql(manifest.tables, dict(dumping.files_of_rows(folder / "rows")))
    except ValueError as error:
        raise damaged(str(error)) from None


def note_return(manifest: Manifest, clock: Clock, skip: int = SKIP) -> int:
    """Journal that the house went back in time, beyond every serial anybody may have seen; returns the new serial.

    Pages are made again, and every browser has to sign in anew: a session that was ended since would live again.
    """
    Session.objects.all().delete()
    return note_rolled_back(manifest.serial, manifest.serial + skip, {"backup_made_at": manifest.made_at}, clock)


def note_rolled_back(serial: int, seen: int, detail: dict[str, Any], clock: Clock) -> int:
    """Journal that the serials after `serial` up to `seen` were lost, if ever given; the next one comes after them."""
    with write():
        Page.objects.all().delete()
        moment = take(1, clock)
        if seen >= moment.last:
            moment = skip_to(seen + 1, moment)
        told = {"from_serial": serial, "skipped_to": moment.last - 1, **detail}
        record(moment, COMMAND, [Entry(Fact.RESTORED, detail=told)])
        bump_access()
    return moment.last


HIGH_WATER = "high-water"
"""The note, outside of the database, of the newest serial that was given: it tells when an older copy is put back."""


def mark_high_water(resources: Resources) -> None:
    """Note how far the journal is."""
    serial, data = last_serial(), resources.settings.data
    note = notes.read(data, HIGH_WATER)
    if note is None or note.get("serial") != serial:
        notes.keep(data, HIGH_WATER, {"at": resources.clock().isoformat(), "serial": serial})


def lost_serials(settings: Settings) -> int:
    """How many serials the database has gone back by since the note; 0 when it has not."""
    note = notes.read(settings.data, HIGH_WATER) or {}
    seen = note.get("serial")
    return max(0, seen - last_serial()) if isinstance(seen, int) else 0


def heed_high_water(settings: Settings, clock: Clock) -> int:
    """When an older database was put in the place of a newer one: journal it, beyond all serials given; how many."""
    lost = lost_serials(settings)
    if lost:
        serial = last_serial()
        note_rolled_back(serial, serial + lost + SKIP, {"lost": lost}, clock)
    return lost
