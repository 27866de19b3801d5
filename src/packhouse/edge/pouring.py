# SPDX-License-Identifier: Apache-2.0
"""Files that are still being fetched, sent as they grow: each client at its own pace, by the event loop itself.

However many wait for a file, it is open once and looked at once in `REST` seconds for all of them. A reply that can't
be finished is cut short of its Content-Length, and never looks complete.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from packhouse.edge.http import AWAY, FileRange, GrowingRange, Reply, plain
from packhouse.edge.sending import Source, WholeFile
from packhouse.storage.growing import Growing, Reader

_log = logging.getLogger("packhouse.edge")

REST = 0.005
"""Seconds between two looks at files that have not grown."""


class Pouring:
    """The growing files that clients of one event loop are being sent."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._files: dict[Growing, _File] = {}
        self._ticking = False

    def open(self, growing: Growing) -> Source:
        """What is there of a file; FileNotFoundError while it is put in its place, OSError without a descriptor."""
        file = self._files.get(growing)
        if file is None:
            file = self._files[growing] = _File(growing)
        return _Share(self, file)

    def tick(self) -> None:
        """Look at the files, soon and then as long as somebody waits for one."""
        if not self._ticking:
            self._ticking = True
            self._loop.call_later(REST, self._look)

    def leave(self, file: _File) -> None:
        """One reader fewer; the last one closes it."""
        file.readers -= 1
        if not file.readers:
            del self._files[file.growing]
            file.reader.close()

    def _look(self) -> None:
        self._ticking = False
        for file in list(self._files.values()):
            if file.waiting and file.has_changed():
                waiting, file.waiting = file.waiting, []
                for again in waiting:
                    again()
        if any(file.waiting for file in self._files.values()):
            self.tick()


class _File:
    """One growing file, open for all who read it."""

    def __init__(self, growing: Growing) -> None:
        self.growing = growing
        self.reader: Reader = growing.reader()
        self.readers = 0
        self.waiting: list[Callable[[], None]] = []
        self._seen = -1

    def has_changed(self) -> bool:
        """Whether there is more than at the last look, or nothing more to come."""
        before, self._seen = self._seen, self.reader.available(self.growing.size or 0)
        return self._seen != before or self.growing.over.is_set()


class _Share:
    """The source of one transfer."""

    def __init__(self, pouring: Pouring, file: _File) -> None:
        self.descriptor = file.reader.descriptor
        self._pouring = pouring
        self._file = file
        file.readers += 1

    def available(self, end: int) -> int:
        """See `Source.available`."""
        return self._file.reader.available(end)

    def await_more(self, again: Callable[[], None]) -> None:
        """See `Source.await_more`."""
        self._file.waiting.append(again)
        self._pouring.tick()

    def close(self) -> None:
        """See `Source.close`."""
        self._pouring.leave(self._file)


def open_source(body: FileRange | GrowingRange, pouring: Pouring) -> Source | Reply | None:
    """The open file of a reply, the reply to send instead, or None: ask again in `REST` seconds.

    `AWAY` is the reply when there is no such file: it may have been removed since somebody looked.
    """
    try:
        if isinstance(body, FileRange) or body.growing.whole:
            return WholeFile(body.path)
        if body.growing.over.is_set():
            return plain(502, "The upstream broke the file off; ask for it again.\n")
        return pouring.open(body.growing)
    except FileNotFoundError:
        if isinstance(body, GrowingRange) and not body.growing.over.is_set():  # being put in its place just now
            return None
        _log.error("a file to be sent is not there: %s", body.path)
        return AWAY
    except OSError as error:
        _log.error("a file can't be opened: %s", error)
        return short_of_files()


def short_of_files() -> Reply:
    """The reply when there is no descriptor left."""
    return plain(503, "The server is short of files; try again.\n", ("retry-after", "5"))
