# SPDX-License-Identifier: Apache-2.0
"""Raw sockets against a live worker: exactly the bytes a test wants, and what comes back."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class Answer:
    """A reply; status 0 means that the connection was closed without one."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    closed: bool = False
    seconds: float = 0.0


@dataclass(slots=True)
class Server:
    """A worker in a process of its own."""

    port: int
    process: subprocess.Popen[str]
    pipe: int

    def connect(self, timeout: float = 20) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def send(self, data: bytes, timeout: float = 20) -> Answer:
        """Send bytes over a connection of their own and read one reply."""
        with self.connect(timeout) as connection:
            with contextlib.suppress(OSError):  # refused before all was sent: the answer says why
                connection.sendall(data)
            return read(connection)

    def get(self, path: str, *headers: str, method: str = "GET") -> Answer:
        lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", *headers]
        return self.send(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    def drain(self) -> None:
        os.write(self.pipe, b"d")

    def kill(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self.pipe)
        self.process.kill()
        self.process.wait(60)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def memory(self, line: str = "VmHWM") -> int:
        """Kilobytes of memory of the worker, at its peak (`VmHWM`) or now (`VmRSS`)."""
        with Path(f"/proc/{self.process.pid}/status").open(encoding="ascii") as status:
            return next(int(row.split()[1]) for row in status if row.startswith(line))


def read(connection: socket.socket, method: str = "GET") -> Answer:
    """Read one reply from a connection, and whether the server closed it then."""
    began = time.monotonic()
    response = http.client.HTTPResponse(connection, method=method)
    try:
        response.begin()
        body = response.read()
    except (http.client.HTTPException, OSError):
        return Answer(0, closed=True, seconds=time.monotonic() - began)
    headers = {name.lower(): value for name, value in response.getheaders()}
    closed = _is_closed(connection)
    return Answer(response.status, headers, body, closed, time.monotonic() - began)


def _is_closed(connection: socket.socket) -> bool:
    connection.settimeout(0.3)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True
