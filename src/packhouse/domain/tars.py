# SPDX-License-Identifier: Apache-2.0
"""Reading tar archives strictly: ustar and pax (POSIX.1-2001), and GNU's long names; files and directories only.

Readers differ in what they make of odd numbers, overridden sizes and unknown members, so all of these are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from packhouse.domain.archive_limits import BadArchive
from packhouse.domain.wording import shown

BLOCK = 512
_LARGEST_HEADER = 1024 * 1024  # bytes of a pax header or a long name
_LARGEST_SIZE = 2**40
_FILE_KINDS = frozenset({b"0", b"\0"})
_DIRECTORY = b"5"
_SPECIAL = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a device",
    b"4": "a device",
    b"6": "a FIFO",
    b"7": "a contiguous file",
    b"S": "a sparse file",
}
_NUMBERS = (
    ("mode", 100, 108), ("uid", 108, 116), ("gid", 116, 124), ("mtime", 136, 148), ("device", 329, 337),
    ("device", 337, 345),
)  # fmt: skip
_OVERRIDES = frozenset({"path", "size", "linkpath"})
_MOST_EXTENSIONS = 4  # headers before one member
_MOST_GLOBAL = 100  # pax headers for all members


class Bytes(Protocol):
    """Where the archive comes from."""

    def read(self, size: int) -> bytes:
        """The next bytes, fewer than `size` only at the end."""

    def skip(self, size: int) -> bool:
        """Pass over bytes; False when there are not as many."""


@dataclass(frozen=True, slots=True)
class TarMember:
    """A file or a directory; `size` in bytes, `mode` the permission bits."""

    name: str
    size: int
    mode: int
    is_directory: bool


@dataclass(slots=True)
class _Pending:
    """What headers before a member say of it."""

    pax: dict[str, str] = field(default_factory=dict)
    long_name: str | None = None
    count: int = 0


class TarReader:
    """The members of an archive, one after the other; raises BadArchive where it is odd."""

    def __init__(self, source: Bytes) -> None:
        """Read from `source`, which stands at the start of the archive."""
        self._source = source
        self._left = 0  # bytes of the current member's data, with its padding
        self._size = 0
        self._globals = 0
        self._after_global = False

    def members(self) -> Iterator[TarMember]:
        """Each file and directory. The data of one can be read until the next is asked for."""
        pending = _Pending()
        while (header := self._next_header()) is not None:
            kind, size = header[156:157], _number(header[124:136], "size")
            self._size, self._left = size, size + -size % BLOCK
            if kind in {b"x", b"g", b"L", b"K"}:
                self._extend(pending, kind, size)
                self._after_global = kind == b"g"
                continue
            self._after_global = False
            yield self._member(header, kind, size, pending)
            pending = _Pending()
        if pending.count or self._after_global:
            raise BadArchive("tar-malformed", "The tar archive ends after a header that should describe a member")

    def read(self, largest: int) -> bytes:
        """The data of the current member, at most `largest` bytes of it."""
        if self._size > largest:
            raise BadArchive("archive-member-too-large", f"A member has {self._size} bytes: expected at most {largest}")
        data = self._source.read(self._size)
        self._left -= self._size
        if len(data) != self._size:
            raise BadArchive("tar-malformed", "The tar archive ends too early")
        return data

    def _next_header(self) -> bytes | None:
        if not self._source.skip(self._left):
            raise BadArchive("tar-malformed", "The tar archive ends too early")
        self._left = 0
        header = self._source.read(BLOCK)
        if len(header) != BLOCK:
            raise BadArchive("tar-malformed", "The tar archive ends too early")
        if header.count(0) == BLOCK:
            self._check_end()
            return None
        _check_sum(header)
        _check_numbers(header)
        return header

    def _check_end(self) -> None:
        """Behind the first block of zeros comes a second one, and then nothing but padding."""
        padding = self._source.read(BLOCK)
        if len(padding) != BLOCK:
            raise BadArchive("tar-malformed", "The tar archive ends too early")
        while padding:
            if padding.count(0) != len(padding):
                raise BadArchive("tar-trailing-data", "There is data behind the end of the tar archive")
            padding = self._source.read(64 * 1024)

    def _extend(self, pending: _Pending, kind: bytes, size: int) -> None:
        """Take in a header that describes the next member, or all of them."""
        pending.count += kind != b"g"
        self._globals += kind == b"g"
        if size > _LARGEST_HEADER or pending.count > _MOST_EXTENSIONS or self._globals > _MOST_GLOBAL:
            raise BadArchive("tar-header-too-large", "The tar archive has too large or too many extended headers")
        data = self.read(_LARGEST_HEADER)
        if kind == b"L":
            if pending.long_name is not None:
                raise BadArchive("tar-malformed", "A member of the tar archive has two long names")
            pending.long_name = _text(data.rstrip(b"\0"))
        elif kind == b"x":
            if pending.pax:
                raise BadArchive("tar-malformed", "A member of the tar archive has two pax headers")
            pending.pax = _pax_records(data)
        elif kind == b"g" and not _OVERRIDES.isdisjoint(_pax_records(data)):
            raise BadArchive("tar-pax", "A pax header of the tar archive renames or resizes all members")

    def _member(self, header: bytes, kind: bytes, size: int, pending: _Pending) -> TarMember:
        name = _name(header, pending)
        if kind in _SPECIAL:
            raise BadArchive(
                "archive-special-member", f"{shown(name)} is {_SPECIAL[kind]}: expected files and directories"
            )
        directory = kind == _DIRECTORY or (kind == b"\0" and name.endswith("/"))
        if not directory and kind not in _FILE_KINDS:
            raise BadArchive("archive-special-member", f"{shown(name)} is of the unknown type {ascii(kind)[1:]}")
        if pending.pax.get("size", str(size)) != str(size):
            raise BadArchive("tar-pax", f"{shown(name)} has another size in its pax header")
        if directory and size:
            raise BadArchive("tar-malformed", f"The directory {shown(name)} holds data")
        if not directory and name.endswith("/"):
            raise BadArchive("tar-malformed", f"The file {shown(name)} is called like a directory")
        return TarMember(name.removesuffix("/"), size, _number(header[100:108], "mode"), directory)


def _name(header: bytes, pending: _Pending) -> str:
    named = pending.pax.get("path")
    if named is not None and pending.long_name is not None:
        raise BadArchive("tar-malformed", f"{shown(named)} has two long names")
    plain = _plain_name(header)
    name = named if named is not None else pending.long_name
    if name is None:
        name = plain
    elif plain.startswith("/") or ".." in plain.split("/")[:-1]:
        raise BadArchive("archive-path", f"{shown(name)} is called {shown(plain)} as well, which leads elsewhere")
    if "\0" in name:
        raise BadArchive("archive-path", f"{shown(name)} holds a NUL")
    return name


def _plain_name(header: bytes) -> str:
    """The name in the header itself. Only ustar has a prefix, but some readers take one from any header."""
    prefix = header[345:500].split(b"\0", 1)[0]
    short = header[:100].split(b"\0", 1)[0]
    if prefix and (header[257:263] != b"ustar\0" or not short):
        raise BadArchive("tar-malformed", f"{shown(short.decode('utf-8', 'replace'))} has a prefix that is none")
    return _text(prefix + b"/" + short if prefix else short)


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise BadArchive("tar-name", f"The name {ascii(raw[:60])[1:]} in the tar archive is not UTF-8") from None


def _number(raw: bytes, what: str) -> int:
    """An octal number, or one in GNU's binary form; never negative, never huge."""
    if raw[0] in {0x80, 0xFF}:
        number = int.from_bytes(raw[1:], "big") if raw[0] == 0x80 else -1
    else:
        digits = raw.split(b"\0", 1)[0].strip(b" ")
        number = int(digits, 8) if digits.isdigit() and not digits.strip(b"01234567") else -1 if digits else 0
    if not 0 <= number <= _LARGEST_SIZE:
        raise BadArchive("tar-malformed", f"The tar archive holds a {what} that is no sensible number")
    return number


