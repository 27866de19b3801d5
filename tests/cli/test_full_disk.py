# SPDX-License-Identifier: Apache-2.0
"""Starting on a disk that is full (decision 11), with a small file system of its own as the disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.infra.disks import fill, small_disk
from tests.infra.server import Server

__all__ = ["small_disk"]

pytestmark = pytest.mark.slow


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
