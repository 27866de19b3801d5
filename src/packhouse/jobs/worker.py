# SPDX-License-Identifier: Apache-2.0
"""Workers: threads of the origin that follow the journal and keep the schedule.

There are several, so that a slow one (the scrub, a mail server that is away) holds up nothing else. Every process
that runs jobs has all of them, and a lock for each lets one work, of all servers on one database or of all processes
of one machine; when its process dies, the next one takes over. Jobs are idempotent: what was interrupted is done
again from the stored position. When each was begun last is in the database, so that it is begun once for each time.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cronsim import CronSim

from packhouse.storage.incoming import Hook, no_hook
from packhouse.storage.rows import MOVED
from packhouse.upstream.errors import UnreachableError

if TYPE_CHECKING:
    from packhouse.services.purging import Purging
    from packhouse.services.resources import Resources

_log = logging.getLogger(__name__)

POLL = 0.2
"""Seconds between two looks at the journal."""
IDLE = 2.0
"""Seconds between two attempts to become the one that works."""
SEARCH_REST = 2.0
"""Seconds between two readings of the journal for search, which reads on by itself whenever somebody searches."""
PAUSE = 5.0
"""Seconds to wait after something failed."""
_ADVISORY = 0x7061636B  # the key of PostgreSQL's advisory lock, where several machines share a database
_ADVISORY_SCRUB = _ADVISORY + 1
_ADVISORY_PURGE = _ADVISORY + 2
_ADVISORY_MAIL = _ADVISORY + 3
_ADVISORY_COMPLETE = _ADVISORY + 4
_ADVISORY_BACKUP = _ADVISORY + 5
LATE = timedelta(hours=1)
"""How late a sandbox may be wiped: later there may be people at work."""
MAIL_POLL = 1.0
"""Seconds between two looks for something to write to people about."""


@dataclass(frozen=True, slots=True)
class Job:
    """Something done at set times; `when` is a cron expression, in UTC."""

    name: str
    when: str
    run: Callable[[Resources], object]
    late: timedelta | None = None
    """How long after its time it is still done, when nobody worked then; None: however late."""

    def next_after(self, moment: datetime) -> datetime:
        """The first time after a moment at which it is due."""
        return next(CronSim(self.when, moment))


class Turns(Protocol):
    """Who remembers when jobs were begun last."""

    def last(self, name: str, never: datetime) -> datetime:
        """When a job was begun last; `never` is said of one that never was."""

    def claim(self, name: str, seen: datetime, now: datetime) -> bool:
        """Begin a job that was begun at `seen`; False when another has begun it since."""


class OwnTurns:
    """Remembers for this process alone, for jobs that concern this machine alone."""

    def last(self, _name: str, never: datetime) -> datetime:
        """See `Turns.last`."""
        return never

    def claim(self, _name: str, _seen: datetime, _now: datetime) -> bool:
        """See `Turns.claim`."""
        return True


class Schedule:
    """What is to be done when, as far as `turns` knows; a job never begun is counted from `since` on."""

    def __init__(self, jobs: Sequence[Job], turns: Turns, since: datetime) -> None:
        self._jobs = jobs
        self._since = since
        self._turns = turns
        self._known: dict[Job, tuple[datetime, datetime]] = {}  # begun last, to be begun next

    def forget(self) -> None:
        """Ask again when jobs were begun last: another may have worked meanwhile."""
        self._known.clear()

    def due(self, clock: Callable[[], datetime], stop: threading.Event) -> Iterator[Job]:
        """The jobs to be done now, each claimed."""
        for job in self._jobs:
            if stop.is_set():
                return
            now = clock()
            if job not in self._known:
                last = self._turns.last(job.name, self._since)
                self._known[job] = last, job.next_after(last)
            last, at = self._known[job]
            if at > now:
                continue
            del self._known[job]
            if self._turns.claim(job.name, last, now):
                self._known[job] = now, job.next_after(now)
                if job.late is None or now - at <= job.late:
                    yield job


class Following(Protocol):
    """What keeps something up to the journal."""

    def catch_up(self, stop: threading.Event) -> None:
        """Do what there is to do."""


class Follower:
    """Reads the journal when it has grown; `follow` reads one batch and returns how many entries that were.

    After it has read, it rests for `rest` seconds: of a project that is published to ten times meanwhile, what
    follows is made once.
    """

    def __init__(
        self, last: Callable[[], int], follow: Callable[[], int], hook: Hook = no_hook, *, rest: float = 0.0
    ) -> None:
        self._hook = hook
        self._rest = rest
        self._rested = 0.0  # on the monotonic clock
        self._last = last
        self._follow = follow
        self._seen = -1

    def catch_up(self, stop: threading.Event) -> None:
        """Read all there is to read, unless it rests."""
        if time.monotonic() < self._rested:
            return
        newest = self._last()
        if newest == self._seen:
            return
        self._hook("s14")
        while not stop.is_set() and self._follow():
            pass
        self._seen = newest
        self._rested = time.monotonic() + self._rest


class Worker:
    """Does the work of one server for as long as it holds the lock."""

    def __init__(
        self,
        resources: Resources,
        lock: Path,
        followers: Sequence[Following],
        jobs: Sequence[Job],
        *,
        advisory: int | None = _ADVISORY,
        poll: float = POLL,
        unreachable: str = "a server elsewhere did not answer",
    ) -> None:
        """`advisory` is the key of the lock in PostgreSQL (None: each machine has its worker), `poll` in seconds.

        `unreachable` is what the log says when somebody else's server is away.
        """
        self._unreachable = unreachable
        self._advisory = advisory
        self._poll = poll
        self._resources = resources
        self._lock = lock
        self._followers = followers
        turns = OwnTurns() if advisory is None else _shared_turns()
        self.jobs = tuple(jobs)
        self._schedule = Schedule(jobs, turns, resources.clock())
        self._works = False
        self._held: int | None = None

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop; what fails is logged and tried again."""
        pause = 0.0
        while not stop.wait(pause):
            try:
                pause = self._poll if self.turn(stop) else IDLE
            except UnreachableError as error:
                _log.warning("%s; it is tried again: %s", self._unreachable, error)
                self._close_connections()
                pause = PAUSE
            except Exception as error:  # noqa: BLE001 - whatever it is, the server goes on
                if MOVED in str(error):  # the start said so already
                    _log.debug("this house takes no writes: %s", error)
                else:
                    _log.exception("a job failed; it is tried again")
                self._close_connections()
                pause = PAUSE
        self.release()

    def turn(self, stop: threading.Event) -> bool:
        """One look at everything; False when another works."""
        before, self._works = self._works, self._take()
        if not self._works:
            return False
        if not before:
            self._schedule.forget()
        for follower in self._followers:
            follower.catch_up(stop)
        for job in self._schedule.due(self._resources.clock, stop):
            job.run(self._resources)
        return True

    def _take(self) -> bool:
        if self._held is None:
            descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return False
            self._held = descriptor
        return self._advisory is None or _alone_in_the_database(self._advisory)

    def release(self) -> None:
        """Let another work."""
        if self._held is not None:
            os.close(self._held)
            self._held = None
        self._close_connections()

    def _close_connections(self) -> None:
        from django.db import connections

        connections.close_all()


