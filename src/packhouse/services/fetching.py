# SPDX-License-Identifier: Apache-2.0
"""Fetching the files of upstreams: once for all who wait, in whatever process, and never a byte more than is right.

A file is fetched into a partial one beside the blobs, under a lock: whoever holds it fills it, the others of this and
other processes read what is there. Where several servers share a database, the one with the lease asks the upstream,
and the others fill theirs with what it passes on (`sharing`). When the one that fetches dies, another goes on from
where it was. Nobody waits for a slow client: the fetch is a thread of its own.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import logging
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from django.db import connections

from packhouse.catalogue.models import Upstream, UpstreamFile
from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.services import budget, leases, observing
from packhouse.services.doors import Door
from packhouse.services.journal import write
from packhouse.services.leases import Lease
from packhouse.services.pulling import OFFLINE, is_at, tell_failure, upstream_error
from packhouse.services.sharing import Copying, Sharing
from packhouse.storage.blobs import BucketBlobs
from packhouse.storage.growing import Growing
from packhouse.upstream.errors import UnreachableError, UnusableError
from packhouse.upstream.files import Coming, open_file

if TYPE_CHECKING:
    from packhouse.services.resources import Resources

_log = logging.getLogger(__name__)

SMALL = 1024 * 1024
"""Bytes up to which a file is whole, and known to be right, before the first byte of it goes out."""
POLL = 0.02
ATTEMPTS = 4
"""Times a fetch is begun or gone on with after the connection broke off."""
PAUSES = (0.1, 0.5, 1.0)
BEGIN_SECONDS = 45.0
"""Seconds that somebody waits for the first byte."""
MOST_AT_ONCE = 16

_fetchers = ThreadPoolExecutor(max_workers=MOST_AT_ONCE, thread_name_prefix="fetch")
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to be fetched: of an upstream, under an address, with a digest; `size` in bytes where it is known."""

    upstream: Upstream
    url: str
    filename: str
    sha256: str
    size: int | None


def fetch(resources: Resources, wanted: Wanted) -> Growing | None:
    """See to it that a file comes; returns when its first bytes are there, or all of a small one; None: it is here.

    Raises PackhouseError (UPSTREAM, FULL) when it does not come.
    """
    blobs = resources.blobs
    if blobs.stat(wanted.sha256) is not None:
        return None
    if wanted.upstream.mode == OFFLINE:
        raise upstream_error(wanted.upstream, repr(wanted.filename), "it is set to offline")
    growing, leads = resources.nursery.join(wanted.sha256, _partial(resources, wanted.sha256))
    if leads:
        door = resources.doors.to(wanted.upstream, resources.settings.outbound_allow)
        _fetchers.submit(_run, resources, door, wanted, growing)
    whole = growing.wait(SMALL, BEGIN_SECONDS)
    if whole is None:
        raise upstream_error(wanted.upstream, repr(wanted.filename), "it took too long")
    return None if whole else growing


def _partial(resources: Resources, sha256: str) -> Path:
    return resources.settings.blobs_folder / "pulling" / sha256


def _run(resources: Resources, door: Door, wanted: Wanted, growing: Growing) -> None:
    """Fetch, or wait until another process has; in a thread of its own."""
    error: Exception | None = None
    try:
        _hold_and_fill(resources, door, wanted, growing)
    except OSError as failure:
        _log.warning("fetching %s: %s", wanted.filename, failure)
        error = _of_disk(failure)
    except PackhouseError as failure:
        error = failure
    except (UnreachableError, UnusableError) as failure:
        _log.warning("upstream %s: %s: %s", wanted.upstream.name, wanted.filename, failure)
        error = _told(wanted, failure)
    except Exception as failure:  # noqa: BLE001 - those who wait must hear of it
        _log.exception("fetching %s failed", wanted.filename)
        error = upstream_error(wanted.upstream, repr(wanted.filename), type(failure).__name__)
    finally:
        connections.close_all()
        growing.end(error)
        resources.nursery.leave(growing)


