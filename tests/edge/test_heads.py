# SPDX-License-Identifier: Apache-2.0
"""Heads of requests and replies as bytes: what is parsed, what is remembered, what is refused."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from packhouse.edge.heads import REMEMBERED, FaultyError, Heads, Message, last_lines, read_line
from packhouse.edge.http import REASON, Direct, Request

PEER = Direct("127.0.0.1:5", "http")
PLAIN = b"GET /simple/a/?x=1 HTTP/1.1\r\nHost: h\r\nAccept: text/html \r\nX-A: 1\r\nX-A: 2\r\n\r\n"


def facts(request: Request) -> tuple[object, ...]:
    return request.method, request.path, request.query, request.items, request.headers


def test_what_is_known_again_is_what_was_read() -> None:
    heads = Heads()
    assert heads.known(PLAIN, PEER) is None
    request, message, closes = heads.read(PLAIN, PEER)
    assert (message, closes) == (None, False)
    assert facts(request)[:3] == ("GET", "/simple/a/", "x=1")
    assert request.headers == {"host": "h", "accept": "text/html", "x-a": "1, 2"}
    again = heads.known(PLAIN, PEER)
    assert again is not None
    assert facts(again) == facts(request)


def test_the_headers_of_one_page_are_known_on_another() -> None:
    heads = Heads()
    heads.read(PLAIN, PEER)
    other = PLAIN.replace(b"/simple/a/?x=1", b"/simple/%61b/")
    assert heads.known(other, PEER) is None  # its first line is new
    heads.read(other, PEER)
    found, first = heads.known(other, PEER), heads.known(PLAIN, PEER)
    assert found is not None
    assert first is not None
    assert (found.path, found.query, found.known) == ("/simple/ab/", "", first.known)


@pytest.mark.parametrize("more", [b"x", b"GET / HTTP/1.1\r\n\r\n", b"\r\n"])
def test_more_or_less_than_a_head_is_not_known(more: bytes) -> None:
    heads = Heads()
    heads.read(PLAIN, PEER)
    assert heads.known(PLAIN + more, PEER) is None
    assert heads.known(PLAIN[:-1], PEER) is None


@pytest.mark.parametrize(
    "header",
    [
        *(b"Authorization: Basic abc", b"Cookie: a=b", b"Connection: close", b"Content-Length: 0"),
        *(b"Expect: 100-continue", b"Transfer-Encoding: chunked", b"Connection: upgrade\r\nUpgrade: h2c"),
        *(b"Proxy-Authorization: x", b"Connection: X-A"),
    ],
)
def test_what_speaks_of_a_person_a_connection_or_a_body_is_never_remembered(header: bytes) -> None:
    heads = Heads()
    data = PLAIN.replace(b"Host: h", b"Host: h\r\n" + header)
    heads.read(data, PEER)
    assert heads.known(data, PEER) is None
    assert not heads._blocks


def test_a_connection_that_is_to_be_kept_is_nothing_special() -> None:
    heads = Heads()
    data = PLAIN.replace(b"Host: h", b"Host: h\r\nConnection: keep-alive")
    heads.read(data, PEER)
    assert heads.known(data, PEER) is not None


def test_what_is_remembered_is_bounded() -> None:
    heads = Heads()
    for number in range(REMEMBERED + 10):
        heads.read(b"GET /%d HTTP/1.1\r\nHost: h\r\nX: %d\r\n\r\n" % (number, number), PEER)
        heads.of_reply(200, (("content-length", str(number)),), None)
    assert len(heads._lines) <= REMEMBERED
    assert len(heads._blocks) <= REMEMBERED
    assert len(heads._replies) <= REMEMBERED
    heads.read(b"GET / HTTP/1.1\r\nHost: long\r\nX: " + b"x" * 3000 + b"\r\n\r\n", PEER)
    assert not any(b"long" in block for block in heads._blocks)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"GET /",
        b"get / HTTP/1.1",
        b"GET  / HTTP/1.1",
        b"GET / HTTP/1.1 ",
        b"GET /\xe9 HTTP/1.1",
        b"GET / HTTP/2.0",
    ],
)
def test_a_first_line_that_is_none(line: bytes) -> None:
    with pytest.raises(FaultyError):
        read_line(line)


def test_a_method_of_nobody_is_given_on_to_be_refused() -> None:
    request, message, closes = Heads().read(b"BREW /pot HTTP/1.1\r\nHost: h\r\n\r\n", PEER)
    assert (request.method, message, closes) == ("BREW", None, True)


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=8), st.integers(1, 40))
@example([b"\r\n0\r\n\r\n"], 1)
def test_a_chunked_body_comes_out_as_it_went_in_however_it_is_cut(chunks: list[bytes], cut: int) -> None:
    sent = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    message = Message()
    message.feed_head(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
    found = b""
    for at in range(0, len(sent), cut):
        assert not message.ended
        found += b"".join(message.feed_body(sent[at : at + cut]))
    assert (found, message.ended, message.excess) == (b"".join(chunks), True, False)


def test_what_follows_a_body_is_told_and_not_read() -> None:
    message = Message()
    message.feed_head(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
    follows = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nxyz"
    assert b"".join(message.feed_body(b"2\r\nab\r\n0\r\n\r\n" + follows)) == b"ab"
    assert (message.ended, message.excess) == (True, True)


@given(st.binary(max_size=200))
def test_no_bytes_make_it_fail_otherwise(data: bytes) -> None:
    for head in (data + b"\r\n\r\n", b"GET / HTTP/1.1\r\n" + data + b"\r\n\r\n"):
        try:
            request, _, _ = Heads().read(head, PEER)
        except FaultyError:
            continue
        assert request.method


def test_a_reply_is_written_once_and_its_length_said() -> None:
    heads = Heads()
    headers = (("content-type", "text/plain"), ("content-length", "3"))
    head, closes = heads.of_reply(200, headers, 3)
    assert (head, closes) == (b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 3\r\n", False)
    assert heads.of_reply(200, headers, 3)[0] is head
    assert heads.of_reply(404, headers, 3)[0].startswith(b"HTTP/1.1 404 Not Found\r\n")
    assert heads.of_reply(200, (), 5)[0].endswith(b"content-length: 5\r\n")
    assert heads.of_reply(200, (), 6)[0].endswith(b"content-length: 6\r\n")
    assert heads.of_reply(304, (), 0)[0] == b"HTTP/1.1 304 Not Modified\r\n"
    assert heads.of_reply(400, (("connection", "close"),), 0) == (
        b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n",
        True,
    )


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: x", "a\nb", "a\0b", "\u20ac"])
def test_a_header_that_would_break_the_reply_is_not_sent(value: str) -> None:
    with pytest.raises(ValueError, match=r"line break|latin-1"):
        Heads().of_reply(200, (("x-a", value),), 0)


def test_the_last_lines() -> None:
    kept, ending = last_lines(784111777)
    assert kept == b"date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n"
    assert ending == b"connection: close\r\n" + kept


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        ("File already exists", b"File already exists"),
        ("caf\u00e9 \u2026\r\nSet-Cookie: x\0", b"caf\xe9 ???Set-Cookie: x?"),
        ("x" * 5000, b"x" * 400),
    ],
    ids=["plain", "what can't be said", "long"],
)
def test_L11_the_words_behind_a_status_are_those_of_the_origin(said: str, sent: bytes) -> None:
    head, _ = Heads().of_reply(400, ((REASON, said), ("content-length", "0")), 0)
    assert head == b"HTTP/1.1 400 " + sent + b"\r\ncontent-length: 0\r\n"
