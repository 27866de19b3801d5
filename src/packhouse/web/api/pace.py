# SPDX-License-Identifier: Apache-2.0
"""How often one token may ask the management API: counted in memory, by each process for itself."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from packhouse.errors import Fault, Kind, PackhouseError

PER_MINUTE = 600
"""Requests of one token to one process."""
_MINUTE = timedelta(minutes=1)


class Pace:
    """Counts by token and minute; forgets all when it grows beyond its bound."""

    BOUND = 10_000

    def __init__(self) -> None:
        self._counted: dict[int, tuple[datetime, int]] = {}
        self._lock = threading.Lock()

    def demand(self, token_id: int, now: datetime) -> None:
        """Count one request; raises TOO_MANY when the minute's are used up."""
        with self._lock:
            begun, count = self._counted.get(token_id, (now, 0))
            if not timedelta() <= now - begun < _MINUTE:
                begun, count = now, 0
            if len(self._counted) >= self.BOUND:
                self._counted.clear()
            self._counted[token_id] = (begun, count + 1)
        if count >= PER_MINUTE:
            wait = int((begun + _MINUTE - now).total_seconds()) + 1
            message = f"This token asked more than {PER_MINUTE} times a minute; wait {wait} s and go on."
            raise PackhouseError(Kind.TOO_MANY, Fault("requests-too-many", message), retry_after=wait)
