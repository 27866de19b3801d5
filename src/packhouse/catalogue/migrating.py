# SPDX-License-Identifier: Apache-2.0
"""Bring the databases of a folder to this version, or refuse those of a newer one or broken ones.

What is known is read from the names of the migration files: importing all of them would cost more than the rest
of a start.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.management import call_command
from django.db import DatabaseError, OperationalError, connections

from packhouse.catalogue.statistics import write_statistics
from packhouse.config import Settings
from packhouse.errors import Kind, refuse
from packhouse.storage.incoming import Hook, no_hook

ALIASES = ("default", "activity")
SCHEMAS = ("catalogue", "activity")
CACHE_TABLE = "activity_cache"

Migrations = frozenset[tuple[str, str]]

_OURS = frozenset({"catalogue", "activity"})
_NARROWS = re.compile(r"\d{4}_contract_")
"""The names of our migrations that programs without them can't live with; beside all others they go on working."""

_log = logging.getLogger(__name__)


def migrate(settings: Settings, hook: Hook = no_hook) -> bool:
    """Apply what is missing to both databases; say whether anything was. Raises PackhouseError as `check` does.

    Each migration is a transaction; a start that is killed between two goes on there next time.
    """
    for alias in () if settings.on_postgresql else ALIASES:
        demand_sound(settings, alias)
    with _alone(settings):
        if settings.on_postgresql:
            make_schemas(settings)
        missing = [alias for alias in ALIASES if check(settings, alias)]
        for alias in missing:
            _apply(alias, hook)
        for alias in ALIASES:
            write_statistics(alias)
        if not _has_cache_table():
            call_command("createcachetable", CACHE_TABLE, database="activity", verbosity=0)
    return bool(missing)


_KEY = 0x7061636B + 64  # of the advisory lock; those before it are the jobs'
LOCK_SECONDS = 2
"""How long a migration waits for a table in PostgreSQL: whoever comes after it waits as long."""
LOCK_REST = 1.0
"""Seconds after which one that did not get its table is tried again."""
LOCK_TRIES = 300


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """On PostgreSQL: while one server migrates, others that start wait for it."""
    if not settings.on_postgresql:
        yield
        return
    with _readable(settings, "default"), connections["default"].cursor() as cursor:
        while not _try_lock(cursor):  # one that waited inside the database would hold up an index that is made online
            time.sleep(LOCK_REST / 2)
    try:
        yield
    finally:
        with suppress(DatabaseError), connections["default"].cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_KEY])


def _try_lock(cursor: Any) -> bool:
    cursor.execute("SELECT pg_try_advisory_lock(%s)", [_KEY])
    return bool(cursor.fetchone()[0])


def _apply(alias: str, hook: Hook) -> None:
    """Apply what is missing in a database.

    On PostgreSQL a migration waits only so long for a table that somebody reads, because all who come after it wait
    behind it; then it lets them by and tries again.
    """
    for tries in range(LOCK_TRIES, 0, -1):
        try:
            with _short_waits(alias):
                call_command(_command(hook), database=alias, verbosity=0, interactive=False, skip_checks=True)
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", "") != "55P03" or tries == 1:
                raise
            _log.warning("a migration waits for a table that is in use; it is tried again")
            time.sleep(LOCK_REST)
        else:
            return


@contextmanager
def _short_waits(alias: str) -> Iterator[None]:
    connection = connections[alias]
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, false)", [f"{LOCK_SECONDS}s"])
    try:
        yield
    finally:
        with suppress(DatabaseError), connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = DEFAULT")


CHECK_SECONDS = 0.3
"""Seconds of processor time that a start spends on looking for damage; `packhouse verify` looks at all."""


def demand_sound(settings: Settings, alias: str) -> None:
    """Refuse a SQLite database with damaged pages, as far as can be seen in `CHECK_SECONDS`: some 100 MB."""
    end = time.process_time() + CHECK_SECONDS
    connection = connections[alias]
    with _readable(settings, alias):
        connection.ensure_connection()
        connection.connection.set_progress_handler(lambda: time.process_time() > end, 1000)
        try:
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA quick_check(1)")
                (found,) = cursor.fetchone() or ("ok",)
        except OperationalError as error:
            if "interrupted" not in str(error):
                raise
            found = "ok"
        finally:
            connection.connection.set_progress_handler(None, 0)
    if found != "ok":
        what = " ".join(str(found).split())
        sentence = f"The {_name(settings, alias)} is damaged ({what[:200]}); restore it from a backup."
        raise refuse(Kind.INVALID, "database-damaged", sentence)


