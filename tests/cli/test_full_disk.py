# SPDX-License-Identifier: Apache-2.0
"""Starting on a disk that is full (decision 11), with a small file system of its own as the disk."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.infra.server import Server

pytestmark = pytest.mark.slow


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """24 MB, unmounted afterwards."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m,mode=0700", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a file system needs more rights")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path) -> None:
    with (folder / "ballast").open("wb") as out:
        while True:
            try:
                os.write(out.fileno(), b"x" * 4096)
            except OSError:
                return


@pytest.mark.parametrize("administered", [True, False])
def test_decision_11_a_server_starts_on_a_full_disk(
    small_disk: Path, start_server: Callable[..., Server], administered: bool
):
    data = small_disk / "data"
    server = start_server(data=data)
    if administered:
        server.make_user("root", admin=True)
    assert server.stop() == 0
    fill(small_disk)
    for _ in range(2):
        again = start_server(data=data, ready=False)
        again.wait("/healthz")
        assert again.get("/account/login/")[0] == 200
        assert again.stop() == 0, again.output()
