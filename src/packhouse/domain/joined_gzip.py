# SPDX-License-Identifier: Apache-2.0
"""One gzip member made of pieces that were compressed apart (RFC 1951, RFC 1952).

Each piece is a run of DEFLATE blocks that looks at nothing before it and ends on a byte (`Z_FULL_FLUSH`), so that
pieces can be put together in any order without being compressed again. Several gzip members one after another would
be simpler, but some clients stop after the first. The checksum of the whole is computed of those of the pieces.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

LEVEL = 6
HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
"""The gzip header: no name, no time, no operating system."""

_POLYNOMIAL = 0xEDB88320
_ONE = 1 << 31  # the polynomial 1, bits reflected as CRC-32 has them


class Piece(NamedTuple):
    """Compressed bytes and what must be known to join them: length and CRC-32 of the plain bytes, and its `shift`."""

    packed: bytes
    length: int
    crc: int
    shift: int


def make_piece(plain: bytes) -> Piece:
    """Compress a piece; the same bytes always give the same piece."""
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(plain) + packer.flush(zlib.Z_FULL_FLUSH)
    return Piece(packed, len(plain), zlib.crc32(plain), shift_of(len(plain)))


def shift_of(length: int) -> int:
    """What a CRC-32 is multiplied by when `length` bytes follow: x to the power of 8 * length, modulo the CRC's own."""
    result, power, square = _ONE, 8 * length, _ONE >> 1
    while power:
        if power & 1:
            result = _times(result, square)
        square = _times(square, square)
        power >>= 1
    return result


def _times(a: int, b: int) -> int:
    """The product of two polynomials modulo the CRC's, bits reflected."""
    product = 0
    while a:
        if a & _ONE:
            product ^= b
        a = (a << 1) & 0xFFFFFFFF
        b = (b >> 1) ^ _POLYNOMIAL if b & 1 else b >> 1
    return product


def join_crc(crc: int, piece_crc: int, piece_shift: int) -> int:
    """The CRC-32 of what has `crc`, followed by a piece."""
    return _times(crc, piece_shift) ^ piece_crc


class Joining:
    """A gzip member that grows by pieces; `place` is where the next one will stand, `length` counts plain bytes."""

    def __init__(self) -> None:
        self._parts = [HEAD]
        self._crc = 0
        self.place = len(HEAD)
        self.length = 0

    def add(self, piece: Piece) -> None:
        """Append a piece; an empty one adds nothing."""
        if piece.length:
            self._parts.append(piece.packed)
            self._crc = join_crc(self._crc, piece.crc, piece.shift)
            self.place += len(piece.packed)
            self.length += piece.length

    def finish(self) -> bytes:
        """The whole member: an empty last block, checksum and length of all plain bytes stand at the end."""
        end = self._crc.to_bytes(4, "little") + (self.length & 0xFFFFFFFF).to_bytes(4, "little")
        return b"".join([*self._parts, b"\x03\x00", end])
