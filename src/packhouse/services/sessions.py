# SPDX-License-Identifier: Apache-2.0
"""Browser sessions of a person: which there are, and ending them. What changes an account's keys is journalled."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from packhouse.catalogue.activity.models import Session
from packhouse.catalogue.activity.sessions import stored_key
from packhouse.catalogue.models import User
from packhouse.services.journal import Actor, Clock, Entry, Fact, bump_access, record, take, write


@dataclass(frozen=True, slots=True)
class BrowserSession:
    """One session: an id that is worth nothing to a browser, where and when it began, when it was used."""

    id: str
    address: str
    agent: str
    started_at: datetime | None
    seen_at: datetime | None
    current: bool


def sessions_of(user: User, current_key: str | None, now: datetime) -> list[BrowserSession]:
    """The living sessions of a person, this one first, then the one used last."""
    rows = Session.objects.filter(account_id=user.pk, expire_date__gt=now)
    here = stored_key(current_key) if current_key else ""
    found = [
        BrowserSession(row.pk, row.address, row.agent, row.started_at, row.seen_at, row.pk == here) for row in rows
    ]
    return sorted(found, key=lambda one: (not one.current, -(one.seen_at.timestamp() if one.seen_at else 0)))


def end_session(user: User, session_id: str) -> None:
    """Sign one browser of this person out."""
    Session.objects.filter(account_id=user.pk, pk=session_id).delete()


def end_others(user: User, current_key: str | None) -> None:
    """Sign every browser of this person out, but for the one given."""
    rows = Session.objects.filter(account_id=user.pk)
    if current_key:
        rows = rows.exclude(pk=stored_key(current_key))
    rows.delete()


def note_key_change(kind: Fact, user: User, *, clock: Clock) -> None:
    """Journal that a password, address or second factor changed, and void what edges remember of the person."""
    with write():
        moment = take(1, clock)
        actor = Actor(user.pk, user.username, "web")
        record(moment, actor, [Entry(kind, detail={"user": user.username})])
        bump_access()