def _shared_turns() -> Turns:
    from packhouse.services import turns

    return turns


def _alone_in_the_database(key: int) -> bool:
    """On PostgreSQL: whether no other machine's worker works; the lock is the connection's, and ends with it."""
    from django.db import connections

    connection = connections["activity"]
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND granted"
            " AND pid = pg_backend_pid()",
            [key],
        )
        if cursor.fetchone() != (0,):
            return True
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [key])
        return bool(cursor.fetchone()[0])


def standard(resources: Resources) -> Worker:
    """The worker of a server: search follows the journal; what is left over is cleared."""
    from packhouse.services import (
        budget,
        downloads,
        guests,
        journal,
        leases,
        maintenance,
        search,
        totals,
        wiping,
    )

    jobs: tuple[Job, ...] = (
        Job("what is kept of upstreams", "*/5 * * * *", budget.keep_within),
        Job("leases of those who died", "*/10 * * * *", lambda _stock: leases.sweep()),
        Job("what has run out", "7 * * * *", lambda stock: maintenance.forget(stock.clock)),
        Job("reminders of guests", "23 * * * *", lambda stock: guests.remind(stock.clock)),
        Job("totals of a large server", "4,34 * * * *", lambda _stock: totals.count_again()),
        Job("downloads of other days", "3 * * * *", downloads.thin_out),
        Job("blobs nobody names", "17 3 * * *", maintenance.collect_garbage),
    )
    if resources.settings.sandbox == "on" and resources.settings.sandbox_wipe:
        jobs += (Job("wiping of the sandbox", resources.settings.sandbox_wipe, wiping.wipe_by_schedule, late=LATE),)
    followers = (Follower(journal.last_serial, search.follow, resources.hook, rest=SEARCH_REST),)
    return Worker(resources, resources.settings.data / "jobs.lock", followers, jobs)


