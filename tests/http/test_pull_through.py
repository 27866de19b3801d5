# SPDX-License-Identifier: Apache-2.0
"""A server with an upstream below it, as clients see it: with the edge, and without."""

from __future__ import annotations

import hashlib
import http.client
import io
import os
import secrets
import socket
import threading
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import pytest
from tests.corpus import make_wheel
from tests.infra import clients
from tests.infra.crowds import ask_at_once
from tests.infra.server import Server, finish, start, start_node
from tests.infra.upstreams import Fault, UpFile, Upstream, cut_after, held, paused_after, sends, status, upstream

pytestmark = pytest.mark.slow

LARGE = hashlib.shake_256(b"large").digest(3 * 1024 * 1024)
SMALL = b"a small file"
METADATA = b"Metadata-Version: 2.1\nName: tapes\nVersion: 1.0\n"
JSON = {"Accept": "application/vnd.pypi.simple.v1+json"}
DEADLINE = 60.0


class Source:
    """A project of its own at the upstream, for one test: a small wheel with metadata, and a large sdist."""

    def __init__(self, host: Upstream) -> None:
        self.host = host
        self.name = f"tapes{secrets.token_hex(4)}"
        self.wheel = f"{self.name}-1.0-py3-none-any.whl"
        self.sdist = f"{self.name}-1.0.tar.gz"
        self.project = host.add(self.name, UpFile(self.wheel, SMALL, metadata=METADATA), UpFile(self.sdist, LARGE))

    @property
    def page(self) -> str:
        return f"/simple/{self.name}/"

    def path(self, filename: str) -> str:
        return f"/files/{self.name}/{filename}"

    def fails(self, filename: str, fault: Fault) -> None:
        """Let a file go wrong; "" for the page."""
        self.host.faults[self.path(filename) if filename else self.page] = fault

    def mends(self) -> None:
        """Let all be well again."""
        self.host.faults.clear()

    def asked(self, method: str = "", *, files: bool = False) -> list[str]:
        """What was asked of this project, each path without what all have in common."""
        place = f"/files/{self.name}/"
        paths = self.host.paths(method=method)
        return [
            path.removeprefix(place) for path in paths if path.startswith(place) or (not files and path == self.page)
        ]


@pytest.fixture(scope="module")
def host() -> Iterator[Upstream]:
    with upstream() as running:
        yield running


@pytest.fixture
def source(host: Upstream) -> Iterator[Source]:
    host.faults.clear()
    made = Source(host)
    # Digests of blobs are what files are known by: each test has its own bytes.
    salt = secrets.token_bytes(8)
    for file in made.project.files:
        file.data = salt + file.data[8:]
    yield made
    host.faults.clear()


