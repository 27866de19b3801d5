# SPDX-License-Identifier: Apache-2.0
"""Is everything that is kept as it should be? Reads only, beside a running server or without one.

Rows are compared as they were at one moment; blobs are read afterwards, a chunk of rows at a time, and what looks
wrong is looked up once more before it is said: files that are uploaded, deleted or purged meanwhile cause no alarm.
However much is kept, only chunks of it are in memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

from django.db import DatabaseError

from packhouse.catalogue import soundness
from packhouse.catalogue.rows import fetch_one
from packhouse.catalogue.snapshots import rows_after, snapshot
from packhouse.catalogue.soundness import Breach
from packhouse.domain.page import Page
from packhouse.errors import PackhouseError
from packhouse.services import pages
from packhouse.services.keeping import digest_of
from packhouse.services.maintenance import BATCH, unnamed
from packhouse.services.resources import Resources, now
from packhouse.services.watching import Watch
from packhouse.storage.blobs import Blobs

THREADS = 4
"""Blobs read at once."""
PAGES_AT_ONCE = 100

CURES = {
    "database-damaged": "Stop the server, keep a copy of the data folder, and restore the newest backup.",
    "reference-broken": "Restore the newest backup, or report it.",
    "check-failed": "See that the database can be read, and run `packhouse verify` again.",
    "blob-missing": "Upload the same file again, byte for byte, or take it from a backup.",
    "blob-damaged": "Upload the same file again, byte for byte, or take it from a backup; and look at the disk.",
    "blob-unreadable": "Look at the disk and at the rights of the folder.",
    "page-stale": "Ask for the page's project to be changed, or delete the row of the page: it is made again.",
}
"""What to do, by code; for all others: `OTHERWISE`."""
OTHERWISE = "Somebody or something wrote to the database beside Packhouse: restore the newest backup, or report it."


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong: a stable code, what it is about, one sentence that says what, another what to do."""

    code: str
    subject: str
    sentence: str

    @property
    def cure(self) -> str:
        """What to do about it."""
        return CURES.get(self.code, OTHERWISE)


@dataclass(slots=True)
class Tally:
    """What was looked at: counts, and sizes in bytes. `orphans` are blobs that no row names, which is harmless."""

    serial: int = 0
    entries: int = 0
    files: int = 0
    blobs: int = 0
    size: int = 0
    pages: int = 0
    orphans: int = 0
    orphan_size: int = 0


@dataclass(frozen=True, slots=True)
class Survey:
    """One verification: what is looked at, how, and what was counted so far."""

    resources: Resources
    quick: bool = False
    watch: Watch = field(default_factory=Watch)
    tally: Tally = field(default_factory=Tally)


def verify(survey: Survey) -> Iterator[Problem]:
    """Everything that is wrong, as it is found; a stage that can't be done is a problem itself."""
    for stage in (_structure, _rows, _pages, _blobs, _orphans):
        try:
            yield from stage(survey)
        except DatabaseError as error:
            name, reason = stage.__name__.strip("_"), " ".join(str(error).split())
            yield Problem("check-failed", name, f"Looking at the {name} broke off ({reason}).")


def _structure(survey: Survey) -> Iterator[Problem]:
    survey.watch.begin("databases", 2)
    for alias in ("default", "activity"):
        yield from _problems(soundness.structure_breaches(alias, quick=survey.quick))
        survey.watch.advance(1)


def _rows(survey: Survey) -> Iterator[Problem]:
    """The journal and the rules between rows, as of one moment."""
    survey.watch.begin("journal and rows", len(soundness.RULES) + 1)
    with snapshot():
        row = fetch_one("SELECT value FROM catalogue_counter WHERE name = 'serial'")
        survey.tally.serial = row[0] if row else 0
        seen = [0]
        yield from _problems(soundness.journal_breaches(seen))
        survey.tally.entries = seen[0]
        survey.watch.advance(1)
        for rule in soundness.RULES:
            yield from _problems(rule.breaches())
            survey.watch.advance(1)


def _problems(breaches: Iterable[Breach]) -> Iterator[Problem]:
    for breach in breaches:
        yield Problem(breach.code, breach.subject, breach.sentence)


def _pages(survey: Survey) -> Iterator[Problem]:
    """Every stored page against what is rendered now, a few in each snapshot."""
    survey.watch.begin("pages", fetch_one("SELECT count(*) FROM catalogue_page")[0])
    last = ("", "", "")
    while True:
        with snapshot():
            keys = pages.page_keys(last, PAGES_AT_ONCE)
            for key in keys:
                yield from _page(*key)
        survey.tally.pages += len(keys)
        survey.watch.advance(len(keys))
        if len(keys) < PAGES_AT_ONCE:
            return
        last = keys[-1]


def _page(index: str, project: str, kind: str) -> Iterator[Problem]:
    stored = pages.stored_page(index, project, kind)
    if stored is None or not stored.is_valid(now().timestamp()):
        return
    drawn = pages.drawn(index, project, kind)
    if drawn is None or _shown(stored) != _shown(drawn):
        where = f"{index}/{project} ({kind})"
        yield Problem("page-stale", where, f"The stored page {where} is not what its project and index make it now.")


