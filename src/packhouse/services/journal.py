# SPDX-License-Identifier: Apache-2.0
"""The journal: every fact established is one numbered entry.

`take` locks the counter row as the last step before the commit, so that the order of serials is the order of
commits and there are no gaps. Journal time never goes back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from threading import RLock, local
from typing import Any

from django.db import connection, transaction

from packhouse.catalogue.models import Counter, JournalEntry
from packhouse.catalogue.models import journal as journal_entries
from packhouse.catalogue.rows import fetch_one, insert, moment_in, moment_out, run, write_json
from packhouse.domain.moments import AsOf, read_moment
from packhouse.domain.permissions import Identity
from packhouse.errors import Kind, refuse
from packhouse.services.failures import as_refusals
from packhouse.services.hearing import wait_after_commit
from packhouse.storage.marks import EVERYTHING, Marks, names_of

Clock = Callable[[], datetime]

_writing = RLock()
"""One writer at a time in this process: SQLite's own waiting sleeps, and is not fair."""

HELD_SECONDS = 10
"""PostgreSQL ends a transaction in which nothing was asked for so long: a machine that stands still, or went without a
word, may hold what all writers on the others wait for."""


@contextmanager
def write() -> Iterator[None]:
    """One transaction on the catalogue; on SQLite the writers of a process queue up here.

    Raises PackhouseError (FULL, UNAVAILABLE) when disk or database fail it.
    """
    if connection.vendor == "sqlite":
        with as_refusals(), _writing, transaction.atomic():
            yield
    else:
        with as_refusals(), transaction.atomic():
            run(f"SET LOCAL idle_in_transaction_session_timeout = '{HELD_SECONDS}s'")
            yield
    if not connection.in_atomic_block:
        _tell()


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it, for the record; `via` is "token 12", "web" or "command"."""

    user_id: int | None = None
    username: str = ""
    via: str = ""

    @classmethod
    def of(cls, identity: Identity, via: str = "web") -> Actor:
        """The actor an identity is; a token speaks as itself."""
        through = f"token {identity.token_id}" if identity.token_id is not None else via
        return cls(identity.user_id, identity.username, through)


COMMAND = Actor(via="command")


class Fact(StrEnum):
    """The kinds of journal entries. Those about projects are what mirrors and feeds read."""

    PROJECT_CREATED = "project created"
    PROJECT_DELETED = "project deleted"
    PROJECT_STATUS = "project status set"
    RELEASE_NEW = "release new"
    RELEASE_DELETED = "release deleted"
    FILE_ADDED = "file added"
    FILE_DELETED = "file deleted"
    FILE_PLACED = "file placed"
    FILE_WITHDRAWN = "file withdrawn"
    FILE_PURGED = "file purged"
    FILE_YANKED = "file yanked"
    FILE_UNYANKED = "file unyanked"
    ROLE_ADDED = "role added"
    ROLE_CHANGED = "role changed"
    ROLE_REMOVED = "role removed"
    INVITATION_SENT = "invitation sent"
    INVITATION_ENDED = "invitation ended"
    INDEX_CREATED = "index created"
    INDEX_READ_SET = "index read set"
    INDEX_GRANTED = "index granted"
    INDEX_GRANT_ENDED = "index grant ended"
    INDEX_RULE_SET = "index rule set"
    INDEX_LAYERS_SET = "index layers set"
    SNAPSHOT_MADE = "snapshot made"
    SNAPSHOT_PROTECTED = "snapshot protected"
    SNAPSHOT_UNPROTECTED = "snapshot unprotected"
    SNAPSHOT_DELETED = "snapshot deleted"
    UPSTREAM_SET = "upstream set"
    UPSTREAM_PROJECT_KEPT = "upstream project kept"
    UPSTREAM_FILE_REFUSED = "upstream file refused"
    UPSTREAM_NAME_PERMITTED = "upstream name permitted"
    UPSTREAM_PERMIT_ENDED = "upstream permit ended"
    UPSTREAM_NAME_CLASHES = "upstream name clashes"
    MALWARE_LISTED = "malware list taken over"
    USER_CREATED = "user created"
    USER_DISABLED = "user disabled"
    USER_ENABLED = "user enabled"
    USER_RECOVERED = "user recovered"
    ADMIN_MADE = "administrator made"
    ADMIN_UNMADE = "administrator unmade"
    FLAG_SET = "flag set"
    REGISTRATION_SET = "registration set"
    SANDBOX_BANNER_SET = "sandbox banner set"
    ACCOUNT_INVITED = "account invitation made"
    ACCOUNT_INVITATION_USED = "account invitation used"
    ACCOUNT_INVITATION_WITHDRAWN = "account invitation withdrawn"
    GUEST_END_SET = "guest end set"
    GUEST_REMOVED = "guest removed"
    SANDBOX_WIPED = journal_entries.WIPED
    ADMIN_ADDED = "administrator added"
    ADMIN_REMOVED = "administrator removed"
    IDENTITY_JOINED = "identity joined"
    IDENTITY_PARTED = "identity parted"
    SIGN_IN_LINK_MADE = "sign-in link made"
    SIGN_IN_LINK_USED = "sign-in link used"
    ADMIN_CLAIMED = "administrator claimed"
    EMAIL_CONFIRMED = "e-mail confirmed"
    EMAIL_CHANGED = "e-mail changed"
    PASSWORD_CHANGED = "password changed"
    SECOND_FACTOR_ADDED = "second factor added"
    SECOND_FACTOR_REMOVED = "second factor removed"
    SECOND_FACTOR_RESET = "second factor reset"
    RECOVERY_CODES_MADE = "recovery codes made"
    RECOVERY_CODE_USED = "recovery code used"
    ORGANIZATION_CREATED = "organization created"
    ORGANIZATION_TITLE = "organization title set"
    ORGANIZATION_DELETED = "organization deleted"
    MEMBER_INVITED = "member invited"
    MEMBER_INVITATION_ENDED = "member invitation ended"
    MEMBER_ADDED = "member added"
    MEMBER_CHANGED = "member changed"
    MEMBER_REMOVED = "member removed"
    TEAM_CREATED = "team created"
    TEAM_DELETED = "team deleted"
    TEAM_MEMBER_ADDED = "team member added"
    TEAM_MEMBER_REMOVED = "team member removed"
    TEAM_ROLE_SET = "team role set"
    GROUP_MAPPED = "group mapped"
    GROUP_UNMAPPED = "group unmapped"
    TRANSFER_OFFERED = "transfer offered"
    TRANSFER_ENDED = "transfer ended"
    PROJECT_MOVED = "project moved"
    TOKEN_CREATED = "token created"
    TOKEN_ROTATED = "token rotated"
    TOKEN_DELETED = "token deleted"
    RESTORED = journal_entries.RESTORED
    BLOB_DAMAGED = "blob damaged"
    BLOB_MENDED = "blob mended"


PROJECT_FACTS = frozenset(
    fact for fact in Fact if fact.value.split()[0] in {"project", "release", "file"} or fact is Fact.ROLE_ADDED
)
"""What changelogs and feeds show."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A fact to record; names as in `JournalEntry`."""

    kind: Fact
    index: str = ""
    project: str = ""
    version: str = ""
    filename: str = ""
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Moment:
    """The serials taken (first to last) and the time they share."""

    first: int
    last: int
    at: datetime


