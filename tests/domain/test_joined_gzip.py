# SPDX-License-Identifier: Apache-2.0
"""Pieces compressed apart are one gzip member when joined, for every reader of gzip."""

from __future__ import annotations

import gzip
import zlib

from hypothesis import given
from hypothesis import strategies as st

from packhouse.domain.joined_gzip import Joining, join_crc, make_piece, shift_of


def joined(parts: list[bytes]) -> Joining:
    whole = Joining()
    for part in parts:
        whole.add(make_piece(part))
    return whole


@given(st.lists(st.binary(max_size=2000), max_size=12))
def test_what_is_joined_unpacks_to_all_pieces_in_order(parts: list[bytes]) -> None:
    whole = joined(parts)
    assert gzip.decompress(whole.finish()) == b"".join(parts)
    assert whole.length == len(b"".join(parts))


@given(st.lists(st.binary(max_size=500), max_size=6))
def test_it_is_a_single_member_so_that_clients_that_stop_after_the_first_get_all(parts: list[bytes]) -> None:
    reader = zlib.decompressobj(31)
    assert reader.decompress(joined(parts).finish()) == b"".join(parts)
    assert reader.eof
    assert reader.unused_data == b""


@given(st.binary(max_size=5000), st.binary(max_size=5000))
def test_the_checksum_of_a_whole_follows_from_those_of_its_parts(one: bytes, other: bytes) -> None:
    assert join_crc(zlib.crc32(one), zlib.crc32(other), shift_of(len(other))) == zlib.crc32(one + other)


def test_pieces_may_stand_in_any_order_without_being_compressed_again() -> None:
    one, other = make_piece(b"the same words, the same words"), make_piece(b"the same words once more")
    for order in ((one, other), (other, one), (one, one, other)):
        whole = Joining()
        for piece in order:
            whole.add(piece)
        assert len(gzip.decompress(whole.finish())) == sum(piece.length for piece in order)


def test_it_is_the_same_bytes_each_time_and_little_larger_than_in_one_piece() -> None:
    parts = [b"".join(b'{"_last-serial":%d,"name":"project-%d"},' % (n * 7, n) for n in range(at, at + 500))
             for at in range(0, 5000, 500)]  # fmt: skip
    packed = joined(parts).finish()
    assert packed == joined(parts).finish()
    assert len(packed) < 1.15 * len(gzip.compress(b"".join(parts), 6))
