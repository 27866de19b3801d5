# SPDX-License-Identifier: Apache-2.0
"""Blobs in memory, for tests: the same behaviour, nothing durable."""

from __future__ import annotations

import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

from packhouse.storage.incoming import Hook, Incoming, no_hook, sweep
from packhouse.storage.local_blobs import CHUNK, is_sha256, missing


class MemoryBlobs:
    """A blob store in this process; only what is being received lies in a temporary folder."""

    def __init__(self, hook: Hook = no_hook) -> None:
        self._blobs: dict[str, tuple[bytes, float]] = {}
        self._folder = Path(tempfile.mkdtemp(prefix="packhouse-blobs-"))
        self._hook = hook
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    @property
    def near(self) -> MemoryBlobs:
        """See `Blobs.near`: the store itself."""
        return self

    def incoming(self) -> Incoming:
        """See `Blobs.incoming`."""
        return Incoming(self._folder, self._place, self._hook)

    def prepare(self, sha256: str) -> None:
        """See `Blobs.prepare`: there is nothing to do."""

    def put(self, data: bytes) -> str:
        """See `Blobs.put`."""
        with self.incoming() as incoming:
            incoming.write(data)
            return incoming.keep()

    def open(self, sha256: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """See `Blobs.open`."""
        data = self.read(sha256)[start:end]
        return iter([data[at : at + CHUNK] for at in range(0, len(data), CHUNK)])

    def read(self, sha256: str) -> bytes:
        """See `Blobs.read`."""
        if sha256 not in self._blobs:
            raise missing(sha256)
        return self._blobs[sha256][0]

    def path(self, sha256: str) -> None:
        """See `Blobs.path`: there is none."""
        if not is_sha256(sha256):
            raise missing(sha256)

    def stat(self, sha256: str) -> int | None:
        """See `Blobs.stat`."""
        found = self._blobs.get(sha256)
        return None if found is None else len(found[0])

    def wanted_at(self, sha256: str) -> float | None:
        """See `Blobs.wanted_at`."""
        found = self._blobs.get(sha256)
        return None if found is None else found[1]

    def touch(self, sha256: str) -> None:
        """See `Blobs.touch`."""
        if sha256 in self._blobs:
            self._blobs[sha256] = (self._blobs[sha256][0], time.time())

    def delete(self, sha256: str) -> None:
        """See `Blobs.delete`."""
        self.path(sha256)
        self._blobs.pop(sha256, None)

    def kept(self) -> Iterator[tuple[str, float]]:
        """See `Blobs.kept`."""
        yield from sorted((sha256, when) for sha256, (_, when) in self._blobs.items())

    def damage(self, sha256: str, change: Callable[[bytes], bytes]) -> None:
        """Let a blob rot, as a disk may: for tests of what finds it."""
        data, when = self._blobs[sha256]
        self._blobs[sha256] = (change(data), when)

    def set_aside(self, sha256: str) -> None:
        """See `Blobs.set_aside`."""
        self._blobs.pop(sha256, None)

    def forget_cached(self, sha256: str) -> None:
        """See `Blobs.forget_cached`: there is no cache."""

    def sweep(self) -> int:
        """See `Blobs.sweep`."""
        return sweep(self._folder)

    def adopt(self, path: Path, sha256: str) -> None:
        """See `Blobs.adopt`."""
        self._blobs[sha256] = (path.read_bytes(), time.time())

    def _place(self, incoming: Incoming, sha256: str) -> None:
        incoming.sync()
        self._blobs[sha256] = (incoming.path.read_bytes(), time.time())
        for step in ("s8", "s9"):
            self._hook(step)
