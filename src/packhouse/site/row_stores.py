# SPDX-License-Identifier: Apache-2.0
"""The rows of a house by its settings, and what is done with another house's in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from packhouse import config
from packhouse.config import Settings
from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.storage.rows import RowStore
from packhouse.storage.rows_sqlite import SqliteRows

_SCHEMAS = {"default": "catalogue", "activity": "activity"}


@contextmanager
def row_stores(settings: Settings) -> Iterator[dict[str, RowStore]]:
    """The rows of both databases, by alias. Raises UNAVAILABLE when they can't be reached."""
    opened: dict[str, RowStore] = {}
    try:
        for alias, schema in _SCHEMAS.items():
            opened[alias] = _open(settings, alias, schema)
        yield opened
    finally:
        for store in opened.values():
            store.close()


def _open(settings: Settings, alias: str, schema: str) -> RowStore:
    import psycopg

    from packhouse.storage.rows_postgresql import PostgresqlRows
    from packhouse.storage.sqlite import library

    try:
        if settings.on_postgresql:
            return PostgresqlRows(str(settings.database), schema)
        file = settings.catalogue_file if alias == "default" else settings.activity_file
        return SqliteRows(file)
    except (psycopg.Error, library.Error, OSError) as error:
        reason = " ".join(str(error).split())
        sentence = f"The database {shown(settings)} can't be opened ({reason}); see that it is there and lets us in."
        raise refuse(Kind.UNAVAILABLE, "database-unreadable", sentence) from error


def shown(settings: Settings) -> str:
    """A database as people are told of it: without password."""
    if not settings.on_postgresql:
        return str(settings.catalogue_file)
    address = str(settings.database)
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"


def storage_shown(settings: Settings) -> str:
    """Where files are, as people are told of it."""
    return str(settings.storage) if settings.has_bucket else str(settings.blobs_folder)


def in_child(settings: Settings, task: str) -> list[dict[str, Any]]:
    """Have a process of its own do something with another house: `tables` makes them, `verify` and `quick` look.

    Returns what it says. Raises what it is refused.
    """
    told = {"PACKHOUSE_DATA": str(settings.data), "PACKHOUSE_DATABASE": settings.database or ""}
    told["PACKHOUSE_STORAGE"] = settings.storage or ""
    done = subprocess.run(
        [sys.executable, "-m", "packhouse.site.row_stores", task],
        env={**os.environ, **told, "PACKHOUSE_FAULT": ""},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    refused = next((line for line in lines if "refused" in line), None)
    if refused is not None or done.returncode:
        sentence = refused["refused"] if refused else f"Looking at {shown(settings)} failed; see what it said above."
        raise refuse(Kind.UNAVAILABLE, "move-target-failed", sentence)
    return lines


def _child(task: str) -> None:
    from packhouse import bootstrap

    settings = config.load(data=Path(os.environ["PACKHOUSE_DATA"]))
    bootstrap.configure(settings)
    from packhouse.catalogue.migrating import migrate
    from packhouse.services.verifying import Survey, verify

    if task == "tables":
        migrate(settings)
        return
    for problem in verify(Survey(bootstrap.resources(settings), quick=task == "quick")):
        print(json.dumps({"code": problem.code, "sentence": problem.sentence}))  # noqa: T201 - to whom started it


if __name__ == "__main__":
    try:
        _child(sys.argv[1])
    except PackhouseError as refusal:
        print(json.dumps({"refused": refusal.faults[0].message}))  # noqa: T201 - to whom started it
