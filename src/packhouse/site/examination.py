# SPDX-License-Identifier: Apache-2.0
"""What `packhouse doctor` looks at. Each check is a function that finds things and changes nothing that lasts."""

from __future__ import annotations

import os
import resource
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packhouse import __version__
from packhouse.config import Settings
from packhouse.errors import PackhouseError
from packhouse.site.folder import lock_holder
from packhouse.storage import sqlite
from packhouse.storage.probing import probe

if TYPE_CHECKING:
    from packhouse.services.state import State

LOW_DISK = 1024**3
LEAST_DISK = 64 * 1024**2
SLOW_FSYNC = 0.1
LEAST_DESCRIPTORS = 1024
LARGEST_CHECKED = 512 * 1024**2
"""A database larger than this is not read through, which would take minutes."""


SCRUBBED_WITHIN = 40
"""Days; a turn of the scrub takes 30 at most."""


class Grade(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence on one thing."""

    grade: Grade
    sentence: str


Findings = Iterator[Finding]
Check = Callable[[Settings], Findings]


def examine(settings: Settings) -> Findings:
    """All findings; a check that breaks off is a finding itself."""
    for check in CHECKS:
        try:
            yield from check(settings)
        except Exception as error:  # noqa: BLE001 - a doctor must not faint
            yield Finding(Grade.FAIL, f"{check.__name__.strip('_').replace('_', ' ')}: {error}")


def _versions(settings: Settings) -> Findings:
    python = ".".join(map(str, sys.version_info[:3]))
    yield Finding(Grade.OK, f"Packhouse {__version__}, Python {python}")
    version, fixed = sqlite.library.sqlite_version, ".".join(map(str, sqlite.FIXED))
    if sqlite.is_safe():
        yield Finding(
            Grade.OK, f"SQLite {version} ({sqlite.library.__name__}) has the fix for the WAL-reset corruption"
        )
    else:
        yield Finding(
            Grade.WARN,
            f"SQLite {version} lacks the fix for the WAL-reset corruption, which {fixed} has; install pysqlite3",
        )


def _folder(settings: Settings) -> Findings:
    for path in [settings.data, *sorted(settings.data.iterdir())]:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            yield Finding(Grade.WARN, f"{path} may be read by others (mode {mode:o}); run chmod go-rwx on it")
    if not os.access(settings.data, os.W_OK | os.X_OK):
        yield Finding(Grade.FAIL, f"{settings.data} can't be written to by this user")
    else:
        yield Finding(Grade.OK, f"{settings.data} can be written to")


def _disk(settings: Settings) -> Findings:
    for folder in dict.fromkeys([settings.data, _existing(settings.blobs_folder)]):
        free = shutil.disk_usage(folder).free
        grade = Grade.FAIL if free < LEAST_DISK else Grade.WARN if free < LOW_DISK else Grade.OK
        yield Finding(grade, f"{free / 1024**3:.1f} GiB free for {folder}")
        left = os.statvfs(folder)
        if left.f_files and left.f_favail < left.f_files // 100:
            yield Finding(Grade.WARN, f"fewer than 1 % of the inodes for {folder} are free")


def _existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder


def _durable_writes(settings: Settings) -> Findings:
    folder = _existing(settings.blobs_folder)
    begun = time.perf_counter()
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        file.write(b"x" * 4096)
        file.flush()
        os.fsync(file.fileno())
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    took = time.perf_counter() - begun
    grade = Grade.WARN if took > SLOW_FSYNC else Grade.OK
    yield Finding(grade, f"a small durable write takes {took * 1000:.1f} ms in {folder}")


def _bucket(settings: Settings) -> Findings:
    if settings.has_bucket and settings.storage is not None:
        found = probe(settings.storage)
        yield Finding(Grade.FAIL if found.failure else Grade.OK, f"bucket {settings.storage}: {found.sentence}")


def _descriptors(settings: Settings) -> Findings:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < LEAST_DESCRIPTORS:
        yield Finding(Grade.WARN, f"only {hard} open files are allowed; {LEAST_DESCRIPTORS} or more are better")


def _server(settings: Settings) -> Findings:
    holder = lock_holder(settings.data)
    yield Finding(Grade.OK, f"a server runs (process {holder})" if holder else "no server runs")


def _databases(settings: Settings) -> Findings:
    if settings.on_postgresql:
        return
    for file in (settings.catalogue_file, settings.activity_file):
        connection = sqlite.connect_read_only(file)
        try:
            yield from _database(file, connection)
        finally:
            connection.close()


def _database(file: Path, connection: Any) -> Findings:
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    if mode != "wal":
        yield Finding(Grade.FAIL, f"{file} has the journal mode {mode}, expected wal; start `packhouse serve` once")
    if file.stat().st_size > LARGEST_CHECKED:
        yield Finding(Grade.OK, f"{file} is too large to be read through here; its structure was not checked")
        return
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict == "ok":
        yield Finding(Grade.OK, f"{file.name} is whole ({file.stat().st_size} bytes)")
    else:
        yield Finding(Grade.FAIL, f"{file} is damaged ({verdict}); restore it from a backup")


def _migrations(settings: Settings) -> Findings:
    from packhouse.catalogue.migrating import demand_current

    try:
        demand_current(settings)
    except PackhouseError as error:
        yield Finding(Grade.FAIL, error.message)
    else:
        yield Finding(Grade.OK, "the databases are of this version")


def _facts(settings: Settings) -> Findings:
    from packhouse.catalogue import queries
    from packhouse.catalogue.models import File, JournalEntry, Project, Token, User
    from packhouse.services.journal import last_serial

    serial, entries = last_serial(), JournalEntry.objects.count()
    details = [entry.detail for entry in queries.restorations()]
    skipped = sum(detail["skipped_to"] - detail["from_serial"] for detail in details)
    if entries == serial - skipped:
        yield Finding(Grade.OK, f"the journal has {entries} entries and no gap")
    else:
        yield Finding(Grade.FAIL, f"the journal has {entries} entries, but the newest serial is {serial}")
    projects = Project.objects.filter(deleted_serial=None).count()
    people, tokens = User.objects.filter(is_active=True), Token.objects.filter(deleted_at=None)
    yield Finding(
        Grade.OK,
        f"{_counted(projects, 'project')}, {_counted(File.objects.count(), 'file')},"
        f" {_counted(people.count(), 'account')}, {_counted(tokens.count(), 'token')}",
    )
    if not people.filter(is_admin=True).exists():
        yield Finding(Grade.WARN, f"there is no administrator yet; the link is in {settings.data / 'first-admin'}")


def _keeping(settings: Settings) -> Findings:
    from packhouse.services.resources import now
    from packhouse.services.restoring import lost_serials
    from packhouse.services.state import state_of

    state = state_of(settings)
    for finding in state.findings:
        yield Finding(Grade.FAIL, f"{finding.sentence} Upload the same file again, or take it from a backup.")
    if state.scrub is None or state.scrub.finished_at is None:
        yield Finding(Grade.OK, "the scrub has not read every stored file yet")
    else:
        days = (now() - state.scrub.finished_at).days
        grade = Grade.WARN if days > SCRUBBED_WITHIN else Grade.OK
        yield Finding(grade, f"the scrub read every stored file {_counted(days, 'day')} ago")
    yield from _backups(state)
    lost = lost_serials(settings)
    if lost:
        yield Finding(Grade.FAIL, f"the database is older than it was: {lost} serials are lost; put the newer one back")
    if state.restored is not None:
        yield Finding(
            Grade.OK, f"the server was restored on {state.restored.at:%Y-%m-%d}: what came later is not there"
        )


def _backups(state: State) -> Findings:
    if state.continuous is not None:
        yield Finding(Grade.OK, f"the continuous backup has everything up to serial {state.continuous['serial']}")
    if state.drill is not None:
        bad = state.drill["problems"]
        outcome = f"found {_counted(bad, 'problem')}" if bad else f"had all back after {state.drill['seconds']} s"
        grade = Grade.FAIL if bad else Grade.OK
        yield Finding(grade, f"the restore drill of {state.drill['at']:%Y-%m-%d %H:%M} UTC {outcome}")
    if state.backup is None and state.continuous is None:
        yield Finding(Grade.WARN if state.files else Grade.OK, "no backup was made yet; run `packhouse backup FILE`")
    elif state.backup is not None:
        yield Finding(Grade.OK, f"the last backup is of {state.backup['at']:%Y-%m-%d %H:%M} UTC")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


CHECKS: tuple[Check, ...] = (
    _versions,
    _folder,
    _disk,
    _durable_writes,
    _bucket,
    _descriptors,
    _server,
    _databases,
    _migrations,
    _facts,
    _keeping,
)
