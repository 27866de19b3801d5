# SPDX-License-Identifier: Apache-2.0
"""How much an index holds, for the first page: counted at once where that is quick, else from time to time."""

from __future__ import annotations

from django.core.cache import cache

from packhouse.catalogue.models import File
from packhouse.catalogue.queries import Counts, counts

QUICK = 20_000
"""Files a server ever had up to which they are counted for each who asks."""
FIRST = "main"
"""The index of the first page."""


def totals(index: str = FIRST) -> Counts:
    """What an index holds now; on a large server what it held when the worker counted last (`count_again`)."""
    if _is_quick():
        return counts(index)
    kept = cache.get(_key(index))
    return Counts(*kept) if kept else _count(index)


def count_again(index: str = FIRST) -> None:
    """Count what takes long to count."""
    if not _is_quick():
        _count(index)


def _is_quick() -> bool:
    newest = File.objects.order_by("-pk").values_list("pk", flat=True).first()
    return (newest or 0) <= QUICK


def _count(index: str) -> Counts:
    found = counts(index)
    cache.set(_key(index), (found.projects, found.releases, found.files), None)
    return found


def _key(index: str) -> str:
    return f"totals-{index}"
