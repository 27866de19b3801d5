# SPDX-License-Identifier: Apache-2.0
"""Reading ZIP archives so strictly that there is only one reading (APPNOTE.TXT 6.3).

Some readers follow the central directory from the end of the file, others the local headers from its start. An archive
is accepted when both find the same: the local entries lie end to end from byte 0 to the central directory, each agrees
with its central record, the end records follow at once, and nothing comes after them. There is no recovery.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from struct import Struct
from typing import Protocol

from packhouse.domain.archive_limits import (
    CHUNK,
    MOST_MEMBERS,
    BadArchive,
    check_path,
    check_unpacked,
    folded,
    parents_of,
)
from packhouse.domain.wording import shown
from packhouse.domain.zip_extras import NONE32, widened

_LOCAL = Struct("<4s2B4HL2L2H")
_CENTRAL = Struct("<4s4B4HL2L5H2L")
_END = Struct("<4s4H2LH")
_END64 = Struct("<4sQ2H2L4Q")
_LOCATOR = Struct("<4sLQL")
_PAIR = Struct("<QQ")
_LONGEST_COMMENT = _NONE16 = 0xFFFF
_UTF8 = 0x800
_HARMLESS_FLAGS = _UTF8 | 0x6  # names in UTF-8; how hard deflate tried
_STORED, _DEFLATED = 0, 8
_NEWEST = 45  # version of the format that a reader needs, in tenths: 4.5 brought zip64
_DOS_VOLUME, _DOS_DIRECTORY = 0x8, 0x10  # in the low byte of the attributes
_EMPTY_DEFLATED = 2  # bytes of a deflate stream of nothing
_LARGEST_DIRECTORY = 64 * 1024 * 1024  # bytes of the central directory


@dataclass(frozen=True, slots=True)
class Member:
    """One file or directory of an archive. Sizes and offsets are in bytes; `data` is where its bytes start."""

    name: str
    raw_name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    data: int = 0

    @property
    def is_directory(self) -> bool:
        """Whether the name says that this is a directory."""
        return self.name.endswith("/")


@dataclass(frozen=True, slots=True)
class _Directory:
    """Where the central directory lies, and how many records it has."""

    offset: int
    size: int
    records: int


class Seekable(Protocol):
    """What of a file is needed to read an archive."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a place."""

    def read(self, size: int = -1, /) -> bytes:
        """So many bytes from there on, fewer at the end."""


class _Reader:
    """Reads the bytes of members, and checks them on the way."""

    def __init__(self, file: Seekable) -> None:
        self._file = file

    def chunks(self, member: Member) -> Iterator[bytes]:
        """The member's bytes; raises BadArchive when they are not what its header says."""
        crc = total = 0
        pieces = self._stored(member) if member.method == _STORED else self._inflated(member)
        for piece in pieces:
            total += len(piece)
            if total > member.size:
                raise BadArchive("zip-size-mismatch", f"{shown(member.name)} holds more bytes than its header says")
            crc = zlib.crc32(piece, crc)
            yield piece
        if total != member.size:
            raise BadArchive("zip-size-mismatch", f"{shown(member.name)} holds fewer bytes than its header says")
        if crc != member.crc:
            raise BadArchive("zip-crc", f"{shown(member.name)} does not have the checksum of its header")

    def read(self, member: Member, largest: int) -> bytes:
        """All of a member that has at most `largest` bytes."""
        if member.size > largest:
            raise BadArchive(
                "archive-member-too-large",
                f"{shown(member.name)} has {member.size} bytes: expected at most {largest}",
            )
        return b"".join(self.chunks(member))

    def _stored(self, member: Member) -> Iterator[bytes]:
        self._file.seek(member.data)
        left = member.packed
        while left:
            piece = self._file.read(min(left, CHUNK))
            if not piece:
                raise BadArchive("zip-malformed", "The archive ends too early")
            left -= len(piece)
            yield piece

    def _inflated(self, member: Member) -> Iterator[bytes]:
        """Inflate in pieces of bounded size; the stream must end exactly where the member does."""
        inflater = zlib.decompressobj(-15)
        try:
            for packed in self._stored(member):
                piece = inflater.decompress(packed, CHUNK)
                while piece:
                    yield piece
                    piece = inflater.decompress(inflater.unconsumed_tail, CHUNK) if inflater.unconsumed_tail else b""
                if inflater.unused_data:
                    raise BadArchive("zip-size-mismatch", f"{shown(member.name)} holds bytes after its compressed data")
            rest = inflater.flush()
        except zlib.error as error:
            if "Error -4" in str(error):
                raise MemoryError from None
            raise BadArchive("zip-malformed", f"{shown(member.name)} can't be inflated") from None
        if rest:
            yield rest
        if not inflater.eof:
            raise BadArchive("zip-malformed", f"{shown(member.name)} is cut short")


