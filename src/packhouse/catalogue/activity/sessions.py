# SPDX-License-Identifier: Apache-2.0
"""Browser sessions in the database `activity`, under the hash of the cookie (Django's SESSION_ENGINE).

Django keeps the cookie's value itself as primary key; whoever reads a backup could then sign in with it.
"""

from __future__ import annotations

import base64
import hashlib
import logging
from datetime import timedelta
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.core.exceptions import SuspiciousOperation
from django.db import DatabaseError, InterfaceError, OperationalError, transaction
from django.utils import timezone

from packhouse.catalogue.activity.models import Session

_log = logging.getLogger(__name__)

SEEN_EVERY = timedelta(minutes=5)
"""How exactly it is known when a session was used last."""

STARTED = "packhouse_started"
"""Session entry: where and when somebody signed in (`address`, `agent`, `at`), whether for the first time (`first`)."""


def stored_key(session_key: str) -> str:
    """The primary key of a session: the sha256 of its cookie, base64url without padding."""
    digest = hashlib.sha256(session_key.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode("ascii").rstrip("=")


class SessionStore(DatabaseStore):
    """Django's database sessions, hashed at rest and named by account."""

    @classmethod
    def get_model_class(cls) -> Any:
        """The rows used."""
        return Session

    def exists(self, session_key: str) -> bool:
        """Whether a session with this cookie is kept."""
        return Session.objects.filter(session_key=stored_key(session_key)).exists()

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        """The row for this session."""
        started = data.get(STARTED, {})
        account = data.get(SESSION_KEY)
        return Session(
            session_key=stored_key(self._get_or_create_session_key()),  # type: ignore[attr-defined]
            session_data=self.encode(data),
            expire_date=self.get_expiry_date(),
            account_id=int(account) if account is not None else None,
            address=started.get("address", ""),
            agent=started.get("agent", ""),
            started_at=started.get("at"),
            seen_at=timezone.now(),
        )

    def save(self, must_create: bool = False) -> None:
        """Keep the session; a database that fails is no session that was ended meanwhile, as Django takes it for."""
        try:
            super().save(must_create)
        except UpdateError as error:
            failure = error.__context__
            if isinstance(failure, OperationalError | InterfaceError):
                raise failure from failure.__cause__  # which says whether the database went away
            raise

    def delete(self, session_key: str | None = None) -> None:
        """Forget a session; the cookie is worth nothing from now on."""
        key = session_key or self.session_key
        if key is not None:
            Session.objects.filter(session_key=stored_key(key)).delete()

    def _get_session_from_db(self) -> Session | None:
        try:
            row = Session.objects.get(session_key=stored_key(self.session_key or ""), expire_date__gt=timezone.now())
        except (Session.DoesNotExist, SuspiciousOperation):
            self._session_key = None
            return None
        _note_seen(row)
        return row


def _note_seen(row: Session) -> None:
    """Remember that a session somebody signed in to is used, every few minutes; a mark may be lost."""
    now = timezone.now()
    if row.account_id is None or (row.seen_at is not None and now - row.seen_at < SEEN_EVERY):
        return
    try:
        with transaction.atomic(using="activity"):
            Session.objects.filter(pk=row.pk).update(seen_at=now)
    except DatabaseError as error:
        _log.warning("use of a session not noted: %s", error)
