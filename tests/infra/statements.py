# SPDX-License-Identifier: Apache-2.0
"""What a request asks of the two databases: how many statements, and how SQLite would answer each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from django.db import connections
from django.test.utils import CaptureQueriesContext

LARGE = frozenset(
    {
        "catalogue_project", "catalogue_release", "catalogue_file", "catalogue_filedescription", "catalogue_placement",
        "catalogue_role", "catalogue_yank", "catalogue_projectstatus", "catalogue_journalentry", "catalogue_page",
        "catalogue_user", "activity_searchdocument", "activity_searchclassifier",
    }
)  # fmt: skip
"""Tables that have a row for each project, file or journal entry."""
BROAD = frozenset({"(index_id=?)", "(index_name=?)"})
"""Conditions that nearly every row of a large table meets: to look for these alone is to read all of it."""
SMALL = frozenset({"restorations"})
"""Indexes of a large table that have few rows of it."""
ONCE = re.compile(r"(?:SCAN|SEARCH|BLOOM FILTER ON) (\S+)(.*)")


@dataclass(frozen=True)
class Statement:
    """A statement as it was sent, with its values in it."""

    alias: str
    sql: str


def statements(act: Callable[[], Any]) -> list[Statement]:
    """What is asked of the databases while something runs."""
    with ExitStack() as stack:
        captured = {
            alias: stack.enter_context(CaptureQueriesContext(connections[alias])) for alias in ("default", "activity")
        }
        act()
    return [
        Statement(alias, query["sql"])
        for alias, context in captured.items()
        for query in context.captured_queries
        if not re.match(r"(SAVEPOINT|RELEASE|ROLLBACK|BEGIN|COMMIT|PRAGMA)", query["sql"])
    ]


def whole_readings(statement: Statement) -> Iterator[str]:
    """The steps of SQLite's plan that read all of a large table; none in a statement that is fine."""
    words = statement.sql.lstrip().split(None, 1)[0].upper()
    if words not in {"SELECT", "UPDATE", "DELETE", "WITH"}:
        return
    names = _tables(statement.sql)
    with connections[statement.alias].cursor() as cursor:
        steps = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement.sql}").fetchall()
    for step in steps:
        found = ONCE.match(step[3])
        if found is None or names.get(found[1], found[1]) not in LARGE or found[2].endswith(tuple(SMALL)):
            continue
        # In the order of an index, for the first few rows, it ends early.
        whole = "B-TREE FOR ORDER BY" in str(steps) and re.search(r"LIMIT \d+\)", statement.sql) is None
        ordered = " INDEX " in found[2] or " WHERE " not in statement.sql
        early = ordered and " LIMIT " in statement.sql and not whole
        broad = (
            not found[0].startswith("SEARCH") or " AUTOMATIC " in found[2] or found[2].strip().endswith(tuple(BROAD))
        )
        if broad and not early:
            yield step[3]


def _tables(sql: str) -> dict[str, str]:
    """Tables by the names a statement gives them."""
    found = re.findall(r'(?:FROM|JOIN|UPDATE|INTO)\s+"?(\w+)"?(?:\s+(?:AS\s+)?"?(\w+)"?)?', sql, re.IGNORECASE)
    keywords = {"WHERE", "ON", "LEFT", "INNER", "JOIN", "SET", "ORDER", "LIMIT", "GROUP", "CROSS", "USING"}
    return {(alias if alias and alias.upper() not in keywords else table): table for table, alias in found}
