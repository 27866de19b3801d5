# SPDX-License-Identifier: Apache-2.0
"""Hostile archives sent to a running server: each is one 400 with its reason, and leaves nothing (hostile U, Z, T)."""

from __future__ import annotations

import gzip
import socket
import tarfile
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.corpus import make_gzip, make_metadata, make_record, make_tar, make_wheel_file, tar_member
from tests.corpus_hostile import ACCEPT, REJECT
from tests.corpus_zips import Member, deflate, wheel_members, write_zip
from tests.domain.test_zips_named import CODES
from tests.http.client import UV_ERRORS, Answer, File, Site, basic, fresh, make_form, sha256, text_part, wheel

pytestmark = pytest.mark.once  # the judge is the same behind both servers


def wheel_named(name: str, data: bytes) -> File:
    return f"{name.replace('-', '_')}-1.0-py3-none-any.whl", data


def sdist_named(name: str, data: bytes) -> File:
    return f"{name.replace('-', '_')}-1.0.tar.gz", data


def check_refused(site: Site, name: str, file: File) -> Answer:
    """The file is one 400 with reasons and links to them; no row, no blob, no temporary file is left."""
    answer = site.upload(file, accept=UV_ERRORS)
    assert answer.status == 400, answer.text
    said = answer.json()
    assert said["reason"] == said["errors"][0]["reason"]
    assert site.ask(f"/simple/{name}/").status == 404
    assert not blob(site, file[1]).exists()
    assert left_over(site) == []
    return answer


def blob(site: Site, data: bytes) -> Path:
    digest = sha256(data)
    return site.server.data / "blobs" / "sha256" / digest[:2] / digest[2:4] / digest


def left_over(site: Site) -> list[Path]:
    return list((site.server.data / "blobs" / "tmp").glob("*"))


@pytest.mark.parametrize("case", REJECT)
def test_hostile_67_to_101_E15_rejected(site: Site, case: str):
    name = fresh()
    answer = check_refused(site, name, wheel_named(name, REJECT[case](name)))
    assert answer.json()["reason"] in CODES.get(case, "zip-data-descriptor").split()


@pytest.mark.parametrize("case", ACCEPT)
def test_hostile_67_to_101_decision_7_accepted(site: Site, case: str):
    name = fresh()
    file = site.publish(wheel_named(name, ACCEPT[case](name)))
    assert site.ask(site.file_path(name, file[0])).body == file[1]


def with_member(*members: Member) -> Callable[[str], bytes]:
    """A wheel with further members that are in its RECORD."""
    return lambda name: write_zip(wheel_members(name, "1.0", *members))


def beside(*members: Member) -> Callable[[str], bytes]:
    """A wheel with further members that are in no RECORD."""
    return lambda name: write_zip([*wheel_members(name), *members])


def bomb(told: int = 1 << 20) -> Iterator[Member]:
    """Members of a megabyte of zeros each; `told` is what their headers say."""
    for number in range(80):
        lies: dict[str, int | bytes] = {"size": told}
        yield Member(b"zeros/%d" % number, bytes(1 << 20), local=lies, central=lies)


def in_dist_info(path: str, data: bytes) -> Callable[[str], bytes]:
    """A wheel with one more file in its .dist-info, or another in the place of one."""

    def make(name: str) -> bytes:
        info = f"{name.replace('-', '_')}-1.0.dist-info"
        files = {f"{info}/METADATA": make_metadata(name, "1.0"), f"{info}/WHEEL": make_wheel_file()}
        files[f"{info}/{path}"] = data
        record = files.pop(f"{info}/RECORD", None) or make_record(files, f"{info}/RECORD")
        members = [Member(member.encode(), content) for member, content in files.items()]
        return write_zip([*members, Member(f"{info}/RECORD".encode(), record)])

    return make


def polyglot(name: str) -> bytes:
    head = make_tar([(tar_member("PK\x03\x04"), b"")])[:512]
    return head + write_zip(wheel_members(name))