SETTLES = timedelta(minutes=1)
"""How long after a moment no transaction can any longer be under way that took its time before it."""


@dataclass(frozen=True, slots=True)
class Past:
    """A past state, and whether it is certain that nothing is added to it any more."""

    as_of: AsOf
    settled: bool


_READ_COUNTER = "SELECT value, at FROM catalogue_counter WHERE name = 'serial'"
_LOCK_COUNTER = "SELECT value, at FROM catalogue_counter WHERE name = 'serial' FOR NO KEY UPDATE"


def take(count: int, clock: Clock) -> Moment:
    """Lock the counter and take `count` serials; what carries a serial is written after this, then commit."""
    wait_after_commit()
    value, stored = fetch_one(_READ_COUNTER if connection.vendor == "sqlite" else _LOCK_COUNTER)
    at = clock() if stored is None else max(clock(), moment_out(stored) + timedelta(microseconds=1))
    run("UPDATE catalogue_counter SET value = %s, at = %s WHERE name = 'serial'", value + count, moment_in(at))
    return Moment(value + 1, value + count, at)


_marks: list[Marks] = []


def mark_changes(marks: Marks) -> None:
    """Have the transactions of this process mark what they change, for a cache in front; said by bootstrap."""
    _marks[:] = [marks]


def _marked(entries: list[Entry]) -> set[str]:
    """What no cache may use from now on."""
    names = {name for entry in entries if entry.project for name in names_of(entry.project)}
    return names | {EVERYTHING for entry in entries if entry.index and not entry.project}


