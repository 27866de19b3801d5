# SPDX-License-Identifier: Apache-2.0
"""Varnish in front, configured as `deploy/varnish` says: what it keeps, what it never keeps, what a purge does."""

from __future__ import annotations

import hashlib
import http.client
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from email.utils import formatdate
from functools import partial
from typing import Any

import pytest
from tests.corpus import make_wheel
from tests.infra import databases
from tests.infra.desk import Desk
from tests.infra.server import Server, finish, start
from tests.infra.varnish import LARGE, Varnish, behind_varnish, program

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(program() is None, reason="Varnish is not installed"),
    pytest.mark.skipif(databases.wanted() == "postgresql", reason="once is enough"),
]

V1_JSON = "application/vnd.pypi.simple.v1+json"
V1_HTML = "application/vnd.pypi.simple.v1+html"
PIP = f"{V1_JSON}, {V1_HTML}; q=0.1, text/html; q=0.01"
UV = f"{V1_JSON}, {V1_HTML};q=0.2, text/html;q=0.01"
SECONDS = 60.0
PAIRS = 60

Headers = dict[str, str]


@dataclass
class House:
    """A server, and the same through Varnish; `token` may upload."""

    server: Server
    front: Server
    varnish: Varnish
    token: str
    desk: Desk

    def publish(self, name: str, version: str = "1.0", *, path: str = "/legacy/", size: int = 0) -> tuple[str, bytes]:
        """Upload a wheel through Varnish; its filename and bytes."""
        filename, data = make_wheel(name, version, files={f"{name}/x": os.urandom(size)} if size else None)
        assert self.front.publish(self.token, filename, data, path)[0] == 200
        return filename, data

    def kept(self, path: str, headers: Headers | None = None) -> bool:
        """Whether Varnish comes to answer by itself (the follower of the journal may purge once more meanwhile)."""
        until(lambda: self.front.get(path, headers)[1]["x-cache"] == "hit")
        return self.front.get(path, headers)[0] == 200

    def shows(self, path: str, filename: str) -> bool:
        """Whether a page lists a file."""
        return filename in self.front.get(path)[2].decode()

    def must(self, *arguments: str) -> None:
        """Run a command on the server's folder, beside it."""
        self.desk.must(*arguments)


def until(condition: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)


def end(server: Server) -> None:
    """Stop a server unless the test has."""
    if server.process.poll() is None:
        finish(server)


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., House]]:
    """Start a server behind Varnish; without `purge` its purges get lost."""
    with ExitStack() as stack:

        def run(name: str, **options: Any) -> House:
            front = stack.enter_context(behind_varnish(**options))
            server = start(tmp_path_factory.mktemp(name) / "data", "--workers", "2", *front.options, extra=front.extra)
            stack.callback(end, server)
            past = replace(server)
            front.stand_before(server)
            desk = Desk(server.data)
            stack.callback(desk.close)
            assert front.varnish
            return House(past, server, front.varnish, past.make_token(past.make_user()), desk)

        yield run


@pytest.fixture(scope="module")
def house(build: Callable[..., House]) -> House:
    made = build("kept")
    for name in ("not-kept", "odd-one"):
        made.publish(name)
    return made


@pytest.fixture(scope="module")
def deaf(build: Callable[..., House]) -> House:
    """The same, but purges get lost; pages may be kept for two seconds."""
    return build("deaf", purge=False, cdn_max_age=2)


# --- what is kept


def test_pages_metadata_and_files_are_kept(house: House):
    filename, data = house.publish("kept-all", size=200_000)
    address = f"/files/{hashlib.sha256(data).hexdigest()}/{filename}"
    for path in ("/simple/", "/simple/kept-all/", "/index/main/simple/kept-all/", address, f"{address}.metadata"):
        assert house.kept(path), path
    assert house.front.get(address)[2] == data


@pytest.mark.parametrize("path", ["/", "/simple/no-such/", "/pypi/not-kept/json", "/search/?q=x", "/simple/?x=1"])
def test_what_depends_on_who_asks_or_may_come_any_moment_is_not(house: House, path: str):
    for _ in range(3):
        assert house.front.get(path)[1]["x-cache"] != "hit"


def test_nothing_that_is_for_the_cache_reaches_clients(house: House):
    house.publish("plain-one")
    for _ in range(2):
        headers = house.front.get("/simple/plain-one/", {"Accept": PIP})[1]
        assert not {"surrogate-control", "xkey", "x-varnish", "via", "x-purged"} & set(headers)
        assert headers["cache-control"] == "max-age=0, must-revalidate"
        assert headers["vary"] == "Accept, Accept-Encoding"


def test_a_client_that_knows_the_page_gets_304_from_varnish(house: House):
    house.publish("known-page")
    for encoding in ("gzip, deflate, zstd", "gzip", ""):
        asked = {"Accept": UV, "Accept-Encoding": encoding}
        assert house.kept("/simple/known-page/", asked)
        tag = house.front.get("/simple/known-page/", asked)[1]["etag"]
        assert not tag.startswith("W/")
        assert tag == house.server.get("/simple/known-page/", asked)[1]["etag"]
        status, headers, body = house.front.get("/simple/known-page/", asked | {"If-None-Match": tag})
        assert (status, headers["etag"], body) == (304, tag, b"")


