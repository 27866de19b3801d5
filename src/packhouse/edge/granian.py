# SPDX-License-Identifier: Apache-2.0
"""The adapter for Granian's RSGI: its scope and protocol become an `Exchange`.

What a client asks for in vain a hundred times a second is answered in the very thread in which Granian hands over
a request: no event loop, no task (19 us of CPU instead of 32 for a page in memory; docs/adr/0008). That needs a
callback scheduler of our own, which is how Granian itself chooses between its two.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import select
import struct
import termios
import time
from collections.abc import Callable
from typing import Any, Self

from granian._granian import CallbackScheduler

from packhouse.domain.headers import Headers
from packhouse.edge.http import ClientGoneError, Exchange, GrowingRange, Reply, Request, plain
from packhouse.edge.pouring import Pourer

log = logging.getLogger("packhouse.edge")

SEND_SECONDS = 60.0
"""How long a client may take none of the bytes of a reply before we give it up."""

PIPE_BYTES = 256 * 1024
OPEN_SECONDS = 10.0


def scheduler(loop: asyncio.AbstractEventLoop, handle: Callable[[Exchange], None]) -> Any:
    """What Granian calls with each request; `handle` must not block and must see to an answer."""
    return _Scheduler(loop, handle)


class _Scheduler(CallbackScheduler):
    """Calls `handle` in Granian's own thread, with no task for the event loop."""

    def __new__(cls, loop: asyncio.AbstractEventLoop, _handle: Callable[[Exchange], None]) -> Self:
        return super().__new__(cls, loop, None, None, None, None)  # type: ignore[call-arg]

    def __init__(self, _loop: asyncio.AbstractEventLoop, handle: Callable[[Exchange], None]) -> None:
        super().__init__()

        def schedule(watcher: Any) -> None:
            # An exception must not get out: Granian's caller would leave it hanging in the thread.
            protocol = watcher.proto
            try:
                handle(RsgiExchange(watcher.scope, protocol))
            except Exception:
                log.exception("A request failed at the edge.")
                with contextlib.suppress(Exception):
                    send(protocol, plain(500, "500 Internal Server Error\n"))

        self._schedule_fn = schedule


class RsgiExchange:
    """An exchange over Granian's HTTP protocol object."""

    __slots__ = ("_empty", "_protocol", "_stream", "request")

    def __init__(self, scope: Any, protocol: Any) -> None:
        items = scope.headers.items()
        self.request = Request(scope.method, scope.path, scope.query_string, items, scope.authority, scope)
        self._protocol = protocol
        self._stream: Any = None
        self._empty = False

    def reply(self, reply: Reply) -> None:
        """See `Exchange.reply`."""
        send(self._protocol, reply)

    def stream(self, status: int, headers: Headers) -> PipeSink:
        """See `Exchange.stream`."""
        return PipeSink(self._protocol, status, headers)

    async def chunk(self) -> bytes:
        """See `Exchange.chunk`.

        Granian gives an empty chunk once at the end, and once more when the body broke off before it.
        """
        if self._stream is None:
            self._stream = aiter(self._protocol)
        chunk: bytes = await self._next()
        if not chunk and not self._empty:
            self._empty = True
            if await self._next() is not None:
                raise ClientGoneError("The body broke off.")
        return chunk

    def abandon(self) -> None:
        """See `Exchange.abandon`: Granian holds the connection for us as long as we hold these."""
        self._stream = self._protocol = None

    async def _next(self) -> Any:
        try:
            return await anext(self._stream)
        except StopAsyncIteration:
            return None


def send(protocol: Any, reply: Reply) -> None:
    """Send a complete reply."""
    status, headers, body = reply
    if body is None:
        protocol.response_empty(status, headers)
    elif isinstance(body, bytes):
        protocol.response_bytes(status, headers, body)
    elif isinstance(body, GrowingRange):
        _pourer.pour(protocol, status, tuple(headers), body)
    elif body.start < body.end:
        protocol.response_file_range(status, headers, *body)
    else:
        protocol.response_empty(status, headers)


_pourer = Pourer(send)


class PipeSink:
    """A reply whose bytes are still being made: Granian reads them from a pipe as if it were a file.

    Its own stream takes all bytes at once and keeps them in memory, however slow the client is; a file is read
    only as fast as the client takes it, so a full pipe is a slow client, and a broken one a client that is gone.
    """

    def __init__(self, protocol: Any, status: int, headers: Headers) -> None:
        self._read, self._write = os.pipe2(os.O_CLOEXEC)
        with contextlib.suppress(OSError):  # a limit on pipes for all of a user's processes
            fcntl.fcntl(self._write, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        os.set_blocking(self._write, False)
        self._opened = False
        protocol.response_file(status, headers, f"/proc/self/fd/{self._read}")

    def write(self, chunk: bytes) -> None:
        """See `Sink.write`."""
        left = memoryview(chunk)
        while left:
            try:
                left = left[os.write(self._write, left) :]
            except BlockingIOError:
                self._await_room()
            except BrokenPipeError:
                raise ClientGoneError("The client went away.") from None
            if not self._opened:
                self._await_reader()

    def close(self) -> None:
        """See `Sink.close`."""
        if not self._opened:
            self._opened = True
            os.close(self._read)
        os.close(self._write)

    def _await_reader(self) -> None:
        """Wait until Granian has opened the pipe, seen by bytes that are gone, then give up our end of it."""
        until = time.monotonic() + OPEN_SECONDS
        waiting = _waiting_bytes(self._read)
        while waiting and _waiting_bytes(self._read) >= waiting:
            if time.monotonic() > until:
                raise ClientGoneError("The reply was not taken.")
            time.sleep(0.0005)
        self._opened = True
        os.close(self._read)

    def _await_room(self) -> None:
        poll = select.poll()
        poll.register(self._write, select.POLLOUT)
        if not poll.poll(SEND_SECONDS * 1000):
            raise ClientGoneError("The client takes no bytes.")


def _waiting_bytes(descriptor: int) -> int:
    """How many bytes lie in a pipe."""
    (count,) = struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, b"\0\0\0\0"))
    return int(count)
