# SPDX-License-Identifier: Apache-2.0
"""sdists: gzip, tar and what must be in them (E14, E19, hostile 121 to 132, I2, I3)."""

from __future__ import annotations

import gzip
import io
import random
import struct
import tarfile
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from tests.corpus import make_gzip, make_metadata, make_sdist, make_tar, tar_member

from packhouse.domain.archives import ArchiveVerdict, judge_archive
from packhouse.domain.filenames import parse_filename
from packhouse.domain.policy import PRIVATE, Profile

FILENAME = "foo-1.0.tar.gz"
INFO = make_metadata("foo", "1.0")
SOUND = [(tar_member("foo-1.0/PKG-INFO"), INFO), (tar_member("foo-1.0/x.py"), b"x = 1\n")]
TAR = make_tar(SOUND)

Entry = tuple[tarfile.TarInfo, bytes]


def judge(data: bytes, profile: Profile = PRIVATE) -> ArchiveVerdict:
    verdict = judge_archive(io.BytesIO(data), parse_filename(FILENAME), profile)
    for found in (*verdict.faults, *verdict.warnings):
        assert found.message.isascii()
        assert found.message.isprintable()
    return verdict


def codes(data: bytes, profile: Profile = PRIVATE) -> list[str]:
    return [fault.code for fault in judge(data, profile).faults]


def warned(data: bytes) -> list[str]:
    verdict = judge(data)
    assert not verdict.faults
    return [warning.code for warning in verdict.warnings]


def tar(*members: Entry, form: int = tarfile.PAX_FORMAT) -> bytes:
    return make_gzip(make_tar([*SOUND, *members], form))


def gz(
    *, flags: int = 0, header: bytes = b"", data: bytes = TAR, crc: int | None = None, size: int | None = None
) -> bytes:
    compressor = zlib.compressobj(6, zlib.DEFLATED, -15)
    packed = compressor.compress(data) + compressor.flush()
    end = struct.pack("<LL", zlib.crc32(data) if crc is None else crc, len(data) if size is None else size)
    return b"\x1f\x8b\x08" + bytes([flags]) + bytes(6) + header + packed + end


# gzip


@pytest.mark.parametrize(
    "data",
    [make_gzip(TAR), gz(), gz(flags=8, header=b"foo-1.0.tar\0"), gz(flags=16, header=b"hello\0"),
     gz(flags=4, header=b"\x02\x00ab"), gz(flags=28, header=b"\x02\x00abname\0comment\0"), gzip.compress(TAR, 0)],
)  # fmt: skip
def test_gzip_headers_that_pass(data: bytes) -> None:
    assert warned(data) == []


GZIPS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "empty": ("archive-unreadable", lambda: b""),
    "not-gzip": ("archive-unreadable", lambda: TAR),
    "zip": ("archive-unreadable", lambda: b"PK\x03\x04" + bytes(100)),
    "bzip2": ("archive-unreadable", lambda: b"BZh9" + bytes(100)),
    "unknown-method": ("archive-unreadable", lambda: b"\x1f\x8b\x07" + gz()[3:]),
    "unknown-flags": ("gzip-header", lambda: gz(flags=0x80)),
    "name-of-64-kib": ("gzip-header", lambda: gz(flags=8, header=b"x" * 65536 + b"\0")),
    "comment-of-64-kib": ("gzip-header", lambda: gz(flags=16, header=b"x" * 65536 + b"\0")),
    "extra-of-32-kib": ("gzip-header", lambda: gz(flags=4, header=b"\x00\x80" + b"x" * 32768)),
    "trailing-garbage": ("gzip-trailing-data", lambda: gz() + b"x"),
    "trailing-zeros": ("gzip-trailing-data", lambda: gz() + bytes(1000)),
    "trailing-zip": ("gzip-trailing-data", lambda: gz() + b"PK\x05\x06" + bytes(18)),
    "far-trailing": ("gzip-trailing-data", lambda: gz() + bytes(1 << 20)),
    "two-members": ("gzip-trailing-data", lambda: gz() + make_gzip(b"")),
    "split-in-two": ("gzip-trailing-data", lambda: make_gzip(TAR[:512]) + make_gzip(TAR[512:])),
    "truncated": ("gzip-truncated", lambda: gz()[:-1]),
    "truncated-early": ("gzip-truncated", lambda: gz()[:40]),
    "wrong-crc": ("gzip-damaged", lambda: gz(crc=1)),
    "wrong-size": ("gzip-damaged", lambda: gz(size=1)),
    "wrong-code": ("gzip-damaged", lambda: gz()[:10] + b"\xff" * 50),
}