WHEELS: dict[str, tuple[str, Callable[[str], bytes]]] = {
    "hostile-102-twice": ("archive-duplicate-member", beside(Member(b"a", b"x"), Member(b"a", b"y"))),
    "hostile-102-case": ("archive-duplicate-member", with_member(Member(b"a", b"x"), Member(b"A", b"y"))),
    "hostile-102-composed": (
        "archive-duplicate-member",
        with_member(Member("\u00e9".encode(), b"x", flags=0x800), Member("e\u0301".encode(), b"y", flags=0x800)),
    ),
    "hostile-102-dot": ("archive-path", with_member(Member(b"a/b", b"x"), Member(b"a/./b", b"y"))),
    "hostile-102-file-and-directory": (
        "archive-duplicate-member",
        with_member(Member(b"a", b"x"), Member(b"a/b", b"y")),
    ),
    "hostile-103-absolute": ("archive-path", with_member(Member(b"/etc/cron.d/x", b"x"))),
    "hostile-103-up": ("archive-path", with_member(Member(b"../x", b"x"))),
    "hostile-103-drive": ("archive-path", with_member(Member(b"C:/x", b"x"))),
    "hostile-103-backslash": ("archive-path", with_member(Member(b"..\\x", b"x"))),
    "hostile-103-blank-at-the-end": ("archive-path", with_member(Member(b"x ", b"x"))),
    "hostile-103-device": ("archive-path", with_member(Member(b"pkg/aux.py", b"x"))),
    "hostile-104-link": ("archive-special-member", with_member(Member(b"l", b"/etc", attributes=0o120777 << 16))),
    "hostile-104-set-user-id": ("archive-special-member", with_member(Member(b"s", b"x", attributes=0o104755 << 16))),
    "hostile-104-device": ("archive-special-member", with_member(Member(b"d", b"", attributes=0o020644 << 16))),
    "hostile-105-encrypted": ("zip-encrypted", with_member(Member(b"e", b"x", flags=1))),
    "hostile-105-lzma": ("zip-compression", with_member(Member(b"e", b"x", method=14))),
    "hostile-105-zstd": ("zip-compression", with_member(Member(b"e", b"x", method=93))),
    "hostile-106-ratio": ("archive-bomb", lambda name: write_zip([*wheel_members(name), *bomb()])),
    "hostile-107-overlap": (
        "zip-overlap",
        beside(Member(b"a", b"x", local={"packed": 200}, central={"packed": 200}), Member(b"b", b"y" * 100)),
    ),
    "hostile-108-deep": ("archive-path", with_member(Member(b"d/" * 200 + b"x", b"x"))),
    "hostile-108-long": ("archive-path", with_member(Member(b"d/" * 30 + b"y" * 5000, b"x"))),
    "hostile-109-more-than-told": ("zip-size-mismatch", lambda name: write_zip([*wheel_members(name), *bomb(10)])),
    "hostile-110-crc": ("zip-crc", beside(Member(b"a", b"x", local={"crc": 1}, central={"crc": 1}))),
    "hostile-111-tar-too": ("archive-polyglot", polyglot),
    "hostile-111-pdf-before": ("zip-unlisted-data", lambda name: write_zip(wheel_members(name), prefix=b"%PDF-1.7\n")),
    "hostile-111-html-before": ("zip-mismatch", lambda name: b"<script>" + write_zip(wheel_members(name))),
    "hostile-112-no-dist-info": ("wheel-missing", lambda _: write_zip([Member(b"a.py", b"x")])),
    "hostile-112-two-dist-infos": ("dist-info-mismatch", with_member(Member(b"other-1.0.dist-info/METADATA", b"x"))),
    "hostile-112-other-version": ("dist-info-mismatch", lambda name: write_zip(wheel_members(name, "2.0"))),
    "hostile-114-not-csv": ("record-unreadable", in_dist_info("RECORD", b'a,"b\n')),
    "hostile-114-not-utf8": ("record-unreadable", in_dist_info("RECORD", b"\xff,,\n")),
    "hostile-114-weak": ("record-weak-hash", in_dist_info("RECORD", b"x,md5=1,1\n")),
    "hostile-114-up": ("record-incomplete", in_dist_info("RECORD", b"../../x,sha256=1,1\n")),
    "hostile-114-twice": ("record-duplicate", in_dist_info("RECORD", b"x,sha256=1,1\nx,sha256=1,1\n")),
    "hostile-114-not-listed": ("record-incomplete", beside(Member(b"extra.py", b"x"))),
    "hostile-115-version": (
        "wheel-version-unknown",
        in_dist_info("WHEEL", make_wheel_file().replace(b"Version: 1.0", b"Version: 2.0")),
    ),
    "hostile-115-tags": ("wheel-tags-mismatch", in_dist_info("WHEEL", make_wheel_file("py2-none-any"))),
    "hostile-115-an-empty-line": (
        "wheel-file-invalid",
        in_dist_info("WHEEL", b"Wheel-Version: 1.0\n\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
    ),
    "hostile-116-up": ("entry-points-invalid", in_dist_info("entry_points.txt", b"[console_scripts]\n../x = a:b\n")),
    "hostile-116-shell": ("entry-points-invalid", in_dist_info("entry_points.txt", b"[gui_scripts]\na;rm = a:b\n")),
    "hostile-116-twice": ("entry-points-invalid", in_dist_info("entry_points.txt", b"[x]\na = b\na = c\n")),
    "hostile-117-unknown": (
        "data-directory-invalid",
        lambda name: with_member(Member(f"{name.replace('-', '_')}-1.0.data/etc/x".encode(), b"x"))(name),
    ),
    "hostile-117-up": (
        "archive-path",
        lambda name: with_member(Member(f"{name.replace('-', '_')}-1.0.data/scripts/../../x".encode(), b"x"))(name),
    ),
}  # fmt: skip


def test_hostile_108_200_000_members(site: Site):
    name = fresh()
    members = [Member(b"%d" % number, b"", method=0) for number in range(60_000)]
    data = write_zip([*wheel_members(name), *members], end={"count": 0xFFFF, "here": 0xFFFF})
    answer = site.upload(wheel_named(name, data), accept=UV_ERRORS)
    assert (answer.status, answer.json()["reason"]) in {(400, "zip-zip64"), (413, "file-too-large")}
    wide = [Member(b"%d" % number, b"", method=0) for number in range(30_000)]
    data = write_zip([*wheel_members(name), *wide], end={"count": 50_001, "here": 50_001})
    assert check_refused(site, name, wheel_named(name, data)).json()["reason"] == "archive-too-many-members"


def test_hostile_109_ten_gibibytes_out_of_ten_bytes_are_stopped(site: Site):
    name = fresh()
    packed = deflate(bytes(64 << 20))
    told: dict[str, int | bytes] = {"size": 10}
    data = write_zip([*wheel_members(name), Member(b"x", b"x" * 10, packed=packed, local=told, central=told)])
    before = time.process_time()
    assert check_refused(site, name, wheel_named(name, data)).json()["reason"] == "zip-size-mismatch"
    assert time.process_time() - before < 2


# sdists


def top(name: str) -> str:
    return f"{name.replace('-', '_')}-1.0"


def sound(name: str) -> list[tuple[tarfile.TarInfo, bytes]]:
    return [(tar_member(f"{top(name)}/PKG-INFO"), make_metadata(name, "1.0")), (tar_member(f"{top(name)}/a.py"), b"x")]


def tar_with(*members: tuple[str, bytes, bytes]) -> Callable[[str], bytes]:
    """A sound sdist with further members: path (`{top}` in it), type, content; a link's content is where it leads."""

    def make(name: str) -> bytes:
        entries = sound(name)
        for path, kind, content in members:
            link = content.decode().format(top=top(name)) if kind in {b"1", b"2"} else ""
            entries.append((tar_member(path.format(top=top(name)), kind, link), b"" if link else content))
        return make_gzip(make_tar(entries))

    return make


def tar_of(edit: Callable[[str, bytes], bytes]) -> Callable[[str], bytes]:
    """A sound tar archive, changed as a whole and compressed."""
    return lambda name: make_gzip(edit(name, make_tar(sound(name), tarfile.USTAR_FORMAT)))


def gz_of(edit: Callable[[bytes], bytes]) -> Callable[[str], bytes]:
    """A sound sdist, its gzip data changed."""
    return lambda name: edit(make_gzip(make_tar(sound(name))))


def header(path: str, kind: bytes = b"0", holds: int = 0, **fields: bytes) -> bytes:
    """One header with fields written over and a checksum that is right."""
    places = {"mode": 100, "uid": 108, "size": 124, "mtime": 136, "magic": 257, "prefix": 345}
    member = tar_member(path, kind)
    member.size = holds
    head = bytearray(member.tobuf(tarfile.USTAR_FORMAT))
    for field, value in fields.items():
        head[places[field] : places[field] + len(value)] = value
    head[148:156] = b"%06o\0 " % (sum(head[:148]) + sum(head[156:]) + 256)
    return bytes(head)


def pax(records: bytes, kind: bytes = b"x") -> bytes:
    return header("pax", kind, len(records)) + records + bytes(-len(records) % 512)


def record(key: bytes, value: bytes) -> bytes:
    size = len(key) + len(value) + 3
    size += len(str(size + len(str(size))))
    return b"%d %s=%s\n" % (size, key, value)


def before(*blocks: bytes) -> Callable[[str], bytes]:
    """A sound sdist behind some blocks."""
    return tar_of(lambda _, data: b"".join(blocks) + data)


def gzip_with_name(size: int, flag: bytes = b"\x08") -> Callable[[bytes], bytes]:
    return lambda data: data[:3] + flag + data[4:10] + b"n" * size + b"\0" + data[10:]


SDISTS: dict[str, tuple[str, Callable[[str], bytes]]] = {
    "hostile-121-not-gzip": ("archive-unreadable", lambda name: make_tar(sound(name))),
    "hostile-121-trailing": ("gzip-trailing-data", gz_of(lambda data: data + b"x")),
    "hostile-121-two-members": ("gzip-trailing-data", gz_of(lambda data: data + make_gzip(b"more"))),
    "hostile-121-name-of-64-KiB": ("gzip-header", gz_of(gzip_with_name(65_536))),
    "hostile-121-comment-of-64-KiB": ("gzip-header", gz_of(gzip_with_name(65_536, b"\x10"))),
    "hostile-122-cut": ("gzip-truncated", gz_of(lambda data: data[:-9])),
    "hostile-122-crc": ("gzip-damaged", gz_of(lambda data: data[:-8] + b"\0\0\0\0" + data[-4:])),
    "hostile-122-length": ("gzip-damaged", gz_of(lambda data: data[:-4] + b"\1\0\0\0")),
    "hostile-124-absolute": ("archive-path", tar_with(("/etc/passwd", b"0", b"x"))),
    "hostile-124-up": ("archive-path", tar_with(("{top}/../../x", b"0", b"x"))),
    "hostile-124-backslash": ("archive-path", tar_with(("{top}/a\\b", b"0", b"x"))),
    "hostile-124-drive": ("archive-path", tar_with(("C:/x", b"0", b"x"))),
    "hostile-124-pax-NUL": ("archive-path", before(pax(record(b"path", b"a\0b")), header("x"))),
    "hostile-125-outward": ("archive-special-member", tar_with(("{top}/l", b"2", b"../../etc/passwd"))),
    "hostile-125-inward": ("archive-special-member", tar_with(("{top}/l", b"2", b"a.py"))),
    "hostile-125-hard": ("archive-special-member", tar_with(("{top}/l", b"1", b"{top}/a.py"))),
    "hostile-125-later": ("archive-special-member", tar_with(("{top}/l", b"2", b"m"), ("{top}/m", b"0", b"x"))),
    "hostile-125-loop": ("archive-special-member", tar_with(("{top}/l", b"2", b"m"), ("{top}/m", b"2", b"l"))),
    **{
        f"hostile-126-type-{kind.decode()}": ("archive-special-member", before(header("x/odd", kind)))
        for kind in (b"3", b"4", b"6", b"7", b"S", b"V", b"M")
    },
    "hostile-126-pax-sparse": ("tar-pax", before(pax(record(b"GNU.sparse.major", b"1")), header("x/y"))),
    "hostile-127-size": ("tar-pax", before(pax(record(b"size", b"9")), header("x/y"))),
    "hostile-127-path": ("archive-path", before(pax(record(b"path", b"../y")), header("x/y"))),
    "hostile-127-linkpath-for-all": ("tar-pax", before(pax(record(b"linkpath", b"y"), b"g"), header("x/y"))),
    "hostile-127-path-for-all": ("tar-pax", before(pax(record(b"path", b"y"), b"g"), header("x/y"))),
    "hostile-127-over-1-MiB": ("tar-header-too-large", before(pax(record(b"comment", b"c" * (2 << 20))))),
    "hostile-127-not-UTF-8": ("tar-name", before(pax(record(b"path", b"\xff")), header("x/y"))),
    "hostile-127-NUL-in-a-key": ("tar-pax", before(pax(record(b"path\0", b"x/z")), header("x/y"))),
    "hostile-127-a-prefix-beside": (
        "archive-path",
        before(pax(record(b"path", b"x/z")), header("y", prefix=b"../../..")),
    ),
    "hostile-127-a-prefix-without-ustar": ("tar-malformed", before(header("y", magic=b"ustar  \0", prefix=b"x"))),
    "hostile-127-two-names": (
        "tar-malformed",
        before(header("l", b"L", 4), b"x/a\0".ljust(512, b"\0"), pax(record(b"path", b"x/b")), header("x/y")),
    ),
    "hostile-128-negative": ("tar-malformed", before(header("x/y", size=b"\xff" * 12))),
    "hostile-128-huge": ("tar-malformed", before(header("x/y", size=b"\x80" + b"\xff" * 11))),
    "hostile-128-checksum": ("tar-malformed", tar_of(lambda _, data: b"X" + data[1:])),
    "hostile-128-a-number-that-ends-some-readings": ("tar-malformed", before(header("x/y", uid=b"1_0\0\0\0\0\0"))),
    "hostile-128-cut": ("tar-malformed", tar_of(lambda _, data: data[:1000])),
    "hostile-128-nothing-behind-a-global-header": (
        "tar-malformed",
        tar_of(lambda _, data: data[:2048] + pax(b"", b"g") + bytes(1024)),
    ),
    "hostile-129-two-tops": ("sdist-top-directory", tar_with(("other/x", b"0", b"x"))),
    "hostile-129-PKG-INFO-is-a-link": (
        "archive-special-member",
        lambda name: make_gzip(make_tar([(tar_member(f"{top(name)}/PKG-INFO", b"2", "a"), b"")])),
    ),
    "hostile-129-two-PKG-INFOs": ("archive-duplicate-member", tar_with(("{top}/PKG-INFO", b"0", b"x"))),
    "hostile-129-pkg-info": ("archive-duplicate-member", tar_with(("{top}/pkg-info", b"0", b"x"))),
    "hostile-129-no-PKG-INFO": ("pkg-info-missing", lambda name: make_gzip(make_tar(sound(name)[1:]))),
    "hostile-131-twice": ("archive-duplicate-member", tar_with(("{top}/a.py", b"0", b"y"))),
    "hostile-131-file-and-directory": ("archive-duplicate-member", tar_with(("{top}/a.py/b", b"0", b"y"))),
    "hostile-132-other-name": (
        "filename-name-mismatch",
        lambda name: make_gzip(make_tar([(tar_member(f"{top(name)}/PKG-INFO"), make_metadata("other", "1.0"))])),
    ),
    "hostile-132-other-version": (
        "filename-version-mismatch",
        lambda name: make_gzip(make_tar([(tar_member(f"{top(name)}/PKG-INFO"), make_metadata(name, "2.0"))])),
    ),
    "hostile-132-dynamic-name": (
        "dynamic-invalid",
        lambda name: make_gzip(
            make_tar([(tar_member(f"{top(name)}/PKG-INFO"), make_metadata(name, "1.0", lines=["Dynamic: Name"]))])
        ),
    ),
}  # fmt: skip


ARCHIVES = [pytest.param(wheel_named, *made, id=case) for case, made in WHEELS.items()]
ARCHIVES += [pytest.param(sdist_named, *made, id=case) for case, made in SDISTS.items()]


@pytest.mark.parametrize(("named", "code", "make"), ARCHIVES)
def test_hostile_102_to_132(site: Site, named: Callable[[str, bytes], File], code: str, make: Callable[[str], bytes]):
    name = fresh()
    answer = check_refused(site, name, named(name, make(name)))
    assert answer.json()["reason"] == code, answer.text


def test_hostile_123_a_gzip_bomb_is_stopped(site: Site):
    """A few hundred kilobytes that would unpack to 10 GiB as the header says; what follows is never inflated."""
    name = fresh()
    member = tar_member(f"{top(name)}/zeros")
    member.size = 10 << 30
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = compressor.compress(make_tar(sound(name))[:2048] + member.tobuf(tarfile.GNU_FORMAT))
    packed += b"".join(compressor.compress(bytes(1 << 20)) for _ in range(100)) + compressor.flush()
    assert check_refused(site, name, sdist_named(name, packed)).json()["reason"] == "archive-bomb"


def test_hostile_130_too_many_members_even_of_one_directory(site: Site):
    name = fresh()
    data = gzip.compress(header(f"{top(name)}/same", b"5") * 50_001 + make_tar(sound(name)), 1)
    assert check_refused(site, name, sdist_named(name, data)).json()["reason"] == "archive-too-many-members"


# All together


def test_several_faults_of_archive_and_metadata_are_told_in_the_order_of_the_contract(site: Site):
    name = fresh()
    lines = ["Requires-Python: abc", "License-File: missing.txt"]
    info = f"{name.replace('-', '_')}-1.0.dist-info"
    file = wheel(name, lines=lines, files={f"{info}/entry_points.txt": b"nonsense"}, record=b"x,md5=1,1\n")
    reasons = [error["reason"] for error in site.upload(file, accept=UV_ERRORS).json()["errors"]]
    assert reasons[0] == "requires-python-invalid"
    assert reasons.index("license-file-missing") < reasons.index("record-weak-hash")
    assert {"record-incomplete", "record-more", "entry-points-invalid"} <= set(reasons)


# The form


def flood(site: Site, body: Iterator[bytes], kind: str) -> tuple[bytes, int]:
    """Send a chunked body until the server answers; the reply's status and how many bytes went out."""
    head = (
        f"POST /legacy/ HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {basic(site.token)}\r\nContent-Type: {kind}\r\n"
    )
    sent = 0
    with socket.create_connection(site.address, timeout=30) as connection:
        connection.sendall(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n")
        try:
            for piece in body:
                connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
                sent += len(piece)
            connection.sendall(b"0\r\n\r\n")
        except OSError:
            pass  # the server has answered and hung up
        return connection.recv(200)[:12], sent


@pytest.mark.parametrize("place", ["before", "after"])
def test_hostile_22_100_MiB_of_line_breaks(site: Site, place: str):
    body, kind = make_form([text_part("name", fresh())], wheel(fresh()))
    breaks = (b"\r\n" * 131_072 for _ in range(400))

    def pieces() -> Iterator[bytes]:
        if place == "after":
            yield body
        yield from breaks

    status, _ = flood(site, pieces(), kind)
    assert status in {b"HTTP/1.1 400", b""}  # reset when the client goes on sending after the answer
    assert left_over(site) == []


HEADERS = [
    pytest.param('name="content"; filename="C:\\\\x\\\\{file}"', id="hostile-38-windows-path"),
    pytest.param('name="content"; filename="{file}"; filename="other.whl"', id="hostile-40-filename-twice"),
    pytest.param('name="name"; name="content"; filename="{file}"', id="name-twice"),
    pytest.param('name="content"; filename="{file}"\r\nContent-Transfer-Encoding: base64', id="encoded"),
    pytest.param(
        'name="content"; filename="{file}"\r\nContent-Disposition: form-data; name="content"; filename="x"',
        id="disposition-twice",
    ),
]


@pytest.mark.parametrize("disposition", HEADERS)
def test_hostile_40_parts_have_one_reading(site: Site, disposition: str):
    name = fresh()
    file = wheel(name)
    part = f"Content-Disposition: form-data; {disposition.format(file=file[0])}\r\n\r\n".encode() + file[1]
    fields: dict[str, Any] = {"name": name, "version": "1.0", "filetype": "bdist_wheel", "pyversion": "py3"}
    assert site.upload(None, parts=[part], **fields).status == 400
    assert site.ask(f"/simple/{name}/").status == 404


def test_the_server_has_come_through_it_well(site: Site):
    output = site.server.output()
    assert "Traceback" not in output
    assert '"status": 500' not in output
    assert left_over(site) == []
