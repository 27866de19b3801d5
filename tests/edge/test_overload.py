# SPDX-License-Identifier: Apache-2.0
"""Floods against a live worker: who drips, idles or comes in thousands leaves room for everybody else."""

from __future__ import annotations

import os
import selectors
import socket
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack

import pytest
from tests.edge.raw import Server, read

HOST = b"Host: 127.0.0.1\r\n"
DEADLINE = 60.0


def posting(length: int, sent: bytes, path: bytes = b"/upload") -> bytes:
    return b"POST " + path + b" HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % length + sent


def hold(stack: ExitStack, server: Server, requests: Iterable[bytes]) -> list[socket.socket]:
    """Open a connection for each of these beginnings and keep it."""
    held = []
    for request in requests:
        held.append(stack.enter_context(server.connect()))
        held[-1].sendall(request)
    return held


def test_hostile_173_dripping_forms_hold_no_place(start: type) -> None:
    server = start("threads=1", "forms=1", "uploads=1")
    with ExitStack() as stack:
        hold(stack, server, [posting(100, b"x")] * 300)
        assert server.get("/echo").status == 200
        assert server.send(posting(3, b"abc")).body.startswith(b"3 ")
        data = os.urandom(200_000)
        assert server.send(posting(len(data), data)).body.startswith(b"200000 ")


def test_what_is_read_ahead_is_bounded_and_comes_back(start: type) -> None:
    server = start("ahead=200000")
    with ExitStack() as stack:
        held = hold(stack, server, [posting(1_000_000, b"x")] * 3)
        time.sleep(0.3)
        answer = server.send(posting(100_000, b"x" * 100_000))
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        assert server.send(posting(3, b"abc")).status == 200
        for connection in held:
            connection.close()
    _until_taken(server, posting(100_000, b"x" * 100_000))


def _until_taken(server: Server, request: bytes) -> None:
    until = time.monotonic() + DEADLINE
    while server.send(request).status != 200:
        assert time.monotonic() < until
        time.sleep(0.1)


@pytest.mark.parametrize("size", [262_145, 10**12])
def test_row_19_a_form_that_is_too_large_is_refused_unread(start: type, size: int) -> None:
    server = start("streams=/upload")
    answer = server.send(posting(size, b"x", b"/form"))
    assert (answer.status, answer.headers["connection"]) == (413, "close")
    assert b"262144 bytes" in answer.body


def test_row_19_a_chunked_form_is_cut_off_at_the_limit(start: type) -> None:
    server = start("streams=/upload")
    head = b"POST %s HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    assert server.send(head % b"/form" + piece * 40 + b"0\r\n\r\n").status == 413
    assert server.send(head % b"/form" + piece * 4 + b"0\r\n\r\n").status == 200
    assert server.send(head % b"/upload" + piece * 40 + b"0\r\n\r\n").body.startswith(b"2621440 ")


def test_row_19_a_flood_of_forms_starves_neither_pages_nor_small_uploads(start: type) -> None:
    server = start("threads=1", "forms=1", "streams=/upload")
    with ExitStack() as stack:
        hold(stack, server, [posting(3, b"abc", b"/slow?8")] * 6)
        time.sleep(0.3)
        began = time.monotonic()
        assert server.get("/echo").status == 200
        assert server.send(posting(3, b"abc")).body.startswith(b"3 ")
        assert time.monotonic() - began < 8  # one form alone takes that long


def test_who_was_refused_holds_no_thread_while_sending_on(start: type) -> None:
    server = start("uploads=1")
    with ExitStack() as stack:
        for connection in hold(stack, server, [posting(10**7, b"x" * 70_000, b"/refuse")] * 5):
            assert connection.recv(100).startswith(b"HTTP/1.1 401")
        data = os.urandom(200_000)
        assert server.send(posting(len(data), data)).body.startswith(b"200000 ")