@pytest.mark.parametrize("case", GZIPS)
def test_hostile_121_122_gzip(case: str) -> None:
    code, make = GZIPS[case]
    assert codes(make()) == [code]


def test_hostile_123_bomb_is_stopped_while_inflating() -> None:
    member = tar_member("foo-1.0/zeros")
    member.size = 10 << 30
    head = make_tar(SOUND)[: 4 * 512] + member.tobuf(tarfile.GNU_FORMAT)
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = compressor.compress(head) + b"".join(compressor.compress(bytes(1 << 20)) for _ in range(200))
    tracemalloc.start()
    assert codes(bomb) == ["archive-bomb"]
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


def test_hostile_123_cap_whatever_the_ratio() -> None:
    noise = random.Random(1).randbytes(3 << 20)
    small = Profile(largest_unpacked=2 << 20)
    assert codes(tar((tar_member("foo-1.0/noise"), noise)), small) == ["archive-bomb"]


# tar


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_forms_and_long_names(form: int) -> None:
    long = "foo-1.0/" + "/".join(["directory"] * 12) + "/" + "n" * 60
    longer = "foo-1.0/" + "n" * 200
    members = [(tar_member(long), b"x"), (tar_member("foo-1.0/d", tarfile.DIRTYPE), b"")]
    if form != tarfile.USTAR_FORMAT:
        members += [(tar_member(longer), b"x"), (tar_member("foo-1.0/é"), b"x")]
    assert warned(tar(*members, form=form)) == []


def test_decision_8_git_archive_header_is_accepted() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "0" * 40}) as archive:
        for member, data in SOUND:
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    assert warned(make_gzip(out.getvalue())) == []


def test_directories_may_stand_twice() -> None:
    directory = tar_member("foo-1.0/d", tarfile.DIRTYPE)
    assert warned(tar((directory, b""), (directory, b""))) == []


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "../x", "foo-1.0/../../x", "foo-1.0/./x", "C:/x", "foo-1.0/a\\b", "foo-1.0//x", "foo-1.0/x.",
     "foo-1.0/nul", "foo-1.0/a\nb", "./foo-1.0/x"],
)  # fmt: skip
def test_hostile_124_paths(path: str) -> None:
    assert codes(tar((tar_member(path), b""), form=tarfile.GNU_FORMAT)) == ["archive-path"]


@pytest.mark.parametrize(
    ("kind", "link"),
    [
        (tarfile.SYMTYPE, "/etc/passwd"), (tarfile.SYMTYPE, "../../x"), (tarfile.SYMTYPE, "x.py"),
        (tarfile.LNKTYPE, "foo-1.0/x.py"), (tarfile.LNKTYPE, "foo-1.0/later"), (tarfile.CHRTYPE, ""),
        (tarfile.BLKTYPE, ""), (tarfile.FIFOTYPE, ""), (tarfile.CONTTYPE, ""), (tarfile.GNUTYPE_SPARSE, ""),
        (b"V", ""), (b"M", ""), (b"D", ""), (b"N", ""), (b"Z", ""), (b"A", ""), (b"X", ""),
    ],
)  # fmt: skip
def test_hostile_125_126_links_devices_and_odd_members(kind: bytes, link: str) -> None:
    header = tar_member("foo-1.0/odd", kind, link).tobuf(tarfile.GNU_FORMAT)
    assert codes(make_gzip(header + TAR)) == ["archive-special-member"]


def pax(records: bytes, kind: bytes = b"x", name: str = "foo-1.0/y.py", data: bytes = b"") -> bytes:
    header = tar_member("pax", kind)
    header.size = len(records)
    member = tar_member(name)
    member.size = len(data)
    block = header.tobuf(tarfile.USTAR_FORMAT) + records + bytes(-len(records) % 512)
    return make_gzip(block + member.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % 512) + TAR)


def record(key: bytes, value: bytes) -> bytes:
    size = len(key) + len(value) + 3
    size += len(str(size + len(str(size))))
    return b"%d %s=%s\n" % (size, key, value)


def test_pax_records_that_pass() -> None:
    assert warned(pax(record(b"path", b"foo-1.0/z.py") + record(b"mtime", b"1.5"))) == []
    assert warned(pax(record(b"size", b"3"), data=b"abc")) == []


@pytest.mark.parametrize(
    "records",
    [
        record(b"size", b"5"), record(b"path", b"a") * 2, record(b"mtime", b"\xff"), record(b"GNU.sparse.major", b"1"),
        record(b"GNU.sparse.name", b"x"), record(b"hdrcharset", b"BINARY"), b"5 a\n", b"99 a=b\n", b"abc", b"0 a=b\n",
        b"-6 a=b\n", b"6 a=bc\n", b"5 =b\n", b" a=b\n", b"99999999999 a=b\n", record(b"\xff", b"x"),
    ],
)  # fmt: skip
def test_hostile_126_127_pax_tricks(records: bytes) -> None:
    assert codes(pax(records)) in (["tar-pax"], ["tar-name"])


