# SPDX-License-Identifier: Apache-2.0
"""Fill the data folder of a server that is not running with as many projects as wanted, as rows, without wheels.

    python -m benchmarks.load_catalogue --data FOLDER --projects 886000 --names NAMES.tsv --thin 0.25

NAMES.tsv has a heading with the columns name, month and summary; without it, and beyond its end, names are made up.
What it leaves is a consistent catalogue, search documents included. The files have no bytes: all but their download
works. The accounts have no password; `packhouse token create prolific` makes a token of the one who has 1,000 projects.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.plenty import LARGEST, Plenty, PlentyFile, metadata_of, plenty, releases
from packhouse.bootstrap import prepare
from packhouse.config import load as read_settings
from packhouse.domain.names import ultranormalize
from packhouse.domain.searching import classifier_mark, grams, index_mark, spellings

BATCH = 5_000
STEP = timedelta(seconds=20)
"""Journal time between two projects."""
MANY = "prolific"
Row = tuple[Any, ...]
TABLES = {
    "catalogue_project": "id name ultra_name display_name created_at created_serial deleted_serial serial modified",
    "catalogue_role": "id project_id user_id role since",
    "catalogue_release": "id project_id version canonical created_at created_serial",
    "catalogue_file": (
        "id release_id project_id filename filename_key packagetype python_version sha256 blake2b_256 md5 size"
        " requires_python metadata_sha256 metadata_served metadata warnings uploaded_at uploaded_by_id uploaded_with"
        " serial purged_serial"
    ),
    "catalogue_filedescription": "file_id content_type text html",
    "catalogue_placement": "id index_id project_id file_id from_serial to_serial",
    "catalogue_journalentry": "serial at kind index_name project version filename actor actor_id via detail",
    "activity_searchdocument": (
        "id index_name project display_name version released_at name grams marks summary keywords description"
    ),
    "activity_searchclassifier": "id document_id classifier",
}


class Store:
    """One of the two databases, filled in batches."""

    def __init__(self, alias: str) -> None:
        from django.db import connections

        self._connection = connections[alias]
        self._sqlite = self._connection.vendor == "sqlite"

    def run(self, statement: str, *values: Any) -> list[Row]:
        """Run a statement; its rows."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return list(cursor.fetchall()) if cursor.description else []

    def begin(self) -> None:
        """Give up durability: who loads loads again after a crash."""
        if self._sqlite:
            for pragma in ("synchronous = OFF", "cache_size = -1500000", "foreign_keys = OFF", "temp_store = FILE"):
                self.run(f"PRAGMA {pragma}")

    def add(self, table: str, rows: Sequence[Row]) -> None:
        """Append rows to a table of `TABLES`."""
        columns = TABLES[table].split()
        with self._connection.cursor() as cursor:
            if self._sqlite:
                cursor.executemany(
                    f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})", rows
                )
                return
            with cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)

    def set_aside(self, tables: Iterable[str]) -> list[str]:
        """Drop indexes and triggers of these tables; returns the statements that make them again (SQLite alone)."""
        if not self._sqlite:
            return []
        marks = ", ".join(f"'{table}'" for table in tables)
        found = self.run(
            f"SELECT type, name, sql FROM sqlite_master WHERE type IN ('index', 'trigger') AND sql IS NOT NULL"
            f" AND tbl_name IN ({marks})"
        )
        for kind, name, _ in found:
            self.run(f"DROP {kind} {name}")
        return [sql for _, _, sql in found]

    def finish(self, statements: Iterable[str]) -> None:
        """Make the indexes, the full text and the statistics; on PostgreSQL set the sequences too."""
        for statement in statements:
            self.run(statement)
        if self._sqlite:
            for name in ("searchname", "searchshort", "searchtext", "searchgrams"):
                if self.run(f"SELECT 1 FROM sqlite_master WHERE name = 'activity_{name}'"):
                    self.run(f"INSERT INTO activity_{name}(activity_{name}) VALUES ('rebuild')")
            self.run("PRAGMA wal_checkpoint(TRUNCATE)")
            self._connection.close()
            return
        for table, columns in TABLES.items():
            if columns.startswith("id ") and self.run("SELECT to_regclass(%s)", table)[0][0]:
                self.run(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}")
        self.run("ANALYZE")

    def adapt(self, moment: datetime) -> Any:
        """A moment as this database takes it."""
        return self._connection.ops.adapt_datetimefield_value(moment) if self._sqlite else moment


