# SPDX-License-Identifier: Apache-2.0
"""Folders whose names survive a power cut: an entry is durable when the folder it stands in was fsynced."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Make the entries of a folder durable. Raises OSError; what fails here must not be tried again."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Make a folder and those above it that are missing, durably; the one asked for gets the mode.

    One that is there may have been made by a process that died before its fsync, so its entry is synced too, unless
    we may not read the folder above it. Where that fails an empty folder is removed again, so that the next attempt
    does not rely on a second fsync of the same change. Raises FileExistsError when a file stands there, else OSError.
    """
    if not folder.parent.is_dir():
        make_folder(folder.parent)
    folder.mkdir(mode=mode, exist_ok=True)
    try:
        sync_folder(folder.parent)
    except PermissionError:
        return
    except OSError:
        with contextlib.suppress(OSError):
            folder.rmdir()
        raise
