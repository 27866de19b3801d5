# SPDX-License-Identifier: Apache-2.0
"""Archives and forms made from any bytes: each byte decides something, and where they end everything is in order.

So a fuzzer, or Hypothesis, walks among archives that are nearly sound, instead of among noise.
"""

from __future__ import annotations

import struct
import tarfile
from collections.abc import Sequence
from typing import TypeVar

from tests.corpus import make_metadata, make_tar, tar_member
from tests.corpus_zips import (
    Member,
    deflate,
    extra_field,
    unicode_path,
    wheel_members,
    write_zip,
    zip64_end,
)

T = TypeVar("T")
NONE32 = 0xFFFFFFFF


class Choices:
    """Decisions read from bytes; 0, False and the first of a list when they are used up."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def seldom(self) -> bool:
        return self.byte() > 220

    def pick(self, values: Sequence[T]) -> T:
        return values[self.byte() % len(values)]

    def number(self, most: int = NONE32) -> int:
        values = [0, 1, 2, 22, 46, 255, 0xFFFF, NONE32, self.byte(), self.byte() << 8 | self.byte()]
        return min(most, self.pick(values))

    def some(self, most: int) -> bytes:
        return bytes(self.byte() for _ in range(self.byte() % (most + 1)))


NAMES = [
    b"foo/a.py", b"foo/b/c.py", b"foo/d/", b"foo/A.py", "foo/\u00e9.py".encode(), "foo/e\u0301.py".encode(), b"foo",
    b"foo/./a.py", b"foo/x:y", b"../x", b"foo-1.0.data/scripts/x", b"foo-1.0.dist-info/licenses/L", b"foo/a.py/b",
    b"bar-2.0.dist-info/METADATA", b"/x", b"foo\\x", b"foo/\x85", b"foo/nul",
]  # fmt: skip
DATA = [b"", b"x = 1\n", b"x" * 300, b"PK\x05\x06" + bytes(18), b"PK\x03\x04" + bytes(26), bytes(2000)]
LIES = {"flags": 0xFFFF, "method": 0xFFFF, "crc": NONE32, "packed": NONE32, "size": NONE32, "version": 0xFFFF}
END = {"disk": 0xFFFF, "count": 0xFFFF, "here": 0xFFFF, "size": NONE32, "offset": NONE32, "comment": 0xFFFF}


def zip_from(data: bytes) -> bytes:
    """A wheel, sound where no byte says otherwise."""
    choices = Choices(data)
    further = [_member(choices) for _ in range(choices.byte() % 4)]
    members = wheel_members("foo", "1.0", *[m for m in further if _decodes(m.name)])
    members += [m for m in further if not _decodes(m.name)]
    for member in members:
        if choices.seldom():
            _disturb(member, choices)
    end = {key: choices.number(most) for key, most in END.items() if choices.seldom()}
    wide = choices.pick([False, False, False, True])
    lies = {key: choices.number() for key in ("size", "count", "here", "length", "offset") if choices.seldom()}
    if wide and choices.pick([False, True]):
        end |= {"offset": NONE32, "size": NONE32}
    return write_zip(
        members,
        prefix=choices.some(9) if choices.seldom() else b"",
        before_end=(lambda *place: zip64_end(*place, record=lies)) if wide else b"",
        comment=choices.pick([b"", b"", b"text", b"PK\x05\x06" + bytes(18), b"\xe9"]),
        suffix=choices.some(30) if choices.seldom() else b"",
        end=end,
        records=choices.some(50) if choices.seldom() else b"",
    )


def _decodes(name: bytes) -> bool:
    try:
        return bool(name.decode())
    except UnicodeDecodeError:
        return False


def _member(choices: Choices) -> Member:
    name = choices.pick([*NAMES, choices.some(12)])
    flags = 0 if name.isascii() else 0x800
    method = choices.pick([8, 0])
    directory = name.endswith(b"/")
    return Member(
        name,
        b"" if directory else choices.pick([*DATA, choices.some(40)]),
        method=0 if directory else method,
        flags=flags,
        attributes=choices.pick([0o100644 << 16, 0, 0o100755 << 16, 0o120777 << 16, 0x10]) if not directory else 0x10,
    )


def _disturb(member: Member, choices: Choices) -> None:
    first: dict[str, int | bytes] = {key: choices.number(most) for key, most in LIES.items() if choices.seldom()}
    second: dict[str, int | bytes] = {key: choices.number(most) for key, most in LIES.items() if choices.seldom()}
    sizes = struct.pack("<QQ", len(member.data), len(member.stored()))
    extra = choices.pick([
        b"", extra_field(0x5455, b"\x01" + bytes(4)), unicode_path(member.name, member.name),
        unicode_path(member.name, b"foo/other.py"), extra_field(1, sizes), extra_field(1, sizes[8:]),
        extra_field(1, sizes[:8]), choices.some(12),
    ])  # fmt: skip
    open_ones = choices.pick([(), ("size", "packed"), ("packed",), ("size",)])
    for lies in choices.pick([(first, second), (first, first), (first,), (second,)]):
        lies.update({"extra": extra} | dict.fromkeys(open_ones, NONE32))
    member.local, member.central = first, second
    if choices.seldom():
        member.central = first
    stored = member.stored()
    member.packed = choices.pick([None, None, stored + choices.some(5), stored[:-1], b"\0\0\0\xff\xff" + stored])
    if choices.seldom():
        member.packed = deflate(member.data) + deflate(b"x")
    member.descriptor = choices.pick([b"", b"", b"PK\x07\x08" + bytes(12)])
    member.gap = choices.some(8) if choices.seldom() else b""
    member.comment = choices.some(5) if choices.seldom() else b""
    member.present, member.listed = not choices.seldom(), not choices.seldom()


# tar

PATHS = [
    "foo-1.0/a.py", "foo-1.0/b/c.py", "foo-1.0/b", "foo-1.0/a.py", "foo-1.0", "other/x", "../x", "/x",
    "foo-1.0/" + "n" * 120, "foo-1.0/\u00e9", "foo-1.0/PKG-INFO", "foo-1.0/pkg-info", "foo-1.0/./x", "foo-1.0/b/",
]  # fmt: skip
KINDS = [b"0", b"5", b"\0", b"0", b"1", b"2", b"x", b"g", b"L", b"K", b"S", b"7", b"A"]
FIELDS = {
    "name": (0, 100), "mode": (100, 108), "uid": (108, 116), "size": (124, 136), "mtime": (136, 148),
    "kind": (156, 157), "magic": (257, 265), "device": (329, 337), "prefix": (345, 500),
}  # fmt: skip
VALUES = [
    b"", b"0000001\0", b"\x80\0\0\0\0\0\0\x01", b"\xff" * 8, b"7777777", b" 12 \0", b"-1\0", b"1_0\0",
    b"ustar\x0000", b"ustar  \0", b"foo-1.0", b"../..", b"9\0",
]  # fmt: skip


def tar_from(data: bytes) -> bytes:
    """A tar archive with PKG-INFO, sound where no byte says otherwise."""
    choices = Choices(data)
    info = [(tar_member("foo-1.0/PKG-INFO"), make_metadata("foo", "1.0"))]
    whole = make_tar(info, choices.pick([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT]))
    end = whole[len(whole.rstrip(b"\0")) :]
    blocks = whole[: 1024 + 512 * (len(info[0][1]) // 512)]
    for _ in range(choices.byte() % 5):
        blocks += _tar_member(choices)
    blocks += bytes(-len(blocks) % 512)
    return blocks + (choices.some(60) if choices.seldom() else b"") + bytes(max(1024, len(end) // 512 * 512))


def _tar_member(choices: Choices) -> bytes:
    path, kind = choices.pick(PATHS), choices.pick(KINDS)
    content = choices.pick([b"", b"x", b"y" * 600, _records(choices), b"foo-1.0/long\0", choices.some(30)])
    if kind in {b"5", b"1", b"2"} and not choices.seldom():
        content = b""
    member = tar_member(path, kind)
    member.size = len(content)
    try:
        header = bytearray(member.tobuf(choices.pick([tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT]))[-512:])
    except ValueError:
        return b""
    while choices.seldom():
        start, stop = FIELDS[choices.pick(sorted(FIELDS))]
        value = choices.pick([*VALUES, choices.some(12)])[: stop - start]
        header[start : start + len(value)] = value
    if not choices.seldom():
        header[148:156] = b"%06o\0 " % (sum(header[:148]) + sum(header[156:]) + 256)
    return bytes(header) + content + bytes(-len(content) % 512)


def _records(choices: Choices) -> bytes:
    """Records of a pax header."""
    made = b""
    for _ in range(1 + choices.byte() % 3):
        key = choices.pick([b"path", b"size", b"mtime", b"comment", b"linkpath", b"GNU.sparse.size", b"path\0"])
        value = choices.pick([b"foo-1.0/p", b"1", b"600", b"../p", b"foo-1.0/p/", choices.some(9)])
        length = len(key) + len(value) + 3
        length += len(str(length + len(str(length))))
        made += b"%d %s=%s\n" % (length + (choices.byte() % 3 if choices.seldom() else 0), key, value)
    return made


# Forms

HEADS = [
    b'Content-Disposition: form-data; name="name"', b'Content-Disposition: form-data; name="content"; filename="f"',
    b'Content-Disposition: form-data; name="classifiers"', b"Content-Type: text/plain", b"Content-Length: 3",
    b'content-disposition: form-data; name="summary"; filename="x"', b"Content-Type: text/plain; charset=utf-16",
    b"Content-Transfer-Encoding: base64", b'Content-Disposition: form-data; name="version"; name="x"', b"",
]  # fmt: skip


def form_from(data: bytes) -> bytes:
    """A multipart body, sound where no byte says otherwise."""
    choices = Choices(data)
    body = choices.some(8) if choices.seldom() else b""
    for _ in range(1 + choices.byte() % 4):
        lines = [choices.pick(HEADS) for _ in range(1 + choices.byte() % 2)]
        content = choices.pick([b"x", b"", b"\r\n--front", b"\r\n--frontier", b"abc", choices.some(20)])
        body += b"--frontier\r\n" + b"\r\n".join(lines) + b"\r\n\r\n" + content + b"\r\n"
    return body + b"--frontier--" + choices.pick([b"\r\n", b"", b"\r\n\r\n", choices.some(90)])