def _shown(page: Page) -> tuple[object, ...]:
    """What an answer made of a page depends on, its times left out."""
    return page.serial, page.etag, page.audience, page.body, page.gzip, page.zstd, page.br


@dataclass(frozen=True, slots=True)
class Wanted:
    """A blob that a row names: `size` in bytes is None for metadata, of which the row doesn't say it."""

    file_id: int
    filename: str
    sha256: str
    size: int | None

    @property
    def words(self) -> str:
        """What it is, in a sentence."""
        return f"file {self.filename}" if self.size is not None else f"core metadata of {self.filename}"


_FILES = """
SELECT id, filename, sha256, size, metadata_sha256 FROM catalogue_file
WHERE id > %s AND purged_serial IS NULL ORDER BY id LIMIT %s"""


def wanted_blobs(tally: Tally, after: int = 0) -> Iterator[Wanted]:
    """The blobs of each file that was not purged, in the order of their rows."""
    for file_id, filename, sha256, size, metadata in rows_after(_FILES, after):
        tally.files += 1
        yield Wanted(file_id, filename, sha256, size)
        if metadata:
            yield Wanted(file_id, filename, metadata, None)


def _blobs(survey: Survey) -> Iterator[Problem]:
    """Every blob against its row, and unless it is to be quick against its digest, several at once."""
    (total,) = fetch_one("SELECT COALESCE(SUM(size), 0) FROM catalogue_file WHERE purged_serial IS NULL")
    survey.watch.begin("stored files", int(total))
    wanted = wanted_blobs(survey.tally)
    look = _measured if survey.quick else look_at
    for blob, problem in _side_by_side(wanted, lambda blob: look(survey.resources.blobs, blob)):
        survey.tally.blobs += 1
        survey.tally.size += blob.size or 0
        survey.watch.advance(blob.size or 0)
        if problem is not None and _still_named(blob):
            yield problem


def _side_by_side(
    wanted: Iterator[Wanted], look: Callable[[Wanted], Problem | None]
) -> Iterator[tuple[Wanted, Problem | None]]:
    """Look at blobs in several threads, in order, with no more than a few waiting."""
    with ThreadPoolExecutor(THREADS, thread_name_prefix="verify") as pool:
        running: deque[tuple[Wanted, Future[Problem | None]]] = deque()
        for blob in wanted:
            running.append((blob, pool.submit(look, blob)))
            if len(running) >= 8 * THREADS:
                first, future = running.popleft()
                yield first, future.result()
        while running:
            first, future = running.popleft()
            yield first, future.result()


def _still_named(blob: Wanted) -> bool:
    """Whether the row names the blob still: it may have been purged since it was read."""
    row = fetch_one("SELECT purged_serial FROM catalogue_file WHERE id = %s", blob.file_id)
    return row is not None and row[0] is None


def _measured(blobs: Blobs, blob: Wanted) -> Problem | None:
    """What is wrong with a blob as far as can be seen without reading it."""
    try:
        size = blobs.stat(blob.sha256)
    except (OSError, PackhouseError) as error:
        return _unreadable(blob, error)
    if size is None:
        return Problem("blob-missing", blob.sha256, f"The {blob.words} is gone: there is no blob {blob.sha256}.")
    if blob.size is not None and size != blob.size:
        message = f"The {blob.words} has {size} bytes instead of {blob.size} (blob {blob.sha256})."
        return Problem("blob-damaged", blob.sha256, message)
    return None


def look_at(blobs: Blobs, blob: Wanted) -> Problem | None:
    """What is wrong with a blob once all of it was read."""
    problem = _measured(blobs, blob)
    if problem is not None:
        return problem
    try:
        found = digest_of(blobs, blob.sha256)
    except (OSError, PackhouseError) as error:
        return _measured(blobs, blob) or _unreadable(blob, error)
    if found != blob.sha256:
        message = f"The {blob.words} is damaged: the blob {blob.sha256} has the sha256 {found}."
        return Problem("blob-damaged", blob.sha256, message)
    return None


def _unreadable(blob: Wanted, error: Exception) -> Problem:
    reason = getattr(error, "strerror", None) or str(error)
    return Problem("blob-unreadable", blob.sha256, f"The {blob.words} can't be read: {reason} (blob {blob.sha256}).")


def _orphans(survey: Survey) -> Iterator[Problem]:
    """Count the blobs that no row names; never a problem: an upload keeps its blobs before its rows."""
    survey.watch.begin("blobs nobody names", 0)
    blobs = survey.resources.blobs
    names = (sha256 for sha256, _ in blobs.kept())
    while batch := list(islice(names, BATCH)):
        for sha256 in unnamed(batch):
            survey.tally.orphans += 1
            survey.tally.orphan_size += blobs.stat(sha256) or 0
        survey.watch.advance(len(batch))
    yield from ()
