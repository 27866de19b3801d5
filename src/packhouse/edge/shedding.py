# SPDX-License-Identifier: Apache-2.0
"""What happens to connections for which there is no room: answered 503 and closed, never left waiting.

Granian takes no more connections than it is told to and leaves the others in the kernel's queue. The listening
socket is ours as well, so when the queue does not get shorter and the worker is full, we take them from it. One
descriptor is kept in reserve for when there is none left at all.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import threading
import time
from collections import deque
from pathlib import Path

PATIENCE_SECONDS = 0.5
"""How long the queue must not have been empty before we take from it: another worker may have room."""

LOOK_SECONDS = 0.05
LINGER_SECONDS = 0.2
STOPPING_SECONDS = 1.0
"""How long those are answered who connected before the socket was shut."""

BATCH = 256
"""Connections answered between two looks at whether there is room again."""

HELD = 64
"""Connections that were answered and have a moment to read it."""


def _unavailable(text: bytes, seconds: int) -> bytes:
    head = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n"
    about = b"Content-Length: %d\r\nRetry-After: %d\r\n" % (len(text), seconds)
    return head + about + b"Cache-Control: no-store\r\nConnection: close\r\n\r\n" + text


BUSY = _unavailable(b"The server has no room for more connections; try again.\n", 5)
STOPPING = _unavailable(b"The server is stopping; try again.\n", 5)

_NO_DESCRIPTOR = frozenset({errno.EMFILE, errno.ENFILE})


class Shedder:
    """A thread that answers 503 for a worker with `most` connections on the listening descriptor `listener`."""

    def __init__(self, listener: int, most: int) -> None:
        self._socket = socket.socket(fileno=os.dup(listener))
        self._most = most
        self._stopping = threading.Event()
        self._held: deque[tuple[float, socket.socket]] = deque()
        self._reserve = _spare()

    def start(self) -> None:
        """Begin to watch."""
        self._socket.setblocking(False)
        threading.Thread(target=self._watch, name="shedder", daemon=True).start()

    def stop(self) -> None:
        """Take whoever waits, then let go of the socket; nobody else takes connections any more."""
        self._stopping.set()

    def _watch(self) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        waiting_since: float | None = None
        while not self._stopping.is_set():
            if not poll.poll(LOOK_SECONDS * 1000 if self._held else PATIENCE_SECONDS * 1000):
                waiting_since = None
            elif waiting_since is None:
                waiting_since = time.monotonic()
            if waiting_since is not None:
                if time.monotonic() - waiting_since >= PATIENCE_SECONDS and self._is_full():
                    self._shed(BUSY)
                self._stopping.wait(LOOK_SECONDS)
            self._let_go(time.monotonic() - LINGER_SECONDS)
        until = time.monotonic() + STOPPING_SECONDS
        while time.monotonic() < until:
            self._shed(STOPPING)
            time.sleep(LOOK_SECONDS)
        self._let_go(time.monotonic())
        self._socket.close()

    def _is_full(self) -> bool:
        try:
            open_now = sum(1 for _ in Path("/proc/self/fd").iterdir())
        except OSError:  # no descriptor left even for looking
            return True
        return open_now - len(self._held) >= self._most

    def _shed(self, answer: bytes) -> None:
        """Answer those that wait; each is closed after it had a moment to read the answer."""
        for _ in range(BATCH):
            connection = self._accept()
            if connection is None:
                return
            with contextlib.suppress(OSError):
                connection.setblocking(False)
                connection.send(answer)
                connection.shutdown(socket.SHUT_WR)
            self._held.append((time.monotonic(), connection))
            while len(self._held) > HELD:
                self._held.popleft()[1].close()

    def _accept(self) -> socket.socket | None:
        """The next that waits; without a descriptor for it, those held are let go, then the reserve is."""
        for _ in range(2):
            try:
                return self._socket.accept()[0]
            except OSError as error:
                if error.errno not in _NO_DESCRIPTOR:
                    return None
                self._let_go(time.monotonic())
                self._use_reserve()
        return None

    def _use_reserve(self) -> None:
        """Reset one connection by the descriptor in reserve, and keep one again."""
        if self._reserve is None:
            self._reserve = _spare()
            return
        os.close(self._reserve)
        with contextlib.suppress(OSError):
            connection = self._socket.accept()[0]
            with connection, contextlib.suppress(OSError):
                connection.setblocking(False)
                connection.send(BUSY)
        self._reserve = _spare()

    def _let_go(self, before: float) -> None:
        while self._held and self._held[0][0] <= before:
            self._held.popleft()[1].close()


def _spare() -> int | None:
    with contextlib.suppress(OSError):
        return os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    return None
