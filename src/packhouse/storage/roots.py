# SPDX-License-Identifier: Apache-2.0
"""The folder of ready root pages of large indexes: what edge and origin send, and what the next one is made from.

`<data>/cache/roots/<index>/` holds the gzip form of both kinds, `book` (of what segments they were joined) and
`current`, which names the files; its time of modification says when they were last known to be current. All of it is
derived and may be deleted at any time. One process at a time writes, under `lock`.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from packhouse.domain.root_copy import RootCopy

BOOT = Path("/proc/sys/kernel/random/boot_id")
KEPT = 3
"""Files of each kind left in place: a reply may be about to open the one before."""


class Stand(NamedTuple):
    """The copies there are: the serial they are of, how many projects they name, when they were last current."""

    serial: int
    projects: int
    seen: float
    copies: dict[str, RootCopy]


@dataclass(slots=True)
class _Known:
    """What `current` said when it was last read, and what told that state from others."""

    mark: tuple[int, int]
    stand: Stand


class RootShelf:
    """Finds the ready root pages of a data folder; for one thread at a time."""

    def __init__(self, data: Path) -> None:
        self._folder = f"{data}/cache/roots"
        self._known: dict[str, _Known] = {}

    def find(self, index: str) -> Stand | None:
        """The copies of an index, or None; costs one look at a file's time when nothing changed."""
        path = f"{self._folder}/{index}/current"
        try:
            about = os.stat(path)  # noqa: PTH116 - asked for each request
        except OSError:
            return None
        mark = (about.st_ino, about.st_mtime_ns)
        known = self._known.get(index)
        if known is None or known.mark != mark:
            if known is not None and known.mark[0] == mark[0]:
                known.stand = known.stand._replace(seen=about.st_mtime)
                known.mark = mark
                return known.stand
            stand = _read(path, index, about.st_mtime)
            if stand is None:
                return None
            known = self._known[index] = _Known(mark, stand)
        return known.stand

    def path(self, copy: RootCopy) -> str:
        """Where the bytes of a copy lie."""
        return f"{self._folder}/{copy.index_name}/{copy.name}"


def _read(path: str, index: str, seen: float) -> Stand | None:
    try:
        told = orjson.loads(Path(path).read_bytes())
        copies = {kind: RootCopy(index, kind, *rest) for kind, rest in told["copies"].items()}
        return Stand(told["serial"], told["projects"], seen, copies)
    except (OSError, ValueError, KeyError, TypeError):
        return None


class RootFolder:
    """The writing side, for one index."""

    def __init__(self, data: Path, index: str) -> None:
        self.index = index
        self.folder = data / "cache" / "roots" / index

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder; waits for whoever holds it."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def book(self) -> dict[str, Any] | None:
        """What the copies were made of; None when there is nothing to go on from."""
        try:
            book = orjson.loads((self.folder / "book").read_bytes())
        except (OSError, ValueError):
            return None
        return book if isinstance(book, dict) and book.get("boot") == boot() else None

    def read(self, name: str) -> bytes:
        """A file of copies; raises OSError."""
        return (self.folder / name).read_bytes()

    def touch(self, seen: float) -> None:
        """Note that the copies were found current at `seen` (unix seconds)."""
        os.utime(self.folder / "current", (seen, seen))

    def write(self, stand: Stand, files: dict[str, bytes], book: dict[str, Any]) -> None:
        """Put new copies in place: `files` by name. Not made durable: after a crash of the machine they are void."""
        for name, data in files.items():
            self._put(name, data)
        self._put("book", orjson.dumps(book | {"boot": boot()}))
        copies = {kind: list(copy[2:]) for kind, copy in stand.copies.items()}
        told = {"serial": stand.serial, "projects": stand.projects, "copies": copies}
        self._put("current", orjson.dumps(told), stand.seen)
        self._tidy()

    def _put(self, name: str, data: bytes, seen: float | None = None) -> None:
        partial = self.folder / f".{name}.new"
        partial.write_bytes(data)
        if seen is not None:
            os.utime(partial, (seen, seen))
        partial.replace(self.folder / name)

    def _tidy(self) -> None:
        for kind in ("html", "json"):
            files = sorted(self.folder.glob(f"{kind}-*.gz"), key=lambda file: file.stat().st_mtime)
            for file in files[:-KEPT]:
                file.unlink(missing_ok=True)

    def remove(self) -> None:
        """Forget all of it."""
        with suppress(OSError):
            shutil.rmtree(self.folder)


def folders(data: Path) -> list[RootFolder]:
    """All that there are."""
    with suppress(OSError):
        return [RootFolder(data, entry.name) for entry in os.scandir(data / "cache" / "roots") if entry.is_dir()]
    return []


def boot() -> str:
    """What tells one run of the machine from the next; "" where that is not known."""
    try:
        return BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return ""