class ZipArchive(_Reader):
    """An archive that has passed the structural check; its members' bytes are checked when they are read."""

    def __init__(self, file: Seekable, size: int, largest_unpacked: int) -> None:
        """Read the structure of `file` of `size` bytes; raises BadArchive."""
        super().__init__(file)
        directory = _find_directory(file, size)
        central = _read_central(_read_at(file, directory.offset, directory.size), directory.records)
        _check_names(central)
        check_unpacked(sum(member.size for member in central), size, largest_unpacked)
        self.members = _check_local(file, sorted(central, key=lambda member: member.offset), directory.offset)
        if [member.offset for member in self.members] != [member.offset for member in central]:
            raise BadArchive("zip-mismatch", "The central directory lists the members in another order than they lie")


class ZipGlimpse(_Reader):
    """An archive of which little more than the central directory is read: enough for one small member.

    The records of the directory are judged as those of `ZipArchive`; of local headers only that of a member which is
    read. So it is for archives that somebody else answers for, never for an upload.
    """

    def __init__(self, file: Seekable, size: int, largest_directory: int) -> None:
        """Read the central directory, of at most so many bytes; raises BadArchive."""
        super().__init__(file)
        directory = _find_directory(file, size)
        if directory.size > largest_directory:
            message = f"The central directory has {directory.size} bytes: expected at most {largest_directory}"
            raise BadArchive("archive-too-many-members", message)
        self.members = _read_central(_read_at(file, directory.offset, directory.size), directory.records)
        _check_names(self.members)
        self._end = directory.offset

    def read_one(self, member: Member, largest: int) -> bytes:
        """All of a member that has at most `largest` bytes, packed and unpacked; raises BadArchive."""
        if member.packed > largest:
            message = f"{shown(member.name)} has {member.packed} packed bytes: expected at most {largest}"
            raise BadArchive("archive-member-too-large", message)
        data = _check_entry(self._file, member)
        after = [other.offset for other in self.members if other.offset > member.offset]
        alike = [other for other in self.members if other.offset == member.offset]
        if data + member.packed > min(after, default=self._end) or len(alike) > 1 or member.offset >= self._end:
            raise BadArchive("zip-overlap", f"{shown(member.name)} reaches into what comes after it")
        return self.read(replace(member, data=data), largest)


def _read_at(file: Seekable, offset: int, size: int) -> bytes:
    file.seek(offset)
    data = file.read(size)
    if len(data) != size:
        raise BadArchive("zip-malformed", "The archive ends too early")
    return data


def _find_directory(file: Seekable, size: int) -> _Directory:
    """Follow the end records; they must stand right behind the central directory, at the very end of the file."""
    if size < _END.size:
        raise BadArchive("archive-unreadable", "The file is not a ZIP archive")
    start = max(0, size - _END.size - _LONGEST_COMMENT - _LOCATOR.size - _END64.size)
    tail = _read_at(file, start, size - start)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        raise BadArchive("archive-unreadable", "The file is not a ZIP archive")
    _, disk, first_disk, here, records, length, offset, comment = _END.unpack_from(tail, at)
    _check_comment(tail[at + _END.size :], comment)
    if disk or first_disk or here != records:
        raise BadArchive("zip-malformed", "The archive is spread over several disks")
    end = start + at
    found = _Directory(offset, length, records)
    if tail[max(0, at - _LOCATOR.size) :][:4] == b"PK\x06\x07":
        found, end = _read_end64(tail, at, start, found)
    elif NONE32 in {length, offset} or records == _NONE16:
        raise BadArchive("zip-zip64", "The end record leaves numbers to a zip64 end record that is not there")
    if found.records > MOST_MEMBERS or found.size > _LARGEST_DIRECTORY:
        raise BadArchive("archive-too-many-members", f"The archive has more than {MOST_MEMBERS} members")
    if found.offset + found.size != end:
        raise BadArchive("zip-mismatch", "The central directory does not end where the end records begin")
    return found


