# SPDX-License-Identifier: Apache-2.0
"""What happens to connections for which there is no room: answered 503 and closed, never left waiting.

Granian takes no more connections than it is told to and leaves the others in the kernel's queue. The listening
socket is ours as well, so when the queue does not get shorter and the worker is full, we take them from it.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
from pathlib import Path

TICK_SECONDS = 0.5
LINGER_SECONDS = 0.2

BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 56\r\n"
    b"Retry-After: 5\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
    b"The server has no room for more connections; try again.\n"
)


class Shedder:
    """A thread that answers 503 for a worker with `most` connections on the listening descriptor `listener`."""

    def __init__(self, listener: int, most: int) -> None:
        self._socket = socket.socket(fileno=os.dup(listener))
        self._most = most
        self._stopped = threading.Event()

    def start(self) -> None:
        """Begin to watch."""
        self._socket.setblocking(False)
        threading.Thread(target=self._watch, name="shedder", daemon=True).start()

    def stop(self) -> None:
        """Let go of the socket."""
        self._stopped.set()

    def _watch(self) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        while not self._stopped.is_set():
            if poll.poll(TICK_SECONDS * 1000):
                self._stopped.wait(TICK_SECONDS)
                if not self._stopped.is_set() and poll.poll(0) and self._is_full():
                    self._shed()
        self._socket.close()

    def _is_full(self) -> bool:
        return sum(1 for _ in Path("/proc/self/fd").iterdir()) >= self._most

    def _shed(self) -> None:
        """Answer all that wait, then close them, each after it had a moment to read the answer."""
        shed: list[socket.socket] = []
        with contextlib.suppress(OSError):
            while len(shed) < 64:
                connection, _ = self._socket.accept()
                connection.setblocking(False)
                shed.append(connection)
                with contextlib.suppress(OSError):
                    connection.send(BUSY)
        self._stopped.wait(LINGER_SECONDS)
        for connection in shed:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
