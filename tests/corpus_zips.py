# SPDX-License-Identifier: Apache-2.0
"""ZIP archives written byte by byte, so that each field can lie."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tests.corpus import make_metadata, make_record, make_wheel_file, normalized

UTF8 = 0x800


@dataclass
class Member:
    """One member. What is None is told truthfully; `local` and `central` are fields in which one header differs."""

    name: bytes
    data: bytes = b""
    method: int = 8
    flags: int = 0
    packed: bytes | None = None  # the bytes in the archive
    extra: bytes = b""
    comment: bytes = b""
    attributes: int = 0o100644 << 16
    descriptor: bytes = b""  # behind the data
    local: dict[str, int | bytes] = field(default_factory=dict)
    central: dict[str, int | bytes] = field(default_factory=dict)
    present: bool = True
    listed: bool = True
    gap: bytes = b""  # before the local header

    def stored(self) -> bytes:
        """The bytes in the archive."""
        if self.packed is not None:
            return self.packed
        return deflate(self.data) if self.method == 8 else self.data

    def told(self, lies: dict[str, int | bytes]) -> dict[str, int | bytes]:
        """The fields of a header."""
        truth: dict[str, int | bytes] = {
            "version": 20,
            "flags": self.flags,
            "method": self.method,
            "crc": zlib.crc32(self.data),
            "packed": len(self.stored()),
            "size": len(self.data),
            "name": self.name,
            "extra": self.extra,
            "disk": 0,
        }
        return truth | lies


def deflate(data: bytes) -> bytes:
    """A raw deflate stream."""
    compressor = zlib.compressobj(6, zlib.DEFLATED, -15)
    return compressor.compress(data) + compressor.flush()


def write_zip(
    members: Iterable[Member],
    *,
    prefix: bytes = b"",
    before_end: bytes | Callable[[int, int, int], bytes] = b"",
    comment: bytes = b"",
    suffix: bytes = b"",
    end: dict[str, int] | None = None,
    records: bytes | None = None,
) -> bytes:
    """An archive; `end` are fields of the end record that differ, `before_end` is put before it, `records` is appended
    to the central directory. A function `before_end` is given number, size and offset of the central directory.
    """
    out = bytearray(prefix)
    directory = bytearray()
    count = 0
    for member in members:
        out += member.gap
        offset = len(out)
        if member.present:
            out += _local(member)
        if member.listed:
            directory += _central(member, offset)
            count += 1
    directory += records or b""
    start = len(out)
    out += directory
    out += before_end if isinstance(before_end, bytes) else before_end(count, len(directory), start)
    told = {"disk": 0, "first": 0, "here": count, "count": count, "size": len(directory), "offset": start}
    told |= {"comment": len(comment)} | (end or {})
    out += struct.pack("<4s4H2LH", b"PK\x05\x06", *told.values())
    return bytes(out) + comment + suffix


def _local(member: Member) -> bytes:
    told = member.told(member.local)
    name, extra = told["name"], told["extra"]
    assert isinstance(name, bytes)
    assert isinstance(extra, bytes)
    head = struct.pack(
        "<4s5H3L2H", b"PK\x03\x04", told["version"], told["flags"], told["method"], 0, 0x21, told["crc"],
        told["packed"], told["size"], len(name), len(extra),
    )  # fmt: skip
    return head + name + extra + member.stored() + member.descriptor


def _central(member: Member, offset: int) -> bytes:
    told = member.told(member.central)
    name, extra = told["name"], told["extra"]
    assert isinstance(name, bytes)
    assert isinstance(extra, bytes)
    head = struct.pack(
        "<4s6H3L5H2L", b"PK\x01\x02", 0x0314, told["version"], told["flags"], told["method"], 0, 0x21, told["crc"],
        told["packed"], told["size"], len(name), len(extra), len(member.comment), told["disk"], 0, member.attributes,
        told.get("offset", offset),
    )  # fmt: skip
    return head + name + extra + member.comment


def zip64_end(
    count: int, size: int, offset: int, *, locator: dict[str, int] | None = None, record: dict[str, int] | None = None
) -> bytes:
    """A zip64 end record and its locator, with fields that differ."""
    told = {"size": 44, "made": 45, "needed": 45, "disk": 0, "first": 0, "here": count, "count": count}
    told |= {"length": size, "offset": offset} | (record or {})
    found = {"disk": 0, "offset": offset + size, "disks": 1} | (locator or {})
    return struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", *told.values()) + struct.pack(
        "<4sLQL", b"PK\x06\x07", *found.values()
    )


def extra_field(kind: int, data: bytes) -> bytes:
    """One extra field."""
    return struct.pack("<HH", kind, len(data)) + data


def unicode_path(name: bytes, claimed: bytes) -> bytes:
    """The Info-ZIP extra field that names a member again."""
    return extra_field(0x7075, b"\x01" + struct.pack("<L", zlib.crc32(name)) + claimed)


def wheel_members(name: str = "foo", version: str = "1.0", *further: Member) -> list[Member]:
    """The members of a sound wheel, RECORD last; `further` ones are in RECORD as well."""
    info = f"{normalized(name)}-{version}.dist-info"
    members = [
        Member(f"{normalized(name)}/__init__.py".encode(), b"x = 1\n" * 20),
        Member(f"{info}/METADATA".encode(), make_metadata(name, version)),
        Member(f"{info}/WHEEL".encode(), make_wheel_file()),
        *further,
    ]
    record = make_record({m.name.decode(): m.data for m in members if not m.name.endswith(b"/")}, f"{info}/RECORD")
    return [*members, Member(f"{info}/RECORD".encode(), record)]
