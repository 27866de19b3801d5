# SPDX-License-Identifier: Apache-2.0
"""Search on a real server of two workers: what was published is found by the very next request, at either of them."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import pytest
from tests.corpus import make_wheel
from tests.infra.server import Server

pytestmark = pytest.mark.slow

PAIRS = 30


def test_a_project_is_found_by_the_request_after_its_publish(start_server: Callable[..., Server]) -> None:
    server = start_server("--workers", "2")
    token = server.make_token(server.make_user())
    for number in range(PAIRS):
        word = secrets.token_hex(6)
        assert server.publish(token, *make_wheel(f"found-{word}", "1.0", summary=f"Pair {number}"))[0] == 200
        said = server.get(f"/search/?q={word}", {"Accept": "text/html"})[2].decode()
        assert f"/project/found-{word}/" in said, f"pair {number} was stale"
        assert f"found-{word}" in server.get("/", {"Accept": "text/html"})[2].decode()


def test_what_was_deleted_or_yanked_is_gone_from_search_at_once(live: Server) -> None:
    word = secrets.token_hex(6)
    token = live.make_token(live.make_user())
    assert live.publish(token, *make_wheel(f"gone-{word}", "1.0"))[0] == 200
    assert f"gone-{word}" in live.get(f"/search/?q={word}")[2].decode()
    live.must("delete", f"gone-{word}", "--yes")
    assert f"/project/gone-{word}/" not in live.get(f"/search/?q={word}")[2].decode()
