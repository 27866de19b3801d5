# SPDX-License-Identifier: Apache-2.0
"""The hand-over between edge and origin, against a live worker with a toy origin."""

from __future__ import annotations

import hashlib
import http.client
import os
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from tests.edge.raw import Server, read

HOST = b"Host: 127.0.0.1\r\n"
MEGABYTE = os.urandom(1024 * 1024)


def expected(data: bytes) -> bytes:
    return f"{len(data)} {hashlib.sha256(data).hexdigest()}\n".encode()


@pytest.mark.parametrize("size", [1, 65_536, 65_537, 3_000_000])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_bodies_arrive_whole(toy: Server, size: int, chunked: bool) -> None:
    data = os.urandom(size)
    connection = http.client.HTTPConnection("127.0.0.1", toy.port)
    for _ in range(2):  # the connection can be used again
        pieces = (data[at : at + 50_000] for at in range(0, size, 50_000))
        headers = {} if chunked else {"Content-Length": str(size)}
        connection.request("POST", "/upload", pieces, headers, encode_chunked=chunked)
        assert connection.getresponse().read() == expected(data)
    connection.close()


def test_a_path_reaches_the_origin_as_pep_3333_wants_it(toy: Server) -> None:
    shown = toy.get("/echo/%C3%A9%2B+/?a=%20b").body
    assert "PATH_INFO=/echo/\u00c3\u00a9++/\n".encode() in shown
    assert b"QUERY_STRING=a=%20b\n" in shown


def test_a_repeated_header_is_joined(toy: Server) -> None:
    shown = toy.get("/echo", "Accept: a", "Accept: b", "Cookie: a=1", "Cookie: b=2").body
    assert b"HTTP_ACCEPT=a, b\n" in shown
    assert b"HTTP_COOKIE=a=1; b=2\n" in shown


def test_long_bodies_come_back_whole(toy: Server) -> None:
    assert toy.get("/big?5000000").body == b"x" * 5_000_000
    answer = toy.get("/lengthless?50")
    assert (answer.body, answer.headers["content-length"]) == (b"y" * 65536 * 50, str(65536 * 50))


def test_files_are_sent_by_the_server(toy: Server) -> None:
    answer = toy.get("/file")
    assert (len(answer.body), len(set(answer.body))) == (500_000, 1)


def test_a_failing_origin_never_looks_like_success(toy: Server) -> None:
    assert toy.get("/crash").status == 500
    assert toy.get("/broken").status == 500
    assert toy.get("/broken?1").status == 0  # fewer bytes than announced
    assert toy.get("/short").status in {0, 500}
    assert toy.get("/echo").status == 200


@pytest.mark.parametrize("path", ["/silent", "/odd"])
def test_an_origin_without_a_sane_status_is_a_failure(toy: Server, path: str) -> None:
    assert toy.get(path).status == 500


def test_a_generator_that_begins_late_answers_head_as_well(toy: Server) -> None:
    with toy.connect() as connection:
        connection.sendall(b"HEAD /broken?1 HTTP/1.1\r\n" + HOST + b"\r\n")
        answer = read(connection, "HEAD")
    assert (answer.status, answer.headers["content-length"]) == (200, "2000000")


def test_a_refusal_before_the_body_is_read_reaches_a_client_that_sends_on(toy: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", toy.port)
    connection.request("POST", "/refuse", (MEGABYTE for _ in range(40)), {"Content-Length": str(40 * 1024 * 1024)})
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (401, b"no\n")
    connection.close()


def test_expect_is_answered_by_the_origin_before_the_body(toy: Server) -> None:
    for path, first in ((b"/refuse", b"HTTP/1.1 401"), (b"/upload", b"HTTP/1.1 100")):
        with toy.connect(5) as connection:
            connection.sendall(
                b"POST " + path + b" HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n"
            )
            assert connection.recv(1000).startswith(first)


def test_a_client_that_goes_away_does_not_end_the_body(toy: Server) -> None:
    with toy.connect() as connection:
        connection.sendall(b"POST /upload HTTP/1.1\r\n" + HOST + b"Content-Length: 1000000\r\n\r\n" + b"x" * 200_000)
        connection.shutdown(socket.SHUT_WR)
        answer = read(connection)
    assert answer.status != 200
    assert toy.get("/echo").status == 200


def test_idle_uploads_hold_no_thread(start: type) -> None:
    server = start("uploads=1", "threads=1")
    idle = [server.connect() for _ in range(8)]
    for connection in idle:
        connection.sendall(b"POST /upload HTTP/1.1\r\n" + HOST + b"Content-Length: 1000000\r\n\r\nabc")
    time.sleep(0.2)
    data = MEGABYTE[:200_000]
    answer = server.send(b"POST /upload HTTP/1.1\r\n" + HOST + b"Content-Length: 200000\r\n\r\n" + data)
    assert answer.body == expected(data)
    assert server.get("/echo").seconds < 20  # a body may stand still for 30 s
    for connection in idle:
        connection.close()


def test_a_full_pool_says_503_and_when_to_come_back(start: type) -> None:
    server = start("threads=1")
    waiting = [server.connect() for _ in range(65)]
    for connection in waiting:
        connection.sendall(b"GET /slow?5 HTTP/1.1\r\n" + HOST + b"\r\n")
    time.sleep(1)
    answer = server.get("/echo")
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    for connection in waiting:
        connection.close()


def test_a_slow_reader_costs_no_memory(start: type) -> None:
    server = start()
    server.get("/echo")
    before = server.memory()
    with server.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(b"GET /big?200000000 HTTP/1.1\r\n" + HOST + b"\r\n")
        connection.recv(100)
        time.sleep(1)
        assert server.memory() - before < 16 * 1024


def _chunks() -> Iterator[bytes]:
    for _ in range(100):
        yield MEGABYTE


def _upload(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("POST", "/upload", _chunks(), {"Content-Length": str(100 * 1024 * 1024)})
    assert connection.getresponse().status == 200
    connection.close()


@pytest.mark.slow
def test_eight_uploads_of_100_mb_cost_less_than_64_mb(start: type) -> None:
    server = start()
    _upload(server.port)
    before = server.memory()
    threads = [threading.Thread(target=_upload, args=(server.port,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.memory() - before < 64 * 1024
