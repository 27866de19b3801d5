# SPDX-License-Identifier: Apache-2.0
"""Backup files that are cut off, damaged or made by somebody with other things in mind."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from packhouse.errors import Kind, PackhouseError
from packhouse.storage.backup_file import END, MANIFEST, Writer, new_file
from packhouse.storage.backup_reading import open_backup, unpack_blobs, unpack_rows
from packhouse.storage.blobs import LocalBlobs

KEY, ROWS = b"a secret\n", b"rows of tapes-2.0\n" * 100
BLOBS = sorted((hashlib.sha256(data).hexdigest(), data) for data in (b"", b"one" * 700, b"two" * 1024))


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def manifest(**changed: Any) -> bytes:
    told: dict[str, Any] = {
        "format": 1,
        "version": "0.1",
        "made_at": "2026-11-24T12:00:00+00:00",
        "serial": 12,
        "serial_at": None,
        "database": "sqlite",
        "migrations": {"default": [["catalogue", "0001_initial"]], "activity": []},
        "tables": {},
        "blobs": 3,
        "size": 5172,
        "members": {"secret-key": digest(KEY), "catalogue.db": digest(ROWS)},
    }
    return json.dumps(told | changed).encode()


def backup(description: bytes | None = None, missing: list[str] | None = None) -> bytes:
    out = io.BytesIO()
    writer = Writer(out)
    writer.add_bytes(MANIFEST, manifest() if description is None else description)
    writer.add_bytes("secret-key", KEY)
    writer.add_bytes("catalogue.db", ROWS)
    for name, data in BLOBS:
        writer.add_bytes(f"blobs/{name}", data)
    writer.add_bytes(END, json.dumps({"missing": missing or []}).encode())
    writer.end()
    return out.getvalue()


def unpack(data: bytes, folder: Path) -> tuple[LocalBlobs, list[str]]:
    found, members = open_backup(io.BytesIO(data))
    unpack_rows(found, members, folder)
    blobs = LocalBlobs(folder / "blobs")
    return blobs, unpack_blobs(members, blobs, lambda _: None)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    blobs, missing = unpack(backup(), tmp_path)
    assert missing == []
    assert (tmp_path / "secret-key").read_bytes() == KEY
    assert (tmp_path / "catalogue.db").read_bytes() == ROWS
    assert [(name, blobs.read(name)) for name, _ in blobs.kept()] == BLOBS


def test_other_programs_can_read_it(tmp_path: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(backup())) as tar:
        assert tar.getnames() == [MANIFEST, "secret-key", "catalogue.db", *(f"blobs/{name}" for name, _ in BLOBS), END]
        assert all(member.mode == 0o600 for member in tar)


def test_a_blob_the_backup_knows_to_be_damaged_is_left_out(tmp_path: Path) -> None:
    name = BLOBS[1][0]
    data = flip(f"blobs/{name}".encode(), 512)(backup(missing=[name]))
    blobs, missing = unpack(data, tmp_path)
    assert missing == [name]
    assert [kept for kept, _ in blobs.kept()] == [blob for blob, _ in BLOBS if blob != name]


Change = Callable[[bytes], bytes]


def flip(mark: bytes, further: int) -> Change:
    """Another bit so many bytes after a mark."""

    def change(data: bytes) -> bytes:
        at = data.index(mark) + further
        return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]

    return change


def renamed(old: str, new: str, kind: bytes = tarfile.REGTYPE) -> Change:
    """A member under another name, or as something other than a file."""

    def change(data: bytes) -> bytes:
        at = data.index(old.encode() + b"\0")
        header = tarfile.TarInfo.frombuf(data[at : at + 512], "ascii", "strict")
        header.name, header.type = new, kind
        header.linkname = "" if kind == tarfile.REGTYPE else "/etc/passwd"
        return data[:at] + header.tobuf(tarfile.GNU_FORMAT) + data[at + 512 :]

    return change


def told(**changed: Any) -> Change:
    return lambda _: backup(manifest(**changed))


NO_BACKUP = "which no backup of ours holds"
FIRST, SECOND, _ = (f"blobs/{name}" for name, _ in BLOBS)
HOSTILE: dict[str, tuple[Change, str]] = {
    "empty": (lambda _: b"", "ends too early"),
    "no tar": (lambda _: b"MZ" * 5000, "something else where a file's header should be"),
    "zeros": (lambda _: b"\0" * 10240, "doesn't begin with a description"),
    "cut in the description": (lambda data: data[:700], "ends in the middle of"),
    "cut in a row": (lambda data: data[:3000], "ends in the middle of"),
    "cut before its end": (lambda data: data[: data.index(END.encode())], "ends too early"),
    "without its end": (lambda data: data[: data.index(END.encode())] + b"\0" * 1024, "its end is missing"),
    "something after its end": (lambda data: data[:-1024] + data[1024:], "is in it twice|follows its end|header"),
    "a bit of a stored file": (flip(SECOND.encode(), 600), "1 stored files have other bytes than they had"),
    "a bit of a row": (flip(b"rows of tapes-2.0", 3), "catalogue.db has other bytes than it had"),
    "a bit of a header": (flip(SECOND.encode(), 126), "something else where a file's header should be"),
    "a path out of the folder": (renamed("secret-key", "../../secret-key"), NO_BACKUP),
    "a path out of the blobs": (renamed(FIRST, "blobs/../../../" + "a" * 64), NO_BACKUP),
    "an absolute path": (renamed("secret-key", "/etc/cron.d/evil"), NO_BACKUP),
    "a symbolic link": (renamed("secret-key", "secret-key", tarfile.SYMTYPE), NO_BACKUP),
    "a hard link": (renamed("secret-key", "secret-key", tarfile.LNKTYPE), NO_BACKUP),
    "a device": (renamed("secret-key", "secret-key", tarfile.CHRTYPE), NO_BACKUP),
    "an extended header": (renamed("secret-key", "secret-key", tarfile.XHDTYPE), NO_BACKUP),
    "a sparse file": (renamed("secret-key", "secret-key", tarfile.GNUTYPE_SPARSE), NO_BACKUP),
    "a member twice": (renamed("catalogue.db", "secret-key"), "is in it twice"),
    "a stored file twice": (renamed(SECOND, FIRST), "is not where it should be"),
    "a row among the stored files": (renamed(FIRST, "activity.db"), "is not where it should be"),
    "a missing row": (renamed("catalogue.db", "activity.db"), "catalogue.db is missing"),
    "a newer format": (told(format=2, version="99.0"), "newer version of Packhouse"),
    "a description of a list": (lambda _: backup(b"[]"), "description can't be read"),
    "a description of nothing": (lambda _: backup(b"{}"), "description can't be read"),
    "a description that is no JSON": (lambda _: backup(b"\xff\xfe"), "description can't be read"),
    "members that are none": (told(members=7), "description can't be read"),
    "members outside": (told(members={"../x": "0"}), "is missing"),
    "migrations that are none": (told(migrations={"default": [1]}), "description can't be read"),
    "a database of another kind": (told(database="oracle"), "description can't be read"),
    "a serial that is none": (told(serial="many"), "description can't be read"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_fault_13_a_damaged_or_hostile_backup_is_refused_in_one_sentence(tmp_path: Path, what: str) -> None:
    change, words = HOSTILE[what]
    folder = tmp_path / "inside"
    folder.mkdir()
    with pytest.raises(PackhouseError, match=words) as caught:
        unpack(change(backup()), folder)
    assert caught.value.kind is Kind.INVALID
    assert len(caught.value.faults) == 1
    assert "\n" not in caught.value.message
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "b"
    with pytest.raises(TypeError), new_file(path, replace=False) as out:
        out.writelines([b"half", None])  # type: ignore[list-item]
    assert list(tmp_path.iterdir()) == []
    with new_file(path, replace=False) as out:
        out.write(b"whole")
        assert not path.exists()
        with pytest.raises(PackhouseError, match="under way"), new_file(path, replace=False):
            pass
    assert path.read_bytes() == b"whole"
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(PackhouseError, match="there already"), new_file(path, replace=False):
        pass


def test_what_a_source_lacks_is_filled_so_that_the_rest_can_be_read() -> None:
    out = io.BytesIO()
    writer = Writer(out)
    writer.add("secret-key", 700, iter([b"x" * 100]))
    writer.add("packhouse.toml", 3, iter([b"abcdef"]))
    writer.end()
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as tar:
        found = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    assert found == {"secret-key": b"x" * 100 + b"\0" * 600, "packhouse.toml": b"abc"}
