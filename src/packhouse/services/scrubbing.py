# SPDX-License-Identifier: Apache-2.0
"""The scrub: every stored file is read again and compared with its digest, slowly, in the background.

A turn goes through the files in the order of their rows; where it stands is kept, so that a restart goes on. The rate
is what a turn within `TURN` needs, at least `SLOWEST`; a new turn begins a day after the last one began at the
earliest. A damaged blob is set aside, so that nobody is served wrong bytes; the same file uploaded again mends it.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from packhouse.catalogue.activity.models import Scrub, ScrubFinding
from packhouse.catalogue.rows import fetch_one
from packhouse.services.journal import Actor, Entry, Fact, record, take, write
from packhouse.services.keeping import names_of
from packhouse.services.resources import Resources
from packhouse.services.verifying import Problem, Tally, Wanted, look_at, wanted_blobs

_log = logging.getLogger(__name__)

TURN = timedelta(days=30)
"""In which a turn ends, however much there is."""
SLOWEST = 1024 * 1024
"""Bytes per second, at least."""
REST = timedelta(days=1)
"""Between the beginnings of two turns."""
LONGEST_PAUSE = timedelta(minutes=5)
"""The time one step makes up for at most, after the server was down."""
SYSTEM = Actor(via="scrub")


def step(resources: Resources) -> int:
    """Read as much as is due since the last step; returns how many blobs were looked at."""
    now = resources.clock()
    _look_again(resources)
    scrub, _ = Scrub.objects.get_or_create(name="scrub", defaults={"begun_at": now, "stepped_at": now})
    if scrub.resting:
        if now < scrub.begun_at + REST:
            return 0
        _begin(scrub, now)
    budget = int(_rate() * min(now - scrub.stepped_at, LONGEST_PAUSE).total_seconds()) - scrub.debt
    scrub.stepped_at = now
    looked = 0
    if budget > 0:
        looked, budget = _read(resources, scrub, budget)
    scrub.debt = max(0, -budget)
    scrub.save()
    return looked


def _begin(scrub: Scrub, now: datetime) -> None:
    scrub.position, scrub.blobs, scrub.size, scrub.debt = 0, 0, 0, 0
    scrub.begun_at, scrub.stepped_at, scrub.resting = now, now - timedelta(minutes=1), False


def _rate() -> float:
    """Bytes per second."""
    (total,) = fetch_one("SELECT COALESCE(SUM(size), 0) FROM catalogue_file WHERE purged_serial IS NULL")
    return max(SLOWEST, float(total) / TURN.total_seconds())


def _read(resources: Resources, scrub: Scrub, budget: int) -> tuple[int, int]:
    """Look at the next files until the budget (bytes) is used up; how many blobs, and what is left (or below 0)."""
    looked, last = 0, scrub.position
    for blob in wanted_blobs(Tally(), scrub.position):
        if budget <= 0 and blob.file_id != last:
            scrub.position = last
            return looked, budget
        _look(resources, blob)
        size = resources.blobs.stat(blob.sha256) or 0
        looked, last, budget = looked + 1, blob.file_id, budget - max(size, 4096)
        scrub.blobs += 1
        scrub.size += size
    scrub.position, scrub.resting, scrub.finished_at = last, True, resources.clock()
    return looked, 0


def _look(resources: Resources, blob: Wanted) -> None:
    """Compare one blob; what is wrong twice in a row, the second time read from the disk itself, is noted."""
    problem = look_at(resources.blobs, blob)
    if problem is None or _purged(blob):
        return
    resources.blobs.forget_cached(blob.sha256)
    problem = look_at(resources.blobs, blob)
    if problem is None:
        return
    if problem.code == "blob-damaged":
        resources.blobs.set_aside(blob.sha256)
    _note(resources, problem)


def _purged(blob: Wanted) -> bool:
    row = fetch_one("SELECT purged_serial FROM catalogue_file WHERE id = %s", blob.file_id)
    return row is None or row[0] is not None


def _note(resources: Resources, problem: Problem) -> None:
    """Log and journal a finding, once."""
    files = names_of(problem.subject)
    found = {"code": problem.code, "sentence": problem.sentence[:1000], "found_at": resources.clock()}
    _, new = ScrubFinding.objects.get_or_create(sha256=problem.subject, defaults=found)
    if new:
        _log.error("the scrub found %s: %s", problem.code, problem.sentence)
        _journal(resources, Fact.BLOB_DAMAGED, problem.subject, files)


def _look_again(resources: Resources) -> None:
    """Take back findings about blobs that are whole again, or are wanted no more."""
    for finding in ScrubFinding.objects.order_by("found_at")[:100]:
        files = names_of(finding.sha256)
        whole = look_at(resources.blobs, Wanted(0, "", finding.sha256, None)) is None
        if whole or not files:
            finding.delete()
            if whole:
                _journal(resources, Fact.BLOB_MENDED, finding.sha256, files)


def _journal(resources: Resources, fact: Fact, sha256: str, files: list[str]) -> None:
    with write():
        moment = take(1, resources.clock)
        record(moment, SYSTEM, [Entry(fact, detail={"sha256": sha256, "files": files[:100]})])
