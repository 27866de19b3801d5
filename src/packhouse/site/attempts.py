# SPDX-License-Identifier: Apache-2.0
"""Failed sign-ins: how many are taken before guessing gets slow, without locking anybody out.

Failures are counted per user name *and* where they come from: an address, or a browser that this person signed in with
before (a signed cookie). Over `SOFT` failures a wrong answer is met with 429, but a right password still works; over
`HARD` nothing more is tried from there for a while. Guessing one name from many addresses meets `SPREAD`, which
browsers known to the person and a password reset pass by. Trying many names from one address meets `SPRAY`: from then
on attempts from there are taken one at a time with a pause before each, so that good credentials from a busy address
still get in.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from datetime import timedelta

from django.conf import settings
from django.core import signing
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from packhouse.catalogue.activity.models import SignInFailure

SHORT, LONG = timedelta(minutes=5), timedelta(minutes=15)
SOFT, HARD = 10, 50
"""Failures of one name from one place within `SHORT`."""
SPREAD = 300
"""Failures of one name from everywhere within `LONG`."""
SPRAY = 100
"""Failures from one address, whatever the names, within `SHORT`."""
PAUSE = 1.0
"""Seconds before each attempt of an address over `SPRAY`."""

_SALT = "packhouse.device"
_YEAR = 365 * 86400
_slow_lane = threading.Lock()
_counting = threading.Lock()
"""One writer at a time: SQLite's own waiting sleeps, and is not fair."""


class Attempt:
    """One sign-in being tried. It counts as a failure until `succeeded` says otherwise."""

    def __init__(self, request: HttpRequest, login: str, address: str) -> None:
        name = login.strip().lower()
        device = known_device(request, name)
        self._known = bool(device)
        self._name, self._place = _short(name), _short(f"device {device}" if device else f"address {address}")
        self._row: SignInFailure | None = None
        self.suspicious = False

    def admitted(self) -> bool:
        """Count the attempt; whether it may be tried at all. May wait for `PAUSE`."""
        with _counting, transaction.atomic(using="activity"):
            admitted, sprayed = self._judge()
            if admitted:
                self._row = SignInFailure.objects.create(name=self._name, place=self._place, at=timezone.now())
        return admitted and (not sprayed or _slowly())

    def _judge(self) -> tuple[bool, bool]:
        """Whether to admit the attempt, and whether its address tries many names; notes whether it is suspicious."""
        now = timezone.now()
        SignInFailure.objects.filter(at__lt=now - LONG).delete()
        spread = SignInFailure.objects.filter(name=self._name)
        here = SignInFailure.objects.filter(place=self._place, at__gt=now - SHORT)
        failures = here.filter(name=self._name).count()
        self.suspicious = failures >= SOFT
        admitted = failures < HARD and (self._known or spread.count() < SPREAD)
        return admitted, not self._known and here.count() >= SPRAY

    def succeeded(self) -> None:
        """Take the attempt off the count: only failures are counted."""
        if self._row is not None:
            self._row.delete()

    def forget(self) -> None:
        """Start anew, after a password reset."""
        SignInFailure.objects.filter(name=self._name).delete()


def _slowly() -> bool:
    """Wait for the pause, one attempt at a time; False at once when another one is waiting."""
    if not _slow_lane.acquire(blocking=False):
        return False
    try:
        time.sleep(PAUSE)
    finally:
        _slow_lane.release()
    return True


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
