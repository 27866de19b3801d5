# SPDX-License-Identifier: Apache-2.0
"""What SQLite's planner is told of our tables: how many rows share a value, on a large server.

Without it the planner takes an index of three columns for the best there is even where all rows have the same first
one, and reads a million of them. These figures are written, never measured: so a plan is the same in a test, on the
first day and with five million files, and no server's queries get slow on the day it is analysed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import connections

Columns = tuple[str, ...]
Row = tuple[str, str, str]

STATISTICS: dict[str, dict[str, tuple[int, dict[Columns, tuple[int, ...]]]]] = {
    "default": {
        "catalogue_project": (
            886_000,
            {("name",): (1,), ("ultra_name",): (1,), ("created_serial",): (1,), ("serial",): (1,)},
        ),
        "catalogue_projectstatus": (5_000, {("project_id",): (1,)}),
        "catalogue_role": (
            1_000_000,
            {("project_id",): (2,), ("user_id",): (4,), ("project_id", "user_id"): (2, 1)},
        ),
        "catalogue_release": (
            3_000_000,
            {("project_id",): (4,), ("project_id", "canonical"): (4, 1), ("created_serial",): (1,)},
        ),
        "catalogue_file": (
            5_000_000,
            {
                ("filename",): (1,),
                ("filename_key",): (1,),
                ("sha256",): (1,),
                ("metadata_sha256",): (1,),
                ("release_id",): (2,),
                ("project_id",): (6,),
                ("uploaded_by_id",): (50,),
            },
        ),
        "catalogue_placement": (
            5_000_000,
            {
                ("index_id",): (1_000_000,),
                ("project_id",): (6,),
                ("file_id",): (1,),
                ("index_id", "file_id"): (1_000_000, 1),
                ("index_id", "project_id", "to_serial"): (1_000_000, 6, 6),
            },
        ),
        "catalogue_yank": (50_000, {("file_id",): (1,)}),
        "catalogue_journalentry": (
            10_000_000,
            {("serial",): (1,), ("at",): (5,), ("project", "serial"): (10, 1)},
        ),
        "catalogue_page": (1_000_000, {("index_name", "project", "kind"): (500_000, 2, 1)}),
    },
    "activity": {
        "activity_searchdocument": (
            886_000,
            {("index_name", "project"): (500_000, 1), ("index_name", "released_at"): (500_000, 1)},
        ),
        "activity_searchclassifier": (
            4_000_000,
            {("document_id",): (4,)},
        ),
    },
}
"""By database and table: rows, and for each index (by its columns) how many rows share its first 1, 2, ... columns."""


def write_statistics(alias: str) -> bool:
    """Tell the planner of a database, unless it knows; says whether anything was written. Not for PostgreSQL."""
    connection = connections[alias]
    if connection.vendor != "sqlite":
        return False
    with connection.cursor() as cursor:
        wanted = set(_rows(cursor, alias))
        if wanted <= _known(cursor):
            return False
        cursor.execute("ANALYZE django_migrations")  # makes the table
        for table in STATISTICS[alias]:
            cursor.execute("DELETE FROM sqlite_stat1 WHERE tbl = %s", [table])
        cursor.executemany("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (%s, %s, %s)", sorted(wanted))
        cursor.execute("ANALYZE sqlite_schema")  # this connection reads it now, others when they are opened
    return True


def _known(cursor: Any) -> set[Row]:
    cursor.execute("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat1'")
    if cursor.fetchone() is None:
        return set()
    cursor.execute("SELECT tbl, idx, stat FROM sqlite_stat1")
    return set(cursor.fetchall())


def _rows(cursor: Any, alias: str) -> Iterator[Row]:
    """The rows of `sqlite_stat1` for the indexes there are."""
    for table, (count, indexes) in STATISTICS[alias].items():
        cursor.execute(
            "SELECT l.name, i.name FROM pragma_index_list(%s) l JOIN pragma_index_info(l.name) i"
            " ORDER BY l.name, i.seqno",
            [table],
        )
        columns: dict[str, list[str]] = {}
        for index, column in cursor.fetchall():
            columns.setdefault(index, []).append(column)
        for index, names in columns.items():
            shares = indexes.get(tuple(names))
            if shares is not None:
                yield table, index, " ".join(str(number) for number in (count, *shares))
