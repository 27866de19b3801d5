# SPDX-License-Identifier: Apache-2.0
"""Purging the caches in front: at once after a commit, and once more by a follower of the journal, until it is done.

The first is what makes the next request see a change; it is given up for a while when a cache does not answer. The
second loses nothing, and takes away what a cache had been fetching while the change was made.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable

from django.db import DatabaseError
from django.db.models import Exists, OuterRef

from packhouse.catalogue.activity.models import JobPosition
from packhouse.catalogue.models import Index, JournalEntry, Placement
from packhouse.config import Settings
from packhouse.domain.headers import index_key, project_key, root_key
from packhouse.services.indexes import indexes_above
from packhouse.services.journal import Entry, last_serial
from packhouse.services.resources import now
from packhouse.upstream.caches import Caches
from packhouse.upstream.errors import UnreachableError

_log = logging.getLogger(__name__)

FOLLOWER = "purge"
BATCH = 500
"""Journal entries read at once."""
FAR = 5_000
"""Entries behind which everything is purged instead of each project."""
REST = 10.0
"""Seconds for which nobody waits for a cache that did not answer."""

Change = tuple[str, str]
"""Index and project (normalized) of a journal entry, "" where it has none."""


class Purging:
    """Tells the caches that the settings name."""

    def __init__(self, settings: Settings) -> None:
        self._caches = Caches(settings.purge, settings.purge_header)
        self._rests_until = 0.0

    def close(self) -> None:
        """Close the connections to the caches."""
        self._caches.close()

    def tell(self, entries: list[Entry]) -> None:
        """Purge what entries just committed have changed; a failure is the follower's to mend."""
        if time.monotonic() < self._rests_until:
            return
        try:
            self._caches.purge(keys_of((entry.index, entry.project) for entry in entries))
        except (UnreachableError, DatabaseError) as error:  # what is committed is answered as committed
            self._rests_until = time.monotonic() + REST
            _log.warning("a cache in front was not purged now, and will be: %s", error)

    def follow(self) -> int:
        """Purge what the journal tells next, one batch; returns how many entries were read.

        Raises UnreachableError when a cache did not take it: the position stays.
        """
        position, new = JobPosition.objects.get_or_create(name=FOLLOWER, defaults={"serial": 0})
        newest = last_serial()
        if position.serial == newest and not new:
            return 0
        far = new or not position.serial <= newest <= position.serial + FAR
        entries = [] if far else self._after(position.serial)
        reached = entries[-1][0] if entries else newest
        self._caches.purge(keys_of((index, project) for _, index, project in entries) if entries else everything())
        JobPosition.objects.filter(name=FOLLOWER).update(serial=reached, updated_at=now())
        return max(1, len(entries))

    @staticmethod
    def _after(serial: int) -> list[tuple[int, str, str]]:
        rows = JournalEntry.objects.filter(serial__gt=serial).order_by("serial")
        return list(rows.values_list("serial", "index_name", "project")[:BATCH])


def keys_of(changes: Iterable[Change]) -> list[str]:
    """The surrogate keys of what changes touch: the pages and files of a project, or all of an index.

    They are those of the index the change was made in, of every other in which the project stands or stood (a yank is
    of a file, wherever it was promoted to), and of all that show one of these.
    """
    keys: dict[str, None] = {}
    showing: dict[str, list[str]] = {}
    for index, project in dict.fromkeys(changes):
        if not (index or project):
            continue
        places = dict.fromkeys([index, *_placed(project)])
        for place in places:
            if place not in showing:
                showing[place] = [place, *indexes_above(place)] if place else _all_indexes()
        for name in dict.fromkeys(name for place in places for name in showing[place]):
            if project:
                keys |= {project_key(name, project): None, root_key(name): None}
            else:
                keys[index_key(name)] = None
    return list(keys)


def _placed(project: str) -> list[str]:
    """The indexes in which a project ever had a file."""
    rows = Index.objects.filter(Exists(Placement.objects.filter(index=OuterRef("pk"), project__name=project)))
    return list(rows.values_list("name", flat=True)) if project else []


def everything() -> list[str]:
    """The keys of all indexes."""
    return [index_key(name) for name in _all_indexes()]


def _all_indexes() -> list[str]:
    return list(Index.objects.order_by("name").values_list("name", flat=True))