class Crowd:
    """Many connections that send nothing, and what becomes of each."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._selector = selectors.DefaultSelector()
        self.ends: Counter[str] = Counter()
        self.waits: list[float] = []

    def come(self, count: int) -> None:
        for number in range(count):
            connection = socket.socket()
            connection.setblocking(False)
            connection.bind((f"127.0.0.{2 + number % 3}", 0))
            connection.connect_ex(("127.0.0.1", self._server.port))
            self._selector.register(connection, selectors.EVENT_READ, time.monotonic())
            if number % 250 == 249:
                self.look(0)

    def look(self, seconds: float) -> None:
        """Note who was answered or hung up on."""
        for key, _ in self._selector.select(seconds):
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            try:
                said = connection.recv(4096)[9:12].decode() or "closed"
            except OSError:
                said = "reset"
            self.ends[said] += 1
            self.waits.append(time.monotonic() - key.data)
            self._selector.unregister(connection)
            connection.close()

    def until(self, count: int, seconds: float) -> None:
        """Wait until so many have ended, at most so long."""
        until = time.monotonic() + seconds
        while sum(self.ends.values()) < count and time.monotonic() < until:
            self.look(0.05)

    def leave(self) -> None:
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._selector.close()


def shed(server: Server, come: int, stay: int) -> None:
    """Have so many come: all but `stay` are answered 503 or reset within 3 s, and memory hardly grows."""
    before = server.memory("VmRSS")
    crowd = Crowd(server)
    crowd.come(come)
    crowd.until(come - stay, 8)
    over = dict(crowd.ends)
    assert set(over) <= {"503", "reset"}
    assert come - stay <= sum(over.values()) <= come - stay + 100  # descriptors that are no connections count as well
    assert sorted(crowd.waits)[len(crowd.waits) // 2] < 3  # all, on a machine that does nothing else
    assert server.memory("VmRSS") - before < 16 * 1024 + 8 * stay
    crowd.leave()
    until = time.monotonic() + DEADLINE
    while server.get("/echo").status != 200:
        assert time.monotonic() < until
        time.sleep(0.1)


@pytest.mark.slow
def test_hostile_174_decision_12_who_finds_no_room_is_answered_503(start: type) -> None:
    shed(start("connections=1000"), 2500, 1000)


@pytest.mark.full
def test_hostile_174_nineteen_thousand_idle_connections(start: type) -> None:
    shed(start(), 19_000, 8192)


def come(server: Server) -> int:
    """The status a new connection gets; 0 when it is refused or ended."""
    try:
        return server.get("/echo").status
    except ConnectionError:
        return 0


def test_hostile_178_who_comes_while_it_drains_is_answered_or_refused_at_once(start: type) -> None:
    server = start()
    with server.connect() as running:
        running.sendall(b"GET /slow?6 HTTP/1.1\r\n" + HOST + b"\r\n")
        time.sleep(0.5)
        server.drain()
        until = time.monotonic() + DEADLINE
        while (first := come(server)) == 200:  # it is told, and a moment later it knows
            assert time.monotonic() < until
        seen = Counter([first, *(come(server) for _ in range(20))])
        assert set(seen) <= {0, 503}
        assert seen[503]
        assert read(running).body == b"slow\n"
    assert server.process.wait(60) == 0


def test_decision_12_without_any_descriptor_nobody_hangs_and_all_is_well_afterwards(start: type) -> None:
    server = start(limit=256)
    with server.connect(DEADLINE) as hoarding:
        hoarding.sendall(b"GET /hoard?3 HTTP/1.1\r\n" + HOST + b"\r\n")
        time.sleep(0.5)
        for _ in range(20):  # closed without a word, for there is nothing to say it by
            come(server)
        assert int(read(hoarding).body) > 100
    until = time.monotonic() + DEADLINE
    while come(server) != 200:
        assert time.monotonic() < until
    assert server.get("/file").status == 200
