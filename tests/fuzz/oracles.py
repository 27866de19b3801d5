# SPDX-License-Identifier: Apache-2.0
"""What must hold for any bytes: a judge answers with faults and nothing else, and what it accepts has one reading.

Each function takes the bytes of a file and raises AssertionError (or whatever a judge raises) when that is not so. The
other readings are those of the standard library, `installer`, `packaging`, and of a reader of streams made here.
"""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator

from installer.sources import WheelFile
from packaging.metadata import parse_email

from packhouse.domain.archive_limits import BadArchive
from packhouse.domain.archives import ArchiveVerdict, judge_archive
from packhouse.domain.core_metadata import CoreMetadata
from packhouse.domain.filenames import SdistFilename, parse_filename
from packhouse.domain.gzips import GzipReader
from packhouse.domain.judged import Findings
from packhouse.domain.metadata import read_metadata
from packhouse.domain.policy import PRIVATE, STRICT
from packhouse.domain.sdists import Sdist
from packhouse.domain.tars import TarReader
from packhouse.domain.zips import ZipArchive
from packhouse.errors import Fault, PackhouseError
from packhouse.storage.blobs import MemoryBlobs
from packhouse.web.receiving import receive

WHEEL = "foo-1.0-py3-none-any.whl"
SDIST = "foo-1.0.tar.gz"
BOUNDARY = "frontier"
LARGEST = 64 << 20  # bytes unpacked


def check_faults(faults: Iterable[Fault]) -> None:
    """A fault is one short line of plain ASCII, whatever it quotes."""
    for fault in faults:
        assert fault.code
        assert fault.message.isascii()
        assert fault.message.isprintable()
        assert len(fault.message) < 1000


def verdict_of(data: bytes, filename: str) -> ArchiveVerdict:
    """The verdict of `private`; that of `strict` is asked too."""
    parsed = parse_filename(filename)
    verdict = judge_archive(io.BytesIO(data), parsed, PRIVATE)
    check_faults([*verdict.faults, *verdict.warnings])
    assert (verdict.core is None) == bool(verdict.faults)
    stricter = judge_archive(io.BytesIO(data), parsed, STRICT)
    assert stricter.faults or not verdict.faults
    return verdict


# ZIP


def check_zip(data: bytes) -> bool:
    """Whether the archive is accepted; then three readers see the same names and bytes."""
    try:
        archive = ZipArchive(io.BytesIO(data), len(data), LARGEST)
        ours = [(member.name, b"".join(archive.chunks(member))) for member in archive.members]
    except BadArchive as bad:
        check_faults([bad.fault])
        return False
    with zipfile.ZipFile(io.BytesIO(data)) as theirs:
        assert [(entry.filename, theirs.read(entry)) for entry in theirs.infolist()] == ours
    assert list(streamed_zip(data)) == ours
    return True


def streamed_zip(data: bytes) -> Iterator[tuple[str, bytes]]:
    """What a reader finds that sees local headers alone, one after the other."""
    at = 0
    while data[at : at + 4] == b"PK\x03\x04":
        _, _, method, _, _, _, packed, _, named, extra = struct.unpack_from("<5H3L2H", data, at + 4)
        begin = at + 30 + named + extra
        name = data[at + 30 : at + 30 + named].decode()
        stop = begin + (_wide_packed(data[at + 22 : at + 26], data[begin - extra : begin]) or packed)
        if method:
            inflater = zlib.decompressobj(-15)
            yield name, inflater.decompress(data[begin:stop]) + inflater.flush()
            assert inflater.eof
            assert not inflater.unused_data
        else:
            yield name, data[begin:stop]
        at = stop
    assert data[at : at + 4] == b"PK\x01\x02"


