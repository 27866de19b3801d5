# SPDX-License-Identifier: Apache-2.0
"""What an index serves of many projects, in outline: for lists, which name the newest release of each.

The same decision as everywhere (`domain.serving.judge`), in a number of statements that grows with the projects by
the hundred only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from packhouse.catalogue.composition import Owner, owners_of
from packhouse.catalogue.models import File, Index
from packhouse.catalogue.rows import fetch, moment_out
from packhouse.domain.listing import Status
from packhouse.domain.project_json import latest_release
from packhouse.domain.serving import Subject, judge

AT_ONCE = 400
"""Projects asked for in one statement."""


@dataclass(frozen=True, slots=True)
class OutlinedFile:
    """A file that is served."""

    file_id: int
    filename: str
    wheel: bool
    uploaded_at: datetime
    yanked: str | None


@dataclass(slots=True)
class OutlinedRelease:
    """A release with the files of it that are served."""

    version: str
    files: list[OutlinedFile] = field(default_factory=list)

    @property
    def yanked(self) -> str | None:
        """None, or a reason when every one of its files is yanked."""
        reasons = [file.yanked for file in self.files]
        return None if None in reasons or not reasons else next(filter(None, reasons), "")

    @property
    def released_at(self) -> datetime:
        """When its newest file was published."""
        return max(file.uploaded_at for file in self.files)

    @property
    def first(self) -> OutlinedFile:
        """The file that speaks for it: its first wheel, else its first file."""
        return min(self.files, key=lambda file: (not file.wheel, file.filename))


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
    if not own:
        return
    for row in fetch(_placed(own), *own, *{owner.index_id: None for owner in own.values()}):
        name, display, index_id, status, version, *of_file = row
        owner = own[name]
        if index_id == owner.index_id:
            outline = found.get(name)
            if outline is None:
                quarantined = status == Status.QUARANTINED.value
                outline = found[name] = Outline(name, display, owner.name, quarantined)
            _add(outline, version, _file(of_file), owner, now)
    for name in own:
        if name in found:
            found[name].hidden_versions -= found[name].releases.keys()


def _placed(own: dict[str, Owner]) -> str:
    projects = ", ".join("%s" for _ in own)
    indexes = ", ".join("%s" for _ in {owner.index_id for owner in own.values()})
    return f"""
        SELECT j.name, j.display_name, p.index_id, s.status, r.version, f.id, f.filename, f.packagetype,
               f.uploaded_at, y.reason
        FROM catalogue_project j
        JOIN catalogue_placement p ON p.project_id = j.id AND p.to_serial IS NULL
        JOIN catalogue_file f ON f.id = p.file_id AND f.purged_serial IS NULL
        JOIN catalogue_release r ON r.id = f.release_id
        LEFT JOIN catalogue_projectstatus s ON s.project_id = j.id AND s.to_serial IS NULL
        LEFT JOIN catalogue_yank y ON y.file_id = f.id AND y.to_serial IS NULL
        WHERE j.name IN ({projects}) AND p.index_id IN ({indexes}) AND j.deleted_serial IS NULL"""  # noqa: S608


def _file(row: list[Any]) -> OutlinedFile:
    file_id, filename, packagetype, uploaded_at, yanked = row
    return OutlinedFile(file_id, filename, packagetype == "bdist_wheel", moment_out(uploaded_at), yanked)


def _add(outline: Outline, version: str, file: OutlinedFile, owner: Owner, now: datetime) -> None:
    """Judge a file by the rules alone: quarantine is told of the whole project."""
    verdict = judge(Subject(outline.name, version, file.uploaded_at, file.uploaded_at), owner.speaking, now)
    if verdict.served:
        outline.releases.setdefault(version, OutlinedRelease(version)).files.append(file)
        return
    outline.hidden_files.add(file.filename)
    outline.hidden_versions.add(version)
    if verdict.until is not None:
        outline.until = min(verdict.until, outline.until or verdict.until)


def summaries(releases: Iterable[OutlinedRelease]) -> dict[int, str]:
    """What the first files of these releases say in a sentence, by the id of the file."""
    wanted = [release.first.file_id for release in releases]
    told: dict[int, str] = {}
    for some in _portions(wanted):
        rows = File.objects.filter(pk__in=some).values_list("pk", "metadata")
        told.update((pk, str(core.get("summary") or "")) for pk, core in rows)
    return told
