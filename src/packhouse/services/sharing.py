# SPDX-License-Identifier: Apache-2.0
"""A file that one server fetches from an upstream, passed on while it comes to others that wait for it.

Servers on one database and one bucket don't know each other's addresses. So the one that fetches puts what has come
into the bucket, part after part, as soon as another waits, and says in its lease how many there are; the others put
them together in a partial file of their own. Nothing of it is believed: the whole has the right digest, or nobody gets
its last bytes. When the one that fetches dies, another goes on with a range request from what it has got.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from django.db import connections

from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.services import leases
from packhouse.services.pulling import heard
from packhouse.storage.blobs import BucketBlobs

if TYPE_CHECKING:
    from packhouse.services.leases import Lease, Standing
    from packhouse.storage.blobs import Blobs
    from packhouse.storage.growing import Growing

_log = logging.getLogger(__name__)

PART = 4 * 1024 * 1024
"""Bytes of the largest part."""
WORTH = 512 * 1024
"""Bytes that are passed on at once; fewer only when no more came for `PATIENCE` seconds."""
PATIENCE = 1.0
REST = 0.1

Note = Callable[[Path], dict[str, object]]


class Sharing:
    """Passes on what comes, as long as it lasts, from when another server waits; without a bucket, nothing."""

    def __init__(self, blobs: Blobs, growing: Growing, lease: Lease, note: Note) -> None:
        self._blobs = blobs
        self._growing = growing
        self._lease = lease
        self._note = note
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._count = self._shared = 0
        self._at = time.monotonic()

    def __enter__(self) -> Self:
        if self._lease.is_shared and isinstance(self._blobs, BucketBlobs):
            self._thread = threading.Thread(target=self._run, args=(self._blobs,), name="sharing", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, blobs: BucketBlobs) -> None:
        """In a thread of its own: what goes wrong with it is no matter of the fetch."""
        try:
            while not self._over.wait(REST):
                if self._lease.wanted.is_set():
                    self._share(blobs)
        except (PackhouseError, OSError) as failure:
            _log.warning("passing on %s: %s", self._growing.sha256, failure)

    def _share(self, blobs: BucketBlobs) -> None:
        try:
            descriptor = os.open(self._growing.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            while not self._over.is_set():
                ready = os.fstat(descriptor).st_size - self._shared
                if ready <= 0 or (ready < WORTH and time.monotonic() - self._at < PATIENCE):
                    return
                self._give(blobs, os.pread(descriptor, PART, self._shared))
        finally:
            os.close(descriptor)

    def _give(self, blobs: BucketBlobs, data: bytes) -> None:
        blobs.put_part(self._growing.sha256, self._lease.holder, self._count, data)
        self._count, self._shared, self._at = self._count + 1, self._shared + len(data), time.monotonic()
        note = self._note(self._growing.path)
        self._lease.say(parts=self._count, size=note.get("size"), validator=note.get("validator"))

    def forget(self) -> None:
        """Take the parts away: the whole file is there for all, or there will be none."""
        if self._count and isinstance(self._blobs, BucketBlobs):
            try:
                self._blobs.delete_parts(self._growing.sha256, self._lease.holder, self._count)
            except PackhouseError as failure:
                _log.warning("parts of %s are left for the sweep: %s", self._growing.sha256, failure)


class Copying:
    """A file that another server fetches, put together here while it comes; by the one who holds the file's lock."""

    def __init__(self, blobs: Blobs, growing: Growing, descriptor: int, keep_note: Callable[[int, str], None]) -> None:
        self._blobs = blobs
        self._growing = growing
        self._descriptor = descriptor
        self._keep_note = keep_note
        self._size = os.fstat(descriptor).st_size
        self._giver = ""
        self._number = self._at = 0  # the next part, and where it begins

    def run(self, key: str) -> Lease | None:
        """Wait for it; the lease when whoever had it is gone without, None when it is here or in the bucket.

        Raises what the other told, or what failed here.
        """
        with leases.watch(key, wants=True) as watching:
            while True:
                standing = watching.look()
                if standing is None:
                    if self._blobs.stat(self._growing.sha256) is not None:
                        self._finish()
                        return None
                    lease = leases.take(key)
                    connections.close_all()
                    if lease is not None:
                        return lease
                elif standing.held:
                    self._put_together(standing)
                else:
                    raise heard(standing.said)

    def _put_together(self, standing: Standing) -> None:
        """Add the parts that have come since."""
        if standing.holder != self._giver:
            self._giver, self._number, self._at = standing.holder, 0, 0
        said: dict[str, Any] = standing.said
        while isinstance(self._blobs, BucketBlobs) and self._number < said.get("parts", 0):
            data = self._blobs.read_part(self._growing.sha256, self._giver, self._number)
            if data is None:  # it is over
                return
            new = data[max(0, self._size - self._at) :]
            self._write(new)
            self._number, self._at = self._number + 1, self._at + len(data)
        if isinstance(said.get("size"), int) and self._size and not self._growing.begun.is_set():
            self._keep_note(said["size"], str(said.get("validator") or ""))
            self._growing.begin(said["size"])

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            written = os.pwrite(self._descriptor, left, self._size)
            self._size += written
            left = left[written:]

    def _finish(self) -> None:
        """All of it is in the bucket: those who read here already get the rest; without any, a copy is as good."""
        sha256 = self._growing.sha256
        if not self._growing.begun.is_set() or not isinstance(self._blobs, BucketBlobs):
            return
        size = self._blobs.stat(sha256) or 0
        if self._size < size:
            for piece in self._blobs.open(sha256, self._size):
                self._write(piece)
        if self._digest() != sha256:
            message = "What another server passed on of the file is not the file; ask for it again."
            raise refuse(Kind.UNAVAILABLE, "storage-failed", message)
        self._growing.size = size
        self._blobs.bring_near(self._growing.path, sha256)

    def _digest(self) -> str:
        found, at = hashlib.sha256(usedforsecurity=False), 0
        while chunk := os.pread(self._descriptor, PART, at):
            found.update(chunk)
            at += len(chunk)
        return found.hexdigest()
