# SPDX-License-Identifier: Apache-2.0
"""Files of this process that are still being fetched: those who want one read what is there, and wait for the rest.

The bytes lie in a file beside the blobs, which another process may be the one to fill. They are known to be right
only when the blob is in its place; until then the last of them are held back.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

HELD_BACK = 64 * 1024
"""Bytes at the end that nobody gets before the digest is known to be right."""


PIECE = 256 * 1024
REST = 0.005
"""Seconds between two looks at a file that has not grown."""


class Growing:
    """A file on its way: `path` is where its bytes are, `size` is in bytes once it is known.

    `over` is set when nothing more will come; `whole` says that the blob is in its place then, else `error` why not.
    """

    def __init__(self, sha256: str, path: Path) -> None:
        self.sha256 = sha256
        self.path = path
        self.size: int | None = None
        self.begun = threading.Event()
        self.over = threading.Event()
        self.whole = False
        self.error: Exception | None = None

    def begin(self, size: int) -> None:
        """It comes, and is so large."""
        self.size = size
        self.begun.set()

    def end(self, error: Exception | None = None) -> None:
        """It is there, or will not come."""
        self.error, self.whole = error, error is None
        self.over.set()
        self.begun.set()

    def wait(self, small: int, seconds: float) -> bool | None:
        """Wait until it is whole (True) or, of more bytes than `small`, has begun (False); None: it took too long.

        Raises what went wrong when it will not come.
        """
        self.begun.wait(seconds)
        if self.size is not None and self.size <= small:
            self.over.wait(seconds)
        if self.error is not None:
            raise self.error
        if self.whole:
            return True
        return False if self.begun.is_set() and (self.size or 0) > small else None

    def pieces(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes from `start` up to, not including, `end`, as they come; cut short when they don't."""
        reader = self.reader()
        try:
            while start < end:
                available = reader.available(end)
                if available < 0:
                    return
                piece = os.pread(reader.descriptor, min(PIECE, available - start), start) if available > start else b""
                if piece:
                    start += len(piece)
                    yield piece
                else:
                    self.over.wait(REST)
        finally:
            reader.close()

    def reader(self) -> Reader:
        """A view of the bytes, for one reader; OSError when there are none yet."""
        return Reader(self)


class Reader:
    """The bytes of a growing file, as far as they may be given away."""

    def __init__(self, growing: Growing) -> None:
        self._growing = growing
        self.descriptor = os.open(growing.path, os.O_RDONLY | os.O_CLOEXEC)

    def available(self, end: int) -> int:
        """Up to where the bytes may be given now, at most `end`; -1 when there will never be more."""
        growing = self._growing
        if growing.over.is_set() and not growing.whole:
            return -1
        there = os.fstat(self.descriptor).st_size
        if growing.whole:
            return min(there, end) if there >= (growing.size or 0) else -1
        return max(0, min(there, end, (growing.size or 0) - HELD_BACK))

    def close(self) -> None:
        """Close it."""
        os.close(self.descriptor)


class Nursery:
    """What is being fetched in this process, by sha256."""

    def __init__(self) -> None:
        self._growing: dict[str, Growing] = {}
        self._lock = threading.Lock()

    def find(self, sha256: str) -> Growing | None:
        """The file of this digest that is on its way, or was a moment ago."""
        return self._growing.get(sha256)

    def join(self, sha256: str, path: Path) -> tuple[Growing, bool]:
        """The file of this digest, and whether whoever asks is the one to fetch it."""
        with self._lock:
            found = self._growing.get(sha256)
            if found is not None and not found.over.is_set():
                return found, False
            found = self._growing[sha256] = Growing(sha256, path)
            return found, True

    def leave(self, growing: Growing) -> None:
        """It is over; those who read it go on with what they have."""
        with self._lock:
            if self._growing.get(growing.sha256) is growing:
                del self._growing[growing.sha256]