def _check_comment(comment: bytes, length: int) -> None:
    if len(comment) != length:
        raise BadArchive("zip-trailing-data", "The archive has bytes after its end, or a comment cut short")
    if not all(32 <= byte < 127 or byte in {9, 10, 13} for byte in comment) or b"PK" in comment:
        raise BadArchive("zip-comment", "The archive's comment is not plain ASCII text")


def _read_end64(tail: bytes, at: int, start: int, end: _Directory) -> tuple[_Directory, int]:
    """The zip64 end record and its locator, right before the end record at `tail[at]`; and where they begin."""
    begin = at - _LOCATOR.size - _END64.size
    if begin < 0 or tail[begin : begin + 4] != b"PK\x06\x06":
        raise BadArchive("zip-zip64", "The zip64 end record is not where its locator stands")
    _, disk, offset, disks = _LOCATOR.unpack_from(tail, at - _LOCATOR.size)
    _, size, _, _, *disk_numbers, here, records, length, directory = _END64.unpack_from(tail, begin)
    if disk or disks != 1 or any(disk_numbers) or here != records:
        raise BadArchive("zip-zip64", "The archive is spread over several disks")
    if offset != start + begin or size != _END64.size - 12:
        raise BadArchive("zip-zip64", "The zip64 end record has another place or size than it says")
    short = ((end.offset, directory, NONE32), (end.size, length, NONE32), (end.records, records, _NONE16))
    if any(given not in {value, none} for given, value, none in short):
        raise BadArchive("zip-zip64", "The two end records disagree")
    return _Directory(directory, length, records), start + begin


def _read_central(data: bytes, records: int) -> list[Member]:
    members = []
    at = 0
    while at < len(data):
        if len(data) - at < _CENTRAL.size:
            raise BadArchive("zip-malformed", "The central directory is cut short")
        fields = _CENTRAL.unpack_from(data, at)
        if fields[0] != b"PK\x01\x02":
            raise BadArchive("zip-malformed", "The central directory holds an unknown record")
        name_size, extra_size, comment_size = fields[12:15]
        at += _CENTRAL.size
        if at + name_size + extra_size + comment_size > len(data):
            raise BadArchive("zip-malformed", "The central directory is cut short")
        if comment_size:
            raise BadArchive("zip-entry-comment", "A record of the central directory has a comment")
        raw_name = data[at : at + name_size]
        extra = data[at + name_size : at + name_size + extra_size]
        members.append(_central_member(fields, raw_name, extra))
        at += name_size + extra_size
    if len(members) != records:
        raise BadArchive("zip-mismatch", "The central directory has another number of records than the end record says")
    if not members:
        raise BadArchive("archive-unreadable", "The archive is empty")
    return members


def _central_member(fields: tuple[int, ...], raw_name: bytes, extra: bytes) -> Member:
    needed, _, flags, method = fields[3:7]
    crc, packed, size = fields[9:12]
    disk, _, attributes, offset = fields[15:]
    name = _decode_name(raw_name, flags)
    size, packed, offset = widened(extra, raw_name, name, (size, packed, offset))
    if disk:
        raise BadArchive("zip-malformed", "The archive is spread over several disks")
    _check_method(name, flags, method, needed)
    _check_mode(name, attributes)
    _check_sizes(name, method, packed, size)
    return Member(name, raw_name, flags, method, crc, packed, size, offset)


def _decode_name(raw: bytes, flags: int) -> str:
    """The name: UTF-8 when flagged so, else ASCII, for other readers would guess another encoding."""
    try:
        return raw.decode("utf-8" if flags & _UTF8 else "ascii")
    except UnicodeDecodeError:
        raise BadArchive("zip-name", f"The name {ascii(raw[:60])[1:]} is not UTF-8, or not flagged so") from None


