# SPDX-License-Identifier: Apache-2.0
"""Heads of requests and replies as bytes, for the server of `edge.server`.

httptools (llhttp, Node's parser) judges what a client sends. What it found once is remembered: the headers of a
client are the same bytes from request to request, so that those of a plain GET are parsed the first time alone.
"""

from __future__ import annotations

import re
from email.utils import formatdate
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import unquote

import httptools

from packhouse.domain.headers import Headers
from packhouse.edge.http import REASON, Peer, Reply, Request, plain
from packhouse.edge.limits import CLOSE, MAX_HEADERS, METHODS
from packhouse.edge.responses import BODILESS

REMEMBERED = 4096
"""Of each kind: first lines of requests, blocks of headers, heads of replies; forgotten all at once."""

REMEMBERED_BYTES = 2048
"""Longer ones are parsed each time."""

CHUNK_OVERHEAD = 16 * 1024
"""Bytes that the framing of chunks may have beside eight times those of the body."""

HEAD_BYTES = 64 * 1024 - 512
"""Most bytes of a request's head."""

REASON_LENGTH = 400
"""Most characters behind a status: programs in between keep few bytes for a head."""

UNSOUND = plain(400, "The request is not sound HTTP; send it again.\n", CLOSE)

# How a head must begin; and a line that ends without CR, which no head has.
_BEGINNING = re.compile(rb"[A-Z]{1,20}(?: |\Z)")
_BARE = re.compile(rb"(?<!\r)\n")
_LINE = re.compile(rb"([A-Z]{1,20}) ([\x21-\x7e]+) HTTP/1\.([01])\Z")
_UNSAYABLE = re.compile(r"[^\x20-\x7e\xa1-\xff]")
_FAULTY = re.compile(r"[\r\n\0]")

# What is said about this connection or this body alone, or is nobody else's business, is never remembered.
_PASSING = frozenset(
    {
        *("authorization", "connection", "content-length", "cookie", "expect", "proxy-authorization"),
        *("transfer-encoding", "upgrade"),
    }
)


class FaultyError(ValueError):
    """A request that is not sound HTTP."""


class Line(NamedTuple):
    """The first line of a request; the path is percent-decoded, `old` is HTTP/1.0."""

    method: str
    path: str
    query: str
    old: bool


class Block(NamedTuple):
    """The headers of a request: as they came, and by name."""

    items: list[tuple[str, str]]
    headers: dict[str, str]


def refusal_of_beginning(ahead: bytes, looked: int) -> Reply | None:
    """The reply to bytes that are no whole head or too long a one; None: it may become one.

    The first `looked` bytes were judged before.
    """
    if len(ahead) > HEAD_BYTES:
        if ahead.find(b"\r\n", 0, HEAD_BYTES) < 0:
            return plain(414, "The address is too long.\n", CLOSE)
        return plain(431, f"The headers have more than {HEAD_BYTES} bytes.\n", CLOSE)
    return UNSOUND if not _BEGINNING.match(ahead[:21]) or _BARE.search(ahead, looked) else None


def read_line(line: bytes) -> Line:
    """The first line of a request. Raises FaultyError."""
    match = _LINE.match(line)
    if match is None:
        raise FaultyError("The first line is none of HTTP/1.1.")
    path, _, query = match[2].decode("ascii").partition("?")
    return Line(match[1].decode("ascii"), unquote(path) if "%" in path else path, query, match[3] == b"0")


class Message:
    """One request as httptools reads it: its headers, then the pieces of its body."""

    def __init__(self) -> None:
        self.items: list[tuple[str, str]] = []
        self.pieces: list[bytes] = []
        self.headed = self.ended = False
        self.excess = False
        """Whether another request followed in the same bytes; it is not looked at."""
        self._fed = self._received = 0
        self._parser = httptools.HttpRequestParser(self)

    def feed_head(self, head: bytes) -> None:
        """Read the whole head. Raises FaultyError."""
        self._feed(head)
        if not self.headed:
            raise FaultyError("The head is not whole.")

    def feed_body(self, data: bytes) -> list[bytes]:
        """Read on; returns the pieces of the body in these bytes. Raises FaultyError."""
        self._fed += len(data)
        self._feed(data)
        pieces, self.pieces = self.pieces, []
        self._received += sum(map(len, pieces))
        if self._fed - self._received > CHUNK_OVERHEAD + 8 * self._received:
            raise FaultyError("There is more framing than body.")
        return pieces

    def _feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.excess = True
        except httptools.HttpParserError as error:
            raise FaultyError(str(error)) from error

    def on_message_begin(self) -> None:
        """See `httptools`."""
        self.excess = self.ended

    def on_header(self, name: bytes, value: bytes) -> None:
        """See `httptools`."""
        if self.headed:
            if not self.ended:
                raise FaultyError("There are trailers.")
        elif len(self.items) <= MAX_HEADERS:
            self.items.append((name.decode("latin-1").lower(), value.decode("latin-1").strip(" \t")))

    def on_headers_complete(self) -> None:
        """See `httptools`."""
        self.headed = True

    def on_body(self, data: bytes) -> None:
        """See `httptools`."""
        if not self.ended:
            self.pieces.append(data)

    def on_message_complete(self) -> None:
        """See `httptools`."""
        self.ended = True


