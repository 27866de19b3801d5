# SPDX-License-Identifier: Apache-2.0
"""Blobs in a folder: `sha256/ab/cd/<64 hex>`, temporary files in `tmp/` of the same file system.

A blob is linked into its place only after its bytes are durable, and `keep` returns only after every directory
entry that leads to it is. So a blob that can be opened is whole, and one that was kept survives a power cut.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.storage.folders import make_folder, sync_folder
from packhouse.storage.incoming import Hook, Incoming, blob_errors, no_hook, sweep

CHUNK = 256 * 1024
"""Bytes read at once."""

_HEX = frozenset("0123456789abcdef")
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV})


def is_sha256(text: str) -> bool:
    """Whether it is a sha256 in lower-case hexadecimal: the only thing a path is ever made of."""
    return len(text) == 64 and _HEX.issuperset(text)


class LocalBlobs:
    """A blob store in a folder of this machine, shared by any number of processes and threads.

    Nothing is made on disk before the first write, so that a server can start on a full disk.
    """

    def __init__(self, root: Path, hook: Hook = no_hook) -> None:
        self._root = root
        self._temporary = root / "tmp"
        self._kept = root / "sha256"
        self._hook = hook
        # Folders whose entry in their parent is known to be durable: at most 65,793.
        self._durable: set[Path] = set()

    @property
    def near(self) -> LocalBlobs:
        """See `Blobs.near`: the store itself."""
        return self

    def incoming(self) -> Incoming:
        """See `Blobs.incoming`."""
        with blob_errors("making the folder of temporary files"):
            self._temporary.mkdir(parents=True, exist_ok=True)
        return Incoming(self._temporary, self.place, self._hook)

    def prepare(self, sha256: str) -> None:
        """See `Blobs.prepare`: the folder, and each entry that leads to it."""
        with blob_errors("putting a file in its place"):
            self._make_durable(self.path(sha256).parent)

    def put(self, data: bytes) -> str:
        """See `Blobs.put`."""
        with self.incoming() as incoming:
            incoming.write(data)
            return incoming.keep()

    def open(self, sha256: str, start: int = 0, end: int | None = None) -> Chunks:
        """See `Blobs.open`."""
        try:
            descriptor = os.open(self.path(sha256), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise missing(sha256) from None
        except OSError as error:
            message = f"The stored file can't be opened ({error.strerror}); try again."
            raise refuse(Kind.UNAVAILABLE, "storage-failed", message) from error
        return Chunks(descriptor, start, end)

    def read(self, sha256: str) -> bytes:
        """See `Blobs.read`."""
        return b"".join(self.open(sha256))

    def path(self, sha256: str) -> Path:
        """See `Blobs.path`."""
        if not is_sha256(sha256):
            raise missing(sha256)
        return self._kept / sha256[:2] / sha256[2:4] / sha256

    def stat(self, sha256: str) -> int | None:
        """See `Blobs.stat`."""
        try:
            return self.path(sha256).stat().st_size
        except (FileNotFoundError, PackhouseError):
            return None

    def wanted_at(self, sha256: str) -> float | None:
        """See `Blobs.wanted_at`."""
        try:
            return self.path(sha256).stat().st_mtime
        except (FileNotFoundError, PackhouseError):
            return None

    def touch(self, sha256: str) -> None:
        """See `Blobs.touch`."""
        with suppress(OSError):
            os.utime(self.path(sha256))

    def delete(self, sha256: str) -> None:
        """See `Blobs.delete`."""
        path = self.path(sha256)
        with blob_errors("deleting a file"):
            try:
                path.unlink()
            except FileNotFoundError:
                return
            sync_folder(path.parent)

    def kept(self) -> Iterator[tuple[str, float]]:
        """See `Blobs.kept`."""
        for folder in _in_order(self._kept):
            for inner in _in_order(folder):
                for path in _in_order(inner):
                    with suppress(FileNotFoundError):  # collected meanwhile
                        if is_sha256(path.name):
                            yield path.name, path.stat().st_mtime

    def set_aside(self, sha256: str) -> None:
        """See `Blobs.set_aside`: it goes to `damaged/`, under its name."""
        aside = self._root / "damaged"
        with blob_errors("setting a damaged file aside"):
            aside.mkdir(exist_ok=True)
            with suppress(FileNotFoundError):
                self.path(sha256).replace(aside / sha256)
            sync_folder(aside)

    def forget_cached(self, sha256: str) -> None:
        """See `Blobs.forget_cached`."""
        with suppress(OSError):
            descriptor = os.open(self.path(sha256), os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)

    def sweep(self) -> int:
        """See `Blobs.sweep`."""
        return sweep(self._temporary)

    def place(self, incoming: Incoming, sha256: str) -> None:
        """Make the received bytes durable, then their name; they stay under the temporary name too."""
        incoming.sync()
        target = self.path(sha256)
        with blob_errors("putting a file in its place"):
            self._make_durable(target.parent)
            _link(incoming.path, target)
            self._hook("s8")
            sync_folder(target.parent)
            self._hook("s9")

    def adopt(self, path: Path, sha256: str) -> None:
        """See `Blobs.adopt`."""
        target = self.path(sha256)
        with blob_errors("putting a file in its place"):
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            self._make_durable(target.parent)
            _link(path, target)
            sync_folder(target.parent)

    def _make_durable(self, folder: Path) -> None:
        """Make a folder below the root, and each entry that leads to it durable.

        A folder found there may have been made by a process that died before its fsync, so each process does
        the fsync once itself.
        """
        if folder in self._durable:
            return
        if folder != self._root:
            self._make_durable(folder.parent)
        make_folder(folder)
        self._durable.add(folder)


def _link(source: Path, target: Path) -> None:
    """Give the file its name in the store.

    A blob that has it already is replaced by these bytes, which are known to be right and durable: a damaged one is
    mended so, what collects blobs without rows sees that somebody wants it, and the folder changes again, so that the
    fsync to come does not rely on an earlier one that may have failed.
    """
    try:
        os.link(source, target)
    except FileExistsError:
        source.replace(target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        source.replace(target)


def _in_order(folder: Path) -> list[Path]:
    """What a folder holds, sorted; nothing when it is none."""
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


class Chunks:
    """The bytes of an open file from `start` up to, not including, `end`; closes it at the end or by `close`."""

    def __init__(self, descriptor: int, start: int, end: int | None) -> None:
        self._file = os.fdopen(descriptor, "rb", buffering=0)
        self._file.seek(start)
        self._left = None if end is None else max(0, end - start)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._file.closed:
            raise StopIteration
        chunk = self._file.read(CHUNK if self._left is None else min(CHUNK, self._left))
        if not chunk:
            self.close()
            raise StopIteration
        if self._left is not None:
            self._left -= len(chunk)
        return chunk

    def close(self) -> None:
        """Close the file; harmless when called again."""
        self._file.close()


def missing(sha256: str) -> PackhouseError:
    """The error for a blob that is not there."""
    return refuse(Kind.MISSING, "blob-missing", f"No blob has the sha256 {sha256[:64]!r}; see `packhouse verify`.")
