# SPDX-License-Identifier: Apache-2.0
"""One worker process without the edge: Granian around the origin alone (WSGI).

A worker obeys its supervisor only: INT and TERM may reach every process of the group and are ignored here. The
supervisor's pipe says when to drain; when it just ends, the supervisor is gone and the worker ends at once.

Granian's own supervisor is not used: it starts workers by importing everything anew (150 MB and a second each) and
binds with SO_REUSEPORT, so that a taken port would go unnoticed. What is used of Granian here are its worker classes,
called as `granian.server.mp` (2.8) calls them.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from packhouse.site.listening import BACKLOG

DRAIN = b"d"
"""What the supervisor writes to a worker that shall finish its transfers and end."""

LEAVE = b"l"
"""What it writes some time before, so that load balancers are told."""

HEADER_SECONDS = 10
"""Request headers must be complete within this time."""

ORIGIN_THREADS = 8
"""Threads that run Django when it stands alone."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker stands: its number (0 is the first), the listening descriptor, the supervisor's pipe."""

    number: int
    listener: int
    pipe: int


def run_wsgi(application: Callable[..., Any], place: Place, leave: Callable[[], None]) -> None:
    """Answer with a WSGI application until drained; `leave` is called when a stop is near."""
    from granian.wsgi import _callback_wrapper

    over = threading.Event()
    signal = _inside("_granian").WorkerSignal()
    signal.add_cb(over.set)
    worker = _inside("_granian").WSGIWorker(
        place.number + 1,
        _socket(place),
        None,  # no channel for Granian's metrics
        1,  # threads of the network side
        32,  # threads for its file access, started when needed
        ORIGIN_THREADS,
        30,  # seconds an idle one of them lives
        1024,  # requests waiting for a thread
        "1",
        _http1(),
        None,  # HTTP/2
        None,  # static files
        *_NO_TLS,
        _NO_METRICS,
    )
    loop = _inside("_loops").loops.get("auto")
    new_scheduler = _inside("_futures")._new_cbscheduler  # noqa: SLF001 - see the head of this module
    scheduler = new_scheduler(loop, _callback_wrapper(application, {}, None), impl_asyncio=True)
    _watch(place.pipe, leave, signal.set)
    worker.serve_mtr(scheduler, loop, signal)
    over.wait()


def _inside(module: str) -> Any:
    """A module of Granian whose types are not those of its stubs."""
    return import_module(f"granian.{module}")


_NO_TLS: tuple[Any, ...] = (False, None, None, None, "tls1.3", None, [], False)
_NO_METRICS = (None, None)


def _socket(place: Place) -> tuple[None, Any]:
    """The listening socket as Granian's workers take it; each has a descriptor of its own."""
    return None, _inside("_granian").SocketHolder(os.dup(place.listener), False, BACKLOG)


def _http1() -> Any:
    from granian.http import HTTP1Settings

    return HTTP1Settings(header_read_timeout=HEADER_SECONDS * 1000)


def _watch(pipe: int, leave: Callable[[], None], drain: Callable[[], None]) -> None:
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
