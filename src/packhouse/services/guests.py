# SPDX-License-Identifier: Apache-2.0
"""Guests: accounts that end at a set moment. From then on sign-in, sessions and tokens are refused; nothing is deleted.

The moment is compared wherever credentials are judged, so that no job has to come by; a mail reminds before it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from allauth.account.adapter import get_adapter

from packhouse.catalogue.models import User
from packhouse.domain.permissions import Identity
from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.services.administering import as_administrator
from packhouse.services.journal import Actor, Clock, Entry, Fact, bump_access, record, take

LEAD = timedelta(days=7)
"""How long before its end a guest is reminded; of an account that lasts no longer than that, `SHORT_LEAD`."""
SHORT_LEAD = timedelta(days=1)


def list_guests() -> list[User]:
    """All guests, those whose accounts end first before the others."""
    return list(User.objects.exclude(guest_until=None).order_by("guest_until", "username_key")[:5000])


def set_end(asker: Identity | Actor, user: User, until: datetime | None, *, clock: Clock) -> None:
    """Say when an account ends; None makes it an ordinary one. Raises FORBIDDEN, or INVALID for a moment that is past.

    An administrator's account can't end: CONFLICT.
    """

    def change(actor: Actor) -> None:
        row = User.objects.select_for_update(no_key=True).get(pk=user.pk)
        if until is not None and until <= clock():
            message = f"The account would end at {until:%Y-%m-%d %H:%M} UTC, which is past; choose a later moment."
            raise refuse(Kind.INVALID, "guest-end-past", message, "guest_until")
        if until is not None and row.is_admin:
            message = f"{row.username!r} is an administrator, whose account doesn't end; choose another account."
            raise refuse(Kind.CONFLICT, "guest-administrator", message)
        if row.guest_until == until:
            return
        moment = take(1, clock)
        before, row.guest_until, row.guest_reminded_at = row.guest_until, until, None
        row.save(update_fields=["guest_until", "guest_reminded_at"])
        detail = {"user": row.username, "until": _told(until), "before": _told(before)}
        record(moment, actor, [Entry(Fact.GUEST_END_SET, detail=detail)])
        bump_access()

    as_administrator(asker, change, clock=clock)


def remind(clock: Clock) -> int:
    """Mail guests whose accounts end soon, each once; returns how many were reminded."""
    now = clock()
    soon = User.objects.filter(guest_until__gt=now, guest_until__lte=now + LEAD, guest_reminded_at=None, is_active=True)
    due = [user for user in soon if user.email and _is_due(user, now)]
    return sum(_remind(user, now) for user in due)


def _is_due(user: User, now: datetime) -> bool:
    if user.guest_until is None:
        return False
    lasts = user.guest_until - user.date_joined
    if lasts <= SHORT_LEAD:
        return False
    return now >= user.guest_until - (LEAD if lasts > LEAD else SHORT_LEAD)


def _remind(user: User, now: datetime) -> bool:
    """Marked before it is sent: rather no reminder than one each hour."""
    User.objects.filter(pk=user.pk).update(guest_reminded_at=now)
    facts = {"username": user.username, "until": user.guest_until, "projects_url": ""}
    try:
        get_adapter().send_mail("account/email/guest_reminder", user.email, facts)
    except PackhouseError:
        return False
    return True


def _told(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
