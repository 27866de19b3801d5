# SPDX-License-Identifier: Apache-2.0
"""What a process knows of the commits to a PostgreSQL without asking for it at each request (docs/adr/0022).

A thread listens on a connection of its own. A commit that moves a counter sends a word along (a trigger of the
catalogue's); the thread then reads the counters and, with the same statement, notes in the database that it has. Who
committed answers its client when all processes have noted it, or when those that have not can't believe any more that
they know: what is read here is good for `LEASE` seconds, counted from before it was asked for. It is read anew several
times in that time, word or not. While it isn't known, each request asks by itself.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg

CHANNEL = "packhouse_commits"

LEASE = 1.0
"""Seconds for which the counters are known once they were read."""

BEAT = LEASE / 4
"""Seconds after which they are read again when nothing was heard."""

RETRY = 1.0
"""Seconds between two attempts to listen."""

FORGOTTEN = 3600
"""Seconds after which what a process noted that is gone is removed."""

COUNTERS = "SELECT sum(value)::bigint FROM catalogue.catalogue_counter WHERE name IN ('serial', 'access')"
"""Moves with every commit that changes a page or a right, and never back."""

_NOTE = f"""
INSERT INTO activity.activity_listener (name, seen, at) SELECT %s, ({COUNTERS}), clock_timestamp()
ON CONFLICT (name) DO UPDATE SET seen = excluded.seen, at = excluded.at RETURNING seen
"""
_FORGET = "DELETE FROM activity.activity_listener WHERE name = %s OR at < clock_timestamp() - make_interval(secs => %s)"
_OPTIONS = "-c statement_timeout=5000 -c synchronous_commit=off"
_ALIVE: dict[str, Any] = {
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 5000,
}
"""How soon a connection to a machine that is gone ends, in seconds and milliseconds."""

_log = logging.getLogger("packhouse.commits")

Known = tuple[int, float]
_UNKNOWN: Known = (0, 0.0)


class Commits:
    """The counters as this process knows them; `start` begins to listen, in a thread that lasts until `stop`."""

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = f"{socket.gethostname()[:40]}-{secrets.token_hex(8)}"
        self._url = url
        self._clock = clock
        self._known = _UNKNOWN
        self._over = threading.Event()
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="commits", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def known(self) -> int | None:
        """The counters' sum, when it is known without asking."""
        value, until = self._known
        return value if self._clock() < until else None

    def stop(self) -> None:
        """Know nothing any more, and let those who commit not wait for us."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(2 * BEAT)

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                self._listen()
            except psycopg.Error as error:
                self._say(error)
            finally:
                self._known = _UNKNOWN
            self._over.wait(RETRY)

    def _listen(self) -> None:
        with psycopg.connect(self._url, autocommit=True, connect_timeout=5, options=_OPTIONS, **_ALIVE) as connection:
            connection.execute(f"LISTEN {CHANNEL}")
            connection.execute(_FORGET, [self.name, FORGOTTEN])
            while not self._over.is_set():
                self._read(connection)
                for _ in connection.notifies(timeout=BEAT, stop_after=1):
                    pass
            self._known = _UNKNOWN
            with contextlib.suppress(psycopg.Error):
                connection.execute(_FORGET, [self.name, FORGOTTEN])

    def _read(self, connection: psycopg.Connection[Any]) -> None:
        """Read the counters and note that we did: what was known before is not used from then on."""
        self._known = _UNKNOWN
        began = self._clock()
        row = connection.execute(_NOTE, [self.name]).fetchone()
        if row is not None:
            self._known = row[0], began + LEASE
        if self._failing:
            self._failing = False
            _log.info("commits are heard of again")

    def _say(self, error: Exception) -> None:
        """Log the first of several failures in a row."""
        if not self._failing:
            self._failing = True
            reason = " ".join(str(error).split())
            _log.warning("commits can't be listened for (%s); each request asks for them", reason)
