# SPDX-License-Identifier: Apache-2.0
"""Where the bytes of files live: content-addressed by sha256, written once, durable before any row names them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from packhouse.storage.bucket_blobs import BucketBlobs
from packhouse.storage.buckets import Bucket, is_bucket
from packhouse.storage.incoming import Digests, Incoming
from packhouse.storage.local_blobs import LocalBlobs, is_sha256
from packhouse.storage.memory_blobs import MemoryBlobs

__all__ = [
    "Blobs",
    "Bucket",
    "BucketBlobs",
    "Digests",
    "Incoming",
    "LocalBlobs",
    "MemoryBlobs",
    "is_bucket",
    "is_sha256",
]


class Blobs(Protocol):
    """A blob store. Digests are sha256 in lower-case hexadecimal; anything else is MISSING.

    A store without space raises PackhouseError (FULL), one that fails otherwise UNAVAILABLE. Safe to use from
    many threads and processes at once.
    """

    @property
    def near(self) -> Blobs:
        """The store that is sent from: this one, or for a bucket its copies on this machine, which may lack any."""

    def incoming(self) -> Incoming:
        """Begin to receive a file; its `keep` stores it, its `discard` forgets it."""

    def prepare(self, sha256: str) -> None:
        """Do, durably, what of storing these bytes can be done before they are all judged: it costs a wait less then.

        Raises PackhouseError (FULL, UNAVAILABLE).
        """

    def put(self, data: bytes) -> str:
        """Store bytes at hand, durably, and return their sha256."""

    def adopt(self, path: Path, sha256: str) -> None:
        """Put a file beside the blobs, whose bytes are known to have this digest, in its place, durably."""

    def open(self, sha256: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` up to, not including, `end`, in chunks; MISSING at once when there is no such blob.

        What is returned may have a `close()`, to be called when it is not read to its end.
        """

    def read(self, sha256: str) -> bytes:
        """All bytes of a small blob; MISSING when there is none."""

    def path(self, sha256: str) -> Path | None:
        """The file where a blob lies if it is there (not looked up); None when this store has no files."""

    def stat(self, sha256: str) -> int | None:
        """The size in bytes, or None when there is no such blob."""

    def wanted_at(self, sha256: str) -> float | None:
        """When a blob was last kept (unix seconds), or None when there is no such blob."""

    def touch(self, sha256: str) -> None:
        """A blob is wanted now, as if it had just been kept; harmless when it is not there."""

    def delete(self, sha256: str) -> None:
        """Remove a blob, durably; harmless when it is not there."""

    def kept(self) -> Iterator[tuple[str, float]]:
        """Each blob's sha256, in order, and when it was last kept (unix seconds)."""

    def set_aside(self, sha256: str) -> None:
        """Take a damaged blob out of the way, durably, so that nobody is served it; it may be put anew."""

    def forget_cached(self, sha256: str) -> None:
        """Let the next reading of a blob come from the disk, as far as the system does so."""

    def sweep(self) -> int:
        """Remove temporary files whose writers are gone, in whatever process; returns how many."""
