# SPDX-License-Identifier: Apache-2.0
"""Files that are still being fetched, sent as they grow: one thread for all who wait, each at its own pace.

Each reply is a pipe that the server reads as if it were a file; the bytes go into it from the growing file without
passing through us. So many go at once; who comes then waits, at the latest until the file is whole, which needs no
pipe. A reply that can't be finished is cut short of its Content-Length, and never looks complete.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import struct
import termios
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from packhouse.domain.headers import Headers
from packhouse.edge.http import FileRange, GrowingRange, Reply, plain
from packhouse.storage.growing import Reader

_log = logging.getLogger("packhouse.edge")

MOST = 24
"""Replies poured at once: each holds one of the server's threads for files."""
PIPE_BYTES = 1024 * 1024
STALL_SECONDS = 60.0
"""How long a client may take nothing of what is there."""
REST = 0.002
"""Seconds between two looks at files that have not grown, and at pipes that are full."""


class Pourer:
    """The thread that pours, started when it is first needed."""

    def __init__(self, send: Callable[[Any, Reply], None]) -> None:
        """`send` gives a complete reply to a protocol."""
        self._send = send
        self._waiting: deque[tuple[Any, int, Headers, GrowingRange]] = deque()
        self._wake = threading.Condition()
        self._started = False

    def pour(self, protocol: Any, status: int, headers: Headers, body: GrowingRange) -> None:
        """Answer with a file that grows; never blocks."""
        with self._wake:
            self._waiting.append((protocol, status, headers, body))
            if not self._started:
                self._started = True
                threading.Thread(target=self._run, name="pourer", daemon=True).start()
            self._wake.notify()

    def _run(self) -> None:
        pouring: list[_Pouring] = []
        while True:
            with self._wake:
                while not pouring and not self._waiting:
                    self._wake.wait()
                waiting = [self._waiting.popleft() for _ in range(len(self._waiting))]
            for item in waiting:
                self._admit(item, pouring)
            moved = False
            for one in list(pouring):
                try:
                    moved = one.turn() or moved
                except Exception:  # noqa: BLE001 - one reply must not end the others
                    _log.exception("a growing file could not be sent on")
                    one.over = True
                if one.over:
                    one.close()
                    pouring.remove(one)
            if not moved:
                time.sleep(REST)

    def _admit(self, item: tuple[Any, int, Headers, GrowingRange], pouring: list[_Pouring]) -> None:
        """Send what is whole, refuse what failed, begin to pour where there is room, or let it wait on."""
        protocol, status, headers, body = item
        growing = body.growing
        if growing.whole:
            self._send(protocol, Reply(status, headers, FileRange(body.path, body.start, body.end)))
        elif growing.over.is_set():
            self._send(protocol, plain(502, "The upstream broke the file off; ask for it again.\n"))
        elif len(pouring) < MOST:
            try:
                pouring.append(_Pouring(protocol, status, headers, body))
            except FileNotFoundError:  # being put in its place just now
                self._wait_on(item)
            except OSError:
                self._send(protocol, plain(503, "The server is short of files; try again.\n", ("retry-after", "5")))
        else:
            self._wait_on(item)

    def _wait_on(self, item: tuple[Any, int, Headers, GrowingRange]) -> None:
        with self._wake:
            self._waiting.append(item)


class _Pouring:
    """One reply on its way."""

    def __init__(self, protocol: Any, status: int, headers: Headers, body: GrowingRange) -> None:
        self._reader: Reader = body.growing.reader()
        self._at, self._end = body.start, body.end
        self._read, self._write = os.pipe2(os.O_CLOEXEC)
        with contextlib.suppress(OSError):
            fcntl.fcntl(self._write, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        os.set_blocking(self._write, False)
        self._taken = False  # whether the server has opened the pipe
        self._poured = 0
        self._since = time.monotonic()
        self.over = False
        protocol.response_file(status, headers, f"/proc/self/fd/{self._read}")

    def turn(self) -> bool:
        """Pour what may be poured now; whether anything was."""
        if not self._taken and self._poured and _lying(self._read) < self._poured:
            self._taken = True
            os.close(self._read)
        if self._at >= self._end:
            self.over = self._taken or self._is_stalled()
            return False
        available = self._reader.available(self._end)
        if available < 0:
            self.over = True
            return False
        if available <= self._at:
            self._since = time.monotonic()  # the file is slow, not the client
            return False
        return self._splice(available - self._at)

    def _splice(self, count: int) -> bool:
        try:
            moved = os.splice(
                self._reader.descriptor, self._write, count, offset_src=self._at, flags=os.SPLICE_F_NONBLOCK
            )
        except BlockingIOError:
            moved = 0
        except BrokenPipeError:
            self.over = True
            return False
        if not moved:
            self.over = self._is_stalled()
            return False
        self._at += moved
        self._poured += moved
        self._since = time.monotonic()
        return True

    def _is_stalled(self) -> bool:
        return time.monotonic() - self._since > STALL_SECONDS

    def close(self) -> None:
        """Let go of everything; what was not poured is missing from the reply."""
        if not self._taken:
            os.close(self._read)
        os.close(self._write)
        self._reader.close()


def _lying(descriptor: int) -> int:
    """How many bytes lie in a pipe."""
    (count,) = struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, b"\0\0\0\0"))
    return int(count)
