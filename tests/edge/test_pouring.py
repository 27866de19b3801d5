# SPDX-License-Identifier: Apache-2.0
"""Files that are still being fetched, and files that are not there, asked of a server of this process."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvloop

from packhouse.edge.http import Exchange, FileRange, GrowingRange, Reply, plain
from packhouse.edge.sending import SHORT
from packhouse.edge.server import Server
from packhouse.storage.growing import HELD_BACK, Growing

SIZE = 1_000_000
DATA = os.urandom(SIZE)
DEADLINE = 60.0


class Fetched:
    """A file on its way: `path` is where its bytes come in, `place` where it will be."""

    def __init__(self, folder: Path) -> None:
        self.path, self.place = folder / "partial", folder / "blob"
        self.growing = Growing("ab" * 32, self.path)
        self.growing.begin(SIZE)

    def bring(self, start: int, end: int) -> None:
        with self.path.open("ab") as file:
            assert file.tell() == start
            file.write(DATA[start:end])

    def finish(self) -> None:
        self.path.rename(self.place)
        self.growing.end()

    def range(self, start: int = 0, end: int = SIZE) -> GrowingRange:
        return GrowingRange(self.growing, str(self.place), start, end)


class Application:
    """Answers each path with the body it has for it."""

    def __init__(self) -> None:
        self.bodies: dict[str, FileRange | GrowingRange] = {}
        self.second: dict[str, FileRange] = {}
        """What a path has when it is asked for again."""

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Nothing to begin."""

    def handle(self, exchange: Exchange) -> None:
        path = exchange.request.path
        body = self.bodies.get(path)
        self.bodies.update({path: self.second.pop(path)} if path in self.second else {})
        if body is None:
            exchange.reply(plain(404, "no\n"))
        else:
            exchange.reply(Reply(200, (("content-length", str(body.end - body.start)),), body))

    def leave(self) -> None:
        """Nobody to tell."""

    def drain(self) -> None:
        """Nothing to refuse."""

    def stop(self) -> None:
        """Nothing to end."""


class Live:
    """A server of this process on a thread of its own."""

    def __init__(self) -> None:
        self.application = Application()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self._listener.getsockname()[1]
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._up.wait(DEADLINE)

    def _run(self) -> None:
        self.loop = uvloop.new_event_loop()
        self._server = Server(self.application, self.loop, 1000)
        self.loop.call_soon(self._up.set)
        self.loop.run_until_complete(self._server.run(self._listener))
        self.loop.close()

    def stop(self) -> None:
        def end() -> None:
            self._server.draining = True
            self._server.stop_accepting()

        self.loop.call_soon_threadsafe(end)
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive()

    def ask(self, path: str) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE)
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
        return connection


@pytest.fixture
def live() -> Iterator[Live]:
    server = Live()
    yield server
    server.stop()


@pytest.fixture
def fetched(tmp_path: Path) -> Fetched:
    return Fetched(tmp_path)


def whole(connection: socket.socket) -> tuple[int, bytes]:
    """The status and all of the body; IncompleteRead when it is cut short."""
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response.status, response.read()


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def opened(path: Path) -> int:
    """How many descriptors of this process are of a file."""
    found = 0
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found += entry.readlink() == path
    return found


def test_bytes_go_out_as_they_come_and_the_last_ones_when_all_is_right(live: Live, fetched: Fetched) -> None:
    fetched.bring(0, 300_000)
    live.application.bodies["/f"] = fetched.range()
    with live.ask("/f") as connection:
        response = http.client.HTTPResponse(connection)
        response.begin()
        assert response.read(300_000) == DATA[:300_000]
        fetched.bring(300_000, SIZE)
        middle = SIZE - HELD_BACK
        assert response.read(middle - 300_000) == DATA[300_000:middle]
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)
    with live.ask("/f") as connection:
        fetched.finish()
        assert whole(connection) == (200, DATA)


