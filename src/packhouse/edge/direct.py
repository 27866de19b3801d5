# SPDX-License-Identifier: Apache-2.0
"""One worker process's own server: uvloop's event loop, an edge in it, no thread between a socket and its answer.

Like `edge.server`, which runs the same edge on Granian, it obeys its supervisor alone (docs/adr/0007).
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
import time
from collections import deque

import uvloop

from packhouse.edge.connection import Connection
from packhouse.edge.heads import Heads, last_lines
from packhouse.edge.server import (
    BACKLOG,
    MOST_CONNECTIONS,
    Application,
    await_word,
    limit_silence,
    most_connections,
    raise_descriptor_limit,
)
from packhouse.edge.shedding import BUSY, HELD, LINGER_SECONDS, Shedder

LOOK_SECONDS = 0.5
"""How often connections are looked at, and the date of the replies is."""


class DirectServer:
    """Accepts connections, at most `most`, and has `application` answer what they ask."""

    def __init__(self, application: Application, loop: asyncio.AbstractEventLoop, most: int) -> None:
        self.loop = loop
        self.thread = threading.get_ident()
        self.heads = Heads()
        self.handle = application.handle
        self.draining = False
        self.now = 0.0
        self.kept = self.ending = b""
        self._most = most
        self._open: set[Connection] = set()
        self._refused: deque[tuple[float, Connection]] = deque()
        self._finished = asyncio.Event()
        self._empty = asyncio.Event()
        self._look()

    async def run(self, listener: socket.socket) -> None:
        """Serve until drained."""
        accepting = await self.loop.create_server(lambda: Connection(self), sock=listener, backlog=BACKLOG)
        await self._finished.wait()
        accepting.close()
        await self._empty.wait()

    def stop_accepting(self) -> None:
        """Answer what is under way, take nothing new; `run` returns when all connections are closed."""
        for connection in list(self._open):
            connection.drain()
        self._finished.set()
        self._note_empty()

    def admit(self, connection: Connection) -> bytes | None:
        """See `connection.Host.admit`."""
        if len(self._open) - len(self._refused) >= self._most:
            self._refused.append((time.monotonic(), connection))
            self._open.add(connection)
            if len(self._refused) > HELD:
                self._refused[0][1].abort()
            return BUSY
        self._open.add(connection)
        return None

    def leave(self, connection: Connection) -> None:
        """See `connection.Host.leave`."""
        self._open.discard(connection)
        self._note_empty()
        if self._refused:
            self._refused = deque(held for held in self._refused if held[1] is not connection)

    def _note_empty(self) -> None:
        if self.draining and not self._open:
            self._empty.set()

    def _look(self) -> None:
        """Note the time, and close connections whose time is over."""
        self.now = time.monotonic()
        self.kept, self.ending = last_lines(time.time())
        for connection in list(self._open):
            connection.look(self.now)
        while self._refused and self._refused[0][0] < self.now - LINGER_SECONDS:
            self._refused.popleft()[1].abort()
        self.loop.call_later(LOOK_SECONDS, self._look)


def run(
    application: Application, *, number: int, listener: int, pipe: int, connections: int = MOST_CONNECTIONS
) -> None:
    """Answer requests until drained; see `edge.server.run`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    connections = most_connections(raise_descriptor_limit(connections), connections)
    limit_silence(listener)
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    server = DirectServer(application, loop, connections)
    shedder = Shedder(listener, connections)
    application.start(loop)

    def drain() -> None:
        server.draining = True
        application.drain()
        shedder.start()  # who comes from here on is told so
        shedder.stop()
        loop.call_soon_threadsafe(server.stop_accepting)

    await_word(pipe, drain)
    loop.run_until_complete(server.run(socket.socket(fileno=os.dup(listener))))
    application.stop()
