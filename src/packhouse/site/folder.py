# SPDX-License-Identifier: Apache-2.0
"""The data folder: made once, private, one server at a time."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from packhouse.errors import Kind, refuse
from packhouse.storage.folders import make_folder

OURS = frozenset({"packhouse.toml", "lock", "secret-key", "outbox", "blobs", "catalogue.db", "activity.db"})
"""What a folder may hold and still be taken for one of ours, or for one to be made into ours."""


RESTORING = "restoring"
"""Where a backup is unpacked before it is moved up; while it is there, no server may start."""


def prepare_folder(data: Path) -> None:
    """Make the data folder (0700), durably, when absent; refuse one that is not ours or can't be written to."""
    try:
        make_folder(data, 0o700)
        names = {entry.name for entry in os.scandir(data)}
    except FileExistsError as error:
        raise refuse(Kind.INVALID, "data-not-folder", f"{data} is not a folder; choose another --data.") from error
    except OSError as error:
        raise _unusable(data, error) from error
    if RESTORING in names:
        message = f"A restore into {data} did not end; remove the folder and restore again."
        raise refuse(Kind.CONFLICT, "restore-unfinished", message)
    if names and not names & OURS:
        raise refuse(
            Kind.INVALID,
            "data-not-ours",
            f"{data} holds other things but no Packhouse data; choose an empty or a new folder with --data.",
        )
    _check_writable(data)
    if not names:
        data.chmod(0o700)  # it may have been made by hand


def is_new(data: Path) -> bool:
    """Whether no server was ever started on the folder."""
    return not (data / "secret-key").exists()


def existing_folder(data: Path, *, writable: bool = True) -> None:
    """Refuse a folder that no server has been started on, for the commands that work beside one."""
    if not data.is_dir():
        raise refuse(
            Kind.MISSING, "data-missing", f"There is no folder {data}; name the server's data folder with --data."
        )
    if is_new(data):
        raise refuse(
            Kind.MISSING,
            "data-not-ours",
            f"{data} holds no Packhouse data; name the server's data folder with --data, or start `packhouse serve`.",
        )
    if writable:
        _check_writable(data)


def _check_writable(data: Path) -> None:
    if not os.access(data, os.W_OK | os.X_OK):
        raise _unusable(data, PermissionError(errno.EACCES, "Permission denied"))
    if os.statvfs(data).f_flag & os.ST_RDONLY:
        raise _unusable(data, OSError(errno.EROFS, "Read-only file system"))


def _unusable(data: Path, error: OSError) -> Exception:
    return refuse(
        Kind.INVALID,
        "data-not-writable",
        f"The data folder {data} can't be written to ({error.strerror}); change its rights or choose another --data.",
    )


@dataclass(frozen=True, slots=True)
class Lock:
    """A server's hold on its folder; it ends with the last process of the server."""

    descriptor: int

    def release(self) -> None:
        """Let the next server have the folder."""
        with contextlib.suppress(OSError):
            os.ftruncate(self.descriptor, 0)
        os.close(self.descriptor)


def lock_folder(data: Path, patience: float = 5.0) -> Lock:
    """Take the folder for this server, or refuse (CONFLICT) naming the process that holds it.

    A server whose first process is gone is given `patience` seconds to let go.
    """
    file = data / "lock"
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unusable(data, error) from error
    deadline = time.monotonic() + patience
    while not _try_lock(descriptor):
        holder = lock_holder(data)
        if holder is not None or time.monotonic() > deadline:
            os.close(descriptor)
            raise refuse(
                Kind.CONFLICT,
                "data-locked",
                f"Another server{f' (process {holder})' if holder else ''} already runs on the data folder {data};"
                " stop it first or choose another --data.",
            )
        time.sleep(0.05)
    with contextlib.suppress(OSError):  # a full disk; the lock holds without the number in it
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
    return Lock(descriptor)


def _try_lock(descriptor: int, kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def lock_holder(data: Path) -> int | None:
    """The living process that says it holds the folder, if any."""
    try:
        descriptor = os.open(data / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if _try_lock(descriptor, fcntl.LOCK_SH):
            return None  # nobody holds it, whatever number a server that was killed left there
        process = int(os.pread(descriptor, 32, 0))
        os.kill(process, 0)
    except (OSError, ValueError):
        return None
    finally:
        os.close(descriptor)
    return process


RESERVE = 4 * 1024**2
"""Bytes set aside while there is room, so that a server can start on a full disk: SQLite needs some to open a file."""


def free_reserve(data: Path) -> None:
    """Give up the reserve when the disk is full."""
    if shutil.disk_usage(data).free < RESERVE:
        (data / "reserve").unlink(missing_ok=True)


def fill_reserve(data: Path) -> None:
    """Set the reserve aside when there is ample room."""
    file = data / "reserve"
    if not file.exists() and shutil.disk_usage(data).free > 4 * RESERVE:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "wb") as out, contextlib.suppress(OSError):
            os.posix_fallocate(out.fileno(), 0, RESERVE)
