# SPDX-License-Identifier: Apache-2.0
"""Writes down what a worker has counted: a thread, every ten seconds at most, and once more when the worker ends."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from itertools import islice

from packhouse.storage.tally import Key, Tally

SECONDS = 10.0
"""Between two batches; what was counted after a pause is written at once."""
LOOK = 0.5
"""Seconds between two looks at whether there is anything."""
AT_ONCE = 2000
"""Kinds of downloads in one transaction."""
TRIES = 3
"""Attempts at the end."""

_log = logging.getLogger(__name__)


class DownloadCounts:
    """Carries counts from memory to `keep`, which writes them in one transaction or raises; `close` ends connections.

    What can't be written stays counted, for the next time. A killed process loses what it had not written.
    """

    def __init__(self, tally: Tally, keep: Callable[[Mapping[Key, int]], None], close: Callable[[], None]) -> None:
        self._tally = tally
        self._keep = keep
        self._close = close
        self._over = threading.Event()
        self._turn = threading.Lock()
        self._failing = False

    def start(self) -> None:
        """Begin, in a thread that lasts as long as the process."""
        threading.Thread(target=self._run, name="download counts", daemon=True).start()

    def _run(self) -> None:
        due = 0.0
        while not self._over.wait(LOOK):
            if len(self._tally) and time.monotonic() >= due:
                self.flush()
                due = time.monotonic() + SECONDS

    def flush(self) -> bool:
        """Write down all there is; False when some of it is left."""
        with self._turn:
            waiting = self._tally.take()
            rest = iter(waiting.items())
            while batch := dict(islice(rest, AT_ONCE)):
                try:
                    self._keep(batch)
                except Exception as error:  # noqa: BLE001 - whatever it is, downloads go on
                    self._tally.put_back(batch)
                    self._tally.put_back(dict(rest))
                    self._say(error)
                    break
            else:
                self._failing = False
            self._close()
            return not self._failing

    def _say(self, error: Exception) -> None:
        if not self._failing:
            _log.warning("downloads can't be written down; they are kept in memory: %s", error)
        self._failing = True

    def finish(self) -> None:
        """Write down what is left, with a few attempts."""
        self._over.set()
        for _ in range(TRIES):
            if self.flush():
                return
            time.sleep(LOOK)
