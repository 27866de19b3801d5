# SPDX-License-Identifier: Apache-2.0
"""Two servers on one PostgreSQL and one bucket, with an upstream below them: one of them asks, for both."""

from __future__ import annotations

import hashlib
import os
import secrets
import signal
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import psycopg
import pytest
from tests.infra.buckets import BucketServer
from tests.infra.postgresql import Cluster
from tests.infra.server import Server, finish, start
from tests.infra.upstreams import UpFile, UpProject, Upstream, held, paused_after, status, upstream

pytestmark = [pytest.mark.slow, pytest.mark.postgres]

JSON = {"Accept": "application/vnd.pypi.simple.v1+json"}
DEADLINE = 60.0
FIRST = 2_000_000
"""Bytes of the large file that the upstream gives before it waits."""


class Pair:
    """Two servers of one database; more can be started beside them."""

    def __init__(self, folder: Path, extra: dict[str, str], url: str) -> None:
        self._folder, self._extra, self._url = folder, extra, url
        self.database = extra["PACKHOUSE_DATABASE"]
        self.one = self.another()
        self.two = self.another()

    def another(self) -> Server:
        data = self._folder / secrets.token_hex(4)
        return start(data, "--upstream", self._url, extra=self._extra)

    @property
    def both(self) -> tuple[Server, Server]:
        return self.one, self.two


@pytest.fixture(scope="module")
def host() -> Iterator[Upstream]:
    with upstream() as running:
        yield running


