# SPDX-License-Identifier: Apache-2.0
"""Downloads of this process that are not written down yet: counted in memory, taken out in batches."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

from packhouse.domain.downloads import MAX_AGENT, read_agent

MOST = 200_000
"""Kinds of downloads that are held; while the database takes none and there are more, new kinds are not counted."""
DAY = 86_400

_agent_of = lru_cache(maxsize=512)(read_agent)


class Key(NamedTuple):
    """What is counted apart: `day` in days since 1970 (UTC), the index asked, the file, who installed it for what."""

    day: int
    index_name: str
    filename: str
    installer: str
    python: str


class Tally:
    """Counts by `Key`. Safe to use from several threads; no address is looked at or kept."""

    def __init__(self, clock: Callable[[], float] = time.time, most: int = MOST) -> None:
        """`clock` gives unix seconds; `most` bounds the keys that are held."""
        self._clock = clock
        self._most = most
        self._counts: dict[Key, int] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many kinds are held."""
        return len(self._counts)

    def count(self, index: str, filename: str, user_agent: str) -> None:
        """Count one download of a file that was there."""
        installer, python = _agent_of(user_agent[:MAX_AGENT])
        key = Key(int(self._clock()) // DAY, index, filename, installer, python)
        with self._lock:
            self._add(key, 1)

    def take(self) -> dict[Key, int]:
        """All that was counted; from now on it is the taker's."""
        with self._lock:
            taken, self._counts = self._counts, {}
        return taken

    def put_back(self, counts: Mapping[Key, int]) -> None:
        """Take back what could not be written down."""
        with self._lock:
            for key, count in counts.items():
                self._add(key, count)

    def _add(self, key: Key, count: int) -> None:
        if key in self._counts:
            self._counts[key] += count
        elif len(self._counts) < self._most:
            self._counts[key] = count


def is_download(method: str, filename: str, status: int, start: int) -> bool:
    """Whether an answer counts: a GET of a file, not of its metadata, whole or from its first byte on."""
    return method == "GET" and start == 0 and status in {200, 206} and not filename.endswith(".metadata")
