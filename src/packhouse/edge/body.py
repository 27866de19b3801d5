# SPDX-License-Identifier: Apache-2.0
"""A request's body: read from the network in the event loop, handed to one origin thread through a small buffer.

Nothing is read before the origin asks for it, except what `Bridge` fetches to find out whether a body is small. At
most `HIGH` bytes wait; a client is as slow as the origin is, and the other way round only within bounds: a body
that brings less than 1 KiB a second for `progress_seconds` fails with SlowBodyError.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from threading import Condition
from typing import Any

from packhouse.edge.http import ClientGoneError, Exchange, SlowBodyError

HIGH = 256 * 1024
"""Bytes that may wait for the origin."""

SLOWEST = 1024
"""Bytes a second."""

TICK_SECONDS = 5.0
LINGER_SECONDS = 20.0
"""How long somebody whose request was answered already may go on sending it."""


class Body:
    """The body of one exchange; `length` is its `Content-Length`, None when chunked. It is `wsgi.input`, too."""

    def __init__(
        self, exchange: Exchange, loop: asyncio.AbstractEventLoop, length: int | None, progress_seconds: float
    ) -> None:
        self._exchange = exchange
        self._loop = loop
        self._length = length
        self._progress_seconds = progress_seconds
        self._chunks: deque[bytes] = deque()
        self._changed = Condition()
        self._waiting = 0  # bytes in _chunks
        self._wanted = 1  # bytes the origin's thread waits for
        self._received = 0
        self._window = (0.0, 0)  # when the rate was last found good, and the bytes received by then
        self._last = 0.0  # when the last bytes came
        self._pump: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._pumping = False
        self._discarding = False
        self.ended = False
        self.error: OSError | None = None

    # --- in the event loop

    async def fetch(self, size: int) -> None:
        """Read until `size` bytes wait, or the end. Raises SlowBodyError, ClientGoneError."""
        self._begin()
        self._pump = self._loop.create_task(self._fill(size))
        await asyncio.wait({self._pump})
        self._pump = None
        if self.error is not None:
            raise self.error

    def linger(self) -> None:
        """Read on and forget what comes, for a while: who is still sending gets to read our reply before we hang up."""
        self._discarding = True
        self._chunks.clear()
        self._waiting = 0
        if self.ended or self.error is not None:
            self._exchange.abandon()
        else:
            self._resume()
            self._loop.call_later(LINGER_SECONDS, self._fail, ClientGoneError("The reply was sent long ago."))

    def _begin(self) -> None:
        """Start to count time."""
        self._last = now = time.monotonic()
        self._window = (now, self._received)
        if self._timer is None:
            self._timer = self._loop.call_later(self._tick, self._watch)

    @property
    def _tick(self) -> float:
        return min(TICK_SECONDS, self._progress_seconds / 4)

    def _resume(self) -> None:
        """Read more, unless somebody does already."""
        if self._pump is None and not self.ended and self.error is None:
            self._begin()
            self._pump = self._loop.create_task(self._run())

    async def _run(self) -> None:
        try:
            await self._fill(HIGH)
        finally:
            self._pump = None
            if self._discarding:
                self._exchange.abandon()
            with self._changed:
                self._pumping = False
                self._changed.notify()
                again = self._waiting < HIGH // 2 and not self.ended and self.error is None
            if again:
                self._resume()

    async def _fill(self, size: int) -> None:
        while self._waiting < size and not self.ended and self.error is None:
            try:
                self._take(await self._exchange.chunk())
            except OSError as error:
                self._fail(error)

    def _take(self, chunk: bytes) -> None:
        self._received += len(chunk)
        self._last = time.monotonic()
        if not chunk and self._length is not None and self._received < self._length:
            self._fail(ClientGoneError("The body is shorter than announced."))
            return
        with self._changed:
            self.ended = not chunk or self._received == self._length
            if chunk and not self._discarding:
                self._chunks.append(chunk)
                self._waiting += len(chunk)
            if self._waiting >= self._wanted or self.ended:
                self._changed.notify()  # not for each chunk: to change threads costs more than to take it

    def _watch(self) -> None:
        """Fail a body that makes too little progress while it is being waited for."""
        self._timer = None
        if self._pump is None or self.ended or self.error is not None:
            return
        now = time.monotonic()
        since, received = self._window
        if now - self._last >= self._progress_seconds:
            self._fail(SlowBodyError("The body made no progress."))
        elif now - since >= self._progress_seconds:
            if self._received - received < SLOWEST * self._progress_seconds:
                self._fail(SlowBodyError("The body came too slowly."))
            self._window = (now, self._received)
        self._timer = self._loop.call_later(self._tick, self._watch)

    def _fail(self, error: OSError) -> None:
        with self._changed:
            if not self.ended and self.error is None:
                self.error = error
            self._changed.notify()
        if self._pump is not None:
            self._pump.cancel()

    # --- in the origin's thread

    def read(self, size: int | None = -1) -> bytes:
        """Up to `size` bytes, fewer only at the end; all of them when it is negative. Raises OSError, as files do."""
        left = size if size is not None and size >= 0 else None
        parts: list[bytes] = []
        while left is None or left > 0:
            part = self._part(left, HIGH if left is None else min(left, HIGH))
            if not part:
                break
            parts.append(part)
            left = None if left is None else left - len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def readline(self, size: int | None = -1) -> bytes:
        """A line, or up to `size` bytes of it."""
        most = size if size is not None and size >= 0 else None
        parts: list[bytes] = []
        while most is None or most > 0:
            part = self._part(most)
            line, end, rest = part.partition(b"\n")
            if rest:
                self._put_back(rest)
            parts.append(line + end)
            most = None if most is None else most - len(line + end)
            if end or not part:
                break
        return b"".join(parts)

    def readlines(self, _hint: int = -1) -> list[bytes]:
        """All lines."""
        return list(self)

    def __iter__(self) -> Any:
        return iter(self.readline, b"")

    def _part(self, most: int | None, wanted: int = 1) -> bytes:
        """Some bytes, at most `most`, as soon as `wanted` are there or the end; b"" at the end."""
        with self._changed:
            while self._waiting < wanted and not self.ended and self.error is None:
                self._wanted = wanted
                self._ask()
                self._changed.wait()
            if not self._chunks:
                if self.error is not None:
                    raise self.error
                return b""
            chunk = self._chunks.popleft()
            if most is not None and len(chunk) > most:
                self._chunks.appendleft(chunk[most:])
                chunk = chunk[:most]
            self._waiting -= len(chunk)
            if self._waiting < HIGH // 2 and not self.ended:
                self._ask()
            return chunk

    def _ask(self) -> None:
        """Have the event loop read on; called with the lock held."""
        if not self._pumping:
            self._pumping = True
            self._loop.call_soon_threadsafe(self._resume)

    def _put_back(self, rest: bytes) -> None:
        with self._changed:
            self._chunks.appendleft(rest)
            self._waiting += len(rest)
