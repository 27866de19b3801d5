# SPDX-License-Identifier: Apache-2.0
"""Single flight: of those who ask for the same thing that is not there, one asks the origin and the others wait."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable

from packhouse.domain.headers import Headers
from packhouse.edge.http import Reply
from packhouse.edge.responses import Watch


class Flights:
    """What is being asked of the origin, and who waits for it to be learnt."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, list[Callable[[], None]]] = {}
        self._lock = threading.Lock()

    def join(self, key: Hashable, again: Callable[[], None]) -> bool:
        """Wait for this flight, to be called `again` when it has landed; False: there was none, lead it."""
        with self._lock:
            waiting = self._waiting.get(key)
            if waiting is None:
                self._waiting[key] = []
                return False
            waiting.append(again)
            return True

    def land(self, key: Hashable) -> None:
        """End a flight and call those who waited."""
        with self._lock:
            waiting = self._waiting.pop(key, [])
        for again in waiting:
            again()


class Leading:
    """The watch of a flight's leader."""

    def __init__(self, flights: Flights, key: Hashable, watch: Watch) -> None:
        self._flights = flights
        self._key = key
        self._watch = watch
        self.takes_files = watch.takes_files

    def replaced(self, status: int, headers: Headers) -> Reply | None:
        """See `Watch.replaced`."""
        return self._watch.replaced(status, headers)

    def done(self) -> None:
        """See `Watch.done`."""
        self._flights.land(self._key)
        self._watch.done()
