# SPDX-License-Identifier: Apache-2.0
"""Reading one gzip member and nothing else (RFC 1952), in pieces, with every byte accounted for."""

from __future__ import annotations

import zlib
from typing import BinaryIO

from packhouse.domain.archive_limits import CHUNK, BadArchive, check_unpacked

_LONGEST_TEXT = 1024  # bytes of the name, the comment or the extra field in the header
_EXTRA, _NAME, _COMMENT = 4, 8, 16
_UNKNOWN_FLAGS = 0xE0


class GzipReader:
    """The unpacked bytes of a file that is exactly one gzip member; raises BadArchive where it is not."""

    def __init__(self, file: BinaryIO, size: int, largest_unpacked: int) -> None:
        """Check the header of `file` of `size` bytes."""
        file.seek(0)
        _check_header(file.read(4 * _LONGEST_TEXT))
        file.seek(0)
        self._file = file
        self._size = size
        self._largest = largest_unpacked
        self._inflater = zlib.decompressobj(31)  # gzip, with its checksum and length verified
        self._buffer = b""
        self._packed = b""
        self.unpacked = 0  # bytes given out or waiting

    def read(self, size: int) -> bytes:
        """The next bytes, fewer than `size` only at the end; `size` is at most a few hundred thousand."""
        pieces = [self._buffer]
        have = len(self._buffer)
        while have < size:
            piece = self._next()
            if not piece:
                break
            pieces.append(piece)
            have += len(piece)
        data = b"".join(pieces)
        self._buffer = data[size:]
        return data[:size]

    def skip(self, size: int) -> bool:
        """Pass over so many bytes; False when there are not as many."""
        while size > 0:
            piece = self._buffer or self._next()
            if not piece:
                return False
            self._buffer = piece[size:]
            size -= len(piece)
        return True

    def _next(self) -> bytes:
        """The next piece as it is inflated; b"" at the proper end."""
        while True:
            if self._inflater.eof:
                self._check_end()
                return b""
            packed = self._packed or self._file.read(CHUNK)
            if not packed:
                raise BadArchive("gzip-truncated", "The gzip data ends too early")
            try:
                piece = self._inflater.decompress(packed, CHUNK)
            except zlib.error:
                raise BadArchive("gzip-damaged", "The gzip data is damaged: its checksum or a code is wrong") from None
            self._packed = self._inflater.unconsumed_tail
            if piece:
                self.unpacked += len(piece)
                check_unpacked(self.unpacked, self._size, self._largest)
                return piece

    def _check_end(self) -> None:
        if self._inflater.unused_data or self._file.read(1):
            raise BadArchive("gzip-trailing-data", "There is data behind the gzip data: expected one gzip member")


def _check_header(head: bytes) -> None:
    if head[:3] != b"\x1f\x8b\x08" or len(head) < 18:
        raise BadArchive("archive-unreadable", "The file is not a gzip-compressed tar archive")
    flags = head[3]
    if flags & _UNKNOWN_FLAGS:
        raise BadArchive("gzip-header", "The gzip header has unknown flags")
    at = 10
    if flags & _EXTRA:
        length = int.from_bytes(head[at : at + 2], "little")
        at += 2 + length
        if length > _LONGEST_TEXT:
            raise BadArchive("gzip-header", "The gzip header holds too long an extra field")
    for flag in (_NAME, _COMMENT):
        if flags & flag:
            end = head.find(b"\0", at, at + _LONGEST_TEXT)
            if end < 0:
                raise BadArchive("gzip-header", "The gzip header holds too long a name or comment")
            at = end + 1