def _command(hook: Hook) -> Any:
    """Django's command `migrate`, that says `s16` before and after each migration."""
    from django.core.management.commands.migrate import Command

    class Migrate(Command):
        def migration_progress_callback(self, action: str, migration: Any = None, fake: bool = False) -> None:
            hook("s16")

    return Migrate()


def make_schemas(settings: Settings) -> None:
    """Make the schemas that stand for our two databases; a user who may not make them finds them made."""
    connection = connections["default"]
    with _readable(settings, "default"), connection.cursor() as cursor:
        cursor.execute("SELECT nspname FROM pg_namespace WHERE nspname = ANY(%s)", [list(SCHEMAS)])
        there = {name for (name,) in cursor.fetchall()}
        for schema in SCHEMAS:
            if schema not in there:
                cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {connection.ops.quote_name(schema)}")


def demand_current(settings: Settings) -> None:
    """Refuse databases of an older version, too: only the start of a server migrates."""
    for alias in ALIASES:
        if check(settings, alias):
            sentence = (
                f"The data folder {settings.data} is of an older version; run `packhouse migrate` or `packhouse serve`"
                " on it once."
            )
            raise refuse(Kind.CONFLICT, "database-older", sentence)


def narrows(app: str, name: str) -> bool:
    """Whether programs that don't know this migration must not use a database that has seen it.

    Ours only add (docs/adr/0025) unless their name says otherwise; those of libraries are not looked into.
    """
    return app not in _OURS or _NARROWS.match(name) is not None


def check(settings: Settings, alias: str) -> Migrations:
    """The migrations missing in a database; refuses one that a newer version has narrowed, or that can't be read."""
    with _readable(settings, alias):
        applied = applied_migrations(alias)
    known = known_migrations()
    newer = sorted(pair for pair in applied - known if narrows(*pair))
    if newer:
        app, name = newer[0]
        raise refuse(
            Kind.INVALID,
            "database-newer",
            f"The data folder {settings.data} was written by a newer version of Packhouse (it knows the migration"
            f" {app} {name}, this version does not); start that version or a later one.",
        )
    return known - applied


@contextmanager
def _readable(settings: Settings, alias: str) -> Iterator[None]:
    """Refuse a database that can't be read or reached, with the reason in one line."""
    try:
        yield
    except DatabaseError as error:
        reason, name = " ".join(str(error).split()), _name(settings, alias)
        cure = "see that it runs and lets us in" if settings.on_postgresql else "restore it from a backup"
        sentence = f"The {name} can't be read ({reason}); {cure}."
        raise refuse(Kind.INVALID, "database-unreadable", sentence) from error


def _name(settings: Settings, alias: str) -> str:
    if settings.on_postgresql:
        return "PostgreSQL database"
    return f"database {settings.catalogue_file if alias == 'default' else settings.activity_file}"


def applied_migrations(alias: str) -> Migrations:
    """The migrations a database has seen."""
    connection = connections[alias]
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        if "django_migrations" not in tables:
            return frozenset()
        cursor.execute("SELECT app, name FROM django_migrations")
        return frozenset((app, name) for app, name in cursor.fetchall())


@lru_cache(maxsize=1)
def known_migrations() -> Migrations:
    """Every migration of this version: pairs of an app and a name."""
    found: set[tuple[str, str]] = set()
    for app in apps.get_app_configs():
        folder = Path(app.path) / "migrations"
        found.update((app.label, file.stem) for file in folder.glob("*.py") if file.stem != "__init__")
    return frozenset(found)


def _has_cache_table() -> bool:
    connection = connections["activity"]
    with connection.cursor() as cursor:
        return CACHE_TABLE in connection.introspection.table_names(cursor)