@pytest.fixture(scope="module", params=["embedded", "none", "node"])
def server(
    request: pytest.FixtureRequest, host: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("pulling") / "data"
    kind = "embedded" if request.param == "node" else request.param
    servers = [start(data, "--edge", kind, "--upstream", host.url)]
    if request.param == "node":
        servers.append(start_node(servers[0]))
    yield servers[-1]
    for running in reversed(servers):
        finish(running)


@pytest.fixture(scope="module")
def at_edge(host: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of two workers with the edge."""
    folder = tmp_path_factory.mktemp("pulling")
    running = start(folder / "data", "--workers", "2", "--upstream", host.url)
    yield running
    finish(running)


def files_of(server: Server, name: str) -> dict[str, str]:
    """The addresses of a project's files."""
    status, _, body = server.get(f"/simple/{name}/", JSON)
    assert status == 200, body
    return {file["filename"]: file["url"].removeprefix("../..") for file in orjson.loads(body)["files"]}


def wheel_of(server: Server, source: Source) -> tuple[str, bytes]:
    """The address of the small file, and its bytes."""
    return files_of(server, source.name)[source.wheel], source.project.files[0].data


def sdist_of(server: Server, source: Source) -> tuple[str, bytes]:
    """The address of the large file, and its bytes."""
    return files_of(server, source.name)[source.sdist], source.project.files[1].data


def await_that(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < until, "it did not come to it"
        time.sleep(0.01)


def test_page_file_and_metadata_come_through_once(server: Server, source: Source):
    (small, wheel), (large, sdist) = wheel_of(server, source), sdist_of(server, source)
    for _ in range(3):
        assert server.get(small)[2] == wheel
        assert server.get(large)[2] == sdist
        assert server.get(small + ".metadata")[2] == METADATA
    assert sorted(source.asked()) == sorted([source.page, source.wheel, source.sdist, f"{source.wheel}.metadata"])


def test_a_cold_range_is_what_was_asked_for(server: Server, source: Source):
    url, data = sdist_of(server, source)
    status, headers, body = server.get(url, {"Range": "bytes=1000-1999"})
    assert (status, body) == (206, data[1000:2000])
    assert headers["content-range"] == f"bytes 1000-1999/{len(data)}"


@pytest.mark.parametrize("large", [True, False])
def test_a_cold_head_fetches_no_body(server: Server, source: Source, large: bool):
    url, data = (sdist_of if large else wheel_of)(server, source)
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=DEADLINE)
    connection.request("HEAD", url)
    reply = connection.getresponse()
    assert (reply.status, reply.headers["Content-Length"]) == (200, str(len(data)))
    connection.close()
    assert source.asked("GET", files=True) == []
    assert source.asked("HEAD", files=True) == [source.sdist if large else source.wheel]


def test_decision_22_a_size_that_a_head_lied_about_is_corrected_when_the_file_came(server: Server, source: Source):
    file = source.project.files[1]
    file.size = None  # the page does not say it
    url, data = sdist_of(server, source)
    source.fails(source.sdist, sends("text/plain", b"a lie"))
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=DEADLINE)
    connection.request("HEAD", url)
    assert connection.getresponse().headers["Content-Length"] == "5"
    connection.close()
    source.mends()
    assert server.get(url)[2] == data
    [shown] = [
        one for one in orjson.loads(server.get(source.page, JSON)[2])["files"] if one["filename"] == source.sdist
    ]
    assert shown["size"] == len(data)


def test_hostile_221_wrong_bytes_of_a_small_file_are_a_502(server: Server, source: Source):
    url, data = wheel_of(server, source)
    source.fails(source.wheel, sends("application/octet-stream", bytes(len(data))))
    assert server.get(url)[0] == 502
    source.mends()
    assert server.get(url)[2] == data


def test_hostile_221_wrong_bytes_of_a_large_file_never_end_as_a_success(server: Server, source: Source):
    url, data = sdist_of(server, source)
    source.fails(source.sdist, sends("application/octet-stream", bytes(len(data))))
    assert not came_whole(server, url)
    source.mends()
    assert server.get(url)[2] == data


def came_whole(server: Server, url: str) -> bool:
    """Whether a GET ended as a success."""
    try:
        return server.get(url)[0] == 200
    except (http.client.HTTPException, OSError):
        return False


def test_hostile_222_a_page_instead_of_a_file_is_a_502(server: Server, source: Source):
    url, _ = sdist_of(server, source)
    source.fails(source.sdist, sends("text/html", b"<h1>Sign in</h1>"))
    assert server.get(url)[0] == 502


def test_hostile_228_a_file_that_breaks_off_is_gone_on_with(server: Server, source: Source):
    url, data = sdist_of(server, source)
    source.fails(source.sdist, cut_after(1_000_000, times=2))
    assert server.get(url)[2] == data
    paths = [headers.get("range", "") for _, path, headers in source.host.asked if path == source.path(source.sdist)]
    assert paths[0] == ""
    assert paths[1].startswith("bytes=")


def test_hostile_228_one_that_always_breaks_off_is_gone_on_with_by_the_next_request(server: Server, source: Source):
    url, data = sdist_of(server, source)
    source.fails(source.sdist, cut_after(0))
    assert not came_whole(server, url)
    source.mends()
    assert server.get(url)[2] == data


def test_hostile_230_metadata_with_a_wrong_digest_is_never_served(server: Server, source: Source):
    source.project.files[0].metadata_says = "0" * 64
    url, _ = wheel_of(server, source)
    assert server.get(url + ".metadata")[0] == 502
    assert server.get(url + ".metadata")[0] == 404
    page = orjson.loads(server.get(source.page, JSON)[2])
    assert page["files"][0]["core-metadata"] is False


def test_hostile_227_an_error_upstream_is_a_502_and_another_try_may_work(server: Server, source: Source):
    source.fails("", status(500))
    assert server.get(source.page)[0] == 502
    source.mends()
    assert server.get(source.page)[0] == 200


def test_an_unknown_name_is_a_404_and_asked_for_once_a_minute(server: Server, source: Source):
    for _ in range(5):
        assert server.get(f"{source.page[:-1]}-not/")[0] == 404
    assert source.host.paths(f"{source.page[:-1]}-not/") == [f"{source.page[:-1]}-not/"]


def test_hostile_239_a_hundred_at_once_are_one_fetch_and_the_first_byte_does_not_wait(at_edge: Server, source: Source):
    url, data = sdist_of(at_edge, source)
    go_on, first = threading.Event(), threading.Event()
    source.fails(source.sdist, paused_after(2_000_000, go_on))
    with ThreadPoolExecutor(100) as clients:
        replies = [clients.submit(read_all, at_edge, url, first) for _ in range(100)]
        await_that(first.is_set)  # before the last byte came from upstream
        go_on.set()
        assert [reply.result(DEADLINE) for reply in replies] == [data] * 100
    assert source.asked("GET", files=True) == [source.sdist]


def test_what_was_removed_to_make_room_comes_again(server: Server, source: Source):
    for (url, data), name in ((wheel_of(server, source), source.wheel), (sdist_of(server, source), source.sdist)):
        digest = hashlib.sha256(data).hexdigest()
        assert server.get(url)[2] == data
        next((server.data / "blobs").glob(f"sha256/*/*/{digest}")).unlink()  # as the one who makes room does
        # The small one may be in the edge's memory still.
        assert {server.get(url)[2] for _ in range(3)} == {data}
        assert name == source.wheel or source.asked("GET", files=True).count(name) == 2


CLIENTS = 1000


@pytest.mark.full
@pytest.mark.parametrize("what", ["page", "small", "large"])
def test_hostile_239_a_thousand_at_once_are_one_fetch(at_edge: Server, source: Source, what: str):
    """All of them have asked before the upstream answers, at two workers; each gets all of it."""
    go_on = threading.Event()
    if what == "page":
        url, data = source.page, b""
        source.fails("", held(go_on))
    else:
        source.project.files[1].data = source.project.files[1].data[:1_200_000]
        url, data = (wheel_of if what == "small" else sdist_of)(at_edge, source)
        source.fails(url.rpartition("/")[2], held(go_on) if what == "small" else paused_after(600_000, go_on))
    before = len(source.asked())
    [(status, digest)] = set(ask_at_once(f"{at_edge.url}{url}", CLIENTS, go_on.set))
    assert status == 200
    assert what == "page" or digest == hashlib.sha256(data).digest()
    assert len(source.asked()) == before + 1


def read_all(server: Server, url: str, first: threading.Event) -> bytes:
    with urllib.request.urlopen(server.url + url, timeout=DEADLINE) as reply:
        begin = reply.read(1)
        first.set()
        return bytes(begin + reply.read())


def test_hostile_239_those_at_two_workers_all_read_what_one_fetches(at_edge: Server, source: Source):
    url, data = sdist_of(at_edge, source)
    go_on = threading.Event()
    source.fails(source.sdist, paused_after(2_000_000, go_on))
    with ThreadPoolExecutor(20) as clients:
        seen = [threading.Event() for _ in range(20)]
        replies = [clients.submit(read_all, at_edge, url, event) for event in seen]
        await_that(lambda: all(event.is_set() for event in seen))
        go_on.set()
        assert [reply.result(DEADLINE) for reply in replies] == [data] * 20
    assert source.asked("GET", files=True) == [source.sdist]


def test_hostile_241_clients_that_read_nothing_hold_nobody_up(at_edge: Server, source: Source):
    url, data = sdist_of(at_edge, source)
    host, port = at_edge.url.removeprefix("http://").split(":")
    slow = [socket.create_connection((host, int(port)), timeout=DEADLINE) for _ in range(60)]
    for client in slow:
        client.sendall(f"GET {url} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    assert at_edge.get(url)[2] == data
    for client in slow:
        client.close()
    assert source.asked("GET", files=True) == [source.sdist]


def test_an_upstream_that_hangs_leaves_others_alone(at_edge: Server, source: Source):
    until = threading.Event()
    other = Source(source.host)
    source.fails("", held(until))
    with ThreadPoolExecutor(12) as clients:
        hanging = [clients.submit(at_edge.get, source.page) for _ in range(12)]
        await_that(lambda: source.asked() != [])
        assert at_edge.get(other.page)[0] == 200
        assert at_edge.get("/")[0] == 200
        until.set()
        assert {reply.result(DEADLINE)[0] for reply in hanging} == {200}
    assert source.asked() == [source.page]


def test_hostile_232_a_private_name_stays_here_in_every_spelling_on_every_path(at_edge: Server, source: Source):
    name = f"acme-{source.name}"
    filename = f"{name.replace('-', '_')}-1.0-py3-none-any.whl"
    token = at_edge.make_token(at_edge.make_user())
    status, body = at_edge.publish(token, filename, make_wheel(name, "1.0")[1])
    assert status == 200, body
    evil = UpFile(f"{name.replace('-', '_')}-99.0-py3-none-any.whl", b"evil")
    source.host.add(name, evil)
    for spelling in (name, name.upper(), name.replace("-", "_"), name.replace("-", "."), name.replace("-", "--")):
        at_edge.get(f"/simple/{spelling}/", JSON)
        at_edge.get(f"/simple/{spelling}")
        at_edge.get(f"/pypi/{spelling}/json")
        at_edge.get(f"/project/{spelling}/")
    assert at_edge.get(f"/files/{evil.sha256}/{evil.filename}")[0] == 404
    assert at_edge.get(f"/files/{evil.sha256}/{evil.filename}.metadata")[0] == 404
    assert list(files_of(at_edge, name)) == [filename]
    assert source.host.paths(f"/simple/{name}") == []


def test_what_the_upstream_leaves_out_is_filled_in_while_the_server_runs(server: Server, source: Source):
    """Neither sha256 nor core metadata: both come in the background, without anybody asking for the files."""
    filename, data = make_wheel(source.name, "1.0", files={"x.bin": secrets.token_bytes(300_000)})
    source.project.files[:] = [UpFile(filename, data, hashed=False, others={"md5": None}), UpFile(source.sdist, LARGE)]
    found: list[dict[str, object]] = []

    def is_filled_in() -> bool:
        status, _, body = server.get(source.page, JSON)
        assert status == 200
        found[:] = [file for file in orjson.loads(body)["files"] if file["filename"] == filename]
        return bool(found and found[0]["core-metadata"])

    assert list(files_of(server, source.name)) == [source.sdist]
    await_that(is_filled_in)
    assert found[0]["hashes"] == {"sha256": hashlib.sha256(data).hexdigest()}
    assert (found[0]["_hashes-source"], found[0]["_core-metadata-source"]) == ("fetched", "wheel")
    url = str(found[0]["url"]).removeprefix("../..")
    assert server.get(url)[2] == data
    status, _, metadata = server.get(f"{url}.metadata")
    assert status == 200
    assert found[0]["core-metadata"] == {"sha256": hashlib.sha256(metadata).hexdigest()}
    assert source.asked("GET", files=True) == [filename]


def test_nothing_is_left_behind(at_edge: Server, source: Source):
    at_edge.get(sdist_of(at_edge, source)[0])
    folder = at_edge.data / "blobs" / "pulling"
    await_that(lambda: list(folder.iterdir()) == [])


def test_auto_is_the_index_pip_is_set_to(start_server: Callable[..., Server], source: Source):
    extra = {"PIP_INDEX_URL": source.host.url, "PIP_CONFIG_FILE": os.devnull}
    server = start_server("--upstream", "auto", extra=extra)
    assert f"upstream   {source.host.url} (pulled through below your own projects" in server.output()
    url, data = wheel_of(server, source)
    assert server.get(url)[2] == data
    assert "mode\tfallback" in server.must("upstream", "show", "default")


def test_auto_is_nobody_where_pip_is_set_to_this_very_server(start_server: Callable[..., Server]):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    extra = {"PIP_INDEX_URL": f"http://localhost:{port}/simple/", "PIP_CONFIG_FILE": os.devnull}
    server = start_server("--upstream", "auto", "--port", str(port), extra=extra)
    assert "upstream   none" in server.output()
    assert server.get("/simple/nothing/")[0] == 404


@pytest.mark.clients
@pytest.mark.parametrize("client", [("pip", "install", "--no-input", "--no-cache-dir"), ("uv", "pip", "install")])
def test_clients_install_through_us(at_edge: Server, source: Source, client: tuple[str, ...], tmp_path: Path):
    needed = Source(source.host)
    lines = [f"Requires-Dist: {needed.name}>=1"]
    for one, metadata in ((source, lines), (needed, [])):
        filename, data = make_wheel(one.name, "1.0", lines=metadata)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            core = archive.read(next(name for name in archive.namelist() if name.endswith("/METADATA")))
        one.project.files[:] = [UpFile(filename, data, metadata=core)]
    python = clients.make_environment(tmp_path / "env")
    option = "--index-url" if client[0] == "pip" else "--default-index"
    where = ("--python", str(python)) if client[0] == "uv" else ()
    command = (str(python.with_name("pip")), *client[1:]) if client[0] == "pip" else client
    done = clients.run(*command, *where, option, f"{at_edge.url}/simple/", source.name, home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "env").glob(f"lib/*/site-packages/{needed.name}-1.0.dist-info"))
    assert f"{needed.wheel}.metadata" in needed.asked()
