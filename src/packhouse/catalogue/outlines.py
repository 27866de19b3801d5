# SPDX-License-Identifier: Apache-2.0
"""What an index serves of many projects, in outline: for lists, which name the newest release of each.

The same decision as everywhere (`domain.serving.judge`), in a number of statements that grows with the projects by
the hundred only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from django.db import connection

from packhouse.catalogue.composition import Owner, owners_of
from packhouse.catalogue.models import File, Index
from packhouse.catalogue.rows import fetch, moment_out
from packhouse.domain.listing import Status
from packhouse.domain.project_json import latest_release
from packhouse.domain.serving import Subject, judge

AT_ONCE = 400
"""Projects asked for in one statement."""


@dataclass(frozen=True, slots=True)
class OutlinedFiles:
    """Served files of a release: how many, the one that speaks for them, when the newest was published.

    `spokesman` orders them: wheels before others, then by filename. `yanked` is None unless all of them are yanked.
    """

    count: int
    spokesman: str
    file_id: int
    released_at: datetime
    yanked: str | None

    def joined(self, other: OutlinedFiles) -> OutlinedFiles:
        """These and others of the same release."""
        first = min(self, other, key=lambda files: files.spokesman)
        yanked = None if self.yanked is None or other.yanked is None else self.yanked or other.yanked
        return OutlinedFiles(
            self.count + other.count,
            first.spokesman,
            first.file_id,
            max(self.released_at, other.released_at),
            yanked,
        )


@dataclass(slots=True)
class OutlinedRelease:
    """A release with what is told of its files that are served."""

    version: str
    files: OutlinedFiles

    @property
    def yanked(self) -> str | None:
        """None, or a reason when every one of its files is yanked."""
        return self.files.yanked

    @property
    def released_at(self) -> datetime:
        """When its newest file was published."""
        return self.files.released_at

    @property
    def first(self) -> int:
        """The id of the file that speaks for it: its first wheel, else its first file."""
        return self.files.file_id


@dataclass(slots=True)
class Outline:
    """A living project (`name` normalized) as the own layer `index` that answers for it in the index asked serves it.

    `hidden_files` and `hidden_versions` (releases without a served file) are kept back by rules; whether the project
    is quarantined is apart from that. `until` is the next moment at which time alone shows more.
    """

    name: str
    display_name: str
    index: str
    quarantined: bool
    releases: dict[str, OutlinedRelease] = field(default_factory=dict)
    hidden_files: set[str] = field(default_factory=set)
    hidden_versions: set[str] = field(default_factory=set)
    until: datetime | None = None

    @property
    def latest(self) -> OutlinedRelease | None:
        """The release to speak of; None when nothing is served."""
        return None if self.quarantined else latest_release(self.releases.values())


def outlines(index_name: str, names: Iterable[str], now: datetime) -> dict[str, Outline]:
    """The projects among `names` (normalized) that an own layer answers for in an index, as it serves them."""
    index = Index.objects.filter(name=index_name).only("id").first()
    found: dict[str, Outline] = {}
    if index is not None:
        for some in _portions(sorted(set(names))):
            _outline(found, owners_of(index.pk, some), now)
    return found


T = TypeVar("T")


def _portions(whole: list[T]) -> Iterator[list[T]]:
    for start in range(0, len(whole), AT_ONCE):
        yield whole[start : start + AT_ONCE]


def _outline(found: dict[str, Outline], owners: dict[str, Owner], now: datetime) -> None:
    own = {name: owner for name, owner in owners.items() if owner.own}
    silent = {name: owner for name, owner in own.items() if not owner.speaking}
    for name, version, files in _placed(found, _RELEASES, silent):
        found[name].releases[version] = OutlinedRelease(version, files)
    speaking = {name: owner for name, owner in own.items() if owner.speaking}
    for name, version, files in _placed(found, _FILES, speaking):
        _add(found[name], version, files, speaking[name], now)
    for name in speaking.keys() & found.keys():
        found[name].hidden_versions -= found[name].releases.keys()


def _placed(
    found: dict[str, Outline], columns: tuple[str, str], own: dict[str, Owner]
) -> Iterator[tuple[str, str, OutlinedFiles]]:
    """What is placed of these projects (project, version, files), which get an outline each."""
    if not own:
        return
    told, together = columns
    by_bytes = 'COLLATE "C"' if connection.vendor == "postgresql" else ""  # as Python does
    told = told.replace("[bytes]", by_bytes)
    projects = ", ".join("%s" for _ in own)
    indexes = ", ".join("%s" for _ in {owner.index_id for owner in own.values()})
    statement = f"""
        SELECT j.name, j.display_name, p.index_id, s.status, r.version, {told}
        FROM catalogue_project j
        JOIN catalogue_placement p ON p.project_id = j.id AND p.to_serial IS NULL
        JOIN catalogue_file f ON f.id = p.file_id AND f.purged_serial IS NULL
        JOIN catalogue_release r ON r.id = f.release_id
        LEFT JOIN catalogue_projectstatus s ON s.project_id = j.id AND s.to_serial IS NULL
        LEFT JOIN catalogue_yank y ON y.file_id = f.id AND y.to_serial IS NULL
        WHERE j.name IN ({projects}) AND p.index_id IN ({indexes}) AND j.deleted_serial IS NULL {together}"""  # noqa: S608
    for row in fetch(statement, *own, *{owner.index_id: None for owner in own.values()}):
        name, display, index_id, status, version, count, spokesman, released_at, yanked = row
        owner = own[name]
        if index_id == owner.index_id:
            if name not in found:
                found[name] = Outline(name, display, owner.name, status == Status.QUARANTINED.value)
            file_id = int(spokesman.rpartition("/")[2])
            yield name, version, OutlinedFiles(count, spokesman, file_id, moment_out(released_at), yanked)


_SPOKESMAN = "(CASE f.packagetype WHEN 'bdist_wheel' THEN 0 ELSE 1 END || f.filename || '/' || f.id)"
_FILES = (f"1, {_SPOKESMAN}, f.uploaded_at, y.reason", "")
_RELEASES = (
    f"count(*), min({_SPOKESMAN} [bytes]), max(f.uploaded_at), CASE WHEN count(*) = count(y.id) THEN max(y.reason) END",
    "GROUP BY j.name, j.display_name, p.index_id, s.status, r.id, r.version",
)
"""A release in one row, where no rule can hide one file and show another: there may be ten thousands of them."""


def _add(outline: Outline, version: str, files: OutlinedFiles, owner: Owner, now: datetime) -> None:
    """Judge a file by the rules alone: quarantine is told of the whole project."""
    verdict = judge(Subject(outline.name, version, files.released_at, files.released_at), owner.speaking, now)
    if verdict.served:
        known = outline.releases.get(version)
        outline.releases[version] = OutlinedRelease(version, known.files.joined(files) if known else files)
        return
    outline.hidden_files.add(files.spokesman[1:].rpartition("/")[0])
    outline.hidden_versions.add(version)
    if verdict.until is not None:
        outline.until = min(verdict.until, outline.until or verdict.until)


def summaries(releases: Iterable[OutlinedRelease]) -> dict[int, str]:
    """What the first files of these releases say in a sentence, by the id of the file."""
    wanted = [release.first for release in releases]
    told: dict[int, str] = {}
    for some in _portions(wanted):
        rows = File.objects.filter(pk__in=some).values_list("pk", "metadata")
        told.update((pk, str(core.get("summary") or "")) for pk, core in rows)
    return told