def test_two_hundred_wait_for_one_file_that_is_open_once(live: Live, fetched: Fetched) -> None:
    fetched.bring(0, 1000)
    live.application.bodies["/f"] = fetched.range()
    connections = [live.ask("/f") for _ in range(200)]
    for connection in connections:
        assert connection.recv(9) == b"HTTP/1.1 "
    assert opened(fetched.path) == 1
    for start in range(1000, SIZE, 111_000):
        fetched.bring(start, min(SIZE, start + 111_000))
    fetched.finish()
    for connection in connections:
        data = bytearray()
        while len(data) < SIZE:
            data += connection.recv(65536)
        assert data.endswith(DATA)
        connection.close()
    wait_until(lambda: opened(fetched.place) == 0)


def test_a_part_of_a_growing_file_waits_for_that_part_alone(live: Live, fetched: Fetched) -> None:
    fetched.bring(0, 500_000)
    live.application.bodies["/f"] = fetched.range(400_000, 500_000)
    with live.ask("/f") as connection:
        assert whole(connection) == (200, DATA[400_000:500_000])


def test_what_the_upstream_broke_off_never_looks_complete(live: Live, fetched: Fetched) -> None:
    fetched.bring(0, 500_000)
    live.application.bodies["/f"] = fetched.range()
    with live.ask("/f") as connection:
        assert connection.recv(9) == b"HTTP/1.1 "
        fetched.growing.end(OSError("broken off"))
        data = bytearray()
        with contextlib.suppress(ConnectionError):
            while piece := connection.recv(65536):
                data += piece
        assert len(data) < SIZE
    with live.ask("/f") as connection:
        assert whole(connection)[0] == 502


def test_a_file_that_is_put_in_its_place_just_now_is_waited_for(live: Live, fetched: Fetched) -> None:
    fetched.bring(0, SIZE)
    fetched.path.rename(fetched.place)
    live.application.bodies["/f"] = fetched.range()
    with live.ask("/f") as connection:
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(DEADLINE)
        fetched.growing.end()
        assert whole(connection) == (200, DATA)


def test_who_leaves_while_waiting_leaves_nothing_open(live: Live, fetched: Fetched) -> None:
    fetched.bring(0, 1000)
    live.application.bodies["/f"] = fetched.range()
    connections = [live.ask("/f") for _ in range(20)]
    for connection in connections:
        assert connection.recv(9) == b"HTTP/1.1 "
        connection.close()
    fetched.bring(1000, 900_000)
    wait_until(lambda: opened(fetched.path) == 0)
    with live.ask("/f") as connection:
        fetched.bring(900_000, SIZE)
        fetched.finish()
        assert whole(connection) == (200, DATA)


def test_a_file_that_is_gone_is_said_to_be_and_the_connection_goes_on(live: Live, tmp_path: Path) -> None:
    live.application.bodies["/gone"] = FileRange(str(tmp_path / "gone"), 0, 10)
    connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=DEADLINE)
    for path, status in (("/gone", 502), ("/none", 404), ("/gone", 502)):
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status
    connection.close()


def test_a_file_that_was_removed_just_now_and_can_come_again_is_sent(live: Live, tmp_path: Path) -> None:
    """As the copy of a bucket's file that went between the look for it and its opening."""
    (tmp_path / "come").write_bytes(DATA)
    live.application.bodies["/f"] = FileRange(str(tmp_path / "gone"), 0, SIZE)
    live.application.second["/f"] = FileRange(str(tmp_path / "come"), 0, SIZE)
    with live.ask("/f") as connection:
        assert whole(connection) == (200, DATA)


def test_a_file_shorter_than_it_was_breaks_the_connection(live: Live, tmp_path: Path) -> None:
    short = tmp_path / "short"
    short.write_bytes(DATA[:100_000])
    live.application.bodies["/short"] = FileRange(str(short), 0, 200_000)
    with live.ask("/short") as connection, pytest.raises((http.client.IncompleteRead, ConnectionError)):
        whole(connection)


@pytest.mark.parametrize("size", [1, 65_536, SHORT, SHORT + 1, 999_999])
def test_short_and_long_parts_of_a_file_are_the_same_bytes(live: Live, tmp_path: Path, size: int) -> None:
    file = tmp_path / "file"
    file.write_bytes(DATA)
    live.application.bodies["/part"] = FileRange(str(file), SIZE - size, SIZE)
    with live.ask("/part") as connection:
        assert whole(connection) == (200, DATA[-size:])
    wait_until(lambda: opened(file) == 0)
