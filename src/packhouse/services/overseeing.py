# SPDX-License-Identifier: Apache-2.0
"""What administrators do with accounts: freezing, recovering, ending what is open; with a reason, which is kept."""

from __future__ import annotations

from allauth.mfa.models import Authenticator

from packhouse.catalogue.models import Token, User
from packhouse.domain.permissions import Identity
from packhouse.errors import Kind, refuse
from packhouse.services import people, sessions
from packhouse.services.administering import as_administrator
from packhouse.services.journal import Actor, Clock, Entry, Fact, bump_access, record, take
from packhouse.services.tokens import end_tokens

MAX_REASON = 500
Asker = Identity | Actor


def freeze(asker: Asker, user: User, reason: str, *, clock: Clock) -> None:
    """Shut an account: no session or token of it is good from the commit on. Tokens come back when it is opened again.

    Raises CONFLICT for the last administrator.
    """
    why = _reason(reason)
    as_administrator(asker, lambda actor: people.disable_user(actor, user, reason=why, clock=clock), clock=clock)
    sessions.end_others(user, None)


def unfreeze(asker: Asker, user: User, reason: str, *, clock: Clock) -> None:
    """Open an account again."""
    why = _reason(reason)
    as_administrator(asker, lambda actor: people.enable_user(actor, user, reason=why, clock=clock), clock=clock)


def end_all(asker: Asker, user: User, reason: str, *, clock: Clock) -> int:
    """End every token of a person and sign them out everywhere; returns how many tokens there were."""
    why = _reason(reason)
    of = Token.objects.filter(user=user, organization=None)
    count = as_administrator(asker, lambda actor: end_tokens(actor, of, clock=clock, reason=why), clock=clock)
    sessions.end_others(user, None)
    return count


def recover(asker: Asker, user: User, reason: str, *, clock: Clock) -> list[str]:
    """Give an account back to whom it belongs, once they proved who they are; `reason` says how.

    Every token ends, second factors and the password go, sessions end, a frozen account is opened: what stays is the
    e-mail address, by which a new password is set. Returns the steps taken, which the journal keeps too.
    """
    why = _reason(reason)

    def act(actor: Actor) -> list[str]:
        living = User.objects.select_for_update(no_key=True).get(pk=user.pk)
        ended = end_tokens(actor, Token.objects.filter(user=living, organization=None), clock=clock, reason=why)
        factors, _ = Authenticator.objects.filter(user=living).delete()
        opened = not living.is_active
        living.is_active = True
        living.set_unusable_password()
        living.save(update_fields=["is_active", "password"])
        steps = [
            f"{ended} token{'' if ended == 1 else 's'} ended",
            f"{factors} second factor{'' if factors == 1 else 's'} removed",
            "password removed",
            "signed out everywhere",
            *(["account opened"] if opened else []),
        ]
        detail = {"user": living.username, "reason": why, "steps": steps}
        record(take(1, clock), actor, [Entry(Fact.USER_RECOVERED, detail=detail)])
        bump_access()
        return steps

    steps = as_administrator(asker, act, clock=clock)
    sessions.end_others(user, None)
    return steps


def set_administrator(asker: Asker, user: User, reason: str, *, admin: bool, clock: Clock) -> None:
    """Make somebody an administrator, or take that away; the last one stays. The same again changes nothing."""
    why = _reason(reason)

    def act(actor: Actor) -> None:
        living = User.objects.select_for_update(no_key=True).get(pk=user.pk)
        if living.is_admin == admin:
            return
        if not admin:
            people.demand_other_administrator(living)
        living.is_admin = admin
        living.save(update_fields=["is_admin"])
        kind = Fact.ADMIN_MADE if admin else Fact.ADMIN_UNMADE
        record(take(1, clock), actor, [Entry(kind, detail={"user": living.username, "reason": why})])
        bump_access()

    as_administrator(asker, act, clock=clock)


def _reason(text: str) -> str:
    why = " ".join(text.split())
    if not why or len(why) > MAX_REASON or not why.isprintable():
        message = f"The reason has {len(why)} characters, expected 1 to {MAX_REASON} printable ones; say why."
        raise refuse(Kind.INVALID, "reason-invalid", message, "reason")
    return why