def _check_numbers(header: bytes) -> None:
    """Numbers that nobody needs here: some readers stop at one that is none. Negative ones may be binary only."""
    for what, start, end in _NUMBERS:
        raw = header[start:end]
        if raw[0] != 0xFF and raw[0] != 0x80:
            _number(raw, what)


def _check_sum(header: bytes) -> None:
    stated = _number(header[148:156], "checksum")
    if stated != sum(header) - sum(header[148:156]) + 8 * 32:
        raise BadArchive("tar-malformed", "A header of the tar archive has a wrong checksum, or this is no tar archive")


def _pax_records(data: bytes) -> dict[str, str]:
    """`length key=value` lines; each key once."""
    records: dict[str, str] = {}
    at = 0
    while at < len(data):
        space = data.find(b" ", at, at + 8)
        digits = data[at:space] if space > at else b""
        length = int(digits) if digits.isdigit() else 0
        line = data[at : at + length]
        key, equals, value = line[len(digits) + 1 : -1].partition(b"=")
        if length <= len(digits) + 2 or len(line) != length or line[-1:] != b"\n" or not key or not equals:
            raise BadArchive("tar-pax", "A pax header of the tar archive is not 'length key=value' lines")
        at += length
        name = _text(key)
        unwanted = name.startswith(("GNU.sparse", "SCHILY.realsize")) or name == "hdrcharset"
        if name in records or unwanted or not name.isprintable():
            raise BadArchive("tar-pax", f"A pax header of the tar archive holds {shown(name)}, twice or unwanted")
        if name in _OVERRIDES:
            records[name] = _text(value)
        else:
            _text(value)
            records[name] = ""
    return records