def test_all_the_spellings_of_accept_are_a_few_copies(house: House):
    """However clients spell what they want, a page is kept once for each form, and each gets its own."""
    house.publish("spelled")
    house.front.get("/simple/spelled/", {"Accept-Encoding": "gzip"})
    before = house.varnish.count("MAIN.n_object")
    accepts = [PIP, UV, V1_JSON, V1_HTML, "text/html", "*/*", f"{V1_JSON}, */*;q=0.5"]
    accepts += [f"text/html,application/xhtml+xml,application/xml;q=0.{n},*/*;q=0.8" for n in range(1, 9)]
    accepts += [f"{V1_JSON}, text/html;q=0.{n:03}" for n in range(1, 40)]
    codings = ["gzip", "gzip, deflate", "deflate, gzip", "GZIP", "gzip,deflate,compress"]
    for accept in accepts:
        for coding in codings:
            asked = {"Accept": accept, "Accept-Encoding": coding}
            ours, theirs = (one.get("/simple/spelled/", asked) for one in (house.server, house.front))
            assert (ours[0], ours[1]["content-type"], ours[2]) == (theirs[0], theirs[1]["content-type"], theirs[2])
    assert house.varnish.count("MAIN.n_object") - before <= 4


@pytest.mark.parametrize(
    "odd",
    [
        {"Accept": f"text/html, {V1_JSON}"},
        {"Accept": f"text/html;q=0.1, {V1_JSON};q=0.9"},
        {"Accept": "image/png"},
        {"Accept": "text/html, application/*"},
        {"Accept-Encoding": "gzip;q=0, br"},
        {"Accept-Encoding": "*"},
        {"If-None-Match": '"a", "b"'},
        {"If-Modified-Since": formatdate(0, usegmt=True)},
    ],
    ids=str,
)
def test_what_is_asked_for_oddly_is_answered_as_without_varnish(house: House, odd: Headers):
    ours, theirs = (one.get("/simple/odd-one/", odd) for one in (house.server, house.front))
    assert (ours[0], ours[2], ours[1].get("etag")) == (theirs[0], theirs[2], theirs[1].get("etag"))


def test_ranges_of_a_file_come_from_varnish_once_it_is_there(house: House):
    filename, data = house.publish("ranged", size=300_000)
    path = f"/files/{hashlib.sha256(data).hexdigest()}/{filename}"
    status, headers, body = house.front.get(path, {"Range": "bytes=5-9"})
    assert (status, body, headers["x-cache"]) == (206, data[5:10], "miss")
    assert house.kept(path)
    tag = f'"{hashlib.sha256(data).hexdigest()}"'
    status, headers, body = house.front.get(path, {"Range": "bytes=-10", "If-Range": tag})
    assert (status, body, headers["x-cache"]) == (206, data[-10:], "hit")
    assert headers["content-range"] == f"bytes {len(data) - 10}-{len(data) - 1}/{len(data)}"
    assert house.front.get(path, {"Range": f"bytes={len(data)}-"})[0] == 416
    assert house.front.get(path, {"Range": "bytes=0-3", "If-Range": '"other"'})[2] == data


def test_a_file_too_large_to_keep_goes_through(house: House):
    filename, data = house.publish("large", size=LARGE)
    path = f"/files/{hashlib.sha256(data).hexdigest()}/{filename}"
    for _ in range(2):
        status, headers, body = house.front.get(path)
        assert (status, headers["content-length"], hashlib.sha256(body).digest()) == (
            200,
            str(len(data)),
            hashlib.sha256(data).digest(),
        )
        assert house.front.get(path, {"Range": "bytes=5-9"})[2] == data[5:10]


def test_past_states_are_kept_and_stay_what_they_were(house: House):
    filename, _ = house.publish("remembered")
    serial = house.front.get("/simple/remembered/")[1]["x-pypi-last-serial"]
    later, _ = house.publish("remembered", "2.0")
    for path in (f"/@serial-{serial}/simple/remembered/", f"/index/main/@serial-{serial}/simple/remembered/"):
        assert house.kept(path)
        page = house.front.get(path, {"Accept": PIP})[2].decode()
        assert filename in page
        assert later not in page
    assert later in house.front.get("/simple/remembered/", {"Accept": PIP})[2].decode()


# --- what a change does


def test_the_next_request_sees_it(house: House):
    """Each upload is answered after the purge."""
    stale = []
    for number in range(PAIRS):
        filename, _ = house.publish("pair", f"1.{number}")
        for asked in ({"Accept": UV, "Accept-Encoding": "gzip, deflate, zstd"}, {"Accept": PIP}):
            house.front.get("/simple/pair/", asked)
        if filename not in house.front.get("/simple/pair/")[2].decode():
            stale.append(filename)
    late = "was not purged now" in house.server.output()  # Varnish took longer than anybody waits for it
    assert stale == [] or late
    assert house.kept("/simple/pair/")


