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
from packhouse.catalogue.activity.models import Scrub, ScrubFinding
from packhouse.catalogue.models import File, JournalEntry, Project, User
from packhouse.catalogue.rows import fetch_one
from packhouse.config import Settings
from packhouse.services import notes
from packhouse.services.journal import Fact, last_serial


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
    verified: dict[str, Any] | None
    restored: JournalEntry | None


def state_of(settings: Settings) -> State:
    """What can be said now; a dozen queries."""
    (size,) = fetch_one("SELECT COALESCE(SUM(size), 0) FROM catalogue_file WHERE purged_serial IS NULL")
    return State(
        version=__version__,
        database="PostgreSQL" if connection.vendor == "postgresql" else f"SQLite {sqlite_version()}",
        serial=last_serial(),
        projects=Project.objects.filter(deleted_serial=None).count(),
        files=File.objects.filter(purged_serial=None).count(),
        files_size=int(size),
        people=User.objects.filter(is_active=True).count(),
        free=_free(settings.blobs_folder),
        blobs_folder=str(settings.blobs_folder),
        scrub=Scrub.objects.filter(name="scrub").first(),
        findings=list(ScrubFinding.objects.order_by("-found_at")[:100]),
        backup=_dated(notes.read(settings.data, "last-backup")),
        verified=_dated(notes.read(settings.data, "last-verify")),
        restored=JournalEntry.objects.filter(kind=Fact.RESTORED).order_by("-serial").first(),
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
