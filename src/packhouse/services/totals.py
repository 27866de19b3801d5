# SPDX-License-Identifier: Apache-2.0
"""How much an index and the server hold: counted for each who asks where that is quick, else now and then."""

from __future__ import annotations

from datetime import datetime

from django.core.cache import cache

from packhouse.catalogue import queries
from packhouse.catalogue.models import File
from packhouse.catalogue.outlines import outlines
from packhouse.catalogue.queries import Counts, Held, counts, estimate
from packhouse.services.indexes import find_index, indexes_below_all
from packhouse.services.serving import has_policy

QUICK = 20_000
"""Files a server ever had up to which they are counted for each who asks."""
FEW = 2_000
"""The same for an index that has rules, whose files are judged one by one."""
PATIENCE = 60.0
FIRST = "main"
"""The index of the first page."""
_HELD = "totals-server"


def totals(now: datetime, index: str = FIRST, quick: int = QUICK) -> Counts:
    """What an index serves now; on a large server about what it held when the worker looked last (`count_again`)."""
    if _is_quick(quick):
        return _served(index, now) if has_policy(index) else counts(index)
    kept = cache.get(_key(index))
    return Counts(*kept) if kept else _estimate(index)


def _served(index_name: str, now: datetime) -> Counts:
    """Each project judged by the rules of the index; counted anew when something is committed or a cooldown ends.

    On a server of more than `FEW` files at most once in `PATIENCE` seconds.
    """
    index = find_index(index_name)
    key, kept = f"{_key(index_name)}-served", cache.get(f"{_key(index_name)}-served")
    if kept and (kept[1] is None or now.timestamp() < kept[1]):
        patience = 0 if _is_quick(FEW) else PATIENCE
        if kept[0] == [index.serial, index.shaped] or now.timestamp() < kept[3] + patience:
            return Counts(*kept[2])
    names = queries.serials(sorted(indexes_below_all([index_name])))
    known = [outline for outline in outlines(index_name, names, now).values() if not outline.quarantined]
    releases = [release for outline in known for release in outline.releases.values()]
    shown = sum(1 for outline in known if outline.releases)
    found = Counts(shown, len(releases), sum(release.files.count for release in releases))
    until = min((outline.until.timestamp() for outline in known if outline.until is not None), default=None)
    told = (found.projects, found.releases, found.files)
    cache.set(key, ([index.serial, index.shaped], until, told, now.timestamp()), None)
    return found


def held(quick: int = QUICK) -> Held:
    """What the server holds now; on a large one what it held when the worker counted last."""
    if _is_quick(quick):
        return queries.held()
    kept = cache.get(_HELD)
    return Held(*kept) if kept else _hold()


def count_again(index: str = FIRST, quick: int = QUICK) -> None:
    """Count what takes long to count."""
    if not _is_quick(quick):
        _estimate(index)
        _hold()


def _is_quick(quick: int) -> bool:
    newest = File.objects.order_by("-pk").values_list("pk", flat=True).first()
    return (newest or 0) <= quick


def _estimate(index: str) -> Counts:
    found = estimate(index)
    cache.set(_key(index), (found.projects, found.releases, found.files), None)
    return found


def _hold() -> Held:
    found = queries.held()
    cache.set(_HELD, (found.projects, found.files, found.size, found.people), None)
    return found


def _key(index: str) -> str:
    return f"totals-{index}"
