# SPDX-License-Identifier: Apache-2.0
"""From what a WSGI origin answers to a reply of the server.

Short bodies are sent at once. A long one goes out at the client's pace; one whose length nobody said is written to
a temporary file first, for a body that breaks off must never look complete, and only a length can tell.
"""

from __future__ import annotations

import asyncio
import io
import os
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from http.client import responses
from itertools import chain, islice
from typing import Any, Protocol

from packhouse.domain.headers import Headers
from packhouse.edge.http import REASON, ClientGoneError, Exchange, FileRange, Reply, SlowBodyError, plain

MEMORY = 256 * 1024
"""Bytes of a body that are collected before it counts as long."""

OPEN_SECONDS = 10.0
"""How long a descriptor stays open for the server to open it again."""

HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "te", "trailer", "transfer-encoding", "upgrade"}
)
BODILESS = frozenset({204, 304})
MAX_STATUS = 599


class Watch(Protocol):
    """What whoever handed a request over wants to know of its answer. Called from an origin thread."""

    takes_files: bool
    """Whether the origin may name a blob instead of sending a file's bytes."""

    def replaced(self, status: int, headers: Headers) -> Reply | None:
        """The reply to send in place of the origin's with this status and these headers; None: the origin's own."""

    def done(self) -> None:
        """Called at the end, however it ended."""


class NoWatch:
    """Wants to know nothing."""

    takes_files = False

    def replaced(self, _status: int, _headers: Headers) -> Reply | None:
        """See `Watch.replaced`."""
        return None

    def done(self) -> None:
        """See `Watch.done`."""


NO_WATCH = NoWatch()


class FileWrapper:
    """`wsgi.file_wrapper`: an open file whose bytes the server itself may send."""

    def __init__(self, file: Any, block_size: int = 65536) -> None:
        self.file = file
        self._block_size = block_size

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.file.read(self._block_size), b"")

    def close(self) -> None:
        """Close the file."""
        if hasattr(self.file, "close"):
            self.file.close()