@dataclass
class Numbers:
    """The newest of everything that is numbered."""

    serial: int
    started: datetime
    project: int = 0
    release: int = 0
    file: int = 0
    classifier: int = 0


@dataclass
class Loader:
    """Turns projects into rows and hands them on in batches; `people` are the ids of the owners by number."""

    facts: Store
    documents: Store
    numbers: Numbers
    index: int
    people: Callable[[int], tuple[int, str]]
    waiting: dict[str, list[Row]] = field(default_factory=lambda: {table: [] for table in TABLES})

    def load(self, projects: Iterable[Plenty]) -> None:
        """All of them."""
        for number, project in enumerate(projects, 1):
            self._project(project)
            if number % BATCH == 0:
                self.flush()
                print(f"{number:,} projects, {self.numbers.file:,} files", flush=True)
        self.flush()

    def flush(self) -> None:
        """Write what waits."""
        for store, prefix in ((self.facts, "catalogue_"), (self.documents, "activity_")):
            store.run("BEGIN")
            for table, rows in self.waiting.items():
                if table.startswith(prefix):
                    store.add(table, rows)
                    rows.clear()
            store.run("COMMIT")

    def _note(self, moment: Any, kind: str, project: str, version: str, filename: str, detail: str, actor: Row) -> int:
        self.numbers.serial += 1
        who, name = actor
        row = (self.numbers.serial, moment, kind, "main", project, version, filename, name, who, "command", detail)
        self.waiting["catalogue_journalentry"].append(row)
        return self.numbers.serial

    def _project(self, project: Plenty) -> None:
        numbers, actor = self.numbers, self.people(project.owner)
        numbers.project += 1
        when = numbers.started + STEP * numbers.project
        at, name = self.facts.adapt(when), project.name
        first = self._note(
            at, "project created", name, "", "", json.dumps({"display_name": project.display_name}), actor
        )
        self._note(at, "role added", name, "", "", json.dumps({"user": actor[1], "role": "owner"}), actor)
        self.waiting["catalogue_role"].append((numbers.project, numbers.project, actor[0], "owner", at))
        metadata, classifiers = metadata_of(project)
        version = ""
        for version, files in releases(project):
            self._release(project, version, files, at, metadata, actor)
        text = f"# {project.display_name}\n\n{project.text}\n"
        self.waiting["catalogue_filedescription"].append((numbers.file, "text/markdown", text, f"<p>{len(text)}</p>"))
        unix = int(when.timestamp())
        row = (numbers.project, name, ultranormalize(name), project.display_name, at, first, None, numbers.serial, unix)
        self.waiting["catalogue_project"].append(row)
        self._document(project, version, classifiers, self.documents.adapt(when))

    def _release(
        self, project: Plenty, version: str, files: list[PlentyFile], at: Any, metadata: str, actor: tuple[int, str]
    ) -> None:
        numbers = self.numbers
        numbers.release += 1
        serial = self._note(at, "release new", project.name, version, "", "{}", actor)
        self.waiting["catalogue_release"].append((numbers.release, numbers.project, version, version, at, serial))
        told = metadata.replace("VERSION", version)
        for file in files:
            numbers.file += 1
            detail = json.dumps({"sha256": file.sha256, "packagetype": file.packagetype})
            serial = self._note(at, "file added", project.name, version, file.filename, detail, actor)
            self.waiting["catalogue_file"].append(
                (
                    numbers.file, numbers.release, numbers.project, file.filename, file.key, file.packagetype,
                    file.python_version, file.sha256, file.sha256, file.sha256[:32], 1000 + numbers.file % 90_000,
                    ">=3.9", hashlib.sha256(file.sha256.encode()).hexdigest(), file.packagetype == "bdist_wheel",
                    told, "[]", at, actor[0], None, serial, None,
                )
            )  # fmt: skip
            self.waiting["catalogue_placement"].append(
                (numbers.file, self.index, numbers.project, numbers.file, serial, None)
            )

    def _document(self, project: Plenty, version: str, classifiers: list[str], at: Any) -> None:
        number, name = self.numbers.project, project.name
        self.waiting["activity_searchdocument"].append(
            (
                number, "main", name, project.display_name, version, at, spellings(name), " ".join(grams(name)),
                " ".join([index_mark("main"), *map(classifier_mark, classifiers)]),
                project.summary, name.replace("-", " "), project.text,
            )
        )  # fmt: skip
        for classifier in classifiers:
            self.numbers.classifier += 1
            self.waiting["activity_searchclassifier"].append((self.numbers.classifier, number, classifier))