def test_what_was_on_its_way_when_the_change_was_made_is_not_kept(house: House):
    """Others ask all the time, and whatever they make Varnish fetch, the last upload is there in the end."""
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            house.front.get("/simple/busy/")

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    try:
        for number in range(20):
            filename, _ = house.publish("busy", f"1.{number}")
            until(partial(house.shows, "/simple/busy/", filename))
    finally:
        over.set()
        for asker in askers:
            asker.join()


def test_a_command_purges_too_and_what_was_deleted_is_gone_with_its_file(house: House):
    filename, data = house.publish("gone")
    path = f"/files/{hashlib.sha256(data).hexdigest()}/{filename}"
    assert house.kept("/simple/gone/")
    assert house.kept(path)
    house.must("yank", "gone==1.0", "--reason", "wrong")
    assert b"data-yanked" in house.front.get("/simple/gone/")[2]
    assert house.kept(path)
    house.must("delete", "gone", "--yes")
    assert house.front.get("/simple/gone/")[0] == 404
    assert house.front.get(path)[0] == 404


def test_an_index_above_is_purged_with_the_one_it_shows(house: House):
    house.must("index", "create", "team", "--layer", "own", "--layer", "index:main")
    house.publish("shown-above")
    assert house.kept("/index/team/simple/shown-above/")
    filename, _ = house.publish("shown-above", "2.0")
    assert filename in house.front.get("/index/team/simple/shown-above/")[2].decode()
    assert filename in house.front.get("/simple/shown-above/")[2].decode()


def test_a_lost_purge_heals_by_itself(deaf: House):
    filename, _ = deaf.publish("healed")
    assert filename in deaf.front.get("/simple/healed/")[2].decode()
    later, _ = deaf.publish("healed", "2.0")
    until(lambda: later in deaf.front.get("/simple/healed/")[2].decode())


def test_no_cache_gets_the_current_one_and_leaves_it_to_the_others(house: House):
    house.publish("asked")
    assert house.kept("/simple/asked/")
    misses = house.varnish.count("MAIN.cache_miss")
    status, headers, _ = house.front.get("/simple/asked/", {"Cache-Control": "no-cache"})
    assert (status, headers["x-cache"]) == (200, "miss")
    assert house.varnish.count("MAIN.cache_miss") == misses + 1
    assert house.kept("/simple/asked/")


def test_only_packhouse_may_purge(house: House):
    host, port = house.varnish.url.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=30, source_address=("127.0.0.2", 0))
    connection.request("PURGE", "/", headers={"Surrogate-Key": "index/main"})
    assert connection.getresponse().status == 403
    connection.close()


# --- who may read


def test_a_closed_index_is_never_kept_for_anybody(house: House):
    house.must("index", "create", "vault", "--read", "closed")
    reader = house.server.make_user()
    house.must("index", "grant", "vault", reader.name)
    stranger = house.server.make_token(house.server.make_user())
    token = house.server.make_token(reader)
    filename, data = make_wheel("hidden", "1.0")
    assert house.front.publish(token, filename, data, "/index/vault/legacy/")[0] == 200
    file = f"/index/vault/files/{hashlib.sha256(data).hexdigest()}/{filename}"
    for path in ("/index/vault/simple/", "/index/vault/simple/hidden/", file, f"{file}.metadata"):
        for _ in range(2):
            for credentials, status in (({}, 401), ({"Authorization": f"Bearer {token}"}, 200), ({}, 401)):
                found, headers, _ = house.front.get(path, credentials)
                assert (found, headers["x-cache"]) == (status, "miss")
            assert house.front.get(path, {"Authorization": f"Bearer {stranger}"})[0] == 403


def test_an_index_that_is_closed_is_closed_at_once(house: House):
    house.must("index", "create", "opened")
    filename, data = make_wheel("open-once", "1.0")
    assert house.front.publish(house.token, filename, data, "/index/opened/legacy/")[0] == 200
    file = f"/index/opened/files/{hashlib.sha256(data).hexdigest()}/{filename}"
    assert house.kept("/index/opened/simple/open-once/")
    assert house.kept(file)
    house.must("index", "read", "opened", "closed")
    assert [house.front.get(path)[0] for path in ("/index/opened/simple/open-once/", file)] == [401, 401]


# --- when it can't answer


def test_stale_if_error_and_a_sentence_for_the_rest(deaf: House):
    house = deaf
    filename, data = house.publish("stays")
    path = f"/files/{hashlib.sha256(data).hexdigest()}/{filename}"
    assert house.kept("/simple/stays/")
    assert house.kept(path)
    assert house.server.stop(signal.SIGTERM) == 0
    time.sleep(2.5)  # the page is too old by now
    assert filename in house.front.get("/simple/stays/")[2].decode()
    assert house.front.get(path)[2] == data
    status, headers, body = house.front.get("/simple/never-asked/")
    assert (status, headers["cache-control"], headers["retry-after"]) == (503, "no-store", "2")
    assert body == b"The server can't answer now; try again in a moment.\n"
    assert house.front.get("/search/?q=x")[0] == 503
    assert filename in house.front.get("/simple/stays/", {"Cache-Control": "no-cache"})[2].decode()
