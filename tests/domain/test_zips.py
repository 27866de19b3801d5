# SPDX-License-Identifier: Apache-2.0
"""One archive, one reading (E15, hostile 67 to 111)."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from collections.abc import Callable

import pytest
from tests.corpus import make_tar, tar_member
from tests.corpus_zips import (
    UTF8,
    Member,
    deflate,
    extra_field,
    unicode_path,
    wheel_members,
    write_zip,
    zip64_end,
)

from packhouse.domain.archives import judge_archive
from packhouse.domain.filenames import parse_filename
from packhouse.domain.policy import PRIVATE

FILENAME = parse_filename("foo-1.0-py3-none-any.whl")
NONE32 = 0xFFFFFFFF


def codes(data: bytes) -> list[str]:
    verdict = judge_archive(io.BytesIO(data), FILENAME, PRIVATE)
    for fault in verdict.faults:
        assert fault.message.isascii()
        assert fault.message.isprintable()
        assert len(fault.message) < 500
    return [fault.code for fault in verdict.faults]


def first(**changes: object) -> list[Member]:
    """A sound wheel, but for fields of its first member."""
    members = wheel_members()
    for name, value in changes.items():
        setattr(members[0], name, value)
    return members


# What is accepted


SMALL = wheel_members()[0]
WIDE_LOCAL = extra_field(1, struct.pack("<QQ", len(SMALL.data), len(SMALL.stored())))


@pytest.mark.parametrize(
    "data",
    [
        write_zip(wheel_members()),
        write_zip(wheel_members("foo", "1.0", Member("foo/é.txt".encode(), b"x", flags=UTF8))),
        write_zip(wheel_members("foo", "1.0", Member(b"foo/empty.txt", b"", method=0))),
        write_zip(wheel_members("foo", "1.0", Member(b"foo/empty.txt", b""))),
        write_zip(wheel_members("foo", "1.0", Member(b"foo/d/", b"", method=0, attributes=0o40755 << 16))),
        write_zip(wheel_members("foo", "1.0", Member(b"foo/nomode", b"", attributes=0))),
        write_zip(wheel_members("foo", "1.0", Member(b"foo/inner.zip", write_zip(wheel_members()), method=0))),
        write_zip(first(method=0)),
        write_zip(first(flags=0x6)),
        write_zip(first(extra=extra_field(0x5455, b"\x01\0\0\0\0"))),
        write_zip(first(extra=unicode_path(SMALL.name, SMALL.name))),
        write_zip(first(local={"packed": NONE32, "size": NONE32, "extra": WIDE_LOCAL})),
        write_zip(wheel_members(), comment=b"built by hand\n"),
        write_zip(wheel_members(), before_end=zip64_end),
        write_zip(wheel_members(), before_end=zip64_end, end={"offset": NONE32, "count": 0xFFFF, "here": 0xFFFF}),
        write_zip(list(reversed(wheel_members()))),
    ],
    ids=[
        "plain", "utf8", "empty-stored", "empty-deflated", "directory", "no-mode", "zip-in-zip-stored", "stored",
        "flags", "timestamp", "same-unicode-path", "zip64-local", "comment", "zip64-end", "zip64-end-only",
        "other-order",
    ],
)  # fmt: skip
def test_decision_7_accepted(data: bytes) -> None:
    assert codes(data) == []
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None


# What is refused: name of the case, the code, the bytes


def shifted_central() -> bytes:
    members = wheel_members()
    return write_zip(members, end={"offset": len(b"".join(m.stored() for m in members))})


DESCRIPTOR = struct.pack("<4sLLL", b"PK\x07\x08", 0, 0, 0)
OTHER = b"foo/other.py"

MANY = {"count": 60_000, "here": 60_000}
NINE: dict[str, int | bytes] = {"packed": 9, "size": 9}
STRUCTURE: dict[str, tuple[str, Callable[[], bytes]]] = {
    "not-a-zip": ("archive-unreadable", lambda: b"x" * 5000),
    "empty": ("archive-unreadable", lambda: b""),
    "short": ("archive-unreadable", lambda: b"PK\x05\x06"),
    "no-members": ("archive-unreadable", lambda: write_zip([])),
    "8-bit-comment": ("zip-comment", lambda: write_zip(wheel_members(), comment=b"\xe9")),
    "comment-with-zip": ("zip-comment", lambda: write_zip(wheel_members(), comment=b"PK\x01\x02")),
    "comment-is-end-record": ("archive-unreadable", lambda: write_zip(wheel_members(), comment=write_zip([])[:-1])),
    "suffix": ("zip-trailing-data", lambda: write_zip(wheel_members(), suffix=b"x")),
    "suffix-not-comment": ("zip-trailing-data", lambda: write_zip(wheel_members(), end={"comment": 3})),
    "end-record-twice": ("zip-mismatch", lambda: write_zip(wheel_members(), suffix=write_zip([]))),
    "prefix": ("zip-unlisted-data", lambda: write_zip(wheel_members(), prefix=b"#!/bin/sh\n")),
    "prefix-not-counted": ("zip-mismatch", lambda: b"%PDF-1.7" + write_zip(wheel_members())),
    "two-glued": ("zip-mismatch", lambda: write_zip(wheel_members()) * 2),
    "central-comment": ("zip-entry-comment", lambda: write_zip(first(comment=b"x"))),
    "central-missing": ("zip-unlisted-data", lambda: write_zip(first(listed=False))),
    "central-extra": ("zip-malformed", lambda: write_zip([*wheel_members(), Member(b"foo/x", present=False)])),
    "central-extra-elsewhere": (
        "zip-overlap",
        lambda: write_zip([*wheel_members(), Member(b"foo/x", present=False, central={"offset": 0})]),
    ),
    "central-cut": ("zip-malformed", lambda: write_zip(wheel_members(), records=b"PK\x01\x02")),
    "central-name-cut": (
        "zip-malformed",
        lambda: write_zip(wheel_members(), records=struct.pack("<4s24xH16x", b"PK\x01\x02", 99)),
    ),
    "central-unknown": ("zip-malformed", lambda: write_zip(wheel_members(), records=b"PK\x05\x05" + bytes(60))),
    "records-miscounted": ("zip-mismatch", lambda: write_zip(wheel_members(), end={"count": 3, "here": 3})),
    "several-disks": ("zip-malformed", lambda: write_zip(wheel_members(), end={"disk": 1})),
    "member-on-disk-1": ("zip-malformed", lambda: write_zip(first(central={"disk": 1}))),
    "central-elsewhere": ("zip-mismatch", shifted_central),
    "central-size": ("zip-mismatch", lambda: write_zip(wheel_members(), end={"size": 10})),
    "before-end": ("zip-mismatch", lambda: write_zip(wheel_members(), before_end=b"x")),
    "gap": ("zip-unlisted-data", lambda: write_zip([*wheel_members(), Member(b"foo/x", b"x", gap=b"hidden")])),
    "descriptor": ("zip-data-descriptor", lambda: write_zip(first(flags=8, descriptor=DESCRIPTOR))),
    "descriptor-unflagged": ("zip-unlisted-data", lambda: write_zip(first(descriptor=DESCRIPTOR))),
    "descriptor-local-only": ("zip-data-descriptor", lambda: write_zip(first(local={"flags": 8}))),
    "local-name": ("zip-mismatch", lambda: write_zip(first(local={"name": b"foo/__main__.py"}))),
    "local-method": ("zip-mismatch", lambda: write_zip(first(local={"method": 0}))),
    "local-crc": ("zip-mismatch", lambda: write_zip(first(local={"crc": 1}))),
    "local-size": ("zip-mismatch", lambda: write_zip(first(local={"size": 1}))),
    "local-packed": ("zip-mismatch", lambda: write_zip(first(local={"packed": 1}))),
    "local-signature": ("zip-malformed", lambda: b"XX" + write_zip(wheel_members())[2:]),
    "overlap": ("zip-overlap", lambda: write_zip([*wheel_members(), Member(OTHER, b"x", central={"offset": 40})])),
    "reaches-into-directory": (
        "zip-overlap",
        lambda: write_zip([*wheel_members(), Member(OTHER, b"x" * 9, 0, packed=b"", local=NINE, central=NINE)]),
    ),
    "offset-beyond": ("zip-unlisted-data", lambda: write_zip(first(central={"offset": 10**6}))),
    "extra-of-3-bytes": ("zip-extra-field", lambda: write_zip(first(extra=b"abc"))),
    "extra-cut": ("zip-extra-field", lambda: write_zip(first(extra=struct.pack("<HH", 0x5455, 9) + b"x"))),
    "extra-local-only-cut": ("zip-extra-field", lambda: write_zip(first(local={"extra": b"ab"}))),
    "unicode-path-other": ("zip-extra-field", lambda: write_zip(first(extra=unicode_path(SMALL.name, b"x")))),
    "unicode-path-crc": ("zip-extra-field", lambda: write_zip(first(extra=unicode_path(b"x", SMALL.name)))),
    "unicode-path-twice": (
        "zip-extra-field",
        lambda: write_zip(first(extra=unicode_path(SMALL.name, SMALL.name) * 2)),
    ),
    "zip64-for-nothing": ("zip-zip64", lambda: write_zip(first(extra=extra_field(1, bytes(8))))),
    "zip64-empty": ("zip-zip64", lambda: write_zip(first(extra=extra_field(1, b"")))),
    "zip64-too-long": (
        "zip-zip64",
        lambda: write_zip(first(central={"size": NONE32, "extra": extra_field(1, bytes(16))})),
    ),
    "zip64-too-short": (
        "zip-zip64",
        lambda: write_zip(first(central={"size": NONE32, "extra": extra_field(1, bytes(4))})),
    ),
    "zip64-missing": ("zip-zip64", lambda: write_zip(first(central={"size": NONE32}))),
    "zip64-twice": ("zip-extra-field", lambda: write_zip(first(extra=extra_field(1, bytes(8)) * 2))),
    "zip64-local-size-alone": (
        "zip-mismatch",
        lambda: write_zip(first(local={"size": NONE32, "extra": extra_field(1, bytes(8))})),
    ),
    "zip64-other-size": (
        "zip-mismatch",
        lambda: write_zip(first(local={"size": NONE32, "packed": NONE32, "extra": extra_field(1, bytes(16))})),
    ),
    "zip64-locator-astray": ("zip-zip64", lambda: with_end64(locator={"offset": 5})),
    "zip64-locator-disks": ("zip-zip64", lambda: with_end64(locator={"disks": 2})),
    "zip64-record-size": ("zip-zip64", lambda: with_end64(record={"size": 60})),
    "zip64-record-disk": ("zip-zip64", lambda: with_end64(record={"disk": 1})),
    "zip64-other-count": ("zip-zip64", lambda: with_end64(record={"count": 2, "here": 2})),
    "zip64-other-offset": ("zip-zip64", lambda: with_end64(record={"offset": 2})),
    "zip64-locator-alone": (
        "zip-zip64",
        lambda: write_zip(wheel_members(), before_end=struct.pack("<4sLQL", b"PK\x06\x07", 0, 0, 1)),
    ),
    "zip64-record-alone": ("zip-mismatch", lambda: write_zip(wheel_members(), before_end=zip64_end(4, 0, 0)[:56])),
    "zip64-no-end": ("archive-unreadable", lambda: write_zip(wheel_members(), before_end=zip64_end)[:-22]),
    "too-many-members": ("archive-too-many-members", lambda: write_zip(wheel_members(), end=MANY)),
}  # fmt: skip


def with_end64(**lies: dict[str, int]) -> bytes:
    return write_zip(wheel_members(), before_end=lambda *place: zip64_end(*place, **lies))  # type: ignore[arg-type]


@pytest.mark.parametrize("case", STRUCTURE)
def test_E15_hostile_67_to_101_structure(case: str) -> None:
    code, make = STRUCTURE[case]
    assert codes(make()) == [code]


def named(name: bytes, flags: int = 0, **changes: object) -> bytes:
    return write_zip([*wheel_members(), Member(name, b"x", flags=flags, **changes)])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "names",
    [
        (b"foo/a", b"foo/a"), (b"foo/a", b"foo/A"), (b"foo/Stra\xc3\x9fe", b"foo/STRASSE"),
        ("foo/é".encode(), "foo/é".encode()), (b"foo/a", b"foo/a/"), (b"foo/a", b"foo/a/b"), (b"foo/A", b"foo/a/b"),
        (b"foo/d/", b"foo/d/"),
    ],
)  # fmt: skip
def test_hostile_102_duplicates(names: tuple[bytes, bytes]) -> None:
    members = [Member(name, b"", flags=UTF8, attributes=0) for name in names]
    assert codes(write_zip([*wheel_members(), *members])) == ["archive-duplicate-member"]


@pytest.mark.parametrize(
    "name",
    [
        b"/etc/passwd", b"../x", b"foo/../x", b"foo/..", b"./x", b"foo/./x", b"foo//x", b"C:x", b"c:/x", b"foo\\x",
        b"foo/x.", b"foo/x ", b"foo /x", b" foo/x", b"foo/CON", b"foo/con.txt", b"nul", b"foo/com1.py", b"Lpt9", b"aux",
        b"foo/\x00x", b"foo/\nx", b"foo/\x7f", "foo/\u202ex".encode(), b"",
    ],
)  # fmt: skip
def test_hostile_102_103_paths(name: bytes) -> None:
    assert codes(named(name, UTF8)) == ["archive-path"]


def test_hostile_108_deep_and_long() -> None:
    assert codes(named(b"/".join([b"d"] * 65))) == ["archive-path"]
    assert codes(named(b"a" * 1025)) == ["archive-path"]
    assert codes(named("é".encode() * 600, UTF8)) == ["archive-path"]


@pytest.mark.parametrize(("name", "flags"), [(b"foo/\xe9", 0), (b"foo/\xff\xfe", UTF8), (b"foo/\xed\xa0\x80", UTF8)])
def test_hostile_101_names_have_one_reading(name: bytes, flags: int) -> None:
    assert codes(named(name, flags)) == ["zip-name"]


@pytest.mark.parametrize("mode", [0o120777, 0o20644, 0o60644, 0o10644, 0o140644, 0o40755, 0o104755, 0o102755])
def test_hostile_104_links_devices_and_set_user_id(mode: int) -> None:
    assert codes(named(b"foo/x", attributes=mode << 16)) == ["archive-special-member"]


def test_hostile_104_a_directory_called_a_file() -> None:
    assert codes(named(b"foo/x/", attributes=0o100644 << 16)) == ["archive-special-member"]
    assert codes(named(b"foo/x/", attributes=0o40755 << 16)) == ["zip-malformed"]


@pytest.mark.parametrize("flags", [0x1, 0x41, 0x20, 0x2000])
def test_hostile_105_encrypted(flags: int) -> None:
    assert codes(named(b"foo/x", flags)) == ["zip-encrypted"]


@pytest.mark.parametrize("method", [1, 9, 12, 14, 93, 98])
def test_hostile_105_other_compressions(method: int) -> None:
    assert codes(named(b"foo/x", method=method)) == ["zip-compression"]


def test_hostile_106_ratio() -> None:
    bomb = [Member(b"foo/x%d" % n, bytes(1 << 20)) for n in range(80)]
    assert codes(write_zip([*wheel_members(), *bomb])) == ["archive-bomb"]
    small = wheel_members("foo", "1.0", *bomb[:50])
    assert codes(write_zip(small)) == []


def test_hostile_106_cap() -> None:
    told: dict[str, int | bytes] = {"size": 0xFFFFFFF0}
    huge = [Member(b"foo/x%d" % n, b"x", local=told, central=told) for n in range(3)]
    assert codes(write_zip([*wheel_members(), *huge])) == ["archive-bomb"]


def test_hostile_107_quoted_overlap() -> None:
    """The kernel of each member is the rest of the archive, as "zbsm" does it."""
    inner = Member(b"foo/b", b"y" * 100)
    quoted = Member(b"foo/a", b"x", packed=deflate(b"y" * 100), local={"packed": 200}, central={"packed": 200})
    assert codes(write_zip([*wheel_members(), quoted, inner])) == ["zip-overlap"]


def test_hostile_109_header_says_10_bytes() -> None:
    bomb = deflate(bytes(200 << 20))
    told: dict[str, int | bytes] = {"size": 10}
    data = write_zip([*wheel_members(), Member(b"foo/x", b"x" * 10, packed=bomb, local=told, central=told)])
    tracemalloc.start()
    assert "zip-size-mismatch" in codes(data)
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


def test_hostile_110_crc() -> None:
    told: dict[str, int | bytes] = {"crc": 1}
    assert codes(write_zip(first(local=told, central=told))) == ["zip-crc"]


@pytest.mark.parametrize(
    ("packed", "code"),
    [
        (b"", "zip-malformed"), (deflate(SMALL.data)[:-3], "zip-malformed"), (b"\xff" * 9, "zip-malformed"),
        (deflate(SMALL.data) + b"hidden", "zip-size-mismatch"), (deflate(SMALL.data + b"x"), "zip-size-mismatch"),
        (deflate(SMALL.data[:-1]), "zip-size-mismatch"),
    ],
)  # fmt: skip
def test_hostile_110_compressed_data(packed: bytes, code: str) -> None:
    assert codes(write_zip(first(packed=packed))) == [code]


def test_stored_size_differs() -> None:
    assert codes(write_zip(first(method=0, packed=b"short"))) == ["zip-size-mismatch"]


def test_hostile_111_zip_and_tar() -> None:
    member = tar_member("PK\x03\x04x")
    head = bytearray(make_tar([(member, b"")])[:512])
    data = bytes(head) + write_zip(wheel_members())
    assert codes(data) == ["archive-polyglot"]


def test_hostile_108_many_members_are_read_quickly() -> None:
    many = [Member(b"foo/%d" % n, b"", method=0) for n in range(3000)]
    assert codes(write_zip(wheel_members("foo", "1.0", *many))) == []
