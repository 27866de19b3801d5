# SPDX-License-Identifier: Apache-2.0
"""One worker process's server: Granian's RSGI worker around an edge, on a socket that the supervisor opened.

The worker obeys its supervisor alone (docs/adr/0007): INT and TERM may reach every process of the group and are
ignored here. The pipe says when to drain; when it just ends, the supervisor is gone and the worker ends at once.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol

from packhouse.edge import granian
from packhouse.edge.http import Exchange
from packhouse.edge.shedding import Shedder

DRAIN = b"d"
"""What the supervisor writes to a worker that shall finish its transfers and end."""

BACKLOG = 4096
HEADER_SECONDS = 10
"""Request headers must be complete within this time; so long an idle connection is kept as well."""

SEND_SECONDS = 60
"""How long a client may take none of the bytes of a reply."""

BUFFER_BYTES = 64 * 1024 - 512
"""Most bytes of a connection read at once, and so most of a request's headers: more are answered 431."""

FILE_THREADS = 64
"""Granian's threads for opening and reading files, started when needed."""

MOST_CONNECTIONS = 8192


KEPT = 1024
"""Descriptors kept for everything but connections, where there are so many."""


class Application(Protocol):
    """What a worker runs."""

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Called once in the worker, before the first request."""

    def handle(self, exchange: Exchange) -> None:
        """Answer a request, now or later; never blocks."""

    def drain(self) -> None:
        """Called when the worker shall end: no new requests."""

    def stop(self) -> None:
        """Called once after the last request."""


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
    loop = _inside("_loops").loops.get("auto")
    over = _inside("_granian").WorkerSignal()
    finished = asyncio.Event()
    over.add_cb(lambda: loop.call_soon_threadsafe(finished.set))
    application.start(loop)
    shedder = Shedder(listener, connections)
    shedder.start()

    def drain() -> None:
        shedder.stop()
        application.drain()
        over.set()

    await_word(pipe, drain)
    worker = _worker(number, listener, connections)
    worker.serve_str(granian.scheduler(loop, application.handle), loop, over)
    loop.run_until_complete(finished.wait())
    application.stop()


def limit_silence(listener: int, seconds: float = SEND_SECONDS) -> None:
    """Have the kernel end each connection of this listener whose client takes nothing of what was sent.

    A client that answers but does not read counts too. hyper itself would wait for it for ever.
    """
    with socket.socket(fileno=os.dup(listener)) as ours:
        ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000))


def raise_descriptor_limit(connections: int) -> int:
    """Take as many descriptors as so many connections may need, or the system lets us have; returns how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, 2 * connections + KEPT) if hard != resource.RLIM_INFINITY else 2 * connections + KEPT
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(soft, wanted)


def most_connections(descriptors: int, wanted: int = MOST_CONNECTIONS) -> int:
    """How many connections a worker takes, with descriptors left for the databases, blobs and a reserve."""
    kept = min(descriptors // 2, KEPT)
    return min(wanted, descriptors - kept)


def _worker(number: int, listener: int, connections: int) -> Any:
    from granian.http import HTTP1Settings

    held = _inside("_granian").SocketHolder(os.dup(listener), False, BACKLOG)
    return _inside("_granian").RSGIWorker(
        number + 1,
        (None, held),
        None,  # no channel for Granian's metrics
        1,  # threads of the network side
        FILE_THREADS,
        1,  # Python threads: RSGI has one
        30,  # seconds an idle one of them lives
        connections,
        "1",
        HTTP1Settings(header_read_timeout=HEADER_SECONDS * 1000, max_buffer_size=BUFFER_BYTES),
        None,  # HTTP/2
        False,  # websockets
        None,  # static files
        *_NO_TLS,
        (None, None),  # metrics
    )


_NO_TLS: tuple[Any, ...] = (False, None, None, None, "tls1.3", None, [], False)


def _inside(module: str) -> Any:
    """A module of Granian whose types are not those of its stubs."""
    return import_module(f"granian.{module}")


def await_word(pipe: int, drain: Callable[[], None]) -> None:
    """Wait for the supervisor's word in a thread of its own, so that a busy loop can't miss it."""

    def wait() -> None:
        if os.read(pipe, 1) == DRAIN:
            drain()
            os.read(pipe, 1)  # blocks until the supervisor ends
        os._exit(1)

    threading.Thread(target=wait, name="supervisor's word", daemon=True).start()
