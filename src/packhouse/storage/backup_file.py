# SPDX-License-Identifier: Apache-2.0
"""The file of a backup: a tar of plain files, written and read as a stream.

We read it with a reader of our own, which knows plain files of the names we write and nothing else: no links, no
paths, no extended headers; so a file made by somebody else can put nothing anywhere.
"""

from __future__ import annotations

import fcntl
import os
import re
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.storage.folders import sync_folder

MANIFEST = "packhouse-backup.json"
"""The first member: what the backup is."""
END = "packhouse-backup-end.json"
"""The last member: without it the file was cut off."""
FORMAT = 1
"""Of the file; a newer one is refused."""
CHUNK = 1024 * 1024
_BLOCK = 512
_NAMES = re.compile(
    rf"{re.escape(MANIFEST)}|{re.escape(END)}|secret-key|packhouse\.toml|catalogue\.db|activity\.db"
    r"|rows/(catalogue|activity)\.[a-z0-9_]{1,63}|blobs/[0-9a-f]{64}"
)


class Writer:
    """Appends members to a backup."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out

    def add(self, name: str, size: int, chunks: Iterator[bytes]) -> None:
        """Append a member of `size` bytes; what is missing of it is filled with zeros, what is too much left out."""
        header = tarfile.TarInfo(name)
        header.size, header.mode = size, 0o600
        self._out.write(header.tobuf(tarfile.GNU_FORMAT))
        left = size
        for chunk in chunks:
            self._out.write(chunk[:left])
            left -= min(left, len(chunk))
        while left:
            left -= self._out.write(b"\0" * min(left, CHUNK))
        self._out.write(b"\0" * (-size % _BLOCK))

    def add_bytes(self, name: str, data: bytes) -> None:
        """Append a small member."""
        self.add(name, len(data), iter([data]))

    def add_file(self, name: str, path: Path) -> None:
        """Append a file."""
        with path.open("rb") as source:
            self.add(name, path.stat().st_size, iter(lambda: source.read(CHUNK), b""))

    def end(self) -> None:
        """Write what ends a tar."""
        self._out.write(b"\0" * (2 * _BLOCK))


@contextmanager
def new_file(path: Path, *, replace: bool) -> Iterator[BinaryIO]:
    """A file (0600) that appears under its name, durable and whole, when the block ends well, or not at all.

    Raises CONFLICT when there is one already or somebody else writes it now, FULL or UNAVAILABLE as the disk says.
    """
    if path.exists() and not replace:
        raise refuse(Kind.CONFLICT, "backup-exists", f"{path} is there already; choose another name, or add --replace.")
    partial = path.with_name(f".{path.name}.partial")
    with disk_refusals(path):
        descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            message = f"Another backup to {path} is under way; wait for it, or choose another name."
            raise refuse(Kind.CONFLICT, "backup-exists", message) from None
        os.ftruncate(descriptor, 0)  # what a backup that was killed had written
        out = os.fdopen(descriptor, "wb", buffering=CHUNK)
        try:
            yield out
            out.flush()
            os.fsync(out.fileno())
            partial.replace(path)
            sync_folder(path.absolute().parent)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        finally:
            with suppress(OSError):
                out.close()


@contextmanager
def disk_refusals(path: Path) -> Iterator[None]:
    """What the disk says while a backup is written or read, as a refusal."""
    try:
        yield
    except OSError as error:
        full = error.errno in {28, 122}  # ENOSPC, EDQUOT
        message = (
            f"{path} can't be used: {error.strerror or error}; {'make room' if full else 'see to it'} and try again."
        )
        raise refuse(Kind.FULL if full else Kind.UNAVAILABLE, "backup-failed", message) from error


@dataclass(frozen=True, slots=True)
class Member:
    """A file in a backup, to be read before the next one is asked for; `size` in bytes."""

    name: str
    size: int
    _source: BinaryIO

    def chunks(self) -> Iterator[bytes]:
        """Its bytes. Raises INVALID when the file ends before they do."""
        left = self.size
        while left:
            chunk = self._source.read(min(CHUNK, left))
            if not chunk:
                raise damaged(f"it ends in the middle of {self.name}")
            left -= len(chunk)
            yield chunk
        padding = -self.size % _BLOCK
        if len(self._source.read(padding)) != padding:
            raise damaged(f"it ends after {self.name}")

    def small(self, most: int) -> bytes:
        """All of it; INVALID when it is longer than `most` bytes."""
        if self.size > most:
            raise damaged(f"{self.name} has {self.size} bytes, expected at most {most}")
        return b"".join(self.chunks())


def members(source: BinaryIO) -> Iterator[Member]:
    """The members in order, each once; each has to be read to its end. Raises INVALID for what we never wrote."""
    seen_small: set[str] = set()
    last_blob = ""
    while True:
        block = source.read(_BLOCK)
        if block == b"\0" * _BLOCK:
            return
        member = _member(block, source)
        if member.name.startswith("blobs/"):
            if member.name <= last_blob:
                raise damaged(f"{member.name} is not where it should be")
            last_blob = member.name
        elif member.name in seen_small:
            raise damaged(f"{member.name} is in it twice")
        else:
            seen_small.add(member.name)
        yield member


def _member(block: bytes, source: BinaryIO) -> Member:
    if len(block) < _BLOCK:
        raise damaged("it ends too early")
    try:
        header = tarfile.TarInfo.frombuf(block, "ascii", "strict")
    except (tarfile.HeaderError, UnicodeDecodeError, ValueError):
        raise damaged("there is something else where a file's header should be") from None
    if header.type != tarfile.REGTYPE or header.size < 0 or not _NAMES.fullmatch(header.name):
        raise damaged(f"it holds {header.name[:100]!r}, which no backup of ours holds")
    return Member(header.name, header.size, source)


def damaged(how: str) -> PackhouseError:
    """The refusal of a file that is no backup, or no whole one."""
    return refuse(
        Kind.INVALID, "backup-damaged", f"The file is no whole backup of Packhouse: {how}; use another backup."
    )