def _check_method(name: str, flags: int, method: int, needed: int) -> None:
    if flags & 0x8:
        raise BadArchive("zip-data-descriptor", f"{shown(name)} has a data descriptor")
    if flags & ~_HARMLESS_FLAGS:
        raise BadArchive("zip-encrypted", f"{shown(name)} is encrypted or patched")
    if method not in {_STORED, _DEFLATED}:
        raise BadArchive("zip-compression", f"{shown(name)} is compressed by method {method}: expected deflate")
    if needed > _NEWEST:
        raise BadArchive(
            "zip-version", f"{shown(name)} needs version {needed} of the format: expected at most {_NEWEST}"
        )


def _check_mode(name: str, attributes: int) -> None:
    """Of what a member may be: a file or a directory, as its name says; not a link, not a device, not set-user-id."""
    directory = name.endswith("/")
    mode = attributes >> 16
    kind = mode & 0o170000
    if kind not in {0, 0o040000 if directory else 0o100000} or mode & 0o6000:
        raise BadArchive("archive-special-member", f"{shown(name)} is a link, a device or set-user-id")
    if attributes & (_DOS_VOLUME if directory else _DOS_VOLUME | _DOS_DIRECTORY):
        raise BadArchive("archive-special-member", f"{shown(name)} has the attributes of a directory or a volume label")


def _check_sizes(name: str, method: int, packed: int, size: int) -> None:
    if name.endswith("/") and (size or packed > _EMPTY_DEFLATED):
        raise BadArchive("zip-malformed", f"The directory {shown(name)} holds data")
    if method == _STORED and packed != size:
        raise BadArchive("zip-size-mismatch", f"{shown(name)} is stored, but in another size")


def _check_names(members: list[Member]) -> None:
    files: set[str] = set()
    directories: set[str] = set()
    for member in members:
        path = member.name[:-1] if member.is_directory else member.name
        check_path(path)
        key = folded(path)
        same_kind = directories if member.is_directory else files
        if key in same_kind:
            raise BadArchive("archive-duplicate-member", f"The archive holds {shown(member.name)} twice")
        same_kind.add(key)
    parents = parents_of(files | directories)
    if not files.isdisjoint(parents | directories):
        clash = min(files & (parents | directories))
        raise BadArchive("archive-duplicate-member", f"The archive holds {shown(clash)} both as file and as directory")


def _check_local(file: Seekable, central: list[Member], end: int) -> list[Member]:
    """Compare each local header with its central record; the entries must fill the file up to `end` without a gap."""
    at = 0
    members = []
    for member in central:
        if member.offset != at:
            code = "zip-overlap" if member.offset < at else "zip-unlisted-data"
            raise BadArchive(code, f"{shown(member.name)} does not begin where the member before it ends")
        data = _check_entry(file, member)
        at = data + member.packed
        if at > end:
            raise BadArchive("zip-overlap", f"{shown(member.name)} reaches into the central directory")
        members.append(replace(member, data=data))
    if at != end:
        raise BadArchive("zip-unlisted-data", "There is data between the last member and the central directory")
    return members


def _check_entry(file: Seekable, member: Member) -> int:
    """Check the local header of a member; returns where its data starts."""
    head = _read_at(file, member.offset, _LOCAL.size)
    signature, needed, _, flags, method, _, _, crc, packed, size, name_size, extra_size = _LOCAL.unpack(head)
    if signature != b"PK\x03\x04":
        raise BadArchive("zip-malformed", f"There is no local header where {shown(member.name)} should begin")
    _check_method(member.name, flags, method, needed)
    rest = _read_at(file, member.offset + _LOCAL.size, name_size + extra_size)
    raw_name, extra = rest[:name_size], rest[name_size:]
    size, packed, _ = widened(extra, raw_name, member.name, (size, packed, 0))
    if (raw_name, flags, method, crc, packed, size) != (
        member.raw_name, member.flags, member.method, member.crc, member.packed, member.size,
    ):  # fmt: skip
        raise BadArchive("zip-mismatch", f"The local header and the central directory disagree on {shown(member.name)}")
    return int(member.offset + _LOCAL.size + name_size + extra_size)


def looks_like_tar(head: bytes) -> bool:
    """Whether the first 512 bytes of a file are also a tar header."""
    if len(head) < 512:
        return False
    try:
        stated = int(head[148:156].strip(b" \0") or b"x", 8)
    except ValueError:
        stated = -1
    return head[257:262] == b"ustar" or stated == sum(head[:148]) + sum(head[156:512]) + 8 * 32
