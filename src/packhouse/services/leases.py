# SPDX-License-Identifier: Apache-2.0
"""Of several servers on one database, one does what only one need do; the others wait for what it gets.

A lease is a row that ends `SECONDS` after it was last renewed, by the database's clock, so that a holder that died
keeps nobody waiting for longer. One thread, with one connection, renews all leases of a process and looks at those it
waits for, and has neither while there are none: nobody holds a connection for as long as a file takes. On SQLite there
is one machine, whose lock files say who does it: there every lease is given at once, and writes nothing.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from django.db import connections

from packhouse.catalogue.rows import read_json, write_json
from packhouse.services.failures import as_refusals

_log = logging.getLogger(__name__)

SECONDS = 4.0
"""Seconds after which a lease ends that nobody has renewed: its holder is dead, or can't reach the database."""
RENEWED = 1.0
"""Seconds between two renewals."""
TURN = 0.1
"""Seconds between two looks of those who wait."""
LOOK_SECONDS = 10.0
"""Seconds without a look after which those who wait try for themselves."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a row says: of one that is `held`, how far its holder is; else what the last holder told those who wait."""

    holder: str
    said: dict[str, Any]

    @property
    def held(self) -> bool:
        """Whether somebody is at it."""
        return bool(self.holder)


@dataclass(frozen=True, slots=True)
class Told:
    """What the last holder told those who waited, instead of what they wait for."""

    said: dict[str, Any]


@dataclass(slots=True)
class Lease:
    """A turn at something; as a context manager it ends with it. `wanted` is set once another server waits."""

    key: str
    holder: str
    wanted: threading.Event = field(default_factory=threading.Event)
    said: dict[str, Any] = field(default_factory=dict)
    unsaid: bool = False
    _told: tuple[dict[str, Any], float] | None = None

    @property
    def is_shared(self) -> bool:
        """Whether there may be others who wait at all."""
        return bool(self.holder)

    def say(self, **said: Any) -> None:
        """Let those who wait know how far it is; they do soon."""
        self.said, self.unsaid = said, True

    def tell(self, seconds: float, **said: Any) -> None:
        """When it ends, tell those who wait this; with `lasts=True` also whoever comes within so many seconds."""
        self._told = (said, seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.holder:
            _keeper.drop(self)
            self._end()

    def _end(self) -> None:
        if self._told is None:
            _run("DELETE FROM activity_lease WHERE key = %s AND holder = %s", self.key, self.holder)
            return
        said, seconds = self._told
        _run(_TELL, write_json(said), seconds, self.key, self.holder)


_TAKE = """
INSERT INTO activity_lease AS l (key, holder, ends_at, wanted, said)
VALUES (%s, %s, clock_timestamp() + %s * interval '1 second', FALSE, '{}')
ON CONFLICT (key) DO UPDATE
SET holder = excluded.holder, ends_at = excluded.ends_at, wanted = FALSE, said = excluded.said
WHERE l.ends_at <= clock_timestamp() OR (l.holder = '' AND NOT l.said ? 'lasts')
RETURNING holder"""
_TELL = """
UPDATE activity_lease SET holder = '', said = %s, ends_at = clock_timestamp() + %s * interval '1 second'
WHERE key = %s AND holder = %s"""
_RENEW = """
UPDATE activity_lease SET ends_at = clock_timestamp() + %s * interval '1 second'
WHERE key = ANY(%s) AND holder = ANY(%s) RETURNING holder, wanted"""
_SAY = "UPDATE activity_lease SET said = %s WHERE key = %s AND holder = %s"
_LOOK = "SELECT key, holder, said FROM activity_lease WHERE key = ANY(%s) AND ends_at > clock_timestamp()"
_WANT = "UPDATE activity_lease SET wanted = TRUE WHERE key = ANY(%s) AND NOT wanted AND holder <> ''"
_SWEEP = "DELETE FROM activity_lease WHERE ends_at < clock_timestamp() - interval '1 minute'"


def is_shared() -> bool:
    """Whether several servers may share the database."""
    return connections["activity"].vendor == "postgresql"


def _run(statement: str, *values: Any) -> list[Any]:
    with as_refusals(), connections["activity"].cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall()) if cursor.description else []


