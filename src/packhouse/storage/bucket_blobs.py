# SPDX-License-Identifier: Apache-2.0
"""Blobs in a bucket: `sha256/ab/cd/<64 hex>`, with copies in a folder of this machine for whoever sends them.

The bucket is what counts: a blob is kept once the bucket has all of it. The copies are a cache: each is durable and
known to be right, as in a local store, and any of them may go at any time. Nothing rests on conditional writes: a key
names its bytes, so writing it twice writes the same.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.storage.buckets import Bucket, bucket_errors
from packhouse.storage.incoming import Hook, Incoming, blob_errors, no_hook
from packhouse.storage.local_blobs import CHUNK, LocalBlobs, is_sha256, missing

if TYPE_CHECKING:
    from obstore import GetResult, ObjectMeta

PART = 8 * 1024 * 1024
"""Bytes of one part of an upload."""
PARTS_AT_ONCE = 4
PARTS_DELETED = 500
TOUCH_SECONDS = 6 * 3600.0
"""That a blob is wanted is written down at most this often by a process: each time costs a write to the bucket."""


class BucketBlobs:
    """A blob store in a bucket, shared by any number of machines; `near` are the copies on this one."""

    def __init__(self, bucket: Bucket, folder: Path, hook: Hook = no_hook) -> None:
        self.near = LocalBlobs(folder, hook)
        self.bucket = bucket
        self._hook = hook
        self._temporary = folder / "tmp"
        self._touched: dict[str, float] = {}

    def incoming(self) -> Incoming:
        """See `Blobs.incoming`."""
        with blob_errors("making the folder of temporary files"):
            self._temporary.mkdir(parents=True, exist_ok=True)
        return Incoming(self._temporary, self._place, self._hook)

    def prepare(self, sha256: str) -> None:
        """See `Blobs.prepare`: the folder of the copy."""
        self.near.prepare(sha256)

    def put(self, data: bytes) -> str:
        """See `Blobs.put`."""
        with self.incoming() as incoming:
            incoming.write(data)
            return incoming.keep()

    def adopt(self, path: Path, sha256: str) -> None:
        """See `Blobs.adopt`."""
        self.send(path, sha256)
        self.near.adopt(path, sha256)

    def bring_near(self, path: Path, sha256: str) -> None:
        """Take a file beside the copies, whose bytes are known to have this digest, as the copy of a kept blob."""
        self.near.adopt(path, sha256)

    def open(self, sha256: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """See `Blobs.open`: from the bucket, not from a copy."""
        key = _key(sha256)
        if start or end is not None:
            size = self.stat(sha256)
            if size is None:
                raise missing(sha256)
            end = size if end is None else min(end, size)
            if start >= end:
                return iter(())
        import obstore

        try:
            with bucket_errors("opening a file"):
                options = {"range": (start, end)} if end is not None else {}
                found = obstore.get(self.bucket.store, key, options=options)  # type: ignore[arg-type]
        except FileNotFoundError:
            raise missing(sha256) from None
        return _pieces(found)

    def read(self, sha256: str) -> bytes:
        """See `Blobs.read`."""
        return b"".join(self.open(sha256))

    def path(self, sha256: str) -> None:
        """See `Blobs.path`: only copies have one."""
        _key(sha256)

    def stat(self, sha256: str) -> int | None:
        """See `Blobs.stat`."""
        found = self._head(sha256)
        return None if found is None else found["size"]

    def wanted_at(self, sha256: str) -> float | None:
        """See `Blobs.wanted_at`."""
        found = self._head(sha256)
        if found is None:
            return None
        mark = self._head(sha256, "wanted")
        moments = [entry["last_modified"].timestamp() for entry in (found, mark) if entry is not None]
        return max(moments)

    def touch(self, sha256: str) -> None:
        """See `Blobs.touch`: an empty object beside it says when, once in six hours; the copy is touched each time."""
        self.near.touch(sha256)
        now = time.monotonic()
        if now - self._touched.get(sha256, -TOUCH_SECONDS) < TOUCH_SECONDS:
            return
        import obstore

        with suppress(PackhouseError), bucket_errors("marking a file as wanted"):
            obstore.put(self.bucket.store, f"wanted/{sha256}", b"")
            if len(self._touched) > 100_000:
                self._touched.clear()
            self._touched[sha256] = now

    def delete(self, sha256: str) -> None:
        """See `Blobs.delete`. Copies on other machines go with `forget_strangers`."""
        key = _key(sha256)
        import obstore

        with bucket_errors("deleting a file"), suppress(FileNotFoundError):
            obstore.delete(self.bucket.store, [key, f"wanted/{sha256}"])
        self.near.delete(sha256)

    def kept(self) -> Iterator[tuple[str, float]]:
        """See `Blobs.kept`: without looking at the marks, so that a blob may have been wanted later than it says."""
        import obstore

        with bucket_errors("listing the files"):
            for objects in obstore.list(self.bucket.store, "sha256/", chunk_size=1000):
                for entry in objects:
                    sha256 = entry["path"].rpartition("/")[2]
                    if is_sha256(sha256):
                        yield sha256, entry["last_modified"].timestamp()

    def set_aside(self, sha256: str) -> None:
        """See `Blobs.set_aside`: it goes to `damaged/`, under its name."""
        key = _key(sha256)
        import obstore

        with bucket_errors("setting a damaged file aside"), suppress(FileNotFoundError):
            obstore.copy(self.bucket.store, key, f"damaged/{sha256}")
            obstore.delete(self.bucket.store, key)
        self.near.delete(sha256)

    def forget_cached(self, sha256: str) -> None:
        """See `Blobs.forget_cached`: a bucket is read anew each time."""

    def sweep(self) -> int:
        """See `Blobs.sweep`."""
        return self.near.sweep()

    def signed(self, sha256: str, seconds: int) -> str:
        """An address that gives the blob to whoever has it, for so long. Raises PackhouseError (UNAVAILABLE)."""
        from obstore import sign

        with bucket_errors("signing an address"):
            return str(sign(self.bucket.store, "GET", _key(sha256), timedelta(seconds=seconds)))  # type: ignore[call-overload]

    def put_part(self, sha256: str, giver: str, number: int, data: bytes) -> None:
        """Let other machines have the next bytes of a file that is still coming; `giver` (hexadecimal) counts parts.

        Raises PackhouseError (UNAVAILABLE).
        """
        import obstore

        with bucket_errors("passing on a part of a file"):
            obstore.put(self.bucket.store, _part(sha256, giver, number), data)

    def read_part(self, sha256: str, giver: str, number: int) -> bytes | None:
        """A part that another machine gave; None when it is not there any more. Raises as `put_part`."""
        import obstore

        try:
            with bucket_errors("reading a part of a file"):
                return bytes(obstore.get(self.bucket.store, _part(sha256, giver, number)).bytes())
        except FileNotFoundError:
            return None

    def delete_parts(self, sha256: str, giver: str, count: int) -> None:
        """Remove the first `count` parts of a giver."""
        import obstore

        with bucket_errors("removing parts of files"), suppress(FileNotFoundError):
            for start in range(0, count, PARTS_DELETED):
                numbers = range(start, min(count, start + PARTS_DELETED))
                obstore.delete(self.bucket.store, [_part(sha256, giver, number) for number in numbers])

    def sweep_parts(self, before: float) -> int:
        """Remove parts whose givers died, of before a moment (unix seconds); how many those were."""
        import obstore

        removed = 0
        with bucket_errors("removing parts of files"), suppress(FileNotFoundError):
            for objects in obstore.list(self.bucket.store, "parts/", chunk_size=PARTS_DELETED):
                old = [entry["path"] for entry in objects if entry["last_modified"].timestamp() < before]
                if old:
                    obstore.delete(self.bucket.store, old)
                removed += len(old)
        return removed

    def _place(self, incoming: Incoming, sha256: str) -> None:
        """Give the received bytes to the bucket; then, as a copy, to the folder."""
        incoming.sync()
        self.send(incoming.path, sha256)
        self.near.place(incoming, sha256)

    def send(self, path: Path, sha256: str) -> None:
        """Send a file to the bucket in parts, each with its digest, and look that all of it arrived.

        Raises PackhouseError (UNAVAILABLE).
        """
        import obstore

        with bucket_errors("sending a file to it"):
            obstore.put(
                self.bucket.store, _key(sha256), path, chunk_size=PART, max_concurrency=PARTS_AT_ONCE
            )  # atomic: nobody sees a part of it
        size, sent = self.stat(sha256), os.stat(path).st_size  # noqa: PTH116
        if size != sent:
            message = f"The bucket holds {size} of {sent} bytes of the file just sent to it; send it again."
            raise refuse(Kind.UNAVAILABLE, "storage-failed", message)

    def _head(self, sha256: str, folder: str = "") -> ObjectMeta | None:
        if not is_sha256(sha256):
            return None
        import obstore

        try:
            with bucket_errors("looking for a file"):
                return obstore.head(self.bucket.store, f"{folder}/{sha256}" if folder else _key(sha256))
        except FileNotFoundError:
            return None


def _key(sha256: str) -> str:
    """The key of a blob; MISSING for what is no sha256."""
    if not is_sha256(sha256):
        raise missing(sha256)
    return f"sha256/{sha256[:2]}/{sha256[2:4]}/{sha256}"


def _part(sha256: str, giver: str, number: int) -> str:
    """The key of a part of a file that is still coming to one of the machines."""
    if not is_sha256(sha256):
        raise missing(sha256)
    return f"parts/{sha256}/{giver}/{number:08d}"


def _pieces(found: GetResult) -> Iterator[bytes]:
    """What comes from the bucket, in pieces of at most `CHUNK` bytes."""
    stream = iter(found.stream(min_chunk_size=CHUNK))
    while True:
        with bucket_errors("reading a file"):
            buffer = next(stream, None)
        if buffer is None:
            return
        view = memoryview(buffer)
        for at in range(0, len(view), CHUNK):
            yield bytes(view[at : at + CHUNK])
