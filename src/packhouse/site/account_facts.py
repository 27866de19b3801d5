# SPDX-License-Identifier: Apache-2.0
"""What allauth did, as facts: journalled, and other sessions ended where the keys of an account changed."""

from __future__ import annotations

from typing import Any

import structlog
from allauth.account import signals as account
from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import get_authentication_records
from allauth.core import ratelimit
from allauth.mfa import signals as mfa
from allauth.mfa.models import Authenticator
from django.contrib.auth import signals as sign_in
from django.dispatch import receiver
from django.http import HttpRequest

from packhouse.services import second_factors, sessions
from packhouse.services.journal import Fact
from packhouse.services.resources import now

_log = structlog.stdlib.get_logger("packhouse.accounts")


@receiver(account.user_logged_in)
def signed_in(request: HttpRequest, user: Any, **kwargs: Any) -> None:
    """Somebody is in: logged with the ways they proved who they are."""
    ways = [str(one.get("method", "")) for one in get_authentication_records(request, user)]
    _log.info("signed in", user=user.get_username(), by=ways, client=_client(request))


@receiver(sign_in.user_login_failed)
def sign_in_failed(request: HttpRequest | None = None, **kwargs: Any) -> None:
    """Name and password did not belong together. The name isn't logged: it may be a password, typed too early."""
    _log.warning("sign-in failed", client=_client(request))


def _client(request: HttpRequest | None) -> str | None:
    return None if request is None else request.META.get("REMOTE_ADDR")


@receiver([account.password_changed, account.password_set, account.password_reset])
def password_changed(request: HttpRequest, user: Any, **kwargs: Any) -> None:
    """A new password ends every other session."""
    sessions.note_key_change(Fact.PASSWORD_CHANGED, user, clock=now)
    _end_others(request, user)


@receiver(account.email_confirmed)
def email_confirmed(request: HttpRequest, email_address: Any, **kwargs: Any) -> None:
    """An address that is proved lets its owner publish."""
    sessions.note_key_change(Fact.EMAIL_CONFIRMED, email_address.user, clock=now)


@receiver(account.email_changed)
def email_changed(request: HttpRequest, user: Any, **kwargs: Any) -> None:
    """Another address."""
    sessions.note_key_change(Fact.EMAIL_CHANGED, user, clock=now)


@receiver(mfa.authenticator_added)
def factor_added(request: HttpRequest, user: Any, **kwargs: Any) -> None:
    """A second factor ends every session that was opened without it."""
    sessions.note_key_change(Fact.SECOND_FACTOR_ADDED, user, clock=now)
    _end_others(request, user)


@receiver(mfa.authenticator_removed)
def factor_removed(request: HttpRequest, user: Any, **kwargs: Any) -> None:
    """A second factor less."""
    sessions.note_key_change(Fact.SECOND_FACTOR_REMOVED, user, clock=now)
    _end_others(request, user)


@receiver(mfa.authenticator_reset)
def codes_made(request: HttpRequest, user: Any, **kwargs: Any) -> None:
    """New recovery codes in place of the old ones."""
    second_factors.note(Fact.RECOVERY_CODES_MADE, user, clock=now)


@receiver(mfa.authenticator_used)
def factor_used(request: HttpRequest, user: Any, authenticator: Any, **kwargs: Any) -> None:
    """A recovery code is one for ever less: journalled, and its owner told."""
    if authenticator.type != Authenticator.Type.RECOVERY_CODES:
        return
    authenticator.refresh_from_db()
    left = len(authenticator.wrap().get_unused_codes())
    second_factors.note(Fact.RECOVERY_CODE_USED, user, clock=now, detail={"left": left})
    get_adapter(request).send_notification_mail("packhouse/email/recovery_code_used", user, {"left": left})


@receiver(mfa.authentication_failed)
def factor_failed(request: HttpRequest, user: Any, reauthentication: bool, **kwargs: Any) -> None:
    """Somebody who gave the right password tries codes: the owner is told after a few, once an hour."""
    _log.warning("second factor failed", user=user.get_username(), client=_client(request))
    key = f"second factor {user.pk}"
    if reauthentication or ratelimit.consume(request, action="factor_failed", key=key):
        return
    if ratelimit.consume(request, action="factor_notice", key=key):
        get_adapter(request).send_notification_mail("packhouse/email/second_factor_failed", user)


def _end_others(request: HttpRequest, user: Any) -> None:
    own = request.user.is_authenticated and request.user.pk == user.pk
    sessions.end_others(user, request.session.session_key if own else None)