def _of_disk(failure: OSError) -> PackhouseError:
    if failure.errno in _NO_SPACE:
        message = "There is no space left to keep the file; make room on the server and ask again."
        return refuse(Kind.FULL, "storage-full", message)
    message = "The storage failed while a file was fetched; see the server's log and try again."
    return refuse(Kind.UNAVAILABLE, "storage-failed", message)


def _hold_and_fill(resources: Resources, door: Door, wanted: Wanted, growing: Growing) -> None:
    path = growing.path
    path.parent.mkdir(parents=True, exist_ok=True)
    while resources.blobs.near.stat(wanted.sha256) is None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if _is_locked(descriptor, path):
                if resources.blobs.stat(wanted.sha256) is None:
                    _fill_or_copy(resources, door, wanted, growing, descriptor)
                    return
                _remove(path)
                return
            _follow(resources, wanted, growing, descriptor)
        finally:
            os.close(descriptor)


def _fill_or_copy(resources: Resources, door: Door, wanted: Wanted, growing: Growing, descriptor: int) -> None:
    """Fetch, unless another server on the same database does; then take what it passes on."""
    key = f"file/{wanted.sha256}"
    lease = leases.take(key)
    connections.close_all()  # a thread that fetches for minutes has no use for them
    if lease is None:
        copying = Copying(resources.blobs, growing, descriptor, lambda *note: _keep_note(growing.path, *note))
        try:
            lease = copying.run(key)
        except Exception as failure:
            if not (
                isinstance(failure, PackhouseError) and failure.kind is Kind.UPSTREAM
            ):  # then it may be gone on with
                _remove(growing.path)
            raise
        if lease is None:
            _remove(growing.path)
            return
    with lease:
        if lease.is_shared and resources.blobs.stat(wanted.sha256) is not None:  # it came a moment ago
            _remove(growing.path)
            return
        _fill(resources, door, wanted, growing, descriptor, lease)


def _fill(resources: Resources, door: Door, wanted: Wanted, growing: Growing, descriptor: int, lease: Lease) -> None:
    sharing = Sharing(resources.blobs, growing, lease, _note)
    try:
        with sharing:
            Filling(resources, door, wanted, growing, descriptor).fill()
    except (UnreachableError, UnusableError) as failure:
        tell_failure(lease, _told(wanted, failure))
        raise
    finally:
        sharing.forget()


def _told(wanted: Wanted, failure: UnreachableError | UnusableError) -> PackhouseError:
    """What those who wait are told."""
    return upstream_error(wanted.upstream, repr(wanted.filename), str(failure), getattr(failure, "retry_after", None))


