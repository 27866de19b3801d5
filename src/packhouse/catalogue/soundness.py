# SPDX-License-Identifier: Apache-2.0
"""What must hold between the rows of the catalogue: each rule is one query that finds what breaks it.

The rules need no list in memory: databases sort and join on disk, and each answer is cut off at `MOST` rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connections

from packhouse.catalogue.rows import fetch, fetch_one, moment_out, read_json
from packhouse.catalogue.snapshots import rows_after

MOST = 1000
"""Rows named of one broken rule."""

_WIPED = "(SELECT COALESCE(MAX(serial), 0) FROM catalogue_journalentry WHERE kind = 'sandbox wiped')"
"""What the journal tells of before this serial is gone."""
_COUNTER = "(SELECT value FROM catalogue_counter WHERE name = 'serial')"


@dataclass(frozen=True, slots=True)
class Breach:
    """A row that breaks a rule: the rule's stable code, what it is about, and a sentence that says what is wrong."""

    code: str
    subject: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule, the query that finds what breaks it (the subject is its first column), and what to say of each."""

    code: str
    query: str
    sentence: str

    def breaches(self) -> Iterator[Breach]:
        """What breaks it now."""
        for row in fetch(f"{self.query} LIMIT {MOST}"):
            yield Breach(self.code, str(row[0]), self.sentence.format(*row))


def _span_rules(table: str, what: str, one: str) -> tuple[Rule, ...]:
    """Of a table whose rows hold from one serial to another: they are spans, and of `one` thing one at a time."""
    name = f"catalogue_{table}"
    no_span = f"""
        SELECT id, from_serial, to_serial FROM {name}
        WHERE from_serial < 0 OR from_serial > {_COUNTER} OR to_serial <= from_serial OR to_serial > {_COUNTER}
        ORDER BY id"""  # noqa: S608 - our own words
    overlap = f"""
        SELECT id, earlier FROM (
          SELECT id, from_serial,
                 LAG(id) OVER (PARTITION BY {one} ORDER BY from_serial, id) AS earlier,
                 LAG(COALESCE(to_serial, 9000000000000000000)) OVER (PARTITION BY {one} ORDER BY from_serial, id)
                   AS ended
          FROM {name}) AS spans
        WHERE earlier IS NOT NULL AND ended > from_serial ORDER BY id"""  # noqa: S608 - our own words
    return (
        Rule("span-wrong", no_span, f"The {what} {{0}} holds from serial {{1}} to {{2}}, which is no span of time."),
        Rule("span-overlaps", overlap, f"The {what} {{0}} begins before the {what} {{1}} of the same thing has ended."),
    )


RULES: tuple[Rule, ...] = (
    Rule(
        "tombstone-missing",
        f"""
        SELECT j.filename, j.serial FROM catalogue_journalentry j
        LEFT JOIN catalogue_file f ON f.filename = j.filename
        WHERE j.kind = 'file added' AND (f.id IS NULL OR f.sha256 <> j.detail ->> 'sha256')
          AND j.serial > {_WIPED} ORDER BY j.serial""",  # noqa: S608 - our own words
        "The journal says (serial {1}) that the file {0} was added, but the catalogue has no row, or other bytes, of"
        " that name: the filename could be taken again.",
    ),
    Rule(
        "file-unjournalled",
        """
        SELECT f.filename, f.serial FROM catalogue_file f
        LEFT JOIN catalogue_journalentry j ON j.serial = f.serial AND j.kind = 'file added'
          AND j.filename = f.filename AND j.detail ->> 'sha256' = f.sha256
        WHERE j.serial IS NULL ORDER BY f.id""",
        "The catalogue has the file {0}, but the journal entry of its serial {1} does not say that it was added with"
        " these bytes.",
    ),
    Rule(
        "token-outlives",
        """
        SELECT t.id, m.id FROM catalogue_token t JOIN catalogue_token m ON m.id = t.made_by_id
        WHERE t.deleted_at IS NULL AND m.deleted_at IS NOT NULL ORDER BY t.id""",
        "The token {0} is good, but the token {1} that made it was deleted; end it with `packhouse token revoke {0}`.",
    ),
    Rule(
        "file-misplaced",
        """
        SELECT f.filename FROM catalogue_file f JOIN catalogue_release r ON r.id = f.release_id
        WHERE r.project_id <> f.project_id ORDER BY f.id""",
        "The file {0} belongs to a release of another project.",
    ),
    Rule(
        "placement-misplaced",
        """
        SELECT f.filename, p.id FROM catalogue_placement p JOIN catalogue_file f ON f.id = p.file_id
        WHERE p.project_id <> f.project_id ORDER BY p.id""",
        "The file {0} is placed (placement {1}) in another project than its own.",
    ),
    Rule(
        "file-malformed",
        """
        SELECT filename FROM catalogue_file WHERE size < 0 OR length(sha256) <> 64
          OR (metadata_sha256 <> '' AND length(metadata_sha256) <> 64) ORDER BY id""",
        "The row of the file {0} holds a size below 0 or a digest that is none.",
    ),
    Rule(
        "deleted-file-shown",
        """
        SELECT f.filename, j.index_name, j.serial FROM catalogue_journalentry j
        JOIN catalogue_file f ON f.filename = j.filename
        JOIN catalogue_index i ON i.name = j.index_name
        JOIN catalogue_placement p ON p.file_id = f.id AND p.index_id = i.id
        WHERE j.kind = 'file deleted' AND p.from_serial <= j.serial AND p.to_serial IS NULL ORDER BY j.serial""",
        "The file {0} was deleted from the index {1} (serial {2}), but is still placed there.",
    ),
    Rule(
        "deleted-project-shown",
        """
        SELECT DISTINCT j.name, j.deleted_serial FROM catalogue_project j
        JOIN catalogue_placement p ON p.project_id = j.id
        WHERE j.deleted_serial IS NOT NULL AND p.to_serial IS NULL ORDER BY j.name""",
        "The project {0} was deleted (serial {1}), but has files that are still placed.",
    ),
    Rule(
        "yank-lost",
        f"""
        SELECT last.filename, last.kind, last.serial FROM (
          SELECT filename, kind, serial, ROW_NUMBER() OVER (PARTITION BY filename ORDER BY serial DESC) AS place
          FROM catalogue_journalentry
          WHERE kind IN ('file yanked', 'file unyanked') AND serial > {_WIPED}) AS last
        JOIN catalogue_file f ON f.filename = last.filename
        LEFT JOIN catalogue_yank y ON y.file_id = f.id AND y.to_serial IS NULL
        WHERE last.place = 1 AND (CASE WHEN last.kind = 'file yanked' THEN 1 ELSE 0 END)
          <> (CASE WHEN y.id IS NULL THEN 0 ELSE 1 END) ORDER BY last.serial""",  # noqa: S608 - our own words
        "The journal's last word on the file {0} is {1!r} (serial {2}), but the catalogue says the opposite.",
    ),
    Rule(
        "token-revived",
        """
        SELECT t.id, j.serial FROM catalogue_journalentry j
        JOIN catalogue_token t ON CAST(t.id AS varchar) = j.detail ->> 'token'
        WHERE j.kind = 'token deleted' AND t.deleted_at IS NULL ORDER BY j.serial""",
        "The token {0} was deleted (serial {1}), but would be taken again.",
    ),
    Rule(
        "serial-unknown",
        f"""
        SELECT 'project ' || name, serial FROM catalogue_project WHERE serial > {_COUNTER}
        UNION ALL SELECT 'index ' || name, serial FROM catalogue_index WHERE serial > {_COUNTER}
        UNION ALL SELECT 'page ' || index_name || '/' || project, serial FROM catalogue_page
          WHERE serial > {_COUNTER}""",  # noqa: S608 - our own words
        "The {0} carries the serial {1}, which is newer than the newest.",
    ),
    *_span_rules("placement", "placement", "index_id, file_id"),
    *_span_rules("yank", "yank", "file_id"),
    *_span_rules("projectstatus", "project status", "project_id"),
    *_span_rules("layer", "layer of an index", "index_id, position"),
    *_span_rules("indexrule", "rule of an index", "index_id, key"),
)
"""All rules between rows; the journal itself and the blobs are looked at elsewhere."""


def journal_breaches(seen: list[int]) -> Iterator[Breach]:
    """Gaps in the journal, time that goes back, a counter that isn't where the journal ends; counts into `seen[0]`."""
    expected, latest = 1, None
    entries = rows_after(
        "SELECT serial, at FROM catalogue_journalentry WHERE serial > %s ORDER BY serial LIMIT %s", start=-(2**62)
    )
    for serial, stored in entries:
        if serial != expected and not _explained(expected - 1, serial):
            yield _gap(expected, serial - 1)
        at = moment_out(stored)
        if latest is not None and at < latest:
            yield Breach(
                "journal-time", str(serial), f"The journal entry {serial} is of {at}, earlier than the one before it."
            )
        expected, latest = serial + 1, at
        seen[0] += 1
    value, stored = fetch_one("SELECT value, at FROM catalogue_counter WHERE name = 'serial'") or (0, None)
    if value < expected - 1:
        message = f"The counter of serials stands at {value}, behind the newest journal entry, {expected - 1}."
        yield Breach("counter-behind", str(value), message)
    elif value >= expected:
        yield _gap(expected, value)
    if stored is not None and latest is not None and moment_out(stored) < latest:
        yield Breach("journal-time", str(value), "The counter of serials carries an earlier time than the last entry.")


