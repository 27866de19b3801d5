# SPDX-License-Identifier: Apache-2.0
"""Mails about what others did to somebody's things: made from the journal, so that a crash loses none.

Who did it is not written to. Something of before this follower was first there, or older than a day, is not told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from packhouse.catalogue.activity.models import JobPosition
from packhouse.catalogue.models import JournalEntry, User
from packhouse.services import mailing
from packhouse.services.journal import Fact, last_serial
from packhouse.services.resources import Resources

FOLLOWER = "notices"
BATCH = 100
"""Journal entries told of at once."""
STALE = timedelta(days=1)
"""So old an entry is no news: the mail server was away for long."""

TOKENS = "/manage/account/token/"


@dataclass(frozen=True, slots=True)
class Notice:
    """A mail: to whom (user names), about what, with which words; `page` is where to go from there."""

    to: tuple[str, ...]
    subject: str
    text: str
    page: str = ""


def follow(resources: Resources) -> int:
    """Tell of one batch of entries; returns how many were looked at. Raises UnreachableError without a mail server."""
    newest = last_serial()
    position, made = JobPosition.objects.get_or_create(name=FOLLOWER, defaults={"serial": newest})
    if made or position.serial == newest:
        return 0
    since = min(position.serial, newest)  # an older catalogue may have been restored
    rows = JournalEntry.objects.filter(serial__gt=since, serial__lte=newest, kind__in=[fact.value for fact in _TOLD])
    entries = list(rows.order_by("serial")[:BATCH])
    for entry in entries:
        if resources.clock() - entry.at < STALE:
            _tell(resources, entry)
        _move(entry.serial)
    if len(entries) < BATCH:
        _move(newest)
    return len(entries)


def _move(serial: int) -> None:
    JobPosition.objects.filter(name=FOLLOWER).update(serial=serial)


def _tell(resources: Resources, entry: JournalEntry) -> None:
    for notice in _TOLD[Fact(entry.kind)](entry):
        keys = {name.lower() for name in notice.to} - {entry.actor.lower()}
        people = User.objects.filter(username_key__in=keys).order_by("username")
        page = f"\n\n{mailing.link(resources.settings, notice.page)}" if notice.page else ""
        mailing.send(resources.settings, people, notice.subject, notice.text + page)


def by_whom(entry: JournalEntry) -> str:
    """Who did it, as people say it."""
    return f"by {entry.actor}" if entry.actor else "by an administrator of this server"


def _token_deleted(entry: JournalEntry) -> list[Notice]:
    said = entry.detail
    token = f"{said['name']!r} ({said['hint']}...)"
    text = f"Your API token {token} was revoked {by_whom(entry)}. Whatever used it is refused from now on."
    return [Notice((said["user"],), f"Your API token {said['name']!r} was revoked", text, TOKENS)]


def _token_rotated(entry: JournalEntry) -> list[Notice]:
    said = entry.detail
    text = (
        f"Your API token {said['name']!r} was given a new secret {by_whom(entry)}; it begins with {said['hint']} now."
    )
    return [Notice((said["user"],), f"Your API token {said['name']!r} has a new secret", text, TOKENS)]


_TOLD: dict[Fact, Callable[[JournalEntry], list[Notice]]] = {
    Fact.TOKEN_DELETED: _token_deleted,
    Fact.TOKEN_ROTATED: _token_rotated,
}
"""What is told, and how."""
