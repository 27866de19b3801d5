# SPDX-License-Identifier: Apache-2.0
"""What allauth did, as facts: journalled, and other sessions ended where the keys of an account changed."""

from __future__ import annotations

from typing import Any

from allauth.account import signals as account
from allauth.mfa import signals as mfa
from django.dispatch import receiver
from django.http import HttpRequest

from packhouse.services import sessions
from packhouse.services.journal import Fact
from packhouse.services.resources import now


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


def _end_others(request: HttpRequest, user: Any) -> None:
    own = request.user.is_authenticated and request.user.pk == user.pk
    sessions.end_others(user, request.session.session_key if own else None)
