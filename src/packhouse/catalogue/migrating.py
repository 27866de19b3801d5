# SPDX-License-Identifier: Apache-2.0
"""Bring the databases of a folder to this version, or refuse those of a newer one or broken ones.

What is known is read from the names of the migration files: importing all of them would cost more than the rest
of a start.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
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


def migrate(settings: Settings, hook: Hook = no_hook) -> bool:
    """Apply what is missing to both databases; say whether anything was. Raises PackhouseError as `check` does.

    Each migration is a transaction; a start that is killed between two goes on there next time.
    """
    if settings.on_postgresql:
        make_schemas(settings)
    for alias in () if settings.on_postgresql else ALIASES:
        demand_sound(settings, alias)
    missing = [alias for alias in ALIASES if check(settings, alias)]
    for alias in missing:
        call_command(_command(hook), database=alias, verbosity=0, interactive=False, skip_checks=True)
    for alias in ALIASES:
        write_statistics(alias)
    if not _has_cache_table():
        call_command("createcachetable", CACHE_TABLE, database="activity", verbosity=0)
    return bool(missing)


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
            sentence = f"The data folder {settings.data} is of an older version; run `packhouse serve` on it once."
            raise refuse(Kind.CONFLICT, "database-older", sentence)


def check(settings: Settings, alias: str) -> Migrations:
    """The migrations missing in a database; refuses one of a newer version and one that can't be read."""
    with _readable(settings, alias):
        applied = applied_migrations(alias)
    known = known_migrations()
    newer = sorted(applied - known)
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
