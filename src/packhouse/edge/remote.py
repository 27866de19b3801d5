# SPDX-License-Identifier: Apache-2.0
"""An origin at another address, for a reading node: a WSGI callable behind the same bridge as the origin in a worker.

Connections are kept and used again. A body goes out as it comes in; as soon as the origin answers, no more of it is
sent. The node proves itself by a secret, so that the origin believes what it says of the client, names blobs instead
of sending them, and says for whom an answer is (`edge.nodes`).
"""

from __future__ import annotations

import http.client
import select
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import quote, urlsplit

from packhouse.edge.body import Body
from packhouse.edge.nodes import NODE

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 300.0
"""How long the origin may say nothing: a large upload is judged before it is answered."""

IDLE_SECONDS = 5.0
"""How long a connection is kept; the origin keeps it for ten."""

KEPT = 64
PIECE = 64 * 1024
_SAFE = "/!$&'()*+,;=:@~-._"

# What the environ has and the origin makes of the connection itself, or learns from `_forwarding`.
_OWN = frozenset({"HTTP_HOST", "HTTP_CONNECTION", "HTTP_EXPECT"})

Start = Callable[..., Any]


class RemoteOrigin:
    """Passes requests on to `http(s)://host[:port]`; what can't be reached is answered 503."""

    def __init__(self, url: str, secret: str) -> None:
        parts = urlsplit(url)
        self._url = url
        self._secret = secret
        self._netloc = parts.netloc
        self._kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._free: list[tuple[float, http.client.HTTPConnection]] = []
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        """Answer a request as the origin does."""
        body = environ["wsgi.input"]
        for connection in self._connections(again=not isinstance(body, Body)):
            try:
                self._send_head(connection, environ)
                if isinstance(body, Body):
                    _send_body(connection, body, environ)
                response = connection.getresponse()
            except (OSError, http.client.HTTPException):
                connection.close()
                if isinstance(body, Body) and body.error is not None:
                    return _broken(start)
                continue
            about = [pair for pair in response.getheaders() if pair[0].lower() not in {"date", "server"}]
            start(f"{response.status} {response.reason}", about)
            return _Rest(response, lambda: self._give_back(connection))  # noqa: B023 - left at once
        return self._unreachable(start)

    def answers(self) -> int | None:
        """The status with which the origin answers that we are a node of its own; None when it can't be reached."""
        try:
            connection = self._connect(CONNECT_SECONDS)
        except OSError:
            return None
        try:
            connection.request("GET", "/_/node", headers={"Host": self._netloc, NODE: self._secret})
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def _connections(self, *, again: bool) -> Iterator[http.client.HTTPConnection]:
        """One that is free, then a new one; the latter alone for a body, which can't be sent twice."""
        kept = self._take() if again else None
        if kept is not None:
            yield kept
        try:
            yield self._connect(ANSWER_SECONDS)
        except OSError:
            return

    def _connect(self, seconds: float) -> http.client.HTTPConnection:
        connection = self._kind(self._netloc, timeout=CONNECT_SECONDS)
        connection.connect()
        connection.sock.settimeout(seconds)
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _take(self) -> http.client.HTTPConnection | None:
        with self._lock:
            while self._free:
                since, connection = self._free.pop()
                if time.monotonic() - since < IDLE_SECONDS and not _speaks(connection.sock):
                    return connection
                connection.close()
        return None

    def _give_back(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            if connection.sock is not None and len(self._free) < KEPT:
                self._free.append((time.monotonic(), connection))
                return
        connection.close()

    def _send_head(self, connection: http.client.HTTPConnection, environ: dict[str, Any]) -> None:
        target = quote(environ["PATH_INFO"].encode("latin-1"), safe=_SAFE)
        if environ["QUERY_STRING"]:
            target += f"?{environ['QUERY_STRING']}"
        connection.putrequest(environ["REQUEST_METHOD"], target, skip_host=True, skip_accept_encoding=True)
        for name, value in (*self._forwarding(environ), *_sent(environ)):
            connection.putheader(name, value.encode("latin-1"))
        connection.endheaders()

    def _forwarding(self, environ: dict[str, Any]) -> Iterator[tuple[str, str]]:
        yield "Host", self._netloc
        yield NODE, self._secret
        yield "X-Forwarded-For", environ["REMOTE_ADDR"]
        yield "X-Forwarded-Proto", environ["wsgi.url_scheme"]
        yield "X-Forwarded-Host", environ["HTTP_HOST"]
        if environ["SCRIPT_NAME"]:
            yield "X-Forwarded-Prefix", environ["SCRIPT_NAME"]

    def _unreachable(self, start: Start) -> list[bytes]:
        text = f"The origin of this reading node ({self._url}) can't be reached; try again in a moment.\n".encode()
        about = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(text)))]
        start("503 Service Unavailable", [*about, ("Cache-Control", "no-store"), ("Retry-After", "2")])
        return [text]


class _Rest:
    """The body of an answer, after which its connection may be used again."""

    def __init__(self, response: http.client.HTTPResponse, give_back: Callable[[], None]) -> None:
        self._response = response
        self._give_back = give_back

    def __iter__(self) -> Iterator[bytes]:
        left = self._response.length
        while piece := self._response.read(PIECE):
            left = None if left is None else left - len(piece)
            yield piece
        if left:
            raise http.client.IncompleteRead(b"", left)

    def close(self) -> None:
        """The answer is over, read to its end or not."""
        if self._response.isclosed() and not self._response.will_close:
            self._give_back()
        else:
            self._response.close()


def _sent(environ: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The headers of the request itself, as HTTP names them."""
    for key, value in environ.items():
        if key.startswith("HTTP_") and key not in _OWN:
            yield key[5:].replace("_", "-").title(), value
    if "CONTENT_TYPE" in environ:
        yield "Content-Type", environ["CONTENT_TYPE"]
    if "CONTENT_LENGTH" in environ:
        yield "Content-Length", environ["CONTENT_LENGTH"]
    elif isinstance(environ["wsgi.input"], Body):
        yield "Transfer-Encoding", "chunked"
    if "100-continue" in environ.get("HTTP_EXPECT", "").lower():
        yield "Expect", "100-continue"


def _send_body(connection: http.client.HTTPConnection, body: Body, environ: dict[str, Any]) -> None:
    """Send a body, unless the origin answers before; raises OSError when it breaks off."""
    chunked = "CONTENT_LENGTH" not in environ
    if "HTTP_EXPECT" in environ and not _may_go_on(connection.sock):
        return
    while piece := body.read(PIECE):
        connection.send(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        if _speaks(connection.sock):
            return
    if chunked:
        connection.send(b"0\r\n\r\n")


def _may_go_on(connection: socket.socket) -> bool:
    """Whether the origin wants the body (100), rather than none of it."""
    if not select.select([connection], [], [], ANSWER_SECONDS)[0]:
        raise TimeoutError("The origin says nothing.")
    return connection.recv(12, socket.MSG_PEEK).endswith(b" 100")


def _speaks(connection: socket.socket) -> bool:
    """Whether there is something to be read: an answer, or the end."""
    return bool(select.select([connection], [], [], 0)[0])


def _broken(start: Start) -> list[bytes]:
    text = b"The request's body broke off; send it again.\n"
    start("400 Bad Request", [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(text)))])
    return [text]
