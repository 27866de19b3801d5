# SPDX-License-Identifier: Apache-2.0
"""Downloads are counted: with the edge, with the origin alone, behind nginx; shown soon, and to those who may read."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.corpus import make_wheel
from tests.http.client import Site, basic, fresh, sha256, wheel
from tests.infra.server import Server

PIP = 'pip/24.0 {"implementation":{"name":"CPython"},"python":"3.11.7"}'
UV = 'uv/0.5.1 {"installer":{"name":"uv"},"python":"3.12.2"}'
MINUTE = 60


def wait_for(count: Callable[[], int], wanted: int) -> None:
    """Until the number is what it should be; it is never more on the way."""
    until = time.monotonic() + MINUTE
    while (found := count()) < wanted and time.monotonic() < until:
        time.sleep(0.2)
    assert found == wanted


def info(site: Site, name: str, prefix: str = "", **headers: str) -> Any:
    answer = site.ask(f"{prefix}/pypi/{name}/json", **headers)
    assert answer.status == 200
    return answer.json()["info"]["downloads"]


@pytest.mark.parametrize("padding", [0, 300_000], ids=["small", "large"])
def test_whole_files_are_counted_and_nothing_else(site: Site, padding: int):
    name = fresh("counted")
    filename, data = site.publish(wheel(name, files={f"{name}/data.bin": bytes(range(250)) * (padding // 250)}))
    path = f"/files/{sha256(data)}/{filename}"
    assert info(site, name) == {"last_day": 0, "last_week": 0, "last_month": 0}
    etag = site.ask(path, "HEAD")["etag"]
    assert site.ask(path, if_none_match=etag).status == 304
    assert site.ask(f"{path}.metadata").status == 200
    assert site.ask(path, range="bytes=-40").status == 206
    assert site.ask(path, range="bytes=99999999-").status == 416
    assert site.ask(f"{path}x").status == 404
    for agent in (PIP, UV, UV, "nonsense {"):
        assert site.ask(path, user_agent=agent).body == data
    assert site.ask(path, range="bytes=0-40").status == 206
    wait_for(lambda: info(site, name)["last_day"], 5)
    assert info(site, name) == {"last_day": 5, "last_week": 5, "last_month": 5}
    assert site.ask(f"/pypi/{name}/json").json()["urls"][0]["downloads"] == -1


def test_a_closed_index_keeps_its_numbers_to_itself(site: Site):
    name, index = fresh("quiet"), fresh("closed")
    site.must("index", "create", index, "--read", "closed")
    site.must("index", "grant", index, site.owner.name)
    prefix = f"/index/{index}"
    filename, data = site.publish(wheel(name), path=f"{prefix}/legacy/")
    path, mine = f"{prefix}/files/{sha256(data)}/{filename}", {"authorization": basic(site.token)}
    assert site.ask(path).status == 401
    for _ in range(2):
        assert site.ask(path, **mine).body == data
    wait_for(lambda: info(site, name, prefix, **mine)["last_month"], 2)
    assert site.ask(f"{prefix}/pypi/{name}/json").status == 401
    assert site.ask(f"/pypi/{name}/json").status == 404


@pytest.mark.slow
@pytest.mark.parametrize("edge", ["embedded", "none"])
def test_a_stop_writes_down_what_was_counted(start_server: Callable[..., Server], edge: str):
    server = start_server("--workers", "2", "--edge", edge)
    token = server.make_token(server.make_user())
    filename, data = make_wheel("tapes", "1.0")
    assert server.publish(token, filename, data)[0] == 200
    for _ in range(20):
        assert server.get(f"/files/{sha256(data)}/{filename}", {"User-Agent": PIP})[0] == 200
    server.stop()
    again = start_server("--edge", edge)
    assert b'"last_month":20' in again.get("/pypi/tapes/json")[2]


@pytest.mark.slow
@pytest.mark.crash
def test_what_was_shown_survives_a_kill(start_server: Callable[..., Server]):
    server = start_server("--workers", "2")
    token = server.make_token(server.make_user())
    filename, data = make_wheel("tapes", "1.0")
    assert server.publish(token, filename, data)[0] == 200
    for _ in range(3):
        assert server.get(f"/files/{sha256(data)}/{filename}", {"User-Agent": UV})[0] == 200

    def counted() -> int:
        return int(json.loads(server.get("/pypi/tapes/json")[2])["info"]["downloads"]["last_week"])

    wait_for(counted, 3)
    server.stop(signal.SIGKILL)
    server = start_server()
    assert counted() == 3
    assert b">uv</th>" in server.get("/stats/")[2]