def _wide_packed(size: bytes, extra: bytes) -> int:
    """The packed size that a zip64 field says, if the header (whose size before packing is `size`) leaves it open."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            values = [int.from_bytes(extra[at + 4 + n : at + 12 + n], "little") for n in range(0, length, 8)]
            return values[-1] if len(values) == 2 or size != b"\xff" * 4 else 0
        at += 4 + length
    return 0


def check_wheel(data: bytes) -> bool:
    """Whether the wheel is accepted; then `installer` finds its RECORD right and every file in it."""
    check_zip(data)
    verdict = verdict_of(data, WHEEL)
    if verdict.faults:
        return False
    assert check_zip(data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.filename = WHEEL
        source = WheelFile(archive)
        source.validate_record()
        found = {record[0]: stream.read() for record, stream, _ in source.get_contents()}
        names = {name for name in archive.namelist() if not name.endswith("/")}
        assert {name for name in names if not name.endswith(("/RECORD.jws", "/RECORD.p7s"))} <= set(found)
        assert source.read_dist_info("METADATA").encode() == verdict.metadata
    return True


# tar


def check_tar(data: bytes) -> bool:
    """Whether the tar archive, once compressed, passes as an sdist; then `tarfile` reads the same."""
    packed = gzip.compress(data, 1, mtime=0)
    verdict_of(packed, SDIST)
    parsed = parse_filename(SDIST)
    assert isinstance(parsed, SdistFilename)
    try:
        Sdist(io.BytesIO(packed), len(packed), parsed, PRIVATE).judge(Findings())
    except BadArchive as bad:
        check_faults([bad.fault])
        return False
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as archive:
        theirs = [
            (member.name, member.isdir(), (archive.extractfile(member) or io.BytesIO()).read()) for member in archive
        ]
    assert theirs == list(_tar_reading(packed))
    return True


def _tar_reading(packed: bytes) -> Iterator[tuple[str, bool, bytes]]:
    reader = TarReader(GzipReader(io.BytesIO(packed), len(packed), LARGEST))
    for member in reader.members():
        yield member.name, member.is_directory, b"" if member.is_directory else reader.read(LARGEST)


def check_sdist(data: bytes) -> bool:
    """Whether the bytes are accepted as an sdist; then `gzip` unpacks them to one that is accepted as well."""
    verdict = verdict_of(data, SDIST)
    if not verdict.faults:
        assert check_tar(gzip.decompress(data))
    return not verdict.faults


# Metadata


def check_metadata(data: bytes) -> bool:
    """Whether the metadata are accepted; then `packaging` reads the same from them."""
    strict, judged = read_metadata(data, STRICT), read_metadata(data, PRIVATE)
    for each in (strict, judged):
        check_faults([*each.faults, *each.warnings])
        assert (each.value is None) == bool(each.faults)
    assert strict.faults or not judged.faults
    core = judged.value
    if core is None:
        return False
    assert CoreMetadata.from_dict(core.as_dict()) == core
    raw, _ = parse_email(data)
    for ours, theirs in (
        (core.name, raw.get("name", "")),
        (core.version, raw.get("version", "")),
        (core.requires_python, raw.get("requires_python", "")),
        (core.metadata_version, raw.get("metadata_version", "")),
    ):
        assert ours.strip() == ("" if theirs.strip() == "UNKNOWN" else theirs.strip())
    assert [value.strip() for value in core.requires_dist] == [
        value.strip() for value in raw.get("requires_dist", []) if value.strip() != "UNKNOWN"
    ]
    return True


# Forms


class Dribble(io.BytesIO):
    """A body that comes in pieces of at most so many bytes."""

    def __init__(self, data: bytes, most: int) -> None:
        super().__init__(data)
        self._most = most

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(self._most if size is None or size < 0 else min(size, self._most))


def check_form(data: bytes) -> bool:
    """Whether the body is received; what it holds does not depend on the pieces it comes in."""
    readings = [_received(data, most) for most in (1 << 20, 61, 7)]
    assert readings[0] == readings[1] == readings[2]
    return isinstance(readings[0], tuple)


def _received(data: bytes, most: int) -> object:
    """The fields, the filename and the digest of the file; the code when it is refused."""
    try:
        received = receive(Dribble(data, most), BOUNDARY, None, MemoryBlobs().incoming, 1 << 20)
    except PackhouseError as error:
        check_faults(error.faults)
        return error.code
    file = received.incoming
    said = (received.fields, received.filename, None if file is None else file.digests().sha256)
    received.discard()
    return said
