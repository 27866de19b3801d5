# SPDX-License-Identifier: Apache-2.0
"""What the database or the system says when the machine fails us, as a refusal of ours."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DatabaseError, Error, InterfaceError, OperationalError, connection

from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.storage.rows import MOVED

_FULL_STATES = frozenset({"53100"})  # PostgreSQL: disk_full
_BUSY_STATES = frozenset({"53300", "57014", "55P03"})  # too many connections, time-out, lock not available


_FULL_NUMBERS = frozenset({errno.ENOSPC, errno.EDQUOT})
_SHORT_NUMBERS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
_DISK_NUMBERS = frozenset({errno.EIO, errno.EROFS})


def translated(error: Exception) -> PackhouseError | None:
    """The refusal for a failure of disk, database or system; None for a fault of ours, or what is to be tried again."""
    if isinstance(error, OSError):
        return _of_system(error)
    if isinstance(error, DatabaseError) and "malformed" in str(error).lower():
        message = "The database is damaged; see the server's log, and restore it from a backup."
        return refuse(Kind.UNAVAILABLE, "database-damaged", message)
    if isinstance(error, DatabaseError) and MOVED in str(error):
        message = "This server's data is on its way to another store; reading goes on, try again in a moment."
        moved = refuse(Kind.UNAVAILABLE, "server-moving", message)
        moved.retry_after = 10
        return moved
    if _is_gone(error):
        gone = refuse(Kind.UNAVAILABLE, "database-away", "The database does not answer now; try again in a moment.")
        gone.retry_after = 2
        return gone
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


def _is_gone(error: Exception) -> bool:
    """Whether the database's server went away: psycopg says no state for a connection that broke or was never made.

    Or ended what stood still (25P03), which psycopg does not count among what is operational.
    """
    cause = error.__cause__
    if isinstance(error, InterfaceError) or getattr(cause, "sqlstate", None) == "25P03":
        return True
    from_server = isinstance(error, OperationalError) and type(cause).__module__.startswith("psycopg")
    return from_server and (getattr(cause, "sqlstate", None) or "57P01")[:3] == "57P"


def _of_system(error: OSError) -> PackhouseError | None:
    if error.errno in _FULL_NUMBERS:
        return refuse(Kind.FULL, "storage-full", "There is no space left on the server; make room and try again.")
    if error.errno in _SHORT_NUMBERS:
        short = refuse(
            Kind.UNAVAILABLE, "server-short", "The server is short of files or memory; try again in a moment."
        )
        short.retry_after = 5
        return short
    if error.errno in _DISK_NUMBERS:
        message = "The disk can't be used now; see the server's log and try again."
        return refuse(Kind.UNAVAILABLE, "storage-failed", message)
    return None


@contextmanager
def as_refusals() -> Iterator[None]:
    """Turn what the database says of disk and load into refusals."""
    try:
        yield
    except Error as error:
        refusal = translated(error)
        if refusal is None:
            raise
        if refusal.code in {"storage-failed", "database-away"} and not connection.in_atomic_block:
            connection.close()  # what a connection knows of a disk that failed it is not to be trusted
        raise refusal from error