class Heads:
    """What was parsed or written before, by its bytes."""

    def __init__(self) -> None:
        self._lines: dict[bytes, Line] = {}
        self._blocks: dict[bytes, Block] = {}
        self._replies: dict[int, tuple[Headers, int, bytes, bool]] = {}

    def known(self, data: bytes, peer: Peer) -> Request | None:
        """The request that these bytes are, no more and no less, when they are a plain GET or HEAD seen before."""
        at = data.find(b"\r\n") + 2
        line, block = self._lines.get(data[: at - 2]), self._blocks.get(data[at:])
        if line is None or block is None:
            return None
        return Request(line.method, line.path, line.query, block.items, None, peer, headers=block.headers, known=block)

    def read(self, head: bytes, peer: Peer) -> tuple[Request, Message | None, bool]:
        """The request of a whole head, what reads its body (None without), whether to close after it.

        Raises FaultyError.
        """
        first, _, rest = head.partition(b"\r\n")
        line = read_line(first)
        if line.method not in METHODS:  # refused for that, whatever it says
            return Request(line.method, line.path, line.query, [], None, peer), None, True
        message = Message()
        message.feed_head(head)
        request = Request(line.method, line.path, line.query, message.items, None, peer)
        headers = request.headers
        if line.old and "transfer-encoding" in headers:
            raise FaultyError("HTTP/1.0 has no chunks.")
        if message.excess and not _is_bodiless(headers):
            raise FaultyError("A body does not go with an upgrade.")
        closes = line.old or message.excess or "close" in headers.get("connection", "").lower()
        if not closes and line.method in {"GET", "HEAD"} and len(head) <= REMEMBERED_BYTES:
            self._remember(first, line, rest, request)
        return request, None if _is_bodiless(headers) else message, closes

    def _remember(self, first: bytes, line: Line, rest: bytes, request: Request) -> None:
        if len(self._lines) >= REMEMBERED:
            self._lines.clear()
        self._lines[first] = line
        names = request.headers.keys()
        if _PASSING.isdisjoint(names) or (
            request.headers.get("connection", "").lower() == "keep-alive" and _PASSING & names == {"connection"}
        ):
            if len(self._blocks) >= REMEMBERED:
                self._blocks.clear()
            self._blocks[rest] = Block(request.items, request.headers)

    def of_reply(self, status: int, headers: Headers | list[tuple[str, str]], length: int | None) -> tuple[bytes, bool]:
        """The head of a reply without its last lines, and whether it says that the connection ends.

        `length` is written when the headers say none. Raises ValueError when they can't be sent.
        """
        known = self._replies.get(id(headers))
        if known is not None and known[0] is headers and known[1] == status:
            return known[2], known[3]
        said, closes, lines = False, False, [f"HTTP/1.1 {status} {_phrase(status)}\r\n"]
        for name, value in headers:
            if name == "connection":
                closes = closes or value == "close"
                continue
            if name == REASON:
                lines[0] = f"HTTP/1.1 {status} {_UNSAYABLE.sub('?', value)[:REASON_LENGTH]}\r\n"
                continue
            said = said or name == "content-length"
            lines.append(f"{name}: {value}\r\n")
        if not said and length is not None and status not in BODILESS:
            lines.append(f"content-length: {length}\r\n")
        if any(_FAULTY.search(line, 0, len(line) - 2) for line in lines):
            raise ValueError("A header of the reply has a line break in it.")
        head = "".join(lines).encode("latin-1")
        if (said or status in BODILESS) and isinstance(headers, tuple):
            if len(self._replies) >= REMEMBERED:
                self._replies.clear()
            self._replies[id(headers)] = (headers, status, head, closes)  # it lives on, so its id is its own
        return head, closes


def last_lines(now: float) -> tuple[bytes, bytes]:
    """The end of a reply's head at this second: where the connection stays, and where it ends."""
    date = f"date: {formatdate(now, usegmt=True)}\r\n\r\n".encode("ascii")
    return date, b"connection: close\r\n" + date


def _is_bodiless(headers: dict[str, str]) -> bool:
    return headers.get("content-length", "0").strip("0") == "" and "transfer-encoding" not in headers


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
