# SPDX-License-Identifier: Apache-2.0
"""Downloads are counted: with the edge, with the origin alone, behind nginx; shown soon, and to those who may read."""

from __future__ import annotations

import json
import secrets
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass
class Taken:
    """A small and a large file of `main`, and one of a closed index, after all that was asked for them."""

    site: Site
    small: str
    large: str
    quiet: str
    prefix: str

    @property
    def credentials(self) -> dict[str, str]:
        return {"authorization": basic(self.site.token)}


@pytest.fixture(scope="session")
def taken(site: Site) -> Taken:
    """Everything is asked before the first test waits, so that all wait once."""
    index = fresh("closed")
    site.must("index", "create", index, "--read", "closed")
    site.must("index", "grant", index, site.owner.name)
    found = Taken(site, fresh("small"), fresh("large"), fresh("quiet"), f"/index/{index}")
    for name, size in ((found.small, 0), (found.large, 300_000)):
        ask_for_everything(site, *site.publish(wheel(name, files={f"{name}/data.bin": secrets.token_bytes(size)})))
        assert info(site, name)["last_day"] <= 5
    filename, data = site.publish(wheel(found.quiet), path=f"{found.prefix}/legacy/")
    path = f"{found.prefix}/files/{sha256(data)}/{filename}"
    assert site.ask(path).status == 401
    for _ in range(2):
        assert site.ask(path, **found.credentials).body == data
    return found


def ask_for_everything(site: Site, filename: str, data: bytes) -> None:
    """Of what is asked for here, five are downloads."""
    path = f"/files/{sha256(data)}/{filename}"
    etag = site.ask(path, "HEAD")["etag"]
    assert site.ask(path, if_none_match=etag).status == 304
    assert site.ask(f"{path}.metadata").status == 200
    assert site.ask(path, range="bytes=-40").status == 206
    assert site.ask(path, range="bytes=99999999-").status == 416
    assert site.ask(f"{path}x").status == 404
    for agent in (PIP, UV, UV, "nonsense {"):
        assert site.ask(path, user_agent=agent).body == data
    assert site.ask(path, range="bytes=0-40").status == 206


@pytest.mark.parametrize("size", ["small", "large"])
def test_whole_files_are_counted_and_nothing_else(taken: Taken, size: str):
    site, name = taken.site, getattr(taken, size)
    wait_for(lambda: info(site, name)["last_day"], 5)
    assert info(site, name) == {"last_day": 5, "last_week": 5, "last_month": 5}
    assert site.ask(f"/pypi/{name}/json").json()["urls"][0]["downloads"] == -1
    page = site.ask(f"/project/{name}/", accept="text/html").text
    assert [
        label for label in ("pip", "uv", "other", "3.11", "3.12", "not said") if f'row">{label}</th>' not in page
    ] == []


def test_a_project_nobody_downloads_has_zeros(site: Site):
    name = fresh("still")
    site.publish(wheel(name))
    assert info(site, name) == {"last_day": 0, "last_week": 0, "last_month": 0}


def test_a_closed_index_keeps_its_numbers_to_itself(taken: Taken):
    site, path = taken.site, f"/pypi/{taken.quiet}/json"
    wait_for(lambda: info(site, taken.quiet, taken.prefix, **taken.credentials)["last_month"], 2)
    assert site.ask(taken.prefix + path).status == 401
    assert site.ask(path).status == 404
    assert taken.quiet not in site.ask("/stats/", accept="text/html").text


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
