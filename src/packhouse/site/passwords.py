# SPDX-License-Identifier: Apache-2.0
"""Passwords: how they are hashed, how many hashes run at once, and what a password must be."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Any

import structlog
from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.core.exceptions import ValidationError

from packhouse.errors import Fault, Kind, PackhouseError
from packhouse.upstream.breaches import is_breached
from packhouse.upstream.errors import UnreachableError, UnusableError

_log = structlog.stdlib.get_logger(__name__)

MIN_LENGTH = 10
"""Characters of a password at least."""
MAX_BYTES = 1024
"""Bytes of a password (UTF-8) at most; up to here it is taken verbatim."""

_RUNNING = max(1, (os.cpu_count() or 1) // 2)
"""Hashes made at once by a worker: half of the cores stay free for those who sign in to nothing."""
_WAITING = 4
_PATIENCE = 5.0  # seconds

_running = BoundedSemaphore(_RUNNING)
_admitted = BoundedSemaphore(_RUNNING + _WAITING)


@contextmanager
def _turn() -> Iterator[None]:
    """Wait for one of the few places where hashes are made; a flood is turned away, so that threads stay free."""
    if not _admitted.acquire(blocking=False):
        raise _busy()
    try:
        if not _running.acquire(timeout=_PATIENCE):
            raise _busy()
        try:
            yield
        finally:
            _running.release()
    finally:
        _admitted.release()


def _busy() -> PackhouseError:
    fault = Fault("sign-in-busy", "Too many people are signing in at this moment; try again in a few seconds.")
    return PackhouseError(Kind.UNAVAILABLE, fault, retry_after=2)


class Argon2(Argon2PasswordHasher):
    """Argon2id with the memory and time OWASP names (19 MiB, 2 passes, 1 lane), a few at a time."""

    time_cost = 2
    memory_cost = 19 * 1024
    parallelism = 1

    def encode(self, password: str, salt: str) -> Any:
        """Hash a password, in turn."""
        with _turn():
            return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        """Compare a password with its hash, in turn."""
        with _turn():
            return bool(super().verify(password, encoded))


class BreachedPasswordValidator:
    """Refuses a password that a service of leaked passwords knows, where the administrator named one.

    A service that does not answer keeps nobody from a password: the bundled list was asked before.
    """

    def validate(self, password: str, user: object = None) -> None:
        """Raise ValidationError when the password has leaked."""
        service = settings.PACKHOUSE.breached_passwords
        if not service or too_long(password):
            return
        try:
            found = is_breached(service, password)
        except (UnreachableError, UnusableError) as error:
            _log.warning("leaked passwords not asked about", reason=str(error))
            return
        if found:
            raise ValidationError(_LEAKED, code="password_breached")

    def get_help_text(self) -> str:
        """What the form says; nothing, nobody asks for it."""
        return ""


_LEAKED = "This password stands in lists that leaked from other places, which guessers try first; choose another."


class MaximumBytesValidator:
    """Refuses a password of more than `MAX_BYTES` bytes."""

    def validate(self, password: str, user: object = None) -> None:
        """Raise ValidationError when the password is too long."""
        if too_long(password):
            raise ValidationError(f"A password may have at most {MAX_BYTES} bytes.", code="password_too_long")

    def get_help_text(self) -> str:
        """What the form says; nothing, nobody asks for it."""
        return ""


def too_long(password: str) -> bool:
    """Whether a password has more bytes than any account's can have."""
    return len(password.encode("utf-8", "surrogatepass")) > MAX_BYTES
