# SPDX-License-Identifier: Apache-2.0
"""Removing what nobody can ask for any more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

from packhouse.catalogue.activity.models import Session
from packhouse.catalogue.models import File
from packhouse.services.resources import Resources

GRACE = timedelta(hours=24)
"""A blob without a row is left alone this long: an upload keeps its blobs before it commits its rows."""

BATCH = 500


@dataclass(frozen=True, slots=True)
class Collected:
    """What was removed: blobs and their bytes, temporary files, sessions that had ended."""

    blobs: int
    size: int
    temporary: int
    sessions: int


def collect_garbage(resources: Resources, grace: timedelta = GRACE) -> Collected:
    """Remove blobs that no row names, abandoned temporary files and ended sessions.

    Rows are never removed: a deleted file stays a tombstone, and what past states of an index show stays served.
    """
    limit = (resources.clock() - grace).timestamp()
    old = (sha256 for sha256, kept in resources.blobs.kept() if kept < limit)
    removed = [_remove(resources, sha256) for batch in _batches(old) for sha256 in unnamed(batch)]
    ended, _ = Session.objects.filter(expire_date__lt=resources.clock()).delete()
    return Collected(len(removed), sum(removed), resources.blobs.sweep(), ended)


def _batches(items: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(items)
    while batch := list(islice(rest, BATCH)):
        yield batch


def _remove(resources: Resources, sha256: str) -> int:
    """Remove one blob; its size in bytes."""
    size = resources.blobs.stat(sha256) or 0
    resources.blobs.delete(sha256)
    return size


def unnamed(sha256s: Iterable[str]) -> list[str]:
    """Those of these blobs that no row names, in their order."""
    wanted = list(sha256s)
    files = File.objects.filter(purged_serial=None)
    named = set(files.filter(sha256__in=wanted).values_list("sha256", flat=True))
    named |= set(files.filter(metadata_sha256__in=wanted).values_list("metadata_sha256", flat=True))
    return [sha256 for sha256 in wanted if sha256 not in named]
