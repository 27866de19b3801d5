# SPDX-License-Identifier: Apache-2.0
"""What goes out on a connection of `edge.connection`: one reply after the other, at the client's pace."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from packhouse.edge.http import ClientGoneError
from packhouse.edge.sending import Source, Transfer, WholeFile

JOINED = 32 * 1024
"""Bytes of a body up to which copying it behind the head is cheaper than sending two pieces."""

HIGH = 256 * 1024
"""Bytes of replies that may wait for a client before no more of its requests are looked at."""


class Outgoing:
    """The sending side of a transport; `paused` while too much waits to be written."""

    __slots__ = ("_loop", "_transfer", "_transport", "_writable", "paused")

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport) -> None:
        self._loop = loop
        self._transport = transport
        self._transfer: Transfer | None = None
        self._writable: list[asyncio.Future[None]] = []
        self.paused = False
        transport.set_write_buffer_limits(HIGH)

    def write(self, head: bytes, end: bytes, body: bytes | None) -> None:
        """Send the two parts of a head, and a body that is in memory."""
        if not body:
            self._transport.write(head + end)
        elif len(body) <= JOINED:
            self._transport.write(b"".join((head, end, body)))
        else:
            self._transport.writelines((head + end, body))

    def transfer(self, head: bytes, source: Source, span: tuple[int, int], done: Callable[[bool], None]) -> None:
        """Send a head and a part of a file; `done` is told whether all of it went out, unless the client left."""
        piece = source.piece(*span) if isinstance(source, WholeFile) else None
        if piece is not None:
            source.close()
            self.write(head, b"", piece)
            done(True)
            return

        def over(whole: bool) -> None:
            self._transfer = None
            done(whole)

        self._transfer = Transfer(self._loop, self._transport, source, span, over)
        self._transfer.start(head)

    async def put(self, chunk: bytes) -> None:
        """Send bytes; waits while the client is slow. Raises ClientGoneError."""
        self._transport.write(chunk)
        if self.paused:
            future = self._loop.create_future()
            self._writable.append(future)
            await future
            if self._transport.is_closing():
                raise ClientGoneError("The client went away.")

    def resume(self) -> None:
        """Enough of what waited was written."""
        self.paused = False
        self._wake()

    def stop(self) -> None:
        """The connection is gone."""
        if self._transfer is not None:
            self._transfer.stop()
        self._wake()

    def _wake(self) -> None:
        waiting, self._writable = self._writable, []
        for future in waiting:
            if not future.done():
                future.set_result(None)
