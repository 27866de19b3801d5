# SPDX-License-Identifier: Apache-2.0
"""The state of the server, for administrators: what is stored, when it was checked and backed up, what is wrong."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import connection

from packhouse import __version__
from packhouse.catalogue import queries
from packhouse.catalogue.activity.models import Scrub, ScrubFinding
from packhouse.catalogue.models import JournalEntry
from packhouse.config import Settings
from packhouse.services import notes, totals
from packhouse.services.journal import last_serial
from packhouse.services.totals import QUICK


@dataclass(frozen=True, slots=True)
class State:
    """Sizes are in bytes; what was never done is None."""

    version: str
    database: str
    serial: int
    projects: int
    files: int
    files_size: int
    people: int
    free: int
    blobs_folder: str
    scrub: Scrub | None
    findings: list[ScrubFinding]
    backup: dict[str, Any] | None
    continuous: dict[str, Any] | None
    drill: dict[str, Any] | None
    verified: dict[str, Any] | None
    restored: JournalEntry | None


def state_of(settings: Settings, quick: int = QUICK) -> State:
    """What can be said now; a dozen queries. A server of more than `quick` files says how much it held lately."""
    held = totals.held(quick)
    return State(
        version=__version__,
        database="PostgreSQL" if connection.vendor == "postgresql" else f"SQLite {sqlite_version()}",
        serial=last_serial(),
        projects=held.projects,
        files=held.files,
        files_size=held.size,
        people=held.people,
        free=_free(settings.blobs_folder),
        blobs_folder=str(settings.blobs_folder),
        scrub=Scrub.objects.filter(name="scrub").first(),
        findings=list(ScrubFinding.objects.order_by("-found_at")[:100]),
        backup=_dated(notes.read(settings.data, "last-backup")),
        continuous=_dated(notes.read(settings.data, "last-continuous")),
        drill=_dated(notes.read(settings.data, "last-drill")),
        verified=_dated(notes.read(settings.data, "last-verify")),
        restored=next(iter(queries.restorations()), None),
    )


def sqlite_version() -> str:
    """The version of the SQLite library in use."""
    from packhouse.storage.sqlite import library

    return str(library.sqlite_version)


def _free(folder: Path) -> int:
    for place in (folder, *folder.parents):
        if place.is_dir():
            return shutil.disk_usage(place).free
    return 0


def _dated(note: dict[str, Any] | None) -> dict[str, Any] | None:
    """A note with its time as one; None when it has none."""
    try:
        return None if note is None else note | {"at": datetime.fromisoformat(note["at"])}
    except (KeyError, TypeError, ValueError):
        return None