def scrubber(resources: Resources) -> Worker:
    """The worker that reads every stored file again, and does nothing else."""
    from packhouse.services import scrubbing

    jobs = (Job("scrub", "* * * * *", scrubbing.step),)
    return Worker(resources, resources.settings.data / "scrub.lock", (), jobs, advisory=_ADVISORY_SCRUB, poll=IDLE)


def completer(resources: Resources) -> Worker:
    """The worker that fills in what upstreams leave out: one that is slow holds up nothing else."""
    from packhouse.services.completing import POLL as COMPLETING_POLL
    from packhouse.services.completing import Completing

    lock = resources.settings.data / "complete.lock"
    return Worker(resources, lock, (Completing(resources),), (), advisory=_ADVISORY_COMPLETE, poll=COMPLETING_POLL)


def housekeeper(resources: Resources) -> Worker:
    """The worker that looks after this machine's folder alone: there is one on each that shares a database."""
    from packhouse.services import copies, fetching, maintenance, restoring

    jobs = (
        Job("marks of changed pages", "* * * * *", maintenance.sweep_marks),
        Job("how far the journal is", "* * * * *", restoring.mark_high_water),
        Job("temporary files", "*/10 * * * *", lambda stock: stock.blobs.sweep()),
        Job("files begun and not gone on with", "*/10 * * * *", fetching.sweep),
        Job("copies of a bucket's files", "*/5 * * * *", copies.keep_within),
    )
    return Worker(resources, resources.settings.data / "machine.lock", (), jobs, advisory=None, poll=IDLE)


def refresher(resources: Resources) -> Worker:
    """The worker that keeps this machine's copies of large root pages close behind the journal."""
    from packhouse.services import roots

    followers = (roots.Refresher(resources.settings.data),)
    return Worker(resources, resources.settings.data / "roots.lock", followers, (), advisory=None)


def purger(resources: Resources, purging: Purging) -> Worker:
    """The worker that has the caches in front purged: one that doesn't answer holds up nothing else."""
    from packhouse.services import journal

    followers = (Follower(journal.last_serial, purging.follow),)
    lock, unreachable = resources.settings.data / "purge.lock", "a cache in front was not purged"
    return Worker(resources, lock, followers, (), advisory=_ADVISORY_PURGE, unreachable=unreachable)


def mailer(resources: Resources) -> Worker:
    """The worker that writes to people: a mail server that is away holds up nothing else."""
    from packhouse.services import journal, notices, reminding

    jobs = (Job("tokens that end soon", "*/10 * * * *", reminding.remind),)
    followers = (Follower(journal.last_serial, lambda: notices.follow(resources)),)
    lock, unreachable = resources.settings.data / "mail.lock", "a mail was not sent"
    return Worker(resources, lock, followers, jobs, advisory=_ADVISORY_MAIL, poll=MAIL_POLL, unreachable=unreachable)


def keeper(resources: Resources, address: str) -> Worker:
    """The worker that keeps a continuous backup; also what `packhouse backup --continuous` is."""
    from packhouse.services.following import EVERY, Following

    followers = (Following(resources, address),)
    lock, unreachable = resources.settings.data / "backup.lock", "the continuous backup is behind"
    return Worker(
        resources, lock, followers, (), advisory=_ADVISORY_BACKUP, poll=EVERY, unreachable=unreachable
    )  # fmt: skip


def start(resources: Resources, role: str = "all") -> threading.Event:
    """Start the threads of a role in this process; set the event that is returned to stop them.

    An `origin` looks after its own machine alone, a `worker` makes no copies of pages, since it sends none.
    """
    stop = threading.Event()
    workers = {"machine": housekeeper(resources)}
    if role != "worker":
        workers["roots"] = refresher(resources)
    if role != "origin":
        workers |= _of_all_servers(resources)
    for name, worker in workers.items():
        threading.Thread(target=worker.run, args=(stop,), name=name, daemon=True).start()
    return stop


def _of_all_servers(resources: Resources) -> dict[str, Worker]:
    """The workers of which one works for all servers on one database."""
    workers = {
        "jobs": standard(resources),
        "scrub": scrubber(resources),
        "mail": mailer(resources),
        "complete": completer(resources),
    }
    if resources.settings.backup:
        workers["backup"] = keeper(resources, resources.settings.backup)
    if resources.settings.purge:
        from packhouse.services.purging import Purging

        workers["purge"] = purger(resources, Purging(resources.settings))
    return workers
