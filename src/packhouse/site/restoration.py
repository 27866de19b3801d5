# SPDX-License-Identifier: Apache-2.0
"""`packhouse restore`: a backup becomes a data folder.

Everything is unpacked below `restoring/` in the folder and moved up at the end, the signing key last; no server
starts on a folder that holds `restoring/`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from packhouse import config
from packhouse.config import Settings
from packhouse.errors import Kind, refuse
from packhouse.site.folder import RESTORING
from packhouse.storage.backup_file import disk_refusals
from packhouse.storage.backup_reading import Manifest, open_backup, unpack_blobs, unpack_rows

if TYPE_CHECKING:
    from packhouse.services.verifying import Problem
    from packhouse.services.watching import Watch


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put back: the manifest, the serial the house stands at now, and what is wrong with it."""

    manifest: Manifest
    serial: int
    problems: list[Problem]


def restore(file: Path, data: Path, watch: Watch, skip: int | None = None) -> Restored:
    """Put a backup into an empty folder. Raises PackhouseError when it can't be, and then leaves nothing behind."""
    with disk_refusals(file):
        source = file.open("rb")
    with source, workplace(data.absolute()) as work:
        done = _unpack(source, work, watch, skip)
        with disk_refusals(data):
            move_up(work)
    return done


@contextmanager
def workplace(data: Path) -> Iterator[Path]:
    """An empty folder below the data folder; nothing of it remains when the block fails."""
    with disk_refusals(data):
        made = not data.exists()
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(data.iterdir()):
            message = f"{data} is not empty; restore into a new folder, and remove what an earlier attempt left there."
            raise refuse(Kind.CONFLICT, "restore-not-empty", message, "data")
        data.chmod(0o700)
        work = data / RESTORING
        work.mkdir(mode=0o700)
    try:
        yield work
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        if made:
            data.rmdir()
        raise


def _unpack(source: BinaryIO, work: Path, watch: Watch, skip: int | None) -> Restored:
    os.umask(0o077)
    manifest, members = open_backup(source)
    watch.begin("databases", 1)
    with disk_refusals(work):
        unpack_rows(manifest, members, work)
    watch.advance(1)
    settings = config.load(data=work)
    from packhouse import bootstrap

    bootstrap.configure(_demand_fitting(settings, manifest))
    from packhouse.services import restoring

    restoring.demand_known(manifest)
    resources = bootstrap.resources(settings)
    with _database(settings, manifest, work):
        watch.begin("stored files", manifest.size)
        with disk_refusals(settings.blobs_folder):
            unpack_blobs(members, resources.blobs, watch.advance)
        done = settle(settings, manifest, skip)
    bootstrap.close_databases()
    return done


def _demand_fitting(settings: Settings, manifest: Manifest) -> Settings:
    """Refuse places outside of the folder that are taken, and a database of the other kind."""
    kind = "postgresql" if settings.on_postgresql else "sqlite"
    if kind != manifest.database:
        named = "an empty database: postgresql://..." if manifest.database == "postgresql" else "no PostgreSQL"
        message = (
            f"The backup is of {manifest.database}, the settings are of {kind}; name {named} in PACKHOUSE_DATABASE."
        )
        raise refuse(Kind.INVALID, "restore-other-database", message)
    taken = [file for file in (settings.blobs_folder, settings.activity_file, settings.catalogue_file) if file.exists()]
    outside = [file for file in taken if settings.data not in file.parents]
    if outside and not (outside[0].is_dir() and not any(outside[0].iterdir())):
        message = f"{outside[0]}, which the settings name, is there already; move it away first."
        raise refuse(Kind.CONFLICT, "restore-not-empty", message)
    return settings


@contextmanager
def _database(settings: Settings, manifest: Manifest, work: Path) -> Iterator[None]:
    """The databases in their place while the block fills the rest; taken away again when it fails."""
    from packhouse.catalogue import dumping
    from packhouse.services import restoring

    if not settings.on_postgresql:
        for name, place in (("catalogue.db", settings.catalogue_file), ("activity.db", settings.activity_file)):
            with disk_refusals(place):
                shutil.move(work / name, place)
        yield
        return
    restoring.demand_empty()
    try:
        restoring.load_rows(manifest, work, settings)
        yield
    except BaseException:
        dumping.drop_tables()
        raise


def settle(settings: Settings, manifest: Manifest, skip: int | None) -> Restored:
    """Bring the rows to this version, journal the return, and look at the result."""
    from packhouse import bootstrap
    from packhouse.catalogue.migrating import migrate
    from packhouse.services import restoring
    from packhouse.services.resources import now
    from packhouse.services.verifying import Survey, verify

    migrate(settings)
    serial = restoring.note_return(manifest, now, restoring.SKIP if skip is None else skip)
    problems = list(verify(Survey(bootstrap.resources(settings), quick=True)))
    return Restored(manifest, serial, problems)


_LAST = ("catalogue.db", "secret-key")
"""Moved up after all else: without its key a folder is none that a server was started on."""


def move_up(work: Path) -> None:
    """What was unpacked becomes the data folder, durably."""
    shutil.rmtree(work / "rows")
    (work / "lock").unlink(missing_ok=True)
    names = sorted(entry.name for entry in work.iterdir() if entry.name not in _LAST)
    for name in [*names, *_LAST]:
        if (work / name).exists():
            (work / name).rename(work.parent / name)
    work.rmdir()
    for folder in (work.parent, work.parent.parent):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
