# SPDX-License-Identifier: Apache-2.0
"""The server of our own: many requests on a connection, heads in pieces, files between pages."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.edge.conftest import start_server
from tests.edge.raw import Server, read

HOST = b"Host: 127.0.0.1\r\n"
ECHO = b"GET /echo?%d HTTP/1.1\r\n" + HOST + b"\r\n"
DEADLINE = 60.0


@pytest.fixture(scope="module")
def worker() -> Iterator[Server]:
    server = start_server()
    yield server
    server.kill()


def replies(connection: socket.socket, count: int) -> list[tuple[int, bytes]]:
    """So many replies one after the other."""
    file = connection.makefile("rb")
    found = []
    for _ in range(count):
        status = int(file.readline().split()[1])
        headers = http.client.parse_headers(file)
        found.append((status, file.read(int(headers["content-length"]))))
    return found


def test_requests_sent_together_are_answered_in_their_order(worker: Server) -> None:
    with worker.connect(DEADLINE) as connection:
        connection.sendall(b"".join(ECHO % number for number in range(500)))
        found = replies(connection, 500)
    assert [f"QUERY_STRING={number}\n".encode() in body for number, (_, body) in enumerate(found)] == [True] * 500


def test_a_head_in_single_bytes_is_a_head(worker: Server) -> None:
    with worker.connect(DEADLINE) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in ECHO % 7:
            connection.send(bytes([byte]))
        assert b"QUERY_STRING=7\n" in replies(connection, 1)[0][1]


def test_a_file_between_two_pages(worker: Server) -> None:
    with worker.connect(DEADLINE) as connection:
        connection.sendall(ECHO % 1 + b"GET /file HTTP/1.1\r\n" + HOST + b"\r\n" + ECHO % 2)
        first, file, last = replies(connection, 3)
    assert (len(file[1]), len(set(file[1]))) == (500_000, 1)
    assert b"QUERY_STRING=1\n" in first[1]
    assert b"QUERY_STRING=2\n" in last[1]


def test_a_body_with_a_length_and_the_next_request_behind_it(worker: Server) -> None:
    with worker.connect(DEADLINE) as connection:
        connection.sendall(b"POST /upload HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nabc" + ECHO % 3)
        upload, page = replies(connection, 2)
    assert upload[1].startswith(b"3 ")
    assert b"QUERY_STRING=3\n" in page[1]


def test_what_follows_a_chunked_body_at_once_is_not_looked_at(worker: Server) -> None:
    with worker.connect(DEADLINE) as connection:
        chunked = b"POST /upload HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        connection.sendall(chunked + ECHO % 4)
        answer = read(connection)
    assert answer.body.startswith(b"3 ")
    assert (answer.headers["connection"], answer.closed) == ("close", True)


def test_a_bare_line_feed_is_refused_at_once(worker: Server) -> None:
    for head in (b"GET / HTTP/1.1\nHost: a\n\n", b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"):
        assert worker.send(head).status == 400


def test_http_1_0_is_answered_and_closed(worker: Server) -> None:
    answer = worker.send(b"GET /echo HTTP/1.0\r\n" + HOST + b"\r\n")
    assert (answer.status, answer.headers["connection"], answer.closed) == (200, "close", True)


def test_who_takes_nothing_of_many_replies_is_not_read_on(worker: Server) -> None:
    before = worker.memory("VmRSS")
    with worker.connect(DEADLINE) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(1)
        request, sent = b"GET /big?200000 HTTP/1.1\r\n" + HOST + b"\r\n", 0
        try:
            while sent < 20_000_000:
                sent += connection.send(request * 100)
        except TimeoutError:
            pass
        assert sent < 20_000_000
        assert worker.memory("VmRSS") - before < 32 * 1024
    assert worker.get("/echo").status == 200


def test_who_goes_away_in_the_middle_of_a_file_leaves_nothing_open(worker: Server) -> None:
    assert worker.get("/echo").status == 200  # it has opened what it needs
    before = _open_files(worker)
    for _ in range(20):
        with worker.connect(DEADLINE) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(b"GET /file HTTP/1.1\r\n" + HOST + b"\r\n")
            connection.recv(100)
    until = time.monotonic() + DEADLINE
    while _open_files(worker) > before:  # those that the origin opened live for ten seconds
        assert time.monotonic() < until
        time.sleep(0.2)


def _open_files(server: Server) -> int:
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))
