# SPDX-License-Identifier: Apache-2.0
"""One worker process's server: uvloop's event loop and an edge in it, on a socket that the supervisor opened.

No thread is between a socket and its answer. The worker obeys its supervisor alone (docs/adr/0007): INT and TERM may
reach every process of the group and are ignored here. The pipe says when to drain; when it just ends, the supervisor
is gone and the worker ends at once.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

import uvloop

from packhouse.edge.connection import Connection
from packhouse.edge.heads import Heads, last_lines
from packhouse.edge.http import Exchange
from packhouse.edge.pouring import Pouring
from packhouse.edge.shedding import BUSY, HELD, LINGER_SECONDS, answer_latecomers

DRAIN = b"d"
"""What the supervisor writes to a worker that shall finish its transfers and end."""

LEAVE = b"l"
"""What it writes some time before, so that load balancers are told."""

BACKLOG = 4096
SEND_SECONDS = 60
"""How long a client may take none of the bytes of a reply."""

MOST_CONNECTIONS = 8192

DESCRIPTORS = 3
"""What a connection may need: its own, one to watch it by while it is sent a file, and the file's."""

KEPT = 1024
"""Descriptors kept for everything but connections, where there are so many."""

LOOK_SECONDS = 0.5
"""How often connections are looked at, and the date of the replies is."""


class Application(Protocol):
    """What a worker runs."""

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Called once in the worker, before the first request."""

    def handle(self, exchange: Exchange) -> None:
        """Answer a request, now or later; never blocks."""

    def leave(self) -> None:
        """Called when the worker shall end soon: load balancers are to know."""

    def drain(self) -> None:
        """Called when the worker shall end: no new requests."""

    def stop(self) -> None:
        """Called once after the last request."""


class Server:
    """Accepts connections, at most `most`, and has `application` answer what they ask."""

    def __init__(self, application: Application, loop: asyncio.AbstractEventLoop, most: int) -> None:
        self.loop = loop
        self.thread = threading.get_ident()
        self.heads = Heads()
        self.pouring = Pouring(loop)
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
    """Answer requests until drained.

    `number` is the worker's (0 is the first), `listener` and `pipe` are descriptors, `connections` is the most it
    takes at once.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    connections = most_connections(raise_descriptor_limit(connections), connections)
    limit_silence(listener)
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    server = Server(application, loop, connections)
    application.start(loop)

    def drain() -> None:
        server.draining = True
        application.drain()
        answer_latecomers(listener)
        loop.call_soon_threadsafe(server.stop_accepting)

    await_word(pipe, drain, application.leave)
    loop.run_until_complete(server.run(socket.socket(fileno=os.dup(listener))))
    application.stop()


def limit_silence(listener: int, seconds: float = SEND_SECONDS) -> None:
    """Have the kernel end each connection of this listener whose client takes nothing of what was sent.

    A client that answers but does not read counts too. The loop itself would wait for it for ever.
    """
    with socket.socket(fileno=os.dup(listener)) as ours:
        ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000))


def raise_descriptor_limit(connections: int) -> int:
    """Take as many descriptors as so many connections may need, or the system lets us have; returns how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS * connections + KEPT
    if hard != resource.RLIM_INFINITY:
        wanted = min(hard, wanted)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(soft, wanted)


def most_connections(descriptors: int, wanted: int = MOST_CONNECTIONS) -> int:
    """How many connections a worker takes, with descriptors left for the databases, blobs and a reserve."""
    kept = min(descriptors // 2, KEPT)
    return min(wanted, descriptors - kept)


def await_word(pipe: int, drain: Callable[[], None], leave: Callable[[], None]) -> None:
    """Wait for the supervisor's word in a thread of its own, so that a busy loop can't miss it."""

    def wait() -> None:
        word = os.read(pipe, 1)
        if word == LEAVE:
            leave()
            word = os.read(pipe, 1)
        if word == DRAIN:
            drain()
            os.read(pipe, 1)  # blocks until the supervisor ends
        os._exit(1)

    threading.Thread(target=wait, name="supervisor's word", daemon=True).start()
