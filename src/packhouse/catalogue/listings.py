# SPDX-License-Identifier: Apache-2.0
"""The read queries pages are made of: what an index shows now, in a fixed number of statements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import connection

from packhouse.catalogue.composition import own_indexes, owning_layer
from packhouse.catalogue.models import Index, Layer, Project
from packhouse.catalogue.rows import fetch, fetch_one, moment_out
from packhouse.domain.listing import ListedFile, ProjectListing, RootEntry, RootListing, Status
from packhouse.domain.versions import sort_key

_FILES = """
SELECT f.filename, r.version, f.sha256, f.size, f.uploaded_at, f.requires_python,
       CASE WHEN f.metadata_served THEN f.metadata_sha256 ELSE '' END, y.reason
FROM catalogue_placement p
JOIN catalogue_file f ON f.id = p.file_id
JOIN catalogue_release r ON r.id = f.release_id
LEFT JOIN catalogue_yank y ON y.file_id = f.id AND y.to_serial IS NULL
WHERE p.index_id = %s AND p.project_id = %s AND p.to_serial IS NULL
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """A project as an index shows it, and what its validators are: `modified` in unix seconds."""

    listing: ProjectListing
    modified: int


def project_shown(index: Index, project: Project) -> Shown | None:
    """What the index shows of a living project now; None when no layer of it ever had one of its files."""
    owner = owning_layer(index.pk, project.name)
    return shown_from(owner.index_id, project) if owner is not None and owner.own else None


def shown_from(index_id: int, project: Project) -> Shown:
    """The project as the own layer of an index has it."""
    status, reason = status_of(project.pk)
    files = () if status is Status.QUARANTINED else _files(index_id, project.pk)
    versions = sorted({file.version for file in files}, key=sort_key)
    listing = ProjectListing(
        name=project.name,
        display_name=project.display_name,
        serial=project.serial,
        files=files,
        versions=tuple(versions),
        status=status,
        status_reason=reason,
    )
    return Shown(listing, project.modified)


def status_of(project_id: int) -> tuple[Status, str]:
    """The status of a project now, and its reason."""
    row = fetch_one(
        "SELECT status, reason FROM catalogue_projectstatus WHERE project_id = %s AND to_serial IS NULL", project_id
    )
    return (Status.ACTIVE, "") if row is None else (Status(row[0]), row[1])


def has_more_files(index_id: int, project_id: int, most: int) -> bool:
    """Whether a project has more than `most` files in the own layer of an index now."""
    statement = """
        SELECT count(*) FROM (SELECT 1 FROM catalogue_placement
        WHERE index_id = %s AND project_id = %s AND to_serial IS NULL LIMIT %s) AS few"""
    return int(fetch_one(statement, index_id, project_id, most + 1)[0]) > most


def _files(index_id: int, project_id: int) -> tuple[ListedFile, ...]:
    """The files now, sorted by version and filename."""
    files = [_listed(row) for row in fetch(_FILES, index_id, project_id)]
    keys = {file.version: sort_key(file.version) for file in files}
    return tuple(sorted(files, key=lambda file: (keys[file.version], file.filename)))


def _listed(row: Any) -> ListedFile:
    filename, version, sha256, size, uploaded_at, requires_python, metadata, yanked = row
    return ListedFile(
        filename=filename,
        version=version,
        sha256=sha256,
        size=size,
        upload_time=moment_out(uploaded_at),
        requires_python=requires_python or None,
        metadata_sha256=metadata or None,
        yanked=yanked,
    )


def root_shown(index: Index) -> RootListing:
    """Every project an index shows now, quarantined and deleted ones left out."""
    rows = root_range(own_indexes(index.pk))
    return RootListing(
        serial=index.serial, projects=tuple(RootEntry(r.name, r.display_name, r.serial) for r in rows if r.shown)
    )


class RootRow(NamedTuple):
    """A living project of this server, and whether the root page asked for shows it."""

    name: str
    display_name: str
    serial: int
    shown: bool


def root_range(own: list[int], start: str = "", end: str | None = None, limit: int | None = None) -> list[RootRow]:
    """The projects with names from `start` to before `end`, at most `limit`, in the order of their code points.

    A root page shows those that one of the indexes `own` ever had a file of, quarantined ones left out.
    """
    # PostgreSQL's ordinary comparisons follow a language; these are by bytes, and have an index of Django's making.
    more, less, order = (">=", "<", "p.name") if connection.vendor == "sqlite" else ("~>=~", "~<~", "p.name USING ~<~")
    statement = f"""
        SELECT p.name, p.display_name, p.serial, CASE WHEN s.status = 'quarantined' THEN 0 WHEN EXISTS (
            SELECT 1 FROM catalogue_placement l WHERE l.project_id = p.id AND l.index_id IN ({_marks(own)})
        ) THEN 1 ELSE 0 END
        FROM catalogue_project p
        LEFT JOIN catalogue_projectstatus s ON s.project_id = p.id AND s.to_serial IS NULL
        WHERE p.deleted_serial IS NULL AND p.name {more} %s{f" AND p.name {less} %s" if end is not None else ""}
        ORDER BY {order}{f" LIMIT {limit:d}" if limit is not None else ""}"""  # noqa: S608 - our own words
    values = [*own, start] if end is None else [*own, start, end]
    return [RootRow(name, display, serial, bool(shown)) for name, display, serial, shown in fetch(statement, *values)]


def changed_names(own: list[int], serial: int) -> list[str]:
    """The projects in these indexes, deleted ones too, of which something was journalled after `serial`."""
    statement = f"""
        SELECT p.name FROM catalogue_project p WHERE p.serial > %s AND EXISTS (
            SELECT 1 FROM catalogue_placement l WHERE l.project_id = p.id AND l.index_id IN ({_marks(own)})
        )"""  # noqa: S608 - our own words
    return [name for (name,) in fetch(statement, serial, *own)]


def _marks(values: list[int]) -> str:
    return ", ".join("%s" for _ in values) or "NULL"


def shape_of(index: Index) -> tuple[str, int]:
    """What a page of an index depends on besides its projects: its audience and its newest layer."""
    newest = Layer.objects.order_by("-id").values_list("id", flat=True).first()
    return index.audience, newest or 0


def living_project(name: str) -> Project | None:
    """The project of this normalized name unless it is deleted."""
    return Project.objects.filter(name=name, deleted_serial=None).first()