_told: list[Callable[[list[Entry]], None]] = []
_committed = local()
"""The entries that this thread has committed and not told yet, in `entries`."""


def tell_changes(*told: Callable[[list[Entry]], None]) -> None:
    """Have these told what each transaction of this process recorded, after the commit and outside of all locks."""
    _told[:] = told


def _tell() -> None:
    entries: list[Entry] = getattr(_committed, "entries", [])
    _committed.entries = []
    if entries:
        for told in _told:
            told(entries)


def _has_committed(entries: list[Entry]) -> None:
    _committed.entries = [*getattr(_committed, "entries", []), *entries]


def skip_to(serial: int, moment: Moment) -> Moment:
    """Instead of what was taken (one serial) take a later one; the gap before it has to be explained by its entry."""
    run("UPDATE catalogue_counter SET value = %s WHERE name = 'serial'", serial)
    return Moment(serial, serial, moment.at)


def record(moment: Moment, actor: Actor, entries: list[Entry]) -> None:
    """Write the entries under the serials of `moment`, in order; what they change is marked before it commits."""
    for marks in _marks:
        marks.mark(_marked(entries))
    if _told:
        transaction.on_commit(lambda: _has_committed(entries))
    for offset, entry in enumerate(entries):
        insert(
            "catalogue_journalentry",
            serial=moment.first + offset,
            at=moment_in(moment.at),
            kind=entry.kind.value,
            index_name=entry.index,
            project=entry.project,
            version=entry.version,
            filename=entry.filename,
            actor=actor.username,
            actor_id=actor.user_id,
            via=actor.via,
            detail=write_json(entry.detail),
        )


def bump_access() -> None:
    """Move the access generation: whatever an edge remembers about credentials is void from this commit on."""
    wait_after_commit()
    counter = Counter.objects.select_for_update(no_key=True).get(name="access")
    counter.value += 1
    counter.save(update_fields=["value"])


def moment_named(text: str, now: datetime) -> Past | None:
    """The past state that an address names; None when it is not over yet, so that it is as now.

    Raises INVALID: `moment-invalid` for what can't be read, `moment-unknown` for the future and for what was before
    the journal began.
    """
    named = read_moment(text)
    counter = Counter.objects.get(name="serial")
    if named.serial is not None:
        entry = JournalEntry.objects.filter(serial__lte=named.serial).order_by("-serial").first()
        if entry is None or named.serial > counter.value:
            message = f"There is no serial {named.serial} yet; serials go from 1 to {counter.value}."
            raise refuse(Kind.INVALID, "moment-unknown", message, "moment")
        return Past(AsOf(named.serial, entry.at), settled=True)
    first, last = named.first or now, named.last or now
    if first > now:
        message = f"The moment {text[:40]!r} is in the future; it is {now:%Y-%m-%dT%H:%M:%SZ} here."
        raise refuse(Kind.INVALID, "moment-unknown", message, "moment")
    if last >= now:
        return None
    entry = JournalEntry.objects.filter(at__lte=last).order_by("-at", "-serial").first()
    if entry is None:
        message = f"The moment {text[:40]!r} is before anything happened here; see the oldest entry of the journal."
        raise refuse(Kind.INVALID, "moment-unknown", message, "moment")
    settled = (counter.at is not None and counter.at > last) or now - last > SETTLES
    return Past(AsOf(entry.serial, last), settled=settled)


def last_serial() -> int:
    """The newest serial; 0 before the first entry."""
    return Counter.objects.values_list("value", flat=True).get(name="serial")
