# SPDX-License-Identifier: Apache-2.0
"""The bytes kept of upstreams, within a bound: what was least used goes first, never what was published here.

When a file was last wanted is the time of its blob, which a download moves; nothing is written to a database for it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.db.models import Sum

from packhouse.catalogue.models import Counter, UpstreamFile
from packhouse.services.journal import write
from packhouse.services.maintenance import announce_removal, unnamed

if TYPE_CHECKING:
    from packhouse.services.resources import Resources

LOW = 0.9
"""The share of the bound down to which is removed, so that it is not reached again at once."""
GRACE = 60.0
_BATCH = 500


def kept_bytes() -> int:
    """Bytes of all files kept of upstreams."""
    rows = UpstreamFile.objects.filter(kept=True).values("sha256", "size").distinct()
    return rows.aggregate(total=Sum("size"))["total"] or 0


def touch(resources: Resources, filenames: Iterable[str]) -> None:
    """These files were downloaded just now."""
    wanted = sorted(set(filenames))
    for begin in range(0, len(wanted), _BATCH):
        rows = UpstreamFile.objects.filter(kept=True, filename__in=wanted[begin : begin + _BATCH])
        for sha256 in rows.values_list("sha256", flat=True):
            resources.blobs.touch(sha256)


def keep_within(resources: Resources, grace: float = GRACE) -> int:
    """Remove what was least used until the bound holds; how many bytes that were. Nothing without a bound.

    What was wanted in the last `grace` seconds stays, whatever the bound: somebody may be reading it just now.
    """
    limit = resources.settings.upstream_storage
    total = kept_bytes() if limit is not None else 0
    if limit is None or total <= limit:
        return 0
    removed = 0
    rows = UpstreamFile.objects.filter(kept=True).values_list("sha256", "size").distinct()
    aged = sorted((resources.blobs.wanted_at(sha256) or 0.0, sha256, size or 0) for sha256, size in rows)
    latest = time.time() - grace
    for wanted_at, sha256, size in aged:
        if total - removed <= limit * LOW or wanted_at > latest:
            break
        removed += _remove(resources, sha256, wanted_at, size)
    return removed


def _remove(resources: Resources, sha256: str, wanted_at: float, size: int) -> int:
    """Remove one file unless somebody has wanted it meanwhile; under the lock all publishers take."""
    announce_removal([sha256], resources.clock)
    with write():
        Counter.objects.select_for_update(no_key=True).get(name="serial")
        if (resources.blobs.wanted_at(sha256) or 0.0) > wanted_at:
            return 0
        UpstreamFile.objects.filter(sha256=sha256).update(kept=False)
        if unnamed([sha256]):
            resources.blobs.delete(sha256)
    return size