def take(key: str) -> Lease | None:
    """The lease, unless another has it, or has told what lasts; with this thread's connection."""
    if not is_shared():
        return Lease(key, "")
    lease = Lease(key, secrets.token_hex(16))
    if not _run(_TAKE, key, lease.holder, SECONDS):
        return None
    _keeper.add(lease)
    return lease


def turn(key: str, is_needed: Callable[[], bool], seconds: float) -> Lease | Told | None:
    """The lease as soon as nobody has it; None when it is not needed any more, `Told` when its last holder says why.

    After so many seconds of another's turn it is given all the same.
    """
    lease = take(key)
    if lease is not None:
        return lease
    until = time.monotonic() + seconds
    with watch(key) as watching:
        while time.monotonic() < until:
            standing = watching.look()
            if standing is not None and not standing.held:
                return Told(standing.said)
            if standing is None:
                if not is_needed():
                    return None
                lease = take(key)
                if lease is not None:
                    return lease
    return Lease(key, "")


def sweep() -> None:
    """Remove the rows of those who died."""
    if is_shared():
        _run(_SWEEP)


class Watch:
    """A look now and then at a lease of another."""

    def __init__(self, key: str, *, wants: bool) -> None:
        self.key = key
        self.wants = wants
        self._looked = threading.Condition()
        self._looks = self._seen = 0
        self._standing: Standing | None = None

    def look(self, seconds: float = LOOK_SECONDS) -> Standing | None:
        """The next look at it; None when nobody has it, or it could not be seen for so many seconds."""
        with self._looked:
            if not self._looked.wait_for(lambda: self._looks > self._seen, seconds):
                return None
            self._seen = self._looks
            return self._standing

    def saw(self, standing: Standing | None) -> None:
        """It was looked at."""
        with self._looked:
            self._looks += 1
            self._standing = standing
            self._looked.notify_all()


@contextmanager
def watch(key: str, *, wants: bool = False) -> Iterator[Watch]:
    """Look at a lease of another, as long as it lasts; `wants`: let its holder know that somebody waits."""
    watching = Watch(key, wants=wants)
    _keeper.add(watching)
    try:
        yield watching
    finally:
        _keeper.drop(watching)


class _Keeper:
    """The thread that renews the leases of this process and looks at those it waits for, while there are any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._leases: dict[int, Lease] = {}
        self._watches: dict[int, Watch] = {}
        self._runs = False

    def add(self, one: Lease | Watch) -> None:
        """See to it from now on."""
        with self._lock:
            if isinstance(one, Lease):
                self._leases[id(one)] = one
            else:
                self._watches[id(one)] = one
            if not self._runs:
                self._runs = True
                threading.Thread(target=self._run, name="leases", daemon=True).start()

    def drop(self, one: Lease | Watch) -> None:
        """It is over."""
        with self._lock:
            self._leases.pop(id(one), None)
            self._watches.pop(id(one), None)

    def _run(self) -> None:
        renewed = time.monotonic()
        while True:
            time.sleep(TURN)
            with self._lock:
                leases, watches = list(self._leases.values()), list(self._watches.values())
                if not leases and not watches:
                    self._runs = False
                    break
            due = time.monotonic() - renewed >= RENEWED
            renewed = time.monotonic() if due else renewed
            try:
                self._turn(leases, watches, due=due)
            except Exception as error:  # noqa: BLE001 - it is tried again; a lease that ends meanwhile costs a request
                _log.warning("leases can't be renewed: %s", type(error).__name__)
                connections.close_all()
        connections.close_all()

    def _turn(self, leases: list[Lease], watches: list[Watch], *, due: bool) -> None:
        for lease in leases:
            if lease.unsaid:
                lease.unsaid = False
                _run(_SAY, write_json(lease.said), lease.key, lease.holder)
        if leases and due:
            mine = {lease.holder: lease for lease in leases}
            for holder, wanted in _run(_RENEW, SECONDS, [lease.key for lease in leases], list(mine)):
                if wanted:
                    mine[holder].wanted.set()
        if watches:
            self._look(watches)

    def _look(self, watches: list[Watch]) -> None:
        wanted = [one.key for one in watches if one.wants]
        if wanted:
            _run(_WANT, wanted)
        rows = _run(_LOOK, [one.key for one in watches])
        found = {key: Standing(holder, read_json(said)) for key, holder, said in rows}
        for one in watches:
            one.saw(found.get(one.key))


_keeper = _Keeper()
