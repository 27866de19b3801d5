# SPDX-License-Identifier: Apache-2.0
"""The folder in memory where the workers of a server add up their numbers for `/metrics`.

Not in the data folder: prometheus_client maps its files into memory, and writing to a mapped file on a full disk
kills the process.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108 - the folder in it has a name nobody can guess and its owner's rights alone
PREFIX = "packhouse-metrics-"
NOTE = "metrics-folder"


def share(data: Path) -> Path:
    """Make the folder, for this process and its children; removes that of a server that was killed.

    To be called before prometheus_client is imported.
    """
    _remove_noted(data)
    place = MEMORY if os.access(MEMORY, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    with contextlib.suppress(OSError):
        (data / NOTE).touch(mode=0o600)
        (data / NOTE).write_text(str(folder), encoding="utf-8")
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    return folder


def join(data: Path) -> None:
    """Add up numbers with a server of this machine that runs on the folder, if there is one."""
    with contextlib.suppress(OSError, ValueError):
        folder = Path((data / NOTE).read_text(encoding="utf-8"))
        if folder.name.startswith(PREFIX) and not folder.is_symlink() and folder.stat().st_uid == os.getuid():
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)


def unshare(data: Path, folder: Path) -> None:
    """Remove it."""
    shutil.rmtree(folder, ignore_errors=True)
    (data / NOTE).unlink(missing_ok=True)


def _remove_noted(data: Path) -> None:
    with contextlib.suppress(OSError, ValueError):
        folder = Path((data / NOTE).read_text(encoding="utf-8"))
        if folder.name.startswith(PREFIX) and not folder.is_symlink() and folder.stat().st_uid == os.getuid():
            shutil.rmtree(folder, ignore_errors=True)
