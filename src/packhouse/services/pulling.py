# SPDX-License-Identifier: Apache-2.0
"""Pulling through: asking the upstreams of an index for a project's page when somebody asks us for it.

A name that is ours, was ours or is reserved never goes out. Of those who ask for the same page at once one asks, in
whatever process of whatever server; what it hears, that there is no such name too, it tells the others. What fails is
remembered for a while, so that a dead upstream costs nobody more than it must.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packhouse.catalogue.composition import owning_layer, upstreams_below
from packhouse.catalogue.models import Index, Upstream, UpstreamProject
from packhouse.catalogue.pulled import is_ours
from packhouse.errors import Fault, Kind, PackhouseError
from packhouse.services import leases, observing
from packhouse.services.doors import MOST_MISSES, TOLD_SECONDS, Door
from packhouse.services.journal import Clock
from packhouse.services.upstreams import is_reserved, reserved_names
from packhouse.upstream.errors import UnreachableError, UnusableError
from packhouse.upstream.pages import SECONDS, STALE_SECONDS, FoundPage, NoPage, PageAnswer, fetch_page

if TYPE_CHECKING:
    from packhouse.services.resources import Resources

_log = logging.getLogger(__name__)

LONGEST_PRETENCE = 1.0
"""Seconds at most by which the 404 for a private name is held back, so that it looks like any other."""
LONGEST_TOLD = 60.0
"""Seconds at most for which other servers are told that an upstream does not have a name."""
OFFLINE = "offline"
STRICT = "strict"


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
    with _alone(resources, f"{upstream.name}/{name}"):
        if _is_due(resources, upstream, name):
            _ask_for_all(resources, upstream, name)
    return _has(upstream, name)


def _ask_for_all(resources: Resources, upstream: Upstream, name: str) -> None:
    """Ask, or wait until another server on the same database has asked; it holds no row meanwhile that anybody needs.

    Raises as `_ask` does.
    """
    key = f"page/{_short(f'{upstream.pk}/{name}')}"
    turn = leases.turn(key, lambda: _is_due(resources, upstream, name), SECONDS + leases.SECONDS)
    if isinstance(turn, leases.Told):
        _hear(resources, upstream, name, turn.said)
    elif turn is not None:
        with turn:
            if not turn.is_shared or _is_due(resources, upstream, name):  # another may have asked a moment ago
                _ask_and_tell(resources, upstream, name, turn)


def _hear(resources: Resources, upstream: Upstream, name: str, said: dict[str, Any]) -> None:
    """Take another server's word for what an upstream said just now."""
    if "failed" in said:
        raise heard(said)
    resources.doors.unknown.keep((upstream.name, name), float(said.get("absent", 0.0)))


def _ask_and_tell(resources: Resources, upstream: Upstream, name: str, turn: leases.Lease) -> None:
    try:
        _ask(resources, upstream, name)
    except PackhouseError as error:
        tell_failure(turn, error)
        raise
    now = resources.clock().timestamp()
    until = resources.doors.unknown.until((upstream.name, name), now)
    if until is not None:
        turn.tell(min(LONGEST_TOLD, until - now), absent=until, lasts=True)


def tell_failure(turn: leases.Lease, error: PackhouseError) -> None:
    """Tell those who wait at other servers that an upstream failed; what failed here alone they find out themselves."""
    if error.kind is Kind.UPSTREAM:
        turn.tell(TOLD_SECONDS, failed=error.message, retry=error.retry_after)


def heard(said: dict[str, Any]) -> PackhouseError:
    """The failure of an upstream that another server told of."""
    return PackhouseError(Kind.UPSTREAM, Fault("upstream-failed", str(said["failed"])), retry_after=said.get("retry"))


def _short(text: str) -> str:
    """A name for something of whatever length."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


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
def _alone(resources: Resources, key: str) -> Iterator[None]:
    """One at a time, of all processes of this server."""
    with locked(resources.settings.data / "cache" / "asking" / _short(key)):
        yield


def once_for_all(
    resources: Resources, key: str, is_needed: Callable[[], bool], act: Callable[[], None], seconds: float
) -> None:
    """Do what takes at most so many seconds, if it is needed; of all who ask, at whatever server, one does it.

    Raises what `act` raises; those who waited for what an upstream did not give hear the same.
    """
    begun = time.monotonic()
    with _alone(resources, key):
        if not is_needed():
            return
        resources.doors.failures.demand_none(key, begun)
        try:
            _once_on_this_database(key, is_needed, act, seconds)
        except PackhouseError as error:
            if error.kind is Kind.UPSTREAM:
                resources.doors.failures.keep(key, error)
            raise


def _once_on_this_database(key: str, is_needed: Callable[[], bool], act: Callable[[], None], seconds: float) -> None:
    turn = leases.turn(key, is_needed, seconds + leases.SECONDS)
    if isinstance(turn, leases.Told):
        raise heard(turn.said)
    if turn is None:
        return
    with turn:
        if turn.is_shared and not is_needed():
            return
        try:
            act()
        except PackhouseError as error:
            tell_failure(turn, error)
            raise


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
