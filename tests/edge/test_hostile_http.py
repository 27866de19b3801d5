# SPDX-License-Identifier: Apache-2.0
"""Group H of the contract on hostile input, in raw bytes against a live worker."""

from __future__ import annotations

import pytest
from tests.edge.raw import Server, read

HOST = b"Host: 127.0.0.1\r\n"


def post(headers: bytes, body: bytes = b"0\r\n\r\n", path: bytes = b"/upload") -> bytes:
    return b"POST " + path + b" HTTP/1.1\r\n" + HOST + headers + b"\r\n\r\n" + body


FRAMING = {
    "unknown coding": post(b"Transfer-Encoding: xchunked"),
    "chunked not last": post(b"Transfer-Encoding: chunked, identity"),
    "chunked not alone": post(b"Transfer-Encoding: gzip, chunked"),
    "two codings": post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
    "two codings, chunked last": post(b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked"),
    "chunked twice": post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
    "two lengths": post(b"Content-Length: 4\r\nContent-Length: 5", b"abcde"),
    "a list of lengths": post(b"Content-Length: 4, 4", b"abcd"),
    "signed length": post(b"Content-Length: +5", b"abcde"),
    "hexadecimal length": post(b"Content-Length: 0x5", b"abcde"),
    "negative length": post(b"Content-Length: -1", b"abcde"),
    "space before colon": post(b"Foo : y\r\nContent-Length: 0", b""),
    "folded header": post(b"Foo: y\r\n z\r\nContent-Length: 0", b""),
    "bare CR": post(b"Foo: y\rz\r\nContent-Length: 0", b""),
    "NUL in a header": post(b"Foo: y\0z\r\nContent-Length: 0", b""),
    "chunk extension of 1 MB": post(
        b"Transfer-Encoding: chunked", b"5;" + b"a" * 1_000_000 + b"\r\nabcde\r\n0\r\n\r\n"
    ),
    "negative chunk": post(b"Transfer-Encoding: chunked", b"-1\r\nabcde\r\n0\r\n\r\n"),
    "enormous chunk": post(b"Transfer-Encoding: chunked", b"ffffffffffffffffff\r\nabcde\r\n0\r\n\r\n"),
    "chunk without its end": post(b"Transfer-Encoding: chunked", b"5\r\nabcdeXX0\r\n\r\n"),
    "chunks with bare LF": post(b"Transfer-Encoding: chunked", b"5\nabcde\n0\n\n"),
    "trailers": post(b"Transfer-Encoding: chunked", b"5\r\nabcde\r\n0\r\nX-A: b\r\n\r\n"),
    "chunked in HTTP/1.0": b"POST /upload HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "space in the target": b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n",
    "raw bytes in the target": b"GET /\xff\xfe HTTP/1.1\r\n" + HOST + b"\r\n",
    "no version of HTTP": b"GET / HTTP/9.9\r\n" + HOST + b"\r\n",
    "no HTTP": b"\0\0\0\0\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 100,
}


@pytest.mark.parametrize("case", FRAMING, ids=[f"hostile-156 {case}" for case in FRAMING])
def test_faulty_framing_is_refused_and_the_connection_closed(toy: Server, case: str) -> None:
    answer = toy.send(FRAMING[case])
    assert (answer.status, answer.closed) == (400, True)


@pytest.mark.parametrize(
    "headers",
    [b"Content-Length: 4\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: chunked\r\nContent-Length: 4"],
    ids=["hostile-156 CL.TE", "hostile-156 TE.CL"],
)
def test_length_and_chunked_are_refused_or_read_as_chunked_and_nothing_follows(toy: Server, headers: bytes) -> None:
    # Granian's library drops the length unseen; both close the connection, so that nothing can be smuggled.
    smuggled = b"0\r\n\r\nGET /echo HTTP/1.1\r\n" + HOST + b"\r\n"
    answer = toy.send(post(headers, smuggled))
    assert answer.closed
    assert answer.status == 400 or answer.body.startswith(b"0 ")


def test_hostile_157_host_is_checked(start: type) -> None:
    server = start("base=https://packages.example:8443/under")
    for host, status in {
        "packages.example": 200,
        "PACKAGES.example:8443": 200,
        f"127.0.0.1:{server.port}": 200,
        "evil.example": 421,
        "packages.example.evil.example": 421,
        "evil.example:packages.example": 421,
        "": 421,
    }.items():
        assert server.send(f"GET /echo HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()).status == status, host
    for probe in ("/healthz", "/readyz"):
        assert server.send(f"GET {probe} HTTP/1.1\r\nHost: 10.0.0.7\r\n\r\n".encode()).status == 200


@pytest.mark.parametrize(
    "head",
    [b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n"],
    ids=["hostile-157 none", "hostile-157 two"],
)
def test_one_host_is_needed(toy: Server, head: bytes) -> None:
    assert toy.send(head + b"\r\n").status == 400


FORWARDED = ("X-Forwarded-For: 1.2.3.4", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil.example")


def test_hostile_158_forwarding_headers_of_anybody_are_ignored(start: type) -> None:
    server = start("proxies=10.0.0.1")
    shown = server.get("/echo", *FORWARDED, "X-Forwarded-Prefix: /evil").body
    assert b"REMOTE_ADDR=127.0.0.1\n" in shown
    assert b"wsgi.url_scheme=http\n" in shown
    assert b"evil" not in shown


def test_hostile_158_forwarding_headers_of_a_trusted_proxy_count(toy: Server) -> None:
    shown = toy.get("/under/echo", *FORWARDED, "X-Forwarded-Prefix: /under").body
    for line in ("REMOTE_ADDR=1.2.3.4", "wsgi.url_scheme=https", "HTTP_HOST=evil.example", "SCRIPT_NAME=/under"):
        assert line.encode() + b"\n" in shown
    assert b"PATH_INFO=/echo\n" in shown


TARGETS = {
    "absolute form": (b"GET http://evil.example/echo HTTP/1.1\r\n", 400),
    "OPTIONS *": (b"OPTIONS * HTTP/1.1\r\n", 400),
    "CONNECT": (b"CONNECT evil.example:443 HTTP/1.1\r\n", 405),
    "TRACE": (b"TRACE /echo HTTP/1.1\r\n", 405),
    "unknown method": (b"FOO /echo HTTP/1.1\r\n", 405),
}


@pytest.mark.parametrize("case", TARGETS, ids=[f"hostile-159 {case}" for case in TARGETS])
def test_odd_targets_and_methods(toy: Server, case: str) -> None:
    line, status = TARGETS[case]
    answer = toy.send(line + HOST + b"\r\n")
    assert answer.status == status
    if status == 405:
        assert "GET" in answer.headers["allow"]


def test_hostile_160_method_override_is_ignored(toy: Server) -> None:
    shown = toy.get("/echo?_method=DELETE", "X-HTTP-Method-Override: DELETE").body
    assert b"REQUEST_METHOD=GET\n" in shown


@pytest.mark.parametrize(
    "path",
    [
        "/simple/..%2f..%2fetc/passwd",
        "/%2F%2F..%2F",
        "/simple/..;/x",
        "/simple/%5c..%5c",
        "/simple/%c0%ae%c0%ae/",
        "/simple/%00/",
        "/simple/../etc",
        "/simple/%2e%2e/",
        "//evil.example/simple",
        "/a%0d%0aSet-Cookie:%20x=1",
    ],
)
def test_hostile_161_162_163_confusing_paths_are_nothing(toy: Server, path: str) -> None:
    answer = toy.get(path)
    assert answer.status == 404
    assert "location" not in answer.headers
    assert "set-cookie" not in answer.headers


SIZES = {
    "URL of 20 kB": (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
    "URL of 64 KiB": (b"GET /" + b"a" * 65_536 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
    "200 headers": (b"GET / HTTP/1.1\r\n" + HOST + b"".join(b"X-%d: y\r\n" % i for i in range(200)) + b"\r\n", 431),
    "header of 64 KiB": (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"y" * 65_536 + b"\r\n\r\n", 431),
    "header of 1 MB": (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"y" * 1_000_000 + b"\r\n\r\n", 431),
    "10,000 parameters": (b"GET /?" + b"a&" * 8000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 400),
}


@pytest.mark.parametrize("case", SIZES, ids=[f"hostile-164 {case}" for case in SIZES])
def test_too_much(toy: Server, case: str) -> None:
    data, status = SIZES[case]
    assert toy.send(data).status == status


def test_hostile_164_as_much_as_browsers_send_is_not_too_much(toy: Server) -> None:
    headers = [f"X-{i}: {'y' * 400}" for i in range(90)]
    assert toy.get("/echo?" + "a=b&" * 900, *headers).status == 200


def test_hostile_166_head_has_the_headers_and_no_body(toy: Server) -> None:
    with toy.connect() as connection:
        connection.sendall(b"HEAD /big?5000000 HTTP/1.1\r\n" + HOST + b"\r\n")
        answer = read(connection, "HEAD")
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "5000000")


@pytest.mark.slow
def test_hostile_173_headers_must_be_complete_in_ten_seconds(toy: Server) -> None:
    with toy.connect(timeout=15) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost:")
        answer = read(connection)
    assert answer.closed
    assert 8 < answer.seconds < 12


@pytest.mark.slow
def test_hostile_173_an_idle_connection_is_closed(toy: Server) -> None:
    with toy.connect(timeout=20) as connection:
        connection.sendall(b"GET /echo HTTP/1.1\r\n" + HOST + b"\r\n")
        assert read(connection).status == 200
        connection.settimeout(20)
        assert connection.recv(1) == b""


@pytest.mark.slow
@pytest.mark.parametrize("sent", [b"", b"x" * 10, b"x" * 70_000], ids=["nothing", "a little", "past the first part"])
def test_hostile_173_a_body_that_stops_is_answered_408(start: type, sent: bytes) -> None:
    server = start("progress=2")
    answer = server.send(post(b"Content-Length: 1000000", sent))
    assert (answer.status, answer.closed) == (408, True)
    assert 1.5 < answer.seconds < 5


@pytest.mark.slow
def test_hostile_173_a_dripping_body_is_answered_408(start: type) -> None:
    server = start("progress=2")
    with server.connect() as connection:
        connection.sendall(post(b"Content-Length: 1000000", b""))
        connection.settimeout(0.2)
        for _ in range(40):
            connection.sendall(b"x")
            try:
                reply = connection.recv(100)
                break
            except TimeoutError:
                continue
    assert reply.startswith(b"HTTP/1.1 408")


def test_hostile_177_web_sockets_are_refused(toy: Server) -> None:
    upgrade = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: YQ==")
    assert toy.get("/echo", *upgrade).status == 400


def test_hostile_175_there_is_no_http2(toy: Server) -> None:
    answer = toy.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
    assert answer.closed
    assert answer.status in {0, 400}


def test_hostile_178_drain_finishes_what_runs_and_takes_nothing_new(start: type) -> None:
    server = start()
    with server.connect() as running, server.connect() as idle:
        idle.sendall(b"GET /echo HTTP/1.1\r\n" + HOST + b"\r\n")
        assert read(idle).status == 200
        running.sendall(b"GET /slow?1.5 HTTP/1.1\r\n" + HOST + b"\r\n")
        running.settimeout(0.3)
        with pytest.raises(TimeoutError):
            running.recv(1)
        server.drain()
        idle.settimeout(1)
        assert idle.recv(1) == b""
        running.settimeout(5)
        assert read(running).body == b"slow\n"
    assert server.process.wait(60) == 0


def test_request_id_is_kept_when_sane_and_made_otherwise(toy: Server) -> None:
    assert toy.get("/echo", "X-Request-ID: abc-12345.x").headers["x-request-id"] == "abc-12345.x"
    for odd in ("short", "a" * 65, "has spaces in it", "semi;colon;colon"):
        assert toy.get("/echo", f"X-Request-ID: {odd}").headers["x-request-id"] != odd


def test_what_is_between_edge_and_origin_can_not_be_said_from_outside(toy: Server) -> None:
    shown = toy.get("/echo", "X-Packhouse-Edge: guess", "X_Packhouse_Edge: guess", "Proxy: http://evil.example").body
    assert b"guess" not in shown
    assert b"evil" not in shown


def test_hop_by_hop_headers_stay_behind(toy: Server) -> None:
    shown = toy.get("/echo", "Connection: X-Secret", "X-Secret: 1", "Keep-Alive: 5", "TE: trailers").body
    for name in (b"HTTP_X_SECRET", b"HTTP_KEEP_ALIVE", b"HTTP_TE", b"HTTP_CONNECTION"):
        assert name not in shown