@pytest.fixture(scope="module")
def pair(
    host: Upstream, postgresql: Cluster, s3: BucketServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    extra = s3.environment | {
        "PACKHOUSE_STORAGE": s3.fresh(),
        "PACKHOUSE_DATABASE": postgresql.create(f"pair_{secrets.token_hex(4)}"),
    }
    servers = Pair(tmp_path_factory.mktemp("pair"), extra, host.url)
    yield servers
    for server in servers.both:
        finish(server)


@pytest.fixture
def project(host: Upstream) -> Iterator[UpProject]:
    """A wheel with metadata, and an sdist of 3 MB, of bytes that no other test has."""
    host.faults.clear()
    name = f"tapes{secrets.token_hex(4)}"
    large = hashlib.shake_256(name.encode()).digest(3 * 1024 * 1024)
    yield host.add(
        name,
        UpFile(f"{name}-1.0-py3-none-any.whl", name.encode() * 20, metadata=f"Name: {name}\n".encode()),
        UpFile(f"{name}-1.0.tar.gz", large),
    )
    host.faults.clear()


def page_of(project: UpProject) -> str:
    return f"/simple/{project.name}/"


def path_of(project: UpProject, number: int) -> str:
    file = project.files[number]
    return f"/files/{file.sha256}/{file.filename}"


def source_of(project: UpProject, number: int) -> str:
    return f"/files/{project.name}/{project.files[number].filename}"


def await_that(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < until, "it did not come to it"
        time.sleep(0.01)


def leases(pair: Pair, key: str) -> int:
    """How many leases of a kind somebody holds."""
    with psycopg.connect(pair.database) as connection:
        query = "SELECT count(*) FROM activity.activity_lease WHERE key LIKE %s AND holder <> ''"
        [(count,)] = connection.execute(query, [f"{key}/%"]).fetchall()
    return int(count)


def read_all(server: Server, path: str, first: threading.Event | None = None) -> bytes:
    with urllib.request.urlopen(server.url + path, timeout=DEADLINE) as reply:
        begin = reply.read(1)
        if first is not None:
            first.set()
        return bytes(begin + reply.read())


def ask_both(pair: Pair, host: Upstream, source: str, path: str, times: int = 3) -> list[tuple[int, bytes]]:
    """What clients of both servers get who all ask while the upstream keeps the first one waiting."""
    until = threading.Event()
    host.faults[source] = held(until)
    with ThreadPoolExecutor(2 * times) as clients:
        asked = [clients.submit(server.get, path, JSON) for server in pair.both for _ in range(times)]
        await_that(lambda: host.paths(source) != [])
        time.sleep(0.5)  # so that most of them are there; whether or not, one of them asks
        until.set()
        return [(reply.result(DEADLINE)[0], reply.result(DEADLINE)[2]) for reply in asked]


def test_one_of_two_servers_asks_for_a_page(pair: Pair, host: Upstream, project: UpProject):
    found = ask_both(pair, host, page_of(project), page_of(project))
    assert {status for status, _ in found} == {200}
    assert {len(orjson.loads(body)["files"]) for _, body in found} == {2}
    assert host.paths(page_of(project)) == [page_of(project)]


def test_one_of_two_servers_hears_that_there_is_no_such_name(pair: Pair, host: Upstream):
    page = f"/simple/nothing{secrets.token_hex(4)}/"
    assert {status for status, _ in ask_both(pair, host, page, page)} == {404}
    assert [server.get(page)[0] for server in pair.both] == [404, 404]
    assert host.paths(page) == [page]


def test_one_of_two_servers_hears_that_the_upstream_fails(pair: Pair, host: Upstream, project: UpProject):
    """Those who wait at the other server are told; who asks later at either asks anew."""
    until, page = threading.Event(), page_of(project)
    waits, fails = held(until), status(500)
    host.faults[page] = lambda handler, go_on: waits(handler, lambda: fails(handler, go_on))
    with ThreadPoolExecutor(2) as clients:
        first = clients.submit(pair.one.get, page)
        await_that(lambda: host.paths(page) != [])
        second = clients.submit(pair.two.get, page)
        await_that(lambda: leases(pair, "page") == 1)
        time.sleep(1.0)  # the other one waits by now; if not, it asks for itself, and hears the same
        until.set()
        assert (first.result(DEADLINE)[0], second.result(DEADLINE)[0]) == (502, 502)
    assert len(host.paths(page)) in {1, 2}
    host.faults.clear()
    assert pair.two.get(page)[0] == 200


@pytest.mark.parametrize("what", ["small", "large"])
def test_one_of_two_servers_fetches_a_file(pair: Pair, host: Upstream, project: UpProject, what: str):
    number = {"small": 0, "large": 1}[what]
    assert pair.one.get(page_of(project))[0] == 200
    found = ask_both(pair, host, source_of(project, number), path_of(project, number))
    assert set(found) == {(200, project.files[number].data)}
    assert host.paths(source_of(project, number)) == [source_of(project, number)]


def test_one_of_two_servers_fetches_core_metadata(pair: Pair, host: Upstream, project: UpProject):
    assert pair.one.get(page_of(project))[0] == 200
    source, path = f"{source_of(project, 0)}.metadata", f"{path_of(project, 0)}.metadata"
    assert set(ask_both(pair, host, source, path)) == {(200, project.files[0].metadata)}
    assert host.paths(source) == [source]


def test_the_other_server_passes_on_what_has_come(pair: Pair, host: Upstream, project: UpProject):
    """Its clients have the first bytes before the upstream has given the last ones; nothing is left behind."""
    assert pair.one.get(page_of(project))[0] == 200
    go_on, seen = threading.Event(), [threading.Event(), threading.Event()]
    host.faults[source_of(project, 1)] = paused_after(FIRST, go_on)
    with ThreadPoolExecutor(2) as clients:
        replies = [
            clients.submit(read_all, server, path_of(project, 1), event)
            for server, event in zip(pair.both, seen, strict=True)
        ]
        await_that(lambda: all(event.is_set() for event in seen))
        go_on.set()
        assert [reply.result(DEADLINE) for reply in replies] == [project.files[1].data] * 2
    assert host.paths(source_of(project, 1)) == [source_of(project, 1)]
    await_that(lambda: leases(pair, "file") == 0)
    for server in pair.both:
        await_that(lambda folder=server.data / "blobs" / "pulling": list(folder.iterdir()) == [])  # type: ignore[misc]


def kill(server: Server) -> None:
    """End all of it at once, without a word."""
    os.killpg(server.process.pid, signal.SIGKILL)
    server.process.wait(DEADLINE)


def test_hostile_239_when_the_server_that_fetches_dies_the_other_goes_on(
    pair: Pair, host: Upstream, project: UpProject
):
    """From what it has been passed on, by a range; its client notices nothing."""
    third = pair.another()
    assert third.get(page_of(project))[0] == 200
    go_on, seen = threading.Event(), [threading.Event(), threading.Event()]
    source = source_of(project, 1)
    host.faults[source] = paused_after(FIRST, go_on)
    with ThreadPoolExecutor(2) as clients:
        dying = clients.submit(read_all, third, path_of(project, 1), seen[0])
        await_that(seen[0].is_set)
        reply = clients.submit(read_all, pair.two, path_of(project, 1), seen[1])
        await_that(seen[1].is_set)
        host.faults.clear()
        kill(third)
        with pytest.raises(Exception):  # noqa: B017, PT011 - in whatever way, it ends
            dying.result(DEADLINE)
        assert reply.result(DEADLINE) == project.files[1].data
        go_on.set()
    [_, second] = [headers for _, path, headers in host.asked if path == source]
    assert 0 < int(second["range"].removeprefix("bytes=").removesuffix("-")) <= FIRST
    await_that(lambda: leases(pair, "file") == 0)


@pytest.mark.full
def test_when_the_server_that_asks_for_a_page_dies_the_other_asks(pair: Pair, host: Upstream, project: UpProject):
    third, until = pair.another(), threading.Event()
    host.faults[page_of(project)] = held(until)
    with ThreadPoolExecutor(2) as clients:
        dying = clients.submit(third.get, page_of(project))
        await_that(lambda: host.paths(page_of(project)) != [])
        reply = clients.submit(pair.two.get, page_of(project))
        host.faults.clear()
        kill(third)
        assert reply.result(DEADLINE)[0] == 200
        until.set()
        with pytest.raises(OSError):  # noqa: PT011 - in whatever way, it ends
            dying.result(DEADLINE)
    assert len(host.paths(page_of(project))) == 2
