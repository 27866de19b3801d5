# SPDX-License-Identifier: Apache-2.0
"""Invitations to make an account: for one person, or a link that a class or team shares. Only hashes are kept."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from allauth.account.adapter import get_adapter
from django.db.models import F

from packhouse.catalogue.models import AccountInvitation, User
from packhouse.config import Settings
from packhouse.domain.addresses import own_origin
from packhouse.domain.permissions import Identity
from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.services import registering
from packhouse.services.administering import as_administrator
from packhouse.services.journal import Actor, Clock, Entry, Fact, record, take
from packhouse.services.people import check_email

MOST_USES = 10_000
LONGEST = timedelta(days=366)
"""How long an invitation may stand."""
LISTED = timedelta(days=30)
"""How long one that has ended is still listed."""
MAX_NOTE = 100


@dataclass(frozen=True, slots=True)
class Terms:
    """What an invitation is to be: for one address or for `limit` people, until when, and when its guests end."""

    expires_at: datetime
    email: str = ""
    limit: int = 1
    note: str = ""
    guest_until: datetime | None = None


def state_of(invitation: AccountInvitation, now: datetime) -> str:
    """`open`, or why it is not: `withdrawn`, `used up`, `expired`."""
    if invitation.withdrawn_at is not None:
        return "withdrawn"
    if invitation.used >= invitation.limit:
        return "used up"
    return "expired" if invitation.expires_at <= now else "open"


def invite(asker: Identity | Actor, terms: Terms, settings: Settings, *, clock: Clock) -> tuple[AccountInvitation, str]:
    """Make an invitation; returns its row and the link, which is not kept.

    Raises FORBIDDEN for anybody but an administrator, INVALID for terms that make no sense, CONFLICT where
    registration is closed or an account has the address.
    """
    if registering.in_force(settings).mode == "closed":
        message = "Registration is closed on this server, so an invitation would do nothing; open it first."
        raise refuse(Kind.CONFLICT, "registration-closed", message)
    secret = secrets.token_urlsafe(32)

    def make(actor: Actor) -> AccountInvitation:
        wanted = _judged(terms, clock())
        moment = take(1, clock)
        row = AccountInvitation.objects.create(
            digest=digest_of(secret),
            email=wanted.email,
            note=wanted.note,
            limit=wanted.limit,
            guest_until=wanted.guest_until,
            invited_by_id=actor.user_id,
            created_at=moment.at,
            expires_at=wanted.expires_at,
        )
        record(moment, actor, [_entry(Fact.ACCOUNT_INVITED, row)])
        return row

    row = as_administrator(asker, make, clock=clock)
    return row, f"{own_origin(settings)}/account/invitation/{secret}/"


def _judged(terms: Terms, now: datetime) -> Terms:
    """The terms as they are kept."""
    email = check_email(terms.email) if terms.email else ""
    limit = 1 if email else terms.limit
    if not 1 <= limit <= MOST_USES:
        message = f"The invitation is for {limit} people, expected 1 to {MOST_USES}; correct the number."
        raise refuse(Kind.INVALID, "invitation-limit", message, "limit")
    if not now < terms.expires_at <= now + LONGEST:
        message = (
            f"The invitation would end at {terms.expires_at:%Y-%m-%d %H:%M} UTC, expected a moment within"
            f" {LONGEST.days} days from now; choose another."
        )
        raise refuse(Kind.INVALID, "invitation-expiry", message, "expires")
    if terms.guest_until is not None and terms.guest_until <= now:
        message = (
            f"The guest accounts would end at {terms.guest_until:%Y-%m-%d %H:%M} UTC, which is past; choose later."
        )
        raise refuse(Kind.INVALID, "guest-end-past", message, "guest_until")
    note = " ".join(terms.note.split())
    if len(note) > MAX_NOTE or not note.isprintable():
        message = f"The note has {len(note)} characters, expected at most {MAX_NOTE} printable ones; shorten it."
        raise refuse(Kind.INVALID, "invitation-note", message, "note")
    ends = min(filter(None, (terms.expires_at, terms.guest_until)))
    return Terms(ends, email, limit, note, terms.guest_until)


def send(invitation: AccountInvitation, link: str) -> bool:
    """Mail the link to the invited address; False without one, or when the mail server is away: it stands anyhow."""
    if not invitation.email:
        return False
    facts = {
        "inviter": invitation.invited_by.username if invitation.invited_by else "An administrator",
        "link": link,
        "expires_at": invitation.expires_at,
        "guest_until": invitation.guest_until,
    }
    try:
        get_adapter().send_mail("account/email/account_invitation", invitation.email, facts)
    except PackhouseError:
        return False
    return True


def withdraw(asker: Identity | Actor, number: int, *, clock: Clock) -> AccountInvitation:
    """End an invitation, from the commit on; MISSING for one that is not open any more."""

    def end(actor: Actor) -> AccountInvitation:
        row = AccountInvitation.objects.select_for_update(no_key=True).filter(pk=number).first()
        if row is None or state_of(row, clock()) != "open":
            message = "There is no such open invitation; it was used up, withdrawn or ran out."
            raise refuse(Kind.MISSING, "invitation-missing", message)
        moment = take(1, clock)
        row.withdrawn_at = moment.at
        row.save(update_fields=["withdrawn_at"])
        record(moment, actor, [_entry(Fact.ACCOUNT_INVITATION_WITHDRAWN, row)])
        return row

    return as_administrator(asker, end, clock=clock)


def listed(now: datetime) -> list[AccountInvitation]:
    """Invitations that are open, and those that ended lately; the newest first."""
    rows = AccountInvitation.objects.filter(expires_at__gt=now - LISTED).select_related("invited_by")
    return list(rows.order_by("-pk")[:1000])


def open_invitation(digest: str, now: datetime) -> AccountInvitation | None:
    """The open invitation whose secret has this digest; None for "" and for one that has ended."""
    row = AccountInvitation.objects.select_related("invited_by").filter(digest=digest).first() if digest else None
    return row if row is not None and state_of(row, now) == "open" else None


def demand_open(secret: str, now: datetime) -> AccountInvitation:
    """The invitation of a link; raises MISSING for a link that is none of ours, GONE for one that has ended."""
    row = AccountInvitation.objects.filter(digest=digest_of(secret)).first()
    if row is None:
        message = "This invitation is not one of this server; copy the whole link, or ask for a new one."
        raise refuse(Kind.MISSING, "invitation-unknown", message)
    if (state := state_of(row, now)) != "open":
        raise _ended(state)
    return row


def _ended(state: str) -> PackhouseError:
    words = {"used up": "is used up", "withdrawn": "was withdrawn", "expired": "has run out"}[state]
    message = f"This invitation {words}; ask whoever sent it for a new one."
    return refuse(Kind.GONE, "invitation-ended", message)


def hold(digest: str, now: datetime) -> AccountInvitation:
    """Lock an open invitation, in the transaction that uses it; raises GONE when it has ended meanwhile."""
    row = AccountInvitation.objects.select_for_update(no_key=True).filter(digest=digest).first()
    if row is None or state_of(row, now) != "open":
        raise _ended("used up" if row is None else state_of(row, now))
    return row


def use(invitation: AccountInvitation, user: User, *, clock: Clock) -> None:
    """Count an invitation that is held as used by a new account, which is made a guest's if it says so."""
    AccountInvitation.objects.filter(pk=invitation.pk).update(used=F("used") + 1)
    if invitation.guest_until is not None:
        user.guest_until = invitation.guest_until
        user.save(update_fields=["guest_until"])
    moment = take(1, clock)
    entry = _entry(Fact.ACCOUNT_INVITATION_USED, invitation, user=user.username)
    record(moment, Actor(user.pk, user.username, "web"), [entry])


def digest_of(secret: str) -> str:
    """What is kept of an invitation's secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _entry(kind: Fact, row: AccountInvitation, **more: str) -> Entry:
    ends = None if row.guest_until is None else row.guest_until.isoformat()
    detail = {"invitation": row.pk, "note": row.note, "limit": row.limit, "guest_until": ends, **more}
    return Entry(kind, detail=detail)
