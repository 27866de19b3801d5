# SPDX-License-Identifier: Apache-2.0
"""Removing what nobody can ask for any more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

from packhouse.catalogue.activity.models import Session, SignInFailure
from packhouse.catalogue.models import (
    BlobRemoval,
    Counter,
    File,
    Invitation,
    OrganizationInvitation,
    Transfer,
    UpstreamFile,
)
from packhouse.services.journal import Clock, write
from packhouse.services.resources import Resources
from packhouse.storage.marks import Marks

GRACE = timedelta(hours=24)
"""A blob without a row is left alone this long: an upload keeps its blobs before it commits its rows."""

REMEMBERED = timedelta(days=7)
"""How long it is known that a blob was to be removed: longer than any upload takes from its bytes to its rows."""

BATCH = 500


@dataclass(frozen=True, slots=True)
class Collected:
    """What was removed: blobs and their bytes, temporary files, sessions that had ended."""

    blobs: int
    size: int
    temporary: int
    sessions: int


def collect_garbage(resources: Resources, grace: timedelta = GRACE, *, dry_run: bool = False) -> Collected:
    """Remove blobs that no row names, abandoned temporary files and ended sessions.

    Rows are never removed: a deleted file stays a tombstone, and what past states of an index show stays served.
    `dry_run`: only say what would be removed.
    """
    limit = (resources.clock() - grace).timestamp()
    if dry_run:
        return _would_collect(resources, limit)
    old = (sha256 for sha256, kept in resources.blobs.kept() if kept < limit)
    doomed = (sha256 for batch in _batches(old) for sha256 in announce_removal(unnamed(batch), resources.clock))
    tried = (_remove(resources, sha256, limit) for sha256 in doomed)
    removed = [size for size in tried if size is not None]
    BlobRemoval.objects.filter(at__lt=resources.clock() - REMEMBERED).delete()
    ended, _ = Session.objects.filter(expire_date__lt=resources.clock()).delete()
    return Collected(len(removed), sum(removed), resources.blobs.sweep(), ended)


def announce_removal(sha256s: list[str], clock: Clock) -> list[str]:
    """Write down, in a transaction of its own, that these blobs are about to go; returns them.

    Whoever publishes looks here, under the lock under which they are removed, instead of asking for each blob in a
    bucket far away: what is not announced when that lock is taken has not been removed since its bytes were kept.
    """
    if sha256s:
        rows = [BlobRemoval(sha256=sha256, at=clock()) for sha256 in sha256s]
        with write():
            BlobRemoval.objects.bulk_create(rows, update_conflicts=True, unique_fields=["sha256"], update_fields=["at"])
    return sha256s


def _would_collect(resources: Resources, limit: float) -> Collected:
    old = (sha256 for sha256, kept in resources.blobs.kept() if kept < limit)
    sizes = [resources.blobs.stat(sha256) or 0 for batch in _batches(old) for sha256 in unnamed(batch)]
    ended = Session.objects.filter(expire_date__lt=resources.clock()).count()
    return Collected(len(sizes), sum(sizes), 0, ended)


def _batches(items: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(items)
    while batch := list(islice(rest, BATCH)):
        yield batch


def _remove(resources: Resources, sha256: str, limit: float) -> int | None:
    """Remove one blob unless somebody has come to want it since `limit` (unix seconds); its size in bytes, or None.

    Under the lock all publishers take: whoever publishes sees, under the same lock, whether the blob is there.
    """
    blobs = resources.blobs
    with write():
        Counter.objects.select_for_update(no_key=True).get(name="serial")
        wanted_at = blobs.wanted_at(sha256)
        if wanted_at is None or wanted_at >= limit or not unnamed([sha256]):
            return None
        size = blobs.stat(sha256) or 0
        resources.hook("s15")
        blobs.delete(sha256)
    return size


def unnamed(sha256s: Iterable[str]) -> list[str]:
    """Those of these blobs that no row names, in their order."""
    wanted = list(sha256s)
    files = File.objects.filter(purged_serial=None)
    named = set(files.filter(sha256__in=wanted).values_list("sha256", flat=True))
    named |= set(files.filter(metadata_sha256__in=wanted).values_list("metadata_sha256", flat=True))
    pulled = UpstreamFile.objects
    named |= set(pulled.filter(sha256__in=wanted, kept=True).values_list("sha256", flat=True))
    named |= set(
        pulled.filter(metadata_sha256__in=wanted, metadata_kept=True).values_list("metadata_sha256", flat=True)
    )
    return [sha256 for sha256 in wanted if sha256 not in named]


def forget(clock: Clock) -> None:
    """Drop what has run out: ended sessions, failed sign-ins of the day before, invitations nobody answered."""
    now = clock()
    Session.objects.filter(expire_date__lt=now).delete()
    SignInFailure.objects.filter(at__lt=now - timedelta(days=1)).delete()
    for offers in (Invitation, OrganizationInvitation, Transfer):
        offers.objects.filter(state="open", expires_at__lte=now).update(state="expired")


def sweep_marks(resources: Resources) -> int:
    """Remove the marks that have lasted; under the lock all writers take, so that none of them has just made one."""
    if not resources.settings.marks_folder.is_dir():
        return 0
    with write():
        Counter.objects.select_for_update(no_key=True).get(name="serial")
        return Marks(resources.settings.marks_folder).sweep()
