# SPDX-License-Identifier: Apache-2.0
"""What is said to connections for which there is no room, or no time any more: 503 and closed, never left waiting."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time

HELD = 64
"""Connections that were answered so and have a moment to read it."""

BATCH = 256
"""Connections answered between two looks at the time."""

LINGER_SECONDS = 0.2
LOOK_SECONDS = 0.05
STOPPING_SECONDS = 1.0
"""How long those are answered who connected before the socket was shut."""


def _unavailable(text: bytes, seconds: int) -> bytes:
    head = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n"
    about = b"Content-Length: %d\r\nRetry-After: %d\r\n" % (len(text), seconds)
    return head + about + b"Cache-Control: no-store\r\nConnection: close\r\n\r\n" + text


BUSY = _unavailable(b"The server has no room for more connections; try again.\n", 5)
STOPPING = _unavailable(b"The server is stopping; try again.\n", 5)


def answer_latecomers(listener: int) -> None:
    """Tell whoever connects to the descriptor of a listening socket from now on, for a moment, that we are stopping."""
    ours = socket.socket(fileno=os.dup(listener))
    ours.setblocking(False)
    threading.Thread(target=_answer, args=(ours,), name="latecomers", daemon=True).start()


def _answer(listener: socket.socket) -> None:
    until = time.monotonic() + STOPPING_SECONDS
    held: list[tuple[float, socket.socket]] = []
    with listener:
        while time.monotonic() < until:
            with contextlib.suppress(OSError):  # nobody waits, or there is no descriptor
                held.extend((time.monotonic(), _told(listener.accept()[0])) for _ in range(BATCH))
            time.sleep(LOOK_SECONDS)
            before = time.monotonic() - LINGER_SECONDS
            while held and (held[0][0] <= before or len(held) > HELD):
                held.pop(0)[1].close()
    for _, connection in held:
        connection.close()


def _told(connection: socket.socket) -> socket.socket:
    with contextlib.suppress(OSError):
        connection.setblocking(False)
        connection.send(STOPPING)
        connection.shutdown(socket.SHUT_WR)
    return connection
