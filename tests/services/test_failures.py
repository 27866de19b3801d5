# SPDX-License-Identifier: Apache-2.0
"""A machine that fails: the disk is full, the database locked."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import DatabaseError, IntegrityError, OperationalError, connection, connections
from tests.infra import databases
from tests.infra.clock import TickingClock
from tests.infra.publishing import Press

from packhouse.catalogue.activity.sessions import SessionStore
from packhouse.catalogue.models import File, JournalEntry, Page
from packhouse.errors import Kind, PackhouseError
from packhouse.services import pages, releases
from packhouse.services.failures import translated
from packhouse.services.journal import COMMAND, HELD_SECONDS, write

pytestmark = pytest.mark.django_db


@contextmanager
def full_disk() -> Iterator[None]:
    """No page may be added to the file: what SQLite says then is what it says on a full disk."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA page_count")
        cursor.execute(f"PRAGMA max_page_count = {cursor.fetchone()[0]}")
        try:
            yield
        finally:
            cursor.execute("PRAGMA max_page_count = 1073741823")


sqlite_alone = pytest.mark.skipif(databases.wanted() != "sqlite", reason="made full by a pragma of SQLite")


@sqlite_alone
@pytest.mark.django_db(transaction=True)
def test_decision_11_a_full_disk_refuses_uploads_and_keeps_everything(press: Press) -> None:
    press.wheel("foo", "1.0")
    published = 1
    refusal = None
    with full_disk():
        while refusal is None and published < 200:
            try:
                press.wheel("foo", f"2.{published}", description="x" * 5000)
                published += 1
            except PackhouseError as error:
                refusal = error
    assert refusal is not None
    assert (refusal.kind, refusal.code) == (Kind.FULL, "storage-full")
    assert File.objects.count() == published
    assert JournalEntry.objects.filter(kind="file added").count() == published
    assert press.wheel("foo", "3.0").created


@sqlite_alone
@pytest.mark.django_db(transaction=True)
def test_decision_11_pages_are_given_that_cannot_be_stored(press: Press) -> None:
    for number in range(150):
        press.wheel("foo", f"1.{number}")
    Page.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")
    with full_disk():
        seen = [pages.read_page("main", project, kind) for project in ("foo", "") for kind in ("html", "json")]
    assert all(page is not None and page.body for page in seen)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OperationalError("database or disk is full"), Kind.FULL),
        (OperationalError("database is locked"), Kind.UNAVAILABLE),
        (OperationalError("disk I/O error"), Kind.UNAVAILABLE),
        (OperationalError("attempt to write a readonly database"), Kind.UNAVAILABLE),
        (OperationalError("no such table: x"), None),
        (IntegrityError("UNIQUE constraint failed"), None),
        (DatabaseError("database disk image is malformed"), Kind.UNAVAILABLE),
        (OSError(errno.ENOSPC, "No space left on device"), Kind.FULL),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), Kind.FULL),
        (OSError(errno.EIO, "Input/output error"), Kind.UNAVAILABLE),
        (OSError(errno.EROFS, "Read-only file system"), Kind.UNAVAILABLE),
        (OSError(errno.EMFILE, "Too many open files"), Kind.UNAVAILABLE),
        (OSError(errno.ENOENT, "No such file or directory"), None),
        (OSError("the client went away"), None),
    ],
)
def test_what_a_database_or_the_system_says(error: Exception, kind: Kind | None) -> None:
    refusal = translated(error)
    assert (None if refusal is None else refusal.kind) == kind


def test_nothing_is_swallowed_that_is_our_fault(press: Press, clock: TickingClock) -> None:
    press.wheel("foo", "1.0")
    assert releases.yank(COMMAND, "foo", "1.0", clock=clock)


@pytest.mark.skipif(databases.wanted() != "postgresql", reason="PostgreSQL ends it")
@pytest.mark.django_db(transaction=True)
def test_N5_a_transaction_that_stands_still_is_ended_and_told_as_a_database_that_is_away() -> None:
    def ask(statement: str) -> str:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return str(cursor.fetchone()[0]) if cursor.description else ""

    def stand_still() -> None:
        with write():
            ask("SET LOCAL idle_in_transaction_session_timeout = '50ms'")
            for _ in range(60):  # each question begins the time anew, and there is none in this second
                time.sleep(1)
                ask("SELECT 1")

    with write():
        assert ask("SHOW idle_in_transaction_session_timeout") == f"{HELD_SECONDS}s"
    assert ask("SHOW idle_in_transaction_session_timeout") == "0"
    with pytest.raises(PackhouseError) as caught:
        stand_still()
    assert (caught.value.kind, caught.value.code) == (Kind.UNAVAILABLE, "database-away")
    assert ask("SELECT 1") == "1"


@pytest.mark.skipif(databases.wanted() != "postgresql", reason="SQLite is never away")
@pytest.mark.django_db(transaction=True)
def test_N3_a_database_that_goes_away_while_a_session_is_saved_is_told_so() -> None:
    session = SessionStore()
    session.create()
    session["seen"] = "a page"
    activity = connections["activity"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [activity.connection.info.backend_pid])
    with pytest.raises(OperationalError) as caught:
        session.save()
    refusal = translated(caught.value)
    assert refusal is not None
    assert refusal.code == "database-away"
    activity.close()
