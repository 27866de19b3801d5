# SPDX-License-Identifier: Apache-2.0
"""Mails about what others did to somebody's things: made from the journal, so that a crash loses none.

Who did it is not written to. Something of before this follower was first there, or older than a day, is not told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from packhouse.catalogue.activity.models import JobPosition
from packhouse.catalogue.models import JournalEntry, Membership, User
from packhouse.domain.permissions import ORGANIZATION_ROLES, Action
from packhouse.services import mailing
from packhouse.services.disclosing import HOW
from packhouse.services.journal import Fact, last_serial
from packhouse.services.resources import Resources

FOLLOWER = "notices"
BATCH = 100
"""Journal entries told of at once."""
STALE = timedelta(days=1)
"""So old an entry is no news: the mail server was away for long."""

TOKENS = "/manage/account/token/"
ORGANIZATIONS = "/manage/organizations/"
RUNNERS = tuple(role.value for role in ORGANIZATION_ROLES[Action.RUN])


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
        by_themselves = {entry.actor.lower()} if entry.kind not in _EVEN_TO_ONESELF or entry.via == "web" else set()
        keys = {name.lower() for name in notice.to} - by_themselves
        people = User.objects.filter(username_key__in=keys).order_by("username")
        if entry.kind != Fact.USER_DISABLED:
            people = people.filter(is_active=True)
        page = f"\n\n{mailing.link(resources.settings, notice.page)}" if notice.page else ""
        mailing.send(resources.settings, people, notice.subject, notice.text + page)


_EVEN_TO_ONESELF = frozenset({Fact.TOKEN_ROTATED})
"""What a program with a person's token may do, so that the person is told of it."""


def by_whom(entry: JournalEntry) -> str:
    """Who did it, as people say it."""
    return f"by {entry.actor}" if entry.actor else "by an administrator of this server"


def _runners_of(name: str) -> tuple[str, ...]:
    """Who runs an organization."""
    held = Membership.objects.filter(organization__name_key=name.lower(), role__in=RUNNERS)
    return tuple(held.values_list("user__username", flat=True))


def _of_token(entry: JournalEntry) -> tuple[tuple[str, ...], str, str]:
    """Whom a token concerns, what they call it, and the page of it."""
    said = entry.detail
    if organization := said.get("organization"):
        page = f"/manage/organization/{organization}/tokens/"
        return _runners_of(organization), f"The API token {said['name']!r} of {organization}", page
    return (said["user"],), f"Your API token {said['name']!r}", TOKENS


def _token_deleted(entry: JournalEntry) -> list[Notice]:
    to, token, page = _of_token(entry)
    said = entry.detail
    text = f"{token} ({said['hint']}...) was revoked {by_whom(entry)}. Whatever used it is refused from now on."
    if said.get("how") == HOW:
        text = (
            f"{token} ({said['hint']}...) was found published, as {said['by']} reports, at\n\n{said['url']}\n\n"
            "It was revoked at once, and whatever used it is refused. Remove it there, make another token, and look"
            " whether anything was published that you don't know."
        )
    return [Notice(to, f"{token} was revoked", text, page)]


def _token_rotated(entry: JournalEntry) -> list[Notice]:
    to, token, page = _of_token(entry)
    whose = entry.detail.get("organization") or "yours"
    by = f"by a token of {whose}" if entry.via.startswith("token ") else by_whom(entry)
    text = f"{token} was given a new secret {by}; it begins with {entry.detail['hint']} now."
    return [Notice(to, f"{token} has a new secret", text, page)]


def _member_invited(entry: JournalEntry) -> list[Notice]:
    said = entry.detail
    text = (
        f"You are invited {by_whom(entry)} to be {said['role']} of the organization {said['organization']}. Accept or"
        " decline within 30 days, under your organizations. Without you nothing happens."
    )
    return [Notice((said["user"],), f"An invitation to {said['organization']}", text, ORGANIZATIONS)]


def _member_changed(entry: JournalEntry) -> list[Notice]:
    said = entry.detail
    words = {
        Fact.MEMBER_ADDED: f"You were made {said['role']} of the organization {said['organization']}",
        Fact.MEMBER_CHANGED: f"You are {said['role']} of the organization {said['organization']} now",
        Fact.MEMBER_REMOVED: f"You were taken out of the organization {said['organization']} and its teams",
    }[Fact(entry.kind)]
    return [Notice((said["user"],), words, f"{words}, {by_whom(entry)}.", ORGANIZATIONS)]


def _role_changed(entry: JournalEntry) -> list[Notice]:
    said = entry.detail
    words = (
        f"You are no longer {said['role']} of the project {entry.project}"
        if entry.kind == Fact.ROLE_REMOVED
        else f"You are {said['role']} of the project {entry.project} now"
    )
    return [Notice((said["user"],), words, f"{words}: this was done {by_whom(entry)}.", "/manage/projects/")]


def _transfer_offered(entry: JournalEntry) -> list[Notice]:
    to = entry.detail["to"]
    text = (
        f"The project {entry.project} is offered to {to} {by_whom(entry)}. Accept or decline within 14 days, under your"
        " projects. Without you nothing happens."
    )
    return [
        Notice((to, *_runners_of(to)), f"The project {entry.project} is offered to {to}", text, "/manage/projects/")
    ]


def _transfer_ended(entry: JournalEntry) -> list[Notice]:
    said = entry.detail
    if "offered_by" not in said:  # withdrawn by who offered it
        return []
    text = f"Your offer of the project {entry.project} to {said['to']} was {said['how']} {by_whom(entry)}."
    return [Notice((said["offered_by"],), f"The offer of {entry.project} was {said['how']}", text, "/manage/projects/")]


def _account_changed(entry: JournalEntry) -> list[Notice]:
    said = entry.detail
    words = {
        Fact.USER_DISABLED: "Your account was frozen",
        Fact.USER_ENABLED: "Your account is open again",
        Fact.USER_RECOVERED: "Your account was recovered",
        Fact.ADMIN_MADE: "You are an administrator now",
        Fact.ADMIN_UNMADE: "You are no longer an administrator",
    }[Fact(entry.kind)]
    text = f"{words}: this was done {by_whom(entry)}." + (
        f" The reason given: {said['reason']}" if "reason" in said else ""
    )
    if entry.kind != Fact.USER_RECOVERED:
        return [Notice((said["user"],), words, text)]
    text += f"\n\nWhat was done: {', '.join(said['steps'])}.\n\nSet a new password here:"
    return [Notice((said["user"],), words, text, "/account/reset/")]


_TOLD: dict[Fact, Callable[[JournalEntry], list[Notice]]] = {
    Fact.TOKEN_DELETED: _token_deleted,
    Fact.TOKEN_ROTATED: _token_rotated,
    Fact.USER_DISABLED: _account_changed,
    Fact.USER_ENABLED: _account_changed,
    Fact.USER_RECOVERED: _account_changed,
    Fact.ADMIN_MADE: _account_changed,
    Fact.ADMIN_UNMADE: _account_changed,
    Fact.MEMBER_INVITED: _member_invited,
    Fact.MEMBER_ADDED: _member_changed,
    Fact.MEMBER_CHANGED: _member_changed,
    Fact.MEMBER_REMOVED: _member_changed,
    Fact.ROLE_CHANGED: _role_changed,
    Fact.ROLE_REMOVED: _role_changed,
    Fact.TRANSFER_OFFERED: _transfer_offered,
    Fact.TRANSFER_ENDED: _transfer_ended,
}
"""What is told, and how."""
