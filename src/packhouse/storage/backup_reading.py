# SPDX-License-Identifier: Apache-2.0
"""Unpacking a backup: what it says of itself, the rows, the blobs, each compared with its digest on the way."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256 as hash_of
from pathlib import Path
from typing import BinaryIO

from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.storage.backup_file import END, FORMAT, MANIFEST, Member, damaged
from packhouse.storage.backup_file import members as members_of
from packhouse.storage.blobs import Blobs

LARGEST_TEXT = 16 * 1024 * 1024
"""Bytes of a manifest or a settings file."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself."""

    version: str
    made_at: str
    serial: int
    serial_at: str | None
    database: str
    migrations: dict[str, list[list[str]]]
    tables: dict[str, list[str]]
    blobs: int
    size: int
    members: dict[str, str]

    @classmethod
    def read(cls, text: bytes) -> Manifest:
        """Understand one. Raises INVALID for a damaged one and for one of a newer version."""
        try:
            told = json.loads(text)
            if told["format"] > FORMAT:
                raise newer(str(told["version"])[:40])
            made = cls(**{name: told[name] for name in cls.__slots__})
            sound = all(isinstance(told[n], dict) for n in ("members", "tables")) and isinstance(told["serial"], int)
            pairs = {alias: [(app, name) for app, name in made.migrations[alias]] for alias in ("default", "activity")}
        except (ValueError, TypeError, KeyError):
            raise damaged("its description can't be read") from None
        if not sound or not pairs or made.database not in _DATABASES:
            raise damaged("its description can't be read")
        return made


_DATABASES = frozenset({"sqlite", "postgresql"})


def newer(version: str) -> PackhouseError:
    """The refusal of a backup from a later version."""
    message = (
        f"The backup was made by a newer version of Packhouse ({version}); restore it with that one or a later one."
    )
    return refuse(Kind.INVALID, "backup-newer", message)


def open_backup(source: BinaryIO) -> tuple[Manifest, Iterator[Member]]:
    """The manifest of a backup, and the members that follow it. Raises INVALID when it is none."""
    found = members_of(source)
    first = next(found, None)
    if first is None or first.name != MANIFEST:
        raise damaged("it doesn't begin with a description of itself")
    return Manifest.read(first.small(LARGEST_TEXT)), found


def unpack_rows(manifest: Manifest, members: Iterator[Member], folder: Path) -> None:
    """Write the members before the blobs into a folder, each compared with its digest."""
    (folder / "rows").mkdir()
    for name, digest in manifest.members.items():
        member = next(members, None)
        if member is None or member.name != name:
            raise damaged(f"{name[:100]} is missing")
        running = hash_of(usedforsecurity=False)
        with (folder / name).open("xb") as out:
            for chunk in member.chunks():
                running.update(chunk)
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
        if running.hexdigest() != digest:
            raise damaged(f"{name} has other bytes than it had")


def unpack_blobs(members: Iterator[Member], blobs: Blobs, watch: Callable[[int], None]) -> list[str]:
    """Keep every blob, durably, and compare each with its name; returns those the backup itself could not have."""
    wrong: set[str] = set()
    for member in members:
        if member.name == END:
            return _end(member, members, wrong)
        name = member.name.removeprefix("blobs/")
        if name == member.name:
            raise damaged(f"{name} is not where it should be")
        with blobs.incoming() as incoming:
            for chunk in member.chunks():
                incoming.write(chunk)
            if incoming.digests().sha256 == name:
                incoming.keep()
            else:
                wrong.add(name)
        watch(member.size)
    raise damaged("its end is missing")


def _end(member: Member, members: Iterator[Member], wrong: set[str]) -> list[str]:
    try:
        missing = [str(digest) for digest in json.loads(member.small(LARGEST_TEXT))["missing"]]
    except (ValueError, TypeError, KeyError):
        raise damaged("its end can't be read") from None
    if next(members, None) is not None:
        raise damaged("something follows its end")
    unexpected = sorted(wrong - set(missing))
    if unexpected:
        raise damaged(f"{len(unexpected)} stored files have other bytes than they had, {unexpected[0]} first")
    return missing
