# SPDX-License-Identifier: Apache-2.0
"""Pulling through: asking the upstreams of an index for a project's page when somebody asks us for it.

A name that is ours, was ours or is reserved never goes out. Of those who ask for the same page at once one asks, in
whatever process. What fails is remembered for a while, so that a dead upstream costs nobody more than it must.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from packhouse.catalogue.composition import owning_layer, upstreams_below
from packhouse.catalogue.models import Index, Upstream, UpstreamProject
from packhouse.catalogue.pulled import is_ours
from packhouse.domain.destinations import read_networks
from packhouse.domain.reach import Reach
from packhouse.errors import Fault, Kind, PackhouseError
from packhouse.services import observing
from packhouse.services.journal import Clock
from packhouse.services.upstreams import is_reserved, reach_of, reserved_names
from packhouse.upstream.asking import Asker
from packhouse.upstream.errors import UnreachableError, UnusableError
from packhouse.upstream.pages import SECONDS, STALE_SECONDS, FoundPage, NoPage, PageAnswer, fetch_page

if TYPE_CHECKING:
    from packhouse.services.resources import Resources

_log = logging.getLogger(__name__)

MOST_UNKNOWN = 20_000
"""Names remembered that an upstream does not have; those asked for least lately go first."""
MOST_MISSES = 600
"""Names nobody has that one client may make us ask an upstream for in a minute (hostile-240)."""
LONGEST_PRETENCE = 1.0
"""Seconds at most by which the 404 for a private name is held back, so that it looks like any other."""
RETRY = 5.0
"""Seconds after a failure in which a project is not asked for again; doubled with each further one."""
LONGEST_RETRY = 60.0
TRIPS = 3
"""Failures in a row, of whatever projects, after which only one request at a time is let through to an upstream."""
AT_ONCE = 24
"""Pages asked for at once: some of the origin's threads are always left for what is here."""
OFFLINE = "offline"
STRICT = "strict"


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


def goes_out(name: str) -> bool:
    """Whether upstreams may be asked about a name (normalized) at all."""
    return not is_ours(name) and not is_reserved(name, reserved_names())


def pull(resources: Resources, index_name: str, name: str, client: str = "") -> None:
    """Bring what is kept of a project (normalized) up to date, as far as an upstream of the index answers for it.

    `client` is the address of who asks; one who asks for too many names that nobody has is refused (TOO_MANY).
    Raises PackhouseError (UPSTREAM) when an upstream that should answer can't, and nothing older may be given.
    """
    index = Index.objects.filter(name=index_name).first()
    if index is None:
        return
    owner = owning_layer(index.pk, name)
    if owner is not None and owner.own:
        return
    wanted = [owner.upstream] if owner is not None else upstreams_below(index.pk)
    if not wanted:
        return
    if not goes_out(name):
        _pretend(resources, wanted[0], name)
        return
    now = resources.clock().timestamp()
    if owner is None and client and resources.doors.misses.are_too_many(client, now):
        message = f"More than {MOST_MISSES} unknown names were asked for from your address in a minute; wait."
        raise PackhouseError(Kind.TOO_MANY, Fault("names-too-many", message), retry_after=60)
    known = resources.doors.unknown.until((wanted[-1], name), now)
    for upstream in Upstream.objects.filter(name__in=wanted).order_by("pk") if len(wanted) == 1 else _in_order(wanted):
        if _pull_from(resources, upstream, name):
            return
    if known is None and owner is None:
        resources.doors.misses.add(client, now)


def _pretend(resources: Resources, upstream_name: str, name: str) -> None:
    """Take as long to say that there is no private name as it takes for any other (hostile-238)."""
    now = resources.clock().timestamp()
    key = (upstream_name, name)
    if resources.doors.unknown.until(key, now) is None:
        time.sleep(min(resources.doors.latency_of(upstream_name), LONGEST_PRETENCE))
        resources.doors.unknown.keep(key, now + resources.settings.upstream_negative_ttl)


def _in_order(names: list[str]) -> list[Upstream]:
    found = {upstream.name: upstream for upstream in Upstream.objects.filter(name__in=names)}
    return [found[name] for name in names if name in found]


def _pull_from(resources: Resources, upstream: Upstream, name: str) -> bool:
    """Ask one upstream unless that is not needed; whether it has the project."""
    if not _is_due(resources, upstream, name):
        return _has(upstream, name)
    with _alone(resources, upstream, name):
        if _is_due(resources, upstream, name):
            _ask(resources, upstream, name)
    return _has(upstream, name)


