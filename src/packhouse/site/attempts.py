# SPDX-License-Identifier: Apache-2.0
"""Failed sign-ins: how many are taken before guessing gets slow, without locking anybody out.

Failures are counted per user name *and* where they come from: an address, or a browser that this person signed in with
before (a signed cookie). Over `SOFT` failures a wrong answer is met with 429, but a right password still works; over
`HARD` nothing more is tried from there for a while. Guessing one name from many addresses meets `SPREAD`, which
browsers known to the person and a password reset pass by.
"""

from __future__ import annotations

import hashlib
import secrets

from allauth.core.internal import ratelimit
from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

SOFT, HARD, SPREAD = "sign_in_soft", "sign_in_hard", "sign_in_spread"
RATES = {SOFT: "10/5m/key", HARD: "50/5m/key", SPREAD: "300/15m/key"}
RETRY_AFTER = 60
"""Seconds we tell people to wait."""

_APP = "packhouse"
_SALT = "packhouse.device"
_YEAR = 365 * 86400


class Attempt:
    """One sign-in being tried."""

    def __init__(self, request: HttpRequest, login: str, address: str) -> None:
        self._request = request
        self._name = login.strip().lower()
        self._device = known_device(request, self._name)
        self._where = f"device:{self._device}" if self._device else f"address:{address}"
        self._used: list[ratelimit.RateLimitUsage] = []
        self.suspicious = False

    def admitted(self) -> bool:
        """Count the attempt; whether it may be tried at all."""
        spread = True if self._device else self._count(SPREAD, self._name)
        tried = spread and self._count(HARD, f"{self._where}:{self._name}")
        self.suspicious = not (tried and self._count(SOFT, f"{self._where}:{self._name}"))
        return tried

    def succeeded(self) -> None:
        """Take the attempt off the count: only failures are counted."""
        for usage in self._used:
            usage.rollback()

    def forget(self) -> None:
        """Start anew, after a password reset."""
        self._clear(SPREAD, self._name)
        for action in (HARD, SOFT):
            self._clear(action, f"{self._where}:{self._name}")

    def _count(self, action: str, key: str) -> bool:
        usage = ratelimit.consume(self._request, app=_APP, action=action, config=RATES, key=_short(key))
        if usage is not None:
            self._used.append(usage)
        return usage is not None

    def _clear(self, action: str, key: str) -> None:
        ratelimit.clear(self._request, app=_APP, action=action, config=RATES, key=_short(key))


def _short(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def known_device(request: HttpRequest, login: str) -> str:
    """The mark of a browser with which this user name or address signed in before; "" for any other."""
    value = request.COOKIES.get(_cookie_name(), "")
    try:
        names, mark = signing.loads(value, salt=_SALT, max_age=_YEAR)
    except (signing.BadSignature, ValueError, TypeError):
        return ""
    return str(mark) if login in names else ""


def mark_device(response: HttpResponse, names: list[str]) -> None:
    """Remember the browser as one this person signs in with; the cookie signs nobody in."""
    value = signing.dumps([[name.lower() for name in names if name], secrets.token_urlsafe(12)], salt=_SALT)
    response.set_cookie(
        _cookie_name(),
        value,
        max_age=_YEAR,
        path="/",
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def _cookie_name() -> str:
    return f"{settings.SESSION_COOKIE_NAME}-device"
