# SPDX-License-Identifier: Apache-2.0
"""The ways to upstreams from this process, and what is remembered of them for a while.

Those are names that they don't have, failures, and who asked in vain. All of it is bounded, and for any number of
threads.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from packhouse.catalogue.models import Upstream
from packhouse.domain.destinations import read_networks
from packhouse.domain.reach import Reach
from packhouse.errors import PackhouseError
from packhouse.services.upstreams import reach_of
from packhouse.upstream.asking import Asker

MOST_UNKNOWN = 20_000
"""Names remembered that an upstream does not have; those asked for least lately go first."""
MOST_MISSES = 600
"""Names nobody has that one client may make us ask an upstream for in a minute (hostile-240)."""
MOST_FAILURES = 1000
MOST_SIZES = 10_000
RETRY = 5.0
"""Seconds after a failure in which a project is not asked for again; doubled with each further one."""
LONGEST_RETRY = 60.0
TRIPS = 3
"""Failures in a row, of whatever projects, after which only one request at a time is let through to an upstream."""
TOLD_SECONDS = 2.0
"""Seconds for which those who waited at other servers can hear that an upstream failed."""
AT_ONCE = 24
"""Pages asked for at once: some of the origin's threads are always left for what is here."""


class Unknown:
    """Names an upstream does not have, each until a moment (unix seconds); bounded. For any number of threads."""

    def __init__(self, most: int = MOST_UNKNOWN) -> None:
        self._most = most
        self._until: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, key: tuple[str, str], until: float) -> None:
        """Remember."""
        with self._lock:
            self._until[key] = until
            self._until.move_to_end(key)
            while len(self._until) > self._most:
                self._until.popitem(last=False)

    def until(self, key: tuple[str, str], now: float) -> float | None:
        """Until when it is known; None when it is not."""
        with self._lock:
            until = self._until.get(key)
            if until is not None and until <= now:
                del self._until[key]
                return None
            return until

    def __len__(self) -> int:
        return len(self._until)


class Misses:
    """How many names nobody has each client made us ask for in this minute; bounded. For any number of threads."""

    def __init__(self, most: int = MOST_MISSES) -> None:
        self._most = most
        self._minute = 0
        self._counts: dict[str, int] = {}
        self._lock = threading.Lock()

    def are_too_many(self, client: str, now: float) -> bool:
        """Whether a client has made us ask in vain often enough."""
        with self._lock:
            return self._minute == int(now // 60) and self._counts.get(client, 0) >= self._most

    def add(self, client: str, now: float) -> None:
        """An upstream was asked in vain for a client."""
        with self._lock:
            if self._minute != int(now // 60) or len(self._counts) > MOST_UNKNOWN:
                self._minute, self._counts = int(now // 60), {}
            self._counts[client] = self._counts.get(client, 0) + 1


class Sizes:
    """What HEAD said of files whose pages give no size, in bytes; never written down: it may lie. For any threads."""

    def __init__(self) -> None:
        self._sizes: dict[str, int] = {}
        self._lock = threading.Lock()

    def keep(self, address: str, size: int) -> None:
        """Remember."""
        with self._lock:
            if len(self._sizes) >= MOST_SIZES:
                self._sizes.clear()
            self._sizes[address] = size

    def of(self, address: str) -> int | None:
        """What was said; None when nothing was."""
        return self._sizes.get(address)


class Failures:
    """What failed while others waited for it, who are told the same; bounded. For any number of threads."""

    def __init__(self) -> None:
        self._failed: dict[str, tuple[float, PackhouseError]] = {}
        self._lock = threading.Lock()

    def keep(self, key: str, error: PackhouseError) -> None:
        """It failed just now."""
        with self._lock:
            if len(self._failed) >= MOST_FAILURES:
                self._failed.clear()
            self._failed[key] = (time.monotonic(), error)

    def demand_none(self, key: str, since: float) -> None:
        """Raise what it failed with since a moment (on the monotonic clock)."""
        with self._lock:
            at, error = self._failed.get(key, (0.0, None))
        if error is not None and at > since:
            raise PackhouseError(error.kind, *error.faults, retry_after=error.retry_after)


class Breaker:
    """What an upstream did lately: after failures in a row it is left alone for a while, then tried by one."""

    def __init__(self) -> None:
        self._failures = 0
        self._until = 0.0
        self._lock = threading.Lock()

    def is_open(self, now: float) -> bool:
        """Whether it is to be left alone now (unix seconds); of those who ask after the wait one is let through."""
        with self._lock:
            if now >= self._until and self._failures >= TRIPS:
                self._until = now + RETRY
                return False
            return now < self._until

    def worked(self) -> None:
        """It answered, whatever it said."""
        with self._lock:
            self._failures, self._until = 0, 0.0

    def failed(self, now: float, retry_after: int | None) -> None:
        """It did not answer, or said that it can't; it may have said for how long."""
        with self._lock:
            self._failures += 1
            wait = min(LONGEST_RETRY, RETRY * 2 ** min(self._failures - TRIPS, 5)) if self._failures >= TRIPS else 0.0
            self._until = max(self._until, now + max(wait, retry_after or 0))


@dataclass(slots=True)
class Door:
    """The way to one upstream, from this process."""

    asker: Asker
    breaker: Breaker = field(default_factory=Breaker)
    whole_only: float = 0.0
    """Until when (on the monotonic clock) it is taken to have no ranges."""
    latency: float = 0.0
    """Seconds it last took to say that it does not have a name."""
    room: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(AT_ONCE))


class Doors:
    """The ways to all upstreams, from this process; made when first used, made anew when an address changes."""

    def __init__(self) -> None:
        self._doors: dict[str, Door] = {}
        self._lock = threading.Lock()
        self.unknown = Unknown()
        self.misses = Misses()
        self.failures = Failures()
        self.sizes = Sizes()

    def to(self, upstream: Upstream, allowed: tuple[str, ...]) -> Door:
        """The way to an upstream; `allowed` are private networks that its links may lead to."""
        reach = reach_of(upstream)
        with self._lock:
            door = self._doors.get(upstream.name)
            if door is None or door.asker.reach != reach:
                door = self._doors[upstream.name] = Door(self._asker(reach, allowed))
            return door

    def _asker(self, reach: Reach, allowed: tuple[str, ...]) -> Asker:
        return Asker(reach, allowed=read_networks(allowed))

    def latency_of(self, upstream: str) -> float:
        """Seconds it last took an upstream to say that it does not have a name."""
        door = self._doors.get(upstream)
        return 0.0 if door is None else door.latency

    def close(self) -> None:
        """End all connections."""
        with self._lock:
            for door in self._doors.values():
                door.asker.close()
            self._doors.clear()
