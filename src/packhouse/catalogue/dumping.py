# SPDX-License-Identifier: Apache-2.0
"""Copies of both databases as they were at one moment, and how they are put back.

SQLite: a file each (`VACUUM INTO`), with everything in it. PostgreSQL: the rows of each table as COPY writes them, out
of one transaction that sees one moment; the tables themselves are made again by the migrations. Pages are left out:
they are made again when somebody asks for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.db import connections

from packhouse.catalogue.migrating import SCHEMAS, applied_migrations, make_schemas
from packhouse.catalogue.snapshots import snapshot
from packhouse.config import Settings

Columns = dict[str, list[str]]
"""Of each dumped table (`catalogue.catalogue_file`) its columns, in the order of the dump."""

_LEFT_OUT = frozenset(
    {
        "catalogue.catalogue_page",
        "activity.activity_cache",
        "activity.activity_lease",
        "catalogue.django_migrations",
        "activity.django_migrations",
    }
)
_OF_SCHEMA = {"catalogue": "default", "activity": "activity"}


def migrations() -> dict[str, list[list[str]]]:
    """What was applied to each database: pairs of an app and a migration."""
    return {alias: sorted([app, name] for app, name in applied_migrations(alias)) for alias in ("default", "activity")}


def dump_sqlite(folder: Path) -> None:
    """Write `activity.db` and `catalogue.db` into a folder.

    The activity first: a position in the journal that it holds is then never beyond the journal's end.
    """
    for alias, name in (("activity", "activity.db"), ("default", "catalogue.db")):
        with connections[alias].cursor() as cursor:
            cursor.execute("VACUUM INTO %s", [str(folder / name)])


def dump_postgresql(folder: Path) -> Columns:
    """Write the rows of every table into a file of its own, all of one moment; returns the columns."""
    dumped: Columns = {}
    with snapshot(), connections["default"].cursor() as cursor:
        for table, columns in _tables(cursor).items():
            dumped[table] = columns
            with (folder / table).open("wb") as out, cursor.copy(f"COPY {_target(table, columns)} TO STDOUT") as rows:
                for chunk in rows:
                    out.write(chunk)
    return dumped


def _tables(cursor: Any) -> Columns:
    cursor.execute(
        """
        SELECT t.table_schema || '.' || t.table_name, array_agg(c.column_name::text ORDER BY c.ordinal_position)
        FROM information_schema.tables t
        JOIN information_schema.columns c ON c.table_schema = t.table_schema AND c.table_name = t.table_name
        WHERE t.table_schema = ANY(%s) AND t.table_type = 'BASE TABLE' AND c.is_generated = 'NEVER'
        GROUP BY 1 ORDER BY 1""",
        [list(SCHEMAS)],
    )
    return {
        table: columns
        for table, columns in cursor.fetchall()
        if table not in _LEFT_OUT and ".packhouse_" not in table  # what watches rows: see storage.rows
    }


def _target(table: str, columns: Iterable[str]) -> str:
    """A table and its columns, quoted."""
    quote = connections["default"].ops.quote_name
    return f"{'.'.join(map(quote, table.split('.')))} ({', '.join(map(quote, columns))})"


def is_empty_postgresql() -> bool:
    """Whether neither of our schemas holds a table."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM information_schema.tables WHERE table_schema = ANY(%s)", [list(SCHEMAS)])
        return bool(cursor.fetchone() == (0,))


def drop_tables() -> None:
    """Remove both schemas, after an attempt to fill an empty database."""
    with connections["default"].cursor() as cursor:
        cursor.execute("ROLLBACK")
        cursor.execute(f"DROP SCHEMA IF EXISTS {', '.join(SCHEMAS)} CASCADE")


def make_tables(settings: Settings, wanted: Mapping[str, list[list[str]]]) -> None:
    """Make the tables of an empty database as the version that was backed up had them."""
    if settings.on_postgresql:
        make_schemas(settings)
    for alias, pairs in wanted.items():
        newest: dict[str, str] = {}
        for app, name in pairs:
            newest[app] = max(name, newest.get(app, ""))
        for app, name in newest.items():
            call_command("migrate", app, name, database=alias, verbosity=0, interactive=False, skip_checks=True)


def load_postgresql(tables: Columns, files: Mapping[str, Path]) -> None:
    """Replace the rows of all tables by dumped ones, in one transaction. Foreign keys are looked at at its end."""
    connection = connections["default"]
    with connection.cursor() as cursor:
        known = _tables(cursor)
        cursor.execute("BEGIN")
        names = ", ".join(_target(table, columns).partition(" (")[0] for table, columns in known.items())
        cursor.execute(f"TRUNCATE {names} CASCADE")
        for table, path in files.items():
            columns = [column for column in tables[table] if column in known.get(table, ())]
            if len(columns) != len(tables[table]):
                cursor.execute("ROLLBACK")
                raise ValueError(f"the table {table} has other columns here")
            with path.open("rb") as rows, cursor.copy(f"COPY {_target(table, columns)} FROM STDIN") as into:
                while chunk := rows.read(1024 * 1024):
                    into.write(chunk)
        for table in files:
            _advance_ids(cursor, table)
        cursor.execute("COMMIT")


def _advance_ids(cursor: Any, table: str) -> None:
    """Let the numbers given to new rows go on after those that are there."""
    schema, _, name = table.partition(".")
    cursor.execute(
        """SELECT column_name FROM information_schema.columns
        WHERE table_schema = %s AND table_name = %s AND is_identity = 'YES'""",
        [schema, name],
    )
    for (column,) in cursor.fetchall():
        quoted = connections["default"].ops.quote_name(column)
        cursor.execute(
            f"SELECT setval(pg_get_serial_sequence(%s, %s), COALESCE(MAX({quoted}), 0) + 1, false)"  # noqa: S608
            f" FROM {_target(table, [column]).partition(' (')[0]}",
            [table, column],
        )


def files_of_rows(folder: Path) -> Iterator[tuple[str, Path]]:
    """The dumped tables in a folder, in the order of their names."""
    for path in sorted(folder.iterdir()):
        if path.name.partition(".")[0] in _OF_SCHEMA:
            yield path.name, path