class Answer:
    """One answer of the origin on its way to the client; for one thread."""

    def __init__(
        self,
        exchange: Exchange,
        watch: Watch,
        loop: asyncio.AbstractEventLoop,
        environ: dict[str, Any],
        *,
        inward: bool = False,
    ) -> None:
        """`inward`: the answer goes to an edge of ours, which wants to hear what is said between the two."""
        self._exchange = exchange
        self._watch = watch
        self._loop = loop
        self._environ = environ
        self._inward = inward
        self._status = 0
        self._headers: Headers = ()
        self._begun = False

    def give(self, application: Callable[..., Iterable[bytes]]) -> None:
        """Run the application and send what it says. Raises what it raises."""
        result = application(self._environ, self._start)
        try:
            self._send(result)
        except ClientGoneError:
            pass
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()

    def fail(self) -> None:
        """Say that the origin failed, unless something was said already."""
        self._reply(plain(500, "500 Internal Server Error\n", ("x-request-id", self._environ["HTTP_X_REQUEST_ID"])))

    def _start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], None]:
        if exc_info is not None and self._begun:
            raise exc_info[1].with_traceback(exc_info[2])
        code, _, reason = status.partition(" ")
        self._status = int(code)
        self._headers = tuple((name.lower(), value) for name, value in headers)
        if reason and reason != responses.get(self._status):
            self._headers += ((REASON, reason),)
        return _no_write

    def _reply(self, reply: Reply) -> None:
        if not self._begun:
            self._begun = True
            slow = isinstance(getattr(self._environ["wsgi.input"], "error", None), SlowBodyError)
            self._exchange.reply(_slow_body() if slow else reply)

    def _send(self, result: Iterable[bytes]) -> None:
        pieces = iter(result)
        if not self._status:  # a generator calls `start_response` when it is asked for its first piece
            pieces = chain(list(islice(pieces, 1)), pieces)
        if not 200 <= self._status <= MAX_STATUS:
            raise ValueError(f"The origin's status is {self._status}.")
        if self._environ["REQUEST_METHOD"] == "HEAD" or self._status in BODILESS:
            self._reply(self._replaced() or Reply(self._status, self._own_headers(), None))
            return
        if isinstance(result, FileWrapper) and self._send_file(result):
            return
        beginning, whole = _collect(pieces)
        length = sum(map(len, beginning))
        said = next((value for name, value in self._headers if name == "content-length"), None)
        replaced = self._replaced()
        if replaced is not None:
            self._reply(replaced)
        elif whole and said in {None, str(length)}:
            self._reply(Reply(self._status, _with_length(self._own_headers(), length), b"".join(beginning)))
        elif said is not None:  # long, or shorter than it says: then it must not look complete
            self._stream(chain(beginning, pieces))
        else:
            self._spool(chain(beginning, pieces))

    def _replaced(self) -> Reply | None:
        reply = self._watch.replaced(self._status, self._headers)
        if reply is None or self._environ["REQUEST_METHOD"] != "HEAD":
            return reply
        return reply._replace(body=None)

    def _own_headers(self) -> Headers:
        """The origin's headers without those between it and us, with the request's id."""
        kept = tuple(
            (name, value)
            for name, value in self._headers
            if name not in HOP_BY_HOP and (self._inward or not name.startswith("x-packhouse-"))
        )
        if any(name == "x-request-id" for name, _ in kept):
            return kept
        return (*kept, ("x-request-id", self._environ["HTTP_X_REQUEST_ID"]))

    def _stream(self, pieces: Iterable[bytes]) -> None:
        self._begun = True
        sink = self._exchange.stream(self._status, self._own_headers())
        try:
            for piece in pieces:
                sink.write(piece)
        finally:
            sink.close()

    def _spool(self, pieces: Iterable[bytes]) -> None:
        with tempfile.TemporaryFile() as spool:
            for piece in pieces:
                spool.write(piece)
            spool.flush()
            self._send_descriptor(spool.fileno(), 0, spool.tell())

    def _send_file(self, wrapped: FileWrapper) -> bool:
        """Let the server send an open file from where it stands; False when it is no plain file."""
        try:
            descriptor, start = wrapped.file.fileno(), wrapped.file.tell()
            about = os.fstat(descriptor)
        except (AttributeError, OSError, io.UnsupportedOperation):
            return False
        if not stat.S_ISREG(about.st_mode):
            return False
        replaced = self._replaced()
        if replaced is not None:
            self._reply(replaced)
        else:
            self._send_descriptor(descriptor, start, about.st_size)
        return True

    def _send_descriptor(self, descriptor: int, start: int, end: int) -> None:
        """Send bytes of an open file, which the server opens once more by its descriptor."""
        copy = os.dup(descriptor)
        self._loop.call_soon_threadsafe(self._loop.call_later, OPEN_SECONDS, os.close, copy)
        headers = _with_length(self._own_headers(), end - start)
        self._reply(Reply(self._status, headers, FileRange(f"/proc/self/fd/{copy}", start, end)))


def _collect(pieces: Iterator[bytes]) -> tuple[list[bytes], bool]:
    """The first pieces of a body, and whether they are all of it."""
    collected: list[bytes] = []
    size = 0
    for piece in pieces:
        collected.append(piece)
        size += len(piece)
        if size > MEMORY:
            return collected, False
    return collected, True


def _with_length(headers: Headers, length: int) -> Headers:
    if any(name == "content-length" for name, _ in headers):
        return headers
    return (*headers, ("content-length", str(length)))


def _slow_body() -> Reply:
    return plain(408, "The request's body came too slowly; send it again.\n", ("connection", "close"))


def is_for_all(headers: Mapping[str, str]) -> bool:
    """Whether everybody gets the same answer, whoever they are."""
    return "authorization" not in headers.get("vary", "").lower() and "private" not in headers.get("cache-control", "")


def _no_write(_data: bytes) -> None:
    raise NotImplementedError("The write() of WSGI is for servers of long ago; return the body.")