def _explained(before: int, serial: int) -> bool:
    """Whether the entry of a serial says itself that those between are left out: a restored server skips some."""
    row = fetch_one("SELECT kind, detail FROM catalogue_journalentry WHERE serial = %s", serial)
    detail = read_json(row[1])
    return bool(
        row[0] == "server restored" and detail.get("from_serial") == before and detail.get("skipped_to") == serial - 1
    )


def _gap(first: int, last: int) -> Breach:
    if first > last:
        return Breach("journal-gap", str(last), f"A journal entry has the serial {last + 1}; serials begin with 1.")
    span = str(first) if first == last else f"{first} to {last}"
    return Breach("journal-gap", span, f"The journal has no entry of the serial {span}.")


def structure_breaches(alias: str, *, quick: bool) -> Iterator[Breach]:
    """What SQLite itself finds wrong with a database file; nothing on PostgreSQL, which looks after itself."""
    connection = connections[alias]
    if connection.vendor != "sqlite":
        return
    name = "catalogue.db" if alias == "default" else "activity.db"
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA {'quick_check' if quick else 'integrity_check'}({MOST})")
        for (verdict,) in cursor.fetchall():
            if verdict != "ok":
                yield Breach("database-damaged", name, f"The database {name} is damaged ({verdict}).")
        cursor.execute("PRAGMA foreign_key_check")
        for row in _some(cursor):
            yield Breach(
                "reference-broken",
                f"{row[0]} {row[1]}",
                f"In {name}, row {row[1]} of {row[0]} names a missing {row[2]}.",
            )


def _some(cursor: Any) -> list[Any]:
    return list(cursor.fetchmany(MOST))
