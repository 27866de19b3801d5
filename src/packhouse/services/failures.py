# SPDX-License-Identifier: Apache-2.0
"""What a database says when the machine fails it, as a refusal of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DatabaseError, OperationalError

from packhouse.errors import Kind, PackhouseError, refuse

_FULL_STATES = frozenset({"53100"})  # PostgreSQL: disk_full
_BUSY_STATES = frozenset({"53300", "57014", "55P03"})  # too many connections, time-out, lock not available


def translated(error: DatabaseError) -> PackhouseError | None:
    """The refusal for a failure of disk or database; None for what is a fault of ours, or to be tried again."""
    if not isinstance(error, OperationalError):
        return None
    text, state = str(error).lower(), str(getattr(error.__cause__, "sqlstate", "") or "")
    if "is full" in text or state in _FULL_STATES:
        message = "There is no space left to record this; make room on the server and try again."
        return refuse(Kind.FULL, "storage-full", message)
    if "is locked" in text or state in _BUSY_STATES:
        message = "The database is busy; try again in a moment."
        busy = refuse(Kind.UNAVAILABLE, "database-busy", message)
        busy.retry_after = 2
        return busy
    if "disk i/o error" in text or "readonly database" in text or state.startswith(("08", "57P")):
        message = "The database can't be written to now; see the server's log and try again."
        return refuse(Kind.UNAVAILABLE, "storage-failed", message)
    return None


@contextmanager
def as_refusals() -> Iterator[None]:
    """Turn what the database says of disk and load into refusals."""
    try:
        yield
    except DatabaseError as error:
        refusal = translated(error)
        if refusal is None:
            raise
        raise refusal from error
