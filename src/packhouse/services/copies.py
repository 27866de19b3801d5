# SPDX-License-Identifier: Apache-2.0
"""Copies of a bucket's blobs on this machine: fetched once for all of a process who wait, sent while they come.

A copy is put in its place only when its digest is right. Copies are a cache: what was least used goes first, and what
no row names any more goes too. Without a bucket there is nothing to do: the blobs are here.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from packhouse.catalogue.models import File
from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.services.keeping import is_whole
from packhouse.services.maintenance import GRACE, unnamed
from packhouse.storage.blobs import BucketBlobs
from packhouse.storage.growing import Growing

if TYPE_CHECKING:
    from packhouse.services.resources import Resources

_log = logging.getLogger(__name__)

SMALL = 1024 * 1024
"""Bytes up to which a copy is whole before the first byte of it goes out."""
LOOKED_AT = 128 * 1024
"""Bytes of a copy up to which it is read before it is trusted."""
BEGIN_SECONDS = 45.0
"""Seconds that somebody waits for the first byte."""
MOST_AT_ONCE = 16
YOUNG = timedelta(minutes=1)
"""What came or was touched a moment ago stays: somebody was just told that it is here."""
LOW = 0.9
"""The share of the bound down to which is removed, so that it is not reached again at once."""
BATCH = 500

_fetchers = ThreadPoolExecutor(max_workers=MOST_AT_ONCE, thread_name_prefix="copy")


def bring(resources: Resources, sha256: str) -> Growing | None:
    """See to it that a blob comes to this machine; returns when it is here (None), or a large one has begun to come.

    Raises PackhouseError (MISSING when the bucket has it not, UNAVAILABLE when it does not come).
    """
    blobs = resources.blobs
    if not isinstance(blobs, BucketBlobs) or _has_copy(blobs, sha256):
        return None
    growing, leads = resources.nursery.join(sha256, Path())
    if leads:
        _fetchers.submit(_run, resources, blobs, growing)
    whole = growing.wait(SMALL, BEGIN_SECONDS)
    if whole is None:
        raise refuse(Kind.UNAVAILABLE, "storage-failed", "The bucket took too long to give the file; try again.")
    return None if whole else growing


def _has_copy(blobs: BucketBlobs, sha256: str) -> bool:
    """Whether there is a copy; a small one with other bytes is removed, for the bucket has the right ones."""
    size = blobs.near.stat(sha256)
    if size is None or size > LOOKED_AT or is_whole(blobs.near, sha256):
        return size is not None
    _log.warning("the copy of %s was damaged and is fetched again", sha256)
    blobs.near.delete(sha256)
    return False


def _run(resources: Resources, blobs: BucketBlobs, growing: Growing) -> None:
    error: Exception | None = None
    try:
        _fill(blobs, growing)
    except (PackhouseError, OSError) as failure:
        _log.warning("copying %s: %s", growing.sha256, failure)
        error = failure if isinstance(failure, PackhouseError) else _of_disk()
    except Exception as failure:  # noqa: BLE001 - those who wait must hear of it
        _log.exception("copying %s failed: %s", growing.sha256, type(failure).__name__)
        error = _of_disk()
    finally:
        growing.end(error)
        resources.nursery.leave(growing)


def _of_disk() -> PackhouseError:
    message = "The storage failed while a file was fetched from the bucket; see the server's log and try again."
    return refuse(Kind.UNAVAILABLE, "storage-failed", message)


def _fill(blobs: BucketBlobs, growing: Growing) -> None:
    pieces, size = blobs.open(growing.sha256), blobs.stat(growing.sha256)
    with blobs.near.incoming() as incoming:
        growing.path = incoming.path
        growing.begin(size or 0)
        for piece in pieces:
            incoming.write(piece)
        found = incoming.digests().sha256
        if found != growing.sha256:
            message = f"The bucket gave bytes with the sha256 {found} for {growing.sha256}; see `packhouse verify`."
            raise refuse(Kind.UNAVAILABLE, "storage-failed", message)
        incoming.keep()


def signed(resources: Resources, sha256: str) -> str:
    """An address of the bucket that gives a file to whoever has it, for `storage_redirect` seconds.

    Raises PackhouseError (UNAVAILABLE).
    """
    blobs = resources.blobs
    if not isinstance(blobs, BucketBlobs):
        raise refuse(
            Kind.UNAVAILABLE, "storage-failed", "Only a bucket signs addresses; unset PACKHOUSE_STORAGE_REDIRECT."
        )
    return blobs.signed(sha256, resources.settings.storage_redirect)


def touch(resources: Resources, filenames: Iterable[str]) -> None:
    """These files were downloaded just now: their copies are the last to go."""
    blobs = resources.blobs
    if not isinstance(blobs, BucketBlobs):
        return
    for names in _batches(sorted(set(filenames))):
        for sha256 in File.objects.filter(filename__in=names).values_list("sha256", flat=True):
            blobs.near.touch(sha256)


def keep_within(resources: Resources, grace: timedelta = GRACE) -> int:
    """Remove copies that no row names, then what was least used until the bound holds; how many bytes that were."""
    blobs = resources.blobs
    if not isinstance(blobs, BucketBlobs):
        return 0
    removed = _forget_strangers(resources, blobs, grace)
    aged = sorted((kept, sha256, blobs.near.stat(sha256) or 0) for sha256, kept in blobs.near.kept())
    total = sum(size for _, _, size in aged)
    limit, young = resources.settings.storage_copies, (resources.clock() - YOUNG).timestamp()
    if total <= limit:
        return removed
    for kept, sha256, size in aged:
        if total <= limit * LOW or kept > young:
            break
        blobs.near.delete(sha256)
        total -= size
        removed += size
    return removed


def _forget_strangers(resources: Resources, blobs: BucketBlobs, grace: timedelta) -> int:
    """What was purged or collected by another machine; an upload's copy is there before its row."""
    limit, removed = (resources.clock() - grace).timestamp(), 0
    for batch in _batches(sha256 for sha256, kept in blobs.near.kept() if kept < limit):
        for sha256 in unnamed(batch):
            removed += blobs.near.stat(sha256) or 0
            blobs.near.delete(sha256)
    return removed


def _batches(items: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(items)
    while batch := list(islice(rest, BATCH)):
        yield batch
