# SPDX-License-Identifier: Apache-2.0
"""What a connection of `edge.connection` gives to who answers: the exchange, its body, a long reply."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeout
from threading import get_ident
from typing import TYPE_CHECKING

from packhouse.domain.headers import Headers
from packhouse.edge.http import ClientGoneError, Reply, Request

if TYPE_CHECKING:
    from packhouse.edge.connection import Connection

SEND_SECONDS = 60.0
"""How long a client may take none of the bytes of a streamed reply."""


class DirectExchange:
    """An exchange of a connection. Without a body it has ended from the beginning."""

    __slots__ = ("_connection", "answered", "incoming", "request")

    def __init__(self, connection: Connection, request: Request) -> None:
        self.request = request
        self.answered = False
        self.incoming: Incoming | None = None
        self._connection = connection

    def reply(self, reply: Reply) -> None:
        """See `Exchange.reply`."""
        connection = self._connection
        if get_ident() == connection.thread:
            connection.send(self, reply)
        else:
            connection.loop.call_soon_threadsafe(connection.send, self, reply)

    def stream(self, status: int, headers: Headers) -> StreamSink:
        """See `Exchange.stream`."""
        return StreamSink(self._connection, self, status, headers)

    async def chunk(self) -> bytes:
        """See `Exchange.chunk`."""
        if self.incoming is None:
            return b""
        return await self.incoming.next(lambda: self._connection.read_on(self))

    def abandon(self) -> None:
        """See `Exchange.abandon`: the connection sees to that by itself."""


class Incoming:
    """The pieces of a body that have come and that nobody has taken yet."""

    __slots__ = ("_pieces", "_waiter", "ended", "error", "expects", "left", "size")

    def __init__(self, left: int | None, expects: bool) -> None:
        """`left` bytes are to come, None: their framing tells; `expects` a word that it may be sent."""
        self.left = left
        self.expects = expects
        self._pieces: deque[bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self.size = 0
        self.ended = False
        self.error: ClientGoneError | None = None

    def give(self, pieces: list[bytes], *, ended: bool) -> None:
        """More has come."""
        self._pieces.extend(pieces)
        self.size += sum(map(len, pieces))
        self.ended = ended
        self._wake()

    def fail(self, error: ClientGoneError) -> None:
        """Nothing more will come."""
        if not self.ended and self.error is None:
            self.error = error
        self._wake()

    async def next(self, read_on: Callable[[], None]) -> bytes:
        """The next piece, b"" at the end. Raises ClientGoneError."""
        while not self._pieces:
            if self.ended:
                return b""
            if self.error is not None:
                raise self.error
            self._waiter = asyncio.get_running_loop().create_future()
            read_on()
            await self._waiter
        piece = self._pieces.popleft()
        self.size -= len(piece)
        return piece

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class StreamSink:
    """A reply whose bytes are still being made, by a thread: it waits while the client is slow."""

    def __init__(self, connection: Connection, exchange: DirectExchange, status: int, headers: Headers) -> None:
        self._connection = connection
        self._exchange = exchange
        self._left = next((int(value) for name, value in headers if name == "content-length"), 0)
        connection.call(connection.begin_stream, exchange, status, headers)

    def write(self, chunk: bytes) -> None:
        """See `Sink.write`."""
        self._left -= len(chunk)
        sent = asyncio.run_coroutine_threadsafe(self._connection.put(self._exchange, chunk), self._connection.loop)
        try:
            sent.result(SEND_SECONDS)
        except FutureTimeout:
            raise ClientGoneError("The client takes no bytes.") from None

    def close(self) -> None:
        """See `Sink.close`."""
        self._connection.call(self._connection.end_stream, self._exchange, self._left == 0)
