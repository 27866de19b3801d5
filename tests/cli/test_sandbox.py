# SPDX-License-Identifier: Apache-2.0
"""A sandbox that runs: its banner, and a wipe beside the running server that holds on the next request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.corpus import make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.infra.server import Server

pytestmark = pytest.mark.slow


def test_a_wipe_holds_on_the_next_request(start_server: Callable[..., Server]):
    server = start_server(extra={"PACKHOUSE_SANDBOX": "on", "PACKHOUSE_SANDBOX_WIPE": "0 3 1 1 *"})
    token = server.make_token(server.make_user())
    filename, data = make_wheel("tapes", "1.0")
    other = make_wheel("tapes", "1.0", summary="Other bytes of the same name")[1]
    for wheel in (data, other, data):
        status, said = server.publish(token, filename, wheel)
        assert status == 200, said
        addresses = ["/simple/tapes/", f"/files/{_sha256(wheel)}/{filename}", "/pypi/tapes/json", "/project/tapes/"]
        for _ in range(2):  # the second time from the edge's memory
            assert [server.get(path)[0] for path in addresses] == [200] * 4
        assert b"next" in server.get("/project/tapes/", {"Accept": "text/html"})[2].partition(b"<header")[0]
        assert "1 projects with 1 files" in server.must("sandbox", "wipe", "--yes")
        assert [server.get(path)[0] for path in addresses] == [404] * 4
        assert b"tapes" not in server.get("/simple/")[2]
    assert server.command("sandbox", "wipe").returncode == 2  # without a terminal and --yes
    assert server.command("verify").returncode == 0


def test_elsewhere_nothing_is_wiped_and_no_banner_shown(live: Server):
    done = live.command("sandbox", "wipe", "--yes")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "no sandbox" in done.stderr
    assert b"Sandbox" not in live.get("/", {"Accept": "text/html"})[2]


def _sha256(data: bytes) -> str:
    from hashlib import sha256

    return sha256(data).hexdigest()