@pytest.mark.parametrize("value", [b"/etc/passwd", b"../x", b"foo-1.0/x\0y"])
def test_hostile_124_127_pax_paths(value: bytes) -> None:
    assert codes(pax(record(b"path", value))) == ["archive-path"]


def test_hostile_127_pax_of_2_mb() -> None:
    assert codes(pax(record(b"comment", b"x" * (2 << 20)))) == ["tar-header-too-large"]


@pytest.mark.parametrize("key", [b"path", b"size", b"linkpath"])
def test_hostile_127_global_overrides(key: bytes) -> None:
    assert codes(pax(record(key, b"1"), b"g")) == ["tar-pax"]


def test_many_headers_before_one_member() -> None:
    header = tar_member("pax", b"g").tobuf(tarfile.USTAR_FORMAT)
    assert codes(make_gzip(header * 101 + TAR)) == ["tar-header-too-large"]
    long = tar_member("././@LongLink", b"K").tobuf(tarfile.GNU_FORMAT)
    assert codes(make_gzip(long * 5 + TAR)) == ["tar-header-too-large"]


def long_name(name: bytes) -> bytes:
    header = tar_member("././@LongLink", b"L")
    header.size = len(name)
    return header.tobuf(tarfile.GNU_FORMAT) + name + bytes(-len(name) % 512)


def test_hostile_127_two_names_for_one_member() -> None:
    assert codes(make_gzip(long_name(b"foo-1.0/a") * 2 + TAR)) == ["tar-malformed"]
    assert codes(make_gzip(long_name(b"foo-1.0/a") + gzip.decompress(pax(record(b"path", b"foo-1.0/b"))))) == [
        "tar-malformed"
    ]
    assert codes(make_gzip(long_name(b"foo-1.0/\xff") + TAR)) == ["tar-name"]


def edited(**fields: bytes) -> bytes:
    """A sound archive before which stands a member with fields written over; its checksum is right."""
    places = {"name": 0, "mode": 100, "size": 124, "kind": 156, "magic": 257}
    head = bytearray(tar_member("foo-1.0/edited").tobuf(tarfile.USTAR_FORMAT))
    for name, value in fields.items():
        head[places[name] : places[name] + len(value)] = value
    head[148:156] = b"%06o\0 " % (sum(head[:148]) + sum(head[156:]) + 256)
    return make_gzip(bytes(head) + TAR)


@pytest.mark.parametrize(
    "fields",
    [
        {"size": b"\xff" * 12}, {"size": b"\x80" + b"\xff" * 11}, {"size": b"-0000000001\0"},
        {"size": b"99999999999\0"},
        {"size": b"0x000000010\0"}, {"size": b"1_000000000\0"}, {"size": b"77777777777\0"}, {"mode": b"\xff" * 8},
        {"kind": b"5", "size": b"00000000001\0"}, {"name": b"foo-1.0/dir/\0"},
    ],
)  # fmt: skip
def test_hostile_128_numbers(fields: dict[str, bytes]) -> None:
    assert codes(edited(**fields)) == ["tar-malformed"]


def test_hostile_128_checksums_and_ends() -> None:
    broken = bytearray(TAR)
    broken[0] ^= 1
    assert codes(make_gzip(bytes(broken))) == ["tar-malformed"]
    assert codes(make_gzip(b"")) == ["tar-malformed"]
    assert codes(make_gzip(TAR[:700])) == ["tar-malformed"]
    assert codes(make_gzip(TAR[:2048])) == ["tar-malformed"]
    assert codes(make_gzip(TAR[:2560])) == ["tar-malformed"]
    assert codes(make_gzip(TAR[:3072])) == []
    assert codes(make_gzip(TAR + b"hidden" * 100)) == ["tar-trailing-data"]
    assert codes(make_gzip(long_name(b"foo-1.0/x") + bytes(1024))) == ["tar-malformed"]
    assert codes(make_gzip(b"just text, longer than a block. " * 40)) == ["tar-malformed"]


def test_hostile_101_names_are_utf8() -> None:
    assert codes(edited(name=b"foo-1.0/\xff")) == ["tar-name"]


def test_old_tar_without_magic() -> None:
    assert codes(edited(magic=bytes(8))) == []


# The layout


