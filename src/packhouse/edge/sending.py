# SPDX-License-Identifier: Apache-2.0
"""A part of a file on its way to a client: by sendfile, from the kernel's memory to the socket.

The event loop itself sends, a piece at a time, as nginx does; but what is not in memory yet is read from the disk by
a thread first, so that a slow disk holds up nobody else. A file need not be whole: of one that is still being fetched
(`edge.pouring`) is sent what is there.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

PIECE = 1024 * 1024
"""Bytes sent before others have their turn."""

SHORT = 128 * 1024
"""Bytes up to which copying a part of a file costs less than what sendfile needs around it."""

FLUSH_SECONDS = 0.01
"""How soon to look again whether what was written before is out."""

_readers = ThreadPoolExecutor(16, thread_name_prefix="disk")


class Source(Protocol):
    """An open file of which bytes are sent; `descriptor` is its own until it is closed."""

    descriptor: int

    def available(self, end: int) -> int:
        """Up to where bytes may be sent now, at most `end`; -1 when there will never be more."""

    def await_more(self, again: Callable[[], None]) -> None:
        """Call back when there may be more."""

    def close(self) -> None:
        """Nobody reads it for this transfer any more."""


class WholeFile:
    """A file all of whose bytes are there; OSError when it can't be opened."""

    def __init__(self, path: str) -> None:
        self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def available(self, end: int) -> int:
        """See `Source.available`."""
        return end

    def piece(self, start: int, end: int) -> bytes | None:
        """A short part of it, when it can be read without waiting for the disk."""
        if end - start > SHORT or not _is_in_memory(self.descriptor, end - 1):
            return None
        data = os.pread(self.descriptor, end - start, start)
        return data if len(data) == end - start else None

    def await_more(self, again: Callable[[], None]) -> None:
        """See `Source.await_more`; never needed."""

    def close(self) -> None:
        """See `Source.close`."""
        os.close(self.descriptor)


class Transfer:
    """Sends a head and the bytes of a source from `start` up to `end` over a transport's socket, and closes the source.

    `done` is called with whether all of it went out. OSError when there is no descriptor left.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        transport: asyncio.Transport,
        source: Source,
        span: tuple[int, int],
        done: Callable[[bool], None],
    ) -> None:
        self._loop = loop
        self._transport = transport
        self._source = source
        self._at, self._last = span
        self._done = done
        self._head = b""
        # A descriptor of our own: the loop lets nobody watch that of its transport.
        self._socket = os.dup(transport.get_extra_info("socket").fileno())
        self._watched = False
        self._over = False

    def start(self, head: bytes) -> None:
        """Begin, with the head of the reply."""
        self._head = head
        self._go_on_when_flushed()

    def stop(self) -> None:
        """The connection is gone."""
        if not self._over:
            self._over = True
            self._close()

    def _go_on_when_flushed(self) -> None:
        if self._over:
            return
        if self._transport.get_write_buffer_size():
            self._loop.call_later(FLUSH_SECONDS, self._go_on_when_flushed)
            return
        try:
            sent = _send_more(self._socket, self._head)
        except OSError:
            self._end(whole=False)
            return
        self._head = self._head[sent:]
        if self._head:
            self._loop.call_later(FLUSH_SECONDS, self._go_on_when_flushed)
        else:
            self._go_on()

    def _go_on(self) -> None:
        """Send as much as the socket takes now, at most a piece, once it is in memory."""
        if self._over:
            return
        there = self._source.available(self._last)
        size = min(PIECE, there - self._at)
        if there < 0:
            self._end(whole=False)
        elif size <= 0:
            self._unwatch()
            self._source.await_more(self._go_on)
        elif _is_in_memory(self._source.descriptor, self._at + size - 1):
            self._send(size)
        else:
            self._unwatch()
            self._read_then_send(size)

    def _read_then_send(self, size: int) -> None:
        try:
            copy = os.dup(self._source.descriptor)  # open until it is read, even when the client is gone before
        except OSError:
            self._end(whole=False)
            return
        reading = self._loop.run_in_executor(_readers, _read_ahead, copy, self._at, size)
        reading.add_done_callback(lambda _reading: self._send(size))

    def _send(self, size: int) -> None:
        if self._over:
            return
        try:
            sent = os.sendfile(self._socket, self._source.descriptor, self._at, size)
        except BlockingIOError:
            self._watch()
            return
        except OSError:
            sent = 0
        self._at += sent
        if sent == 0:  # the client is gone, or the file is shorter than it was
            self._end(whole=False)
        elif self._at == self._last:
            self._end(whole=True)
        else:
            self._watch()

    def _watch(self) -> None:
        if not self._watched:
            self._watched = True
            self._loop.add_writer(self._socket, self._go_on)

    def _unwatch(self) -> None:
        if self._watched:
            self._watched = False
            self._loop.remove_writer(self._socket)

    def _end(self, *, whole: bool) -> None:
        if not self._over:
            self._over = True
            self._close()
            self._done(whole)

    def _close(self) -> None:
        self._unwatch()
        os.close(self._socket)
        self._source.close()


def _send_more(descriptor: int, head: bytes) -> int:
    """Write a head, telling the kernel that more follows, so that they share a packet; returns the bytes taken."""
    with socket.socket(fileno=os.dup(descriptor)) as ours:
        try:
            return ours.send(head, socket.MSG_MORE | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0


def _is_in_memory(descriptor: int, at: int) -> bool:
    """Whether a byte of a file can be read without waiting for the disk; True where the system can't tell."""
    try:
        os.preadv(descriptor, [bytearray(1)], at, os.RWF_NOWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _read_ahead(descriptor: int, at: int, size: int) -> None:
    """Read a part of a file into the kernel's memory; closes the descriptor."""
    try:
        os.posix_fadvise(descriptor, at, size, os.POSIX_FADV_WILLNEED)
        os.pread(descriptor, 1, at + size - 1)
    except OSError:  # sending it will say so
        pass
    finally:
        os.close(descriptor)