def _make_people(facts: Store, count: int, at: Any) -> Callable[[int], tuple[int, str]]:
    """Accounts without passwords: the one who owns many, and `count` others."""
    first = int(facts.run("SELECT coalesce(max(id), 0) FROM catalogue_user")[0][0]) + 1
    names = [MANY, *(f"somebody-{number}" for number in range(1, count + 1))]
    columns = ["id", "password", "username", "username_key", "email", "name", "is_active", "is_admin", "date_joined"]
    TABLES["catalogue_user"] = " ".join(columns)
    rows = [(first + n, "!", name, name, f"{name}@example.org", "", True, False, at) for n, name in enumerate(names)]
    facts.add("catalogue_user", rows)
    del TABLES["catalogue_user"]
    return lambda number: (first + number, names[number])


def fill(data: Path, projects: int, table: Path | None = None, thin: float = 1.0, largest: int = LARGEST) -> None:
    """Fill a folder on which no server ever ran, or ran and nothing was published."""
    settings = read_settings(data=data, upstream="none")
    prepare(settings)
    facts, documents = Store("default"), Store("activity")
    if facts.run("SELECT 1 FROM catalogue_project LIMIT 1"):
        raise SystemExit(f"{data} holds projects already; take an empty folder.")
    shutil.rmtree(data / "cache", ignore_errors=True)
    for store in (facts, documents):
        store.begin()
    serial = int(facts.run("SELECT value FROM catalogue_counter WHERE name = 'serial'")[0][0])
    started = datetime.now(UTC) - timedelta(hours=1) - STEP * projects
    facts.run("UPDATE catalogue_journalentry SET at = %s", facts.adapt(started))  # what was before is not later
    index = int(facts.run("SELECT id FROM catalogue_index WHERE name = 'main'")[0][0])
    catalogue_tables = [name for name in TABLES if name.startswith("catalogue_")]
    aside = (
        facts.set_aside(catalogue_tables),
        documents.set_aside(["activity_searchdocument", "activity_searchclassifier"]),
    )
    people = _make_people(facts, 1 + projects // 3, facts.adapt(started))
    loader = Loader(facts, documents, Numbers(serial, started), index, people)
    loader.load(plenty(projects, table, thin, largest=largest))
    _settle(facts, documents, loader.numbers)
    print("making indexes", flush=True)
    for store, statements in zip((facts, documents), aside, strict=True):
        store.finish(statements)


def _settle(facts: Store, documents: Store, numbers: Numbers) -> None:
    """What is derived says that it is up to date, or is gone."""
    at = facts.adapt(datetime.now(UTC) - timedelta(hours=1))
    facts.run("UPDATE catalogue_counter SET value = %s, at = %s WHERE name = 'serial'", numbers.serial, at)
    facts.run("UPDATE catalogue_index SET serial = %s, names_serial = %s", numbers.serial, numbers.serial)
    facts.run("DELETE FROM catalogue_page")
    documents.run("DELETE FROM activity_jobposition WHERE name = 'search'")
    documents.run(
        "INSERT INTO activity_jobposition (name, serial, updated_at) VALUES ('search', %s, %s)", numbers.serial, at
    )


def main(arguments: list[str]) -> int:
    """Fill, and say how long it took."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load_catalogue", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the server's data folder")
    parser.add_argument("--projects", type=int, default=1000)
    parser.add_argument("--names", type=Path, help="a table of names and summaries (tabs, with a heading)")
    parser.add_argument("--thin", type=float, default=1.0, help="this many times the files of the public index")
    parser.add_argument("--largest", type=int, default=LARGEST, help="files of the largest project [%(default)s]")
    chosen = parser.parse_args(arguments)
    began = time.perf_counter()
    fill(chosen.data, chosen.projects, chosen.names, chosen.thin, chosen.largest)
    print(f"filled {chosen.data} in {time.perf_counter() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
