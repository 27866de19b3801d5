# SPDX-License-Identifier: Apache-2.0
"""Bytes on their way into a blob store: a temporary file that is hashed while it is written.

A temporary file is locked as long as its writer lives, so that `sweep` can tell an abandoned one from one in use,
in whatever process.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from packhouse.errors import Kind, PackhouseError, refuse

Hook = Callable[[str], None]
"""Called with the name of each step of an upload (`s1` to `s14`) and of upkeep (`s15`, `s16`), so that tests can cut
there (docs/durability.md); does nothing in production."""

_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})


def no_hook(_step: str) -> None:
    """Let every step pass."""


@dataclass(frozen=True, slots=True)
class Digests:
    """The digests of a file, in lower-case hexadecimal; `blake2b_256` is BLAKE2b with 32 bytes."""

    sha256: str
    md5: str
    blake2b_256: str


@contextmanager
def blob_errors(doing: str) -> Iterator[None]:
    """Turn what the file system says while `doing` something into ours: FULL without space, else UNAVAILABLE."""
    try:
        yield
    except OSError as error:
        raise _ours(error, doing) from error


def _ours(error: OSError, doing: str) -> PackhouseError:
    if error.errno in _NO_SPACE:
        message = "There is no space left to store the file; make room on the server and send it again."
        return refuse(Kind.FULL, "storage-full", message)
    message = f"The storage failed while {doing} ({error.strerror or error}); see the server's log and try again."
    return refuse(Kind.UNAVAILABLE, "storage-failed", message)


class Incoming:
    """A file being received. `size` is in bytes, `path` is where its bytes are until `keep` or `discard`.

    Nothing of it can be reached in the store before `keep` has returned. For one thread at a time.
    """

    def __init__(self, folder: Path, place: Callable[[Incoming, str], None], hook: Hook = no_hook) -> None:
        """Make the temporary file in `folder`; `place(incoming, sha256)` is how `keep` puts it in its place."""
        self._place = place
        self._hook = hook
        self._hashes = (
            hashlib.sha256(usedforsecurity=False),
            hashlib.md5(usedforsecurity=False),
            hashlib.blake2b(digest_size=32, usedforsecurity=False),
        )
        self._kept = ""
        self._durable = -1  # bytes known to be durable
        self.size = 0
        with blob_errors("opening a temporary file"):
            self.path, self._descriptor = _locked_file(folder)
        self._open = True
        try:
            with blob_errors("opening a temporary file"):
                hook("s2")
        except BaseException:
            self.discard()
            raise

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Append a chunk. Raises PackhouseError (FULL, UNAVAILABLE); the file is of no use after that."""
        for running in self._hashes:
            running.update(chunk)
        with blob_errors("writing a file"):
            self._hook("s3")
            _write_all(self._descriptor, chunk)
        self.size += len(chunk)

    def digests(self) -> Digests:
        """The digests of what was written so far."""
        sha256, md5, blake2b = (running.hexdigest() for running in self._hashes)
        return Digests(sha256, md5, blake2b)

    def sync(self) -> None:
        """Make the bytes durable, once. What fails here is never tried again: the kernel may have dropped the bytes."""
        if self._durable == self.size:
            return
        with blob_errors("making a file durable"):
            self._hook("s6")
            os.fsync(self._descriptor)
            self._hook("s7")
        self._durable = self.size

    def keep(self) -> str:
        """Put the file into the store, durably, and return its sha256; the same again when called again.

        Raises PackhouseError (FULL, UNAVAILABLE) after discarding what was received.
        """
        if not self._kept:
            if not self._open:
                raise refuse(Kind.UNAVAILABLE, "blob-discarded", "The received file is gone already; send it again.")
            sha256 = self.digests().sha256
            try:
                self._place(self, sha256)
            finally:
                self.discard()
            self._kept = sha256
        return self._kept

    def discard(self) -> None:
        """Remove the temporary file; harmless after `keep` and when called again."""
        if self._open:
            self._open = False
            self.path.unlink(missing_ok=True)
            os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.discard()


def sweep(folder: Path) -> int:
    """Remove the temporary files whose writers are gone; returns how many."""
    removed = 0
    with blob_errors("removing old temporary files"):
        for path in folder.iterdir() if folder.is_dir() else ():
            removed += _remove_abandoned(path)
    return removed


def _locked_file(folder: Path) -> tuple[Path, int]:
    """A new file in `folder`, open for writing and locked; made again when a sweep took it before the lock."""
    while True:
        path = folder / f"{os.getpid()}-{secrets.token_hex(8)}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return path, descriptor
        os.close(descriptor)


def _write_all(descriptor: int, chunk: bytes | bytearray | memoryview) -> None:
    written = os.write(descriptor, chunk)
    while written < len(chunk):  # a file system nearly full takes a part, then refuses
        written += os.write(descriptor, memoryview(chunk)[written:])


def _remove_abandoned(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