def _has(upstream: Upstream, name: str) -> bool:
    return UpstreamProject.objects.filter(upstream=upstream, name=name).exists()


def _is_due(resources: Resources, upstream: Upstream, name: str) -> bool:
    if upstream.mode == OFFLINE:
        return False
    now = resources.clock().timestamp()
    fresh = UpstreamProject.objects.filter(upstream=upstream, name=name).values_list("fresh_until", flat=True).first()
    if fresh is not None:
        return now >= fresh
    return resources.doors.unknown.until((upstream.name, name), now) is None


@contextmanager
def _alone(resources: Resources, upstream: Upstream, name: str) -> Iterator[None]:
    """One at a time asks an upstream for a project, of all processes of this server."""
    key = hashlib.sha256(f"{upstream.name}/{name}".encode()).hexdigest()[:32]
    folder = resources.settings.data / "cache" / "asking"
    with locked(folder / key):
        yield


@contextmanager
def locked(path: Path) -> Iterator[int]:
    """Hold a lock file, which is gone afterwards; its descriptor."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if is_at(descriptor, path):
                break
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
    try:
        yield descriptor
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file is still the one at a path."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _ask(resources: Resources, upstream: Upstream, name: str) -> None:
    project = UpstreamProject.objects.filter(upstream=upstream, name=name).first()
    door = resources.doors.to(upstream, resources.settings.outbound_allow)
    try:
        answer = _answer(door, name, project, resources.clock)
        observing.keep(resources, upstream, name, answer)
    except (UnreachableError, UnusableError, PackhouseError) as error:
        if isinstance(error, PackhouseError) and error.code != "upstream-page-invalid":
            raise
        _failed(resources, upstream, name, project, error)
    else:
        if isinstance(answer, NoPage) and project is None:
            until = resources.clock().timestamp() + observing.negative_ttl(resources, upstream)
            resources.doors.unknown.keep((upstream.name, name), until)


def _answer(door: Door, name: str, project: UpstreamProject | None, clock: Clock) -> PageAnswer:
    """What the upstream says; UnreachableError at once while it is left alone."""
    if door.breaker.is_open(clock().timestamp()):
        raise UnreachableError("it failed a moment ago, and is left alone")
    if not door.room.acquire(timeout=STALE_SECONDS):
        raise UnreachableError("too many pages are being asked for")
    try:
        begun = time.monotonic()
        seconds = SECONDS if project is None else STALE_SECONDS
        etag = "" if project is None else project.etag
        answer = fetch_page(door.asker, door.asker.reach.page_url(name), etag=etag, seconds=seconds)
    except UnreachableError as error:
        door.breaker.failed(clock().timestamp(), error.retry_after)
        raise
    finally:
        door.room.release()
    door.breaker.worked()
    if isinstance(answer, NoPage):
        door.latency = time.monotonic() - begun
    if isinstance(answer, FoundPage) and not answer.body:
        raise UnusableError("an empty page")
    return answer


def _failed(
    resources: Resources, upstream: Upstream, name: str, project: UpstreamProject | None, error: Exception
) -> None:
    """Go on with the older copy where there is one and it may be given; else say what happened."""
    words = str(error)[:200]
    _log.warning("upstream %s: %s: %s", upstream.name, name, words)
    retry = getattr(error, "retry_after", None)
    if project is not None:
        observing.failed(resources, project, words, retry)
        if upstream.mode != STRICT:
            return
    raise upstream_error(upstream, f"the page of {name!r}", words, retry)


def upstream_error(upstream: Upstream, what: str, words: str, retry: int | None = None) -> PackhouseError:
    """The refusal for what an upstream did not give."""
    message = f"The upstream {upstream.name!r} did not give {what}: {words}; try again later."
    return PackhouseError(Kind.UPSTREAM, Fault("upstream-failed", message), retry_after=retry)


def unknown_until(resources: Resources, index_name: str, name: str) -> float | None:
    """Until when (unix seconds) a 404 for a name may be repeated without asking; None where no upstream is asked."""
    index = Index.objects.filter(name=index_name).first()
    below = [] if index is None else upstreams_below(index.pk)
    if not below:
        return None
    now = resources.clock().timestamp()
    known = [resources.doors.unknown.until((upstream, name), now) for upstream in below]
    return min((until for until in known if until is not None), default=now + resources.settings.upstream_negative_ttl)
