# SPDX-License-Identifier: Apache-2.0
"""What the edge's logic speaks: requests, replies, and the exchange in which a server gives one for the other."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from packhouse.domain.headers import TEXT, Headers, error_headers
from packhouse.storage.growing import Growing


class Peer(Protocol):
    """Who sent a request, looked at only when it is handed over: the address as "address:port", and the scheme."""

    @property
    def client(self) -> str:
        """The peer's address and port."""

    @property
    def scheme(self) -> str:
        """`http` or `https`."""


class Direct(NamedTuple):
    """A peer whose facts are known."""

    client: str = ""
    scheme: str = "http"


class Request:
    """The head of a request.

    `path` is percent-decoded (what is not UTF-8 as U+FFFD), `query` raw without "?"; `items` are all headers with
    their names in lower case, `headers` the same by name, repeated ones joined; `authority` is that of an
    absolute-form target, else "". `known` is one and the same object for all requests that have just these headers,
    where the server knows that they have. `again` is set when the file of its reply was not there to be sent.
    """

    __slots__ = ("again", "authority", "headers", "items", "known", "method", "path", "peer", "query")

    def __init__(
        self,
        method: str,
        path: str,
        query: str,
        items: list[tuple[str, str]],
        authority: str | None = None,
        peer: Peer = Direct(),  # noqa: B008 - it can't be changed
        *,
        headers: dict[str, str] | None = None,
        known: object = None,
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.items = items
        if headers is None:
            headers = dict(items)
            if len(headers) != len(items):
                headers = _joined(items)
        self.headers = headers
        self.authority = authority
        self.peer = peer
        self.known = known
        self.again = False


def _joined(items: list[tuple[str, str]]) -> dict[str, str]:
    """Headers by name; a repeated one becomes a list (RFC 9110 section 5.3)."""
    headers: dict[str, str] = {}
    for name, value in items:
        headers[name] = f"{headers[name]}{'; ' if name == 'cookie' else ', '}{value}" if name in headers else value
    return headers


class FileRange(NamedTuple):
    """The bytes of a file from `start` up to, not including, `end`; `path` is opened when the reply is sent."""

    path: str
    start: int
    end: int


class GrowingRange(NamedTuple):
    """The same of a file that is still being fetched; `path` is where it will be when it is whole."""

    growing: Growing
    path: str
    start: int
    end: int


REASON = ":reason"
"""Among the headers of a reply: the words behind the status, where they are not the usual ones."""


class Reply(NamedTuple):
    """A complete answer: header names are lower-case; `body` None means none at all (HEAD, 204, 304)."""

    status: int
    headers: Headers | list[tuple[str, str]]
    body: bytes | FileRange | GrowingRange | None = None


class ClientGoneError(ConnectionError):
    """The client went away in the middle of its request or of our reply."""


class SlowBodyError(TimeoutError):
    """The body made too little progress."""


class Sink(Protocol):
    """Where the bytes of a long reply go, at the pace of the client. For one thread, not the event loop's."""

    def write(self, chunk: bytes) -> None:
        """Send a chunk; waits while the client is slow. Raises ClientGoneError."""

    def close(self) -> None:
        """End the body; a body shorter than its `Content-Length` ends the connection."""


class Exchange(Protocol):
    """One request and the way to answer it, as a server adapter provides it."""

    request: Request

    def reply(self, reply: Reply) -> None:
        """Send a complete answer, once; from any thread; never blocks."""

    def stream(self, status: int, headers: Headers) -> Sink:
        """Begin an answer with a `Content-Length` whose bytes follow."""

    async def chunk(self) -> bytes:
        """The next bytes of the request's body, b"" at its end. Raises ClientGoneError. In the event loop only."""

    def abandon(self) -> None:
        """Take no more of the body; a connection on which some is left is closed after the reply."""


def plain(status: int, text: str, *extra: tuple[str, str], accept: bool = False) -> Reply:
    """A short reply in plain text that no cache keeps; `accept` when `Accept` had a part in it."""
    body = text.encode()
    return Reply(status, (*error_headers(len(body), TEXT, accept=accept), *extra), body)


AWAY = plain(502, "The file is not there any more; ask for it again.\n")
"""The reply with a file that is not there, although somebody said so: the request is handled once more, as `again`."""