def _is_locked(descriptor: int, path: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return is_at(descriptor, path)


def _follow(resources: Resources, wanted: Wanted, growing: Growing, descriptor: int) -> None:
    """Let those who wait here read what another process fetches, as soon as it says how large the file is."""
    size = _note(growing.path).get("size")
    if isinstance(size, int) and not growing.begun.is_set() and os.fstat(descriptor).st_size:
        growing.begin(size)
    time.sleep(POLL)


def _note_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.note")


def _note(path: Path) -> dict[str, object]:
    """What is known of the file a partial one is of: its size and validator."""
    try:
        found = json.loads(_note_path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _keep_note(path: Path, size: int, validator: str) -> None:
    _note_path(path).write_text(json.dumps({"size": size, "validator": validator}), encoding="utf-8")


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    _note_path(path).unlink(missing_ok=True)


class Filling:
    """One file being filled, by the one who holds its lock."""

    def __init__(self, resources: Resources, door: Door, wanted: Wanted, growing: Growing, descriptor: int) -> None:
        self._resources = resources
        self._door = door
        self._wanted = wanted
        self._growing = growing
        self._descriptor = descriptor
        self._hash = hashlib.sha256(usedforsecurity=False)
        self._size = 0
        self._taken_over = False

    def fill(self) -> None:
        """Fetch to the end, going on where it breaks off, and put the file in its place.

        What was fetched stays for the next attempt when the upstream fails, and goes when it is wrong or the disk
        is full.
        """
        try:
            self._take_over()
            if self._size != _note(self._growing.path).get("size"):
                self._come_at_last()
            if self._taken_over and self._hash.hexdigest() != self._wanted.sha256:
                self._again()
                self._come_at_last()
            self._put()
        except UnreachableError:
            raise
        except BaseException:
            _remove(self._growing.path)
            raise

    def _come_at_last(self) -> None:
        """Fetch, and go on where it breaks off, as long as that brings anything."""
        for attempt in range(ATTEMPTS):
            before = self._size
            try:
                self._come()
                return
            except UnreachableError:
                if attempt == ATTEMPTS - 1 or (attempt and self._size == before):
                    raise
                time.sleep(PAUSES[min(attempt, len(PAUSES) - 1)])

    def _take_over(self) -> None:
        """Hash what an earlier attempt left."""
        if _note(self._growing.path).get("validator"):
            while chunk := os.pread(self._descriptor, SMALL, self._size):
                self._hash.update(chunk)
                self._size += len(chunk)
            self._taken_over = self._size > 0
        else:
            os.ftruncate(self._descriptor, 0)

    def _come(self) -> None:
        validator = str(_note(self._growing.path).get("validator") or "")
        asker = self._door.asker
        with open_file(asker, self._wanted.url, start=self._size, validator=validator) as coming:
            if coming.start != self._size:
                self._again()
            size = self._agreed_size(coming)
            if size is not None:
                self._tell(coming, size)
            for piece in coming.pieces:
                self._write(piece, size)
        if size is not None and self._size != size:
            raise UnreachableError("the file broke off")

    def _again(self) -> None:
        """From the start: the file is not the one of before, or ranges are not given."""
        os.ftruncate(self._descriptor, 0)
        self._hash = hashlib.sha256(usedforsecurity=False)
        self._size = 0
        self._taken_over = False

    def _agreed_size(self, coming: Coming) -> int | None:
        said, here = self._wanted.size, coming.size
        if said is not None and here is not None and said != here:
            raise UnusableError(f"{here} bytes instead of {said}")
        return said if said is not None else here

    def _tell(self, coming: Coming, size: int) -> None:
        _keep_note(self._growing.path, size, coming.validator)
        if not self._growing.begun.is_set():
            self._growing.begin(size)

    def _write(self, piece: bytes, size: int | None) -> None:
        most = self._resources.settings.max_file_size if size is None else size
        if self._size + len(piece) > most:
            raise UnusableError(f"more than {most} bytes")
        self._hash.update(piece)
        left = memoryview(piece)
        while left:
            written = os.pwrite(self._descriptor, left, self._size)
            self._size += written
            left = left[written:]

    def _put(self) -> None:
        digest = self._hash.hexdigest()
        if digest != self._wanted.sha256:
            observing.bytes_are_wrong(self._resources, self._wanted.sha256, digest)
            raise UnusableError(f"bytes with the sha256 {digest} instead of {self._wanted.sha256}")
        self._growing.size = self._size
        self._resources.blobs.adopt(self._growing.path, digest)
        mark_kept(self._resources, self._wanted.sha256, self._size)
        _remove(self._growing.path)
        budget.keep_within(self._resources)


def mark_kept(resources: Resources, sha256: str, size: int) -> None:
    """Say of all rows with a digest that the file is here."""
    now = resources.clock().timestamp()
    with write():
        observing.size_known(sha256)
        UpstreamFile.objects.filter(sha256=sha256).update(kept=True, kept_at=now, size=size, wait_until=0)


def sweep(resources: Resources, older_than: float = 3600.0) -> int:
    """Remove what was begun and not gone on with for so many seconds, parts in the bucket too; how many files."""
    if isinstance(resources.blobs, BucketBlobs):
        resources.blobs.sweep_parts(time.time() - older_than)
    folder = resources.settings.blobs_folder / "pulling"
    limit, removed = time.time() - older_than, 0
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.suffix == ".note" or path.stat().st_mtime > limit:
            continue
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            if _is_locked(descriptor, path):
                path.unlink(missing_ok=True)
                _note_path(path).unlink(missing_ok=True)
                removed += 1
        finally:
            os.close(descriptor)
    return removed
