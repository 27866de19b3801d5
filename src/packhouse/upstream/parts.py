# SPDX-License-Identifier: Apache-2.0
"""Reading here and there in a file of an upstream, by range requests, bounded in bytes and requests."""

from __future__ import annotations

import time
from collections.abc import Callable
from io import SEEK_END, SEEK_SET

from packhouse.upstream.asking import Asker
from packhouse.upstream.errors import UnusableError
from packhouse.upstream.files import read_part

AT_ONCE = 128 * 1024
"""Bytes asked for at least: the end of a usual wheel, with its central directory and its metadata."""
MOST_REQUESTS = 12
MOST_BYTES = 16 * 1024 * 1024
SECONDS = 30.0
"""Seconds all of it may take."""


class NoPartsError(Exception):
    """The upstream gives whole files only."""


class RemoteFile:
    """A file of an upstream as if it were open for reading; `read` raises UnreachableError, UnusableError or NoParts.

    What came is kept, so that nothing is asked for twice. A file that changes meanwhile is UNUSABLE.
    """

    def __init__(self, asker: Asker, url: str, size: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`size` is in bytes; `clock` is monotonic."""
        self._asker = asker
        self._url = url
        self._size = size
        self._clock = clock
        self._end = clock() + SECONDS
        self._at = 0
        self._pieces: list[tuple[int, bytes]] = []
        self._validator: str | None = None
        self._bytes = 0

    def seek(self, offset: int, whence: int = SEEK_SET, /) -> int:
        """Go to a place; nothing is asked for."""
        base = {SEEK_SET: 0, SEEK_END: self._size}.get(whence, self._at)
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        """So many bytes from there on, fewer at the end of the file."""
        end = self._size if size < 0 else min(self._at + size, self._size)
        if end <= self._at:
            return b""
        data = self._kept(self._at, end)
        if data is None:
            data = self._fetch(self._at, end)
        self._at = end
        return data

    def _kept(self, start: int, end: int) -> bytes | None:
        for begin, piece in self._pieces:
            if begin <= start and end <= begin + len(piece):
                return piece[start - begin : end - begin]
        return None

    def _fetch(self, start: int, end: int) -> bytes:
        """Ask for these bytes and those around them."""
        last = min(self._size, max(end, start + AT_ONCE))
        first = max(0, min(start, last - AT_ONCE)) if last == self._size else start
        left = self._end - self._clock()
        if len(self._pieces) >= MOST_REQUESTS or self._bytes + last - first > MOST_BYTES or left <= 0:
            raise UnusableError("the file's directory is too large or too far scattered")
        part = read_part(self._asker, self._url, first, last, left)
        if part is None:
            raise NoPartsError
        if part.size != self._size or self._validator not in {None, part.validator}:
            raise UnusableError("the file is not the one of before")
        self._validator = part.validator
        self._bytes += last - first
        self._pieces.append((first, part.data))
        return part.data[start - first : end - first]
