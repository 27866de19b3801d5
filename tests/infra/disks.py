# SPDX-License-Identifier: Apache-2.0
"""A small disk of a test's own, to be filled."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """24 MB, unmounted afterwards."""
    yield from _mounted(tmp_path / "disk", "size=24m")


@pytest.fixture
def few_inodes(tmp_path: Path) -> Iterator[Path]:
    """A disk with room, for 400 files and folders."""
    yield from _mounted(tmp_path / "disk", "size=64m,nr_inodes=400")


def _mounted(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"{size},mode=0700", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a file system needs more rights")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def use_up_inodes(folder: Path) -> list[Path]:
    """Make empty files until no more can be made; returns them."""
    made: list[Path] = []
    try:
        while True:
            (folder / f"empty-{len(made)}").touch(exist_ok=False)
            made.append(folder / f"empty-{len(made)}")
    except OSError:
        return made


def fill(folder: Path) -> None:
    with (folder / "ballast").open("wb") as out:
        while True:
            try:
                os.write(out.fileno(), b"x" * 4096)
            except OSError:
                return