def test_hostile_129_one_top_directory() -> None:
    assert codes(tar((tar_member("bar-1.0/x"), b""))) == ["sdist-top-directory"]
    assert codes(tar((tar_member("setup.py"), b""))) == ["sdist-top-directory"]
    assert codes(make_gzip(make_tar([(tar_member("foo-1.0"), b"")]))) == ["sdist-top-directory"]
    assert codes(make_gzip(bytes(1024))) == ["sdist-top-directory"]


def test_decision_8_another_top_directory_is_a_warning() -> None:
    assert warned(make_sdist("foo", "1.0", top="foo")[1]) == ["sdist-top-directory-odd"]


def test_hostile_129_pkg_info() -> None:
    assert codes(make_sdist("foo", "1.0", without=["PKG-INFO"])[1]) == ["pkg-info-missing"]
    assert codes(make_sdist("foo", "1.0", without=["PKG-INFO"], files={"a/PKG-INFO": INFO})[1]) == ["pkg-info-missing"]
    link = tar_member("foo-1.0/PKG-INFO", tarfile.SYMTYPE, "x")
    made = make_sdist("foo", "1.0", without=["PKG-INFO"], members=[(link, b"")])
    assert codes(made[1]) == ["archive-special-member"]
    assert codes(tar((tar_member("foo-1.0/PKG-INFO"), INFO))) == ["archive-duplicate-member"]
    directory = make_sdist("foo", "1.0", without=["PKG-INFO"], files={"PKG-INFO/x": b""})
    assert codes(directory[1]) == ["pkg-info-missing"]
    assert codes(make_sdist("foo", "1.0", description="x" * (3 << 20))[1]) == ["archive-member-too-large"]


def test_hostile_131_duplicates() -> None:
    twice = (tar_member("foo-1.0/x.py"), b"other")
    assert codes(tar(twice)) == ["archive-duplicate-member"]
    assert codes(tar((tar_member("foo-1.0/x.py", tarfile.DIRTYPE), b""))) == ["archive-duplicate-member"]
    first = (tar_member("foo-1.0/d", tarfile.DIRTYPE), b"")
    assert codes(tar(first, (tar_member("foo-1.0/d"), b""))) == ["archive-duplicate-member"]


def test_hostile_131_modes_are_flagged() -> None:
    member = tar_member("foo-1.0/suid")
    member.mode = 0o4755
    writable = tar_member("foo-1.0/writable")
    writable.mode = 0o666
    assert warned(tar((member, b""), (writable, b""))) == ["sdist-modes"]


def test_hostile_130_many_members() -> None:
    header = tar_member("foo-1.0/%05d")
    blocks = []
    for number in range(50_001):
        header.name = f"foo-1.0/{number}"
        blocks.append(header.tobuf(tarfile.USTAR_FORMAT))
    assert codes(make_gzip(b"".join(blocks) + TAR)) == ["archive-too-many-members"]


def test_hostile_132_agreement() -> None:
    assert codes(make_sdist("foo", "1.0", pkg_info=make_metadata("bar", "1.0"))[1]) == ["filename-name-mismatch"]
    assert codes(make_sdist("foo", "1.0", pkg_info=make_metadata("foo", "2.0"))[1]) == ["filename-version-mismatch"]
    assert codes(make_sdist("foo", "1.0", pkg_info=make_metadata("foo", "1.0.0"))[1]) == ["filename-version-mismatch"]
    dynamic = make_sdist("foo", "1.0", lines=["Dynamic: Name"])
    assert codes(dynamic[1]) == ["dynamic-invalid"]


def test_decision_8_old_metadata_and_no_pyproject() -> None:
    made = make_sdist("foo", "1.0", metadata_version="1.1", without=["pyproject.toml"])
    assert warned(made[1]) == []


def test_E19_licence_files() -> None:
    lines = ["License-File: LICENSE"]
    assert codes(make_sdist("foo", "1.0", lines=lines)[1]) == ["license-file-missing"]
    assert warned(make_sdist("foo", "1.0", lines=lines, files={"LICENSE": b"x"})[1]) == []


@pytest.mark.parametrize(
    ("lines", "version", "reliable"),
    [
        ((), "2.2", True), ((), "2.1", False), (["Dynamic: Requires-Dist"], "2.4", False),
        (["Dynamic: License"], "2.4", True),
        (["Dynamic: Requires-Python"], "2.2", False), (["Dynamic: Provides-Extra"], "2.2", False),
    ],
)  # fmt: skip
def test_decision_6_which_metadata_may_be_advertised(lines: list[str], version: str, reliable: bool) -> None:
    core = judge(make_sdist("foo", "1.0", lines=lines, metadata_version=version)[1]).core
    assert core is not None
    assert core.is_reliable_sdist == reliable
