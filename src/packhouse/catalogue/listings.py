# SPDX-License-Identifier: Apache-2.0
"""The read queries pages are made of: what an index shows now, in a fixed number of statements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from packhouse.catalogue.models import Index, Layer, Project
from packhouse.catalogue.rows import fetch, fetch_one, moment_out
from packhouse.domain.listing import ListedFile, ProjectListing, RootEntry, RootListing, Status
from packhouse.domain.versions import sort_key

OWN = "own"
DEEPEST = 8
"""Indexes one above the other."""

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
    owner = owning_index(index.pk, project.pk)
    if owner is None:
        return None
    return shown_from(owner, project)


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


def owning_index(index_id: int, project_id: int, depth: int = DEEPEST) -> int | None:
    """The index whose own layer answers for a project: the first of the layers that ever had a file of it."""
    for kind, target in _layers(index_id):
        if kind == OWN:
            if fetch_one(_EVER, index_id, project_id) is not None:
                return index_id
        elif kind == "index" and depth and target is not None:
            owner = owning_index(target, project_id, depth - 1)
            if owner is not None:
                return owner
    return None


_EVER = "SELECT 1 FROM catalogue_placement WHERE index_id = %s AND project_id = %s LIMIT 1"


def _layers(index_id: int) -> list[tuple[str, int | None]]:
    """The layers now, first first: their kind, and the id of the index meant."""
    statement = """
        SELECT l.kind, t.id FROM catalogue_layer l
        LEFT JOIN catalogue_index t ON l.kind = 'index' AND t.name = l.target
        WHERE l.index_id = %s AND l.to_serial IS NULL ORDER BY l.position"""
    return fetch(statement, index_id)


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
    owned = _owned(index.pk, DEEPEST)
    statement = """
        SELECT p.id, p.name, p.display_name, p.serial FROM catalogue_project p
        LEFT JOIN catalogue_projectstatus s ON s.project_id = p.id AND s.to_serial IS NULL
        WHERE p.deleted_serial IS NULL AND (s.status IS NULL OR s.status <> 'quarantined')
        ORDER BY p.name"""
    entries = tuple(
        RootEntry(name, display_name, serial) for pk, name, display_name, serial in fetch(statement) if pk in owned
    )
    return RootListing(serial=index.serial, projects=entries)


def _owned(index_id: int, depth: int) -> set[int]:
    """The ids of all projects that some layer of the index ever had a file of."""
    found: set[int] = set()
    for kind, target in _layers(index_id):
        if kind == OWN:
            found |= {row[0] for row in fetch(_PLACED, index_id)}
        elif kind == "index" and depth and target is not None:
            found |= _owned(target, depth - 1)
    return found


_PLACED = "SELECT DISTINCT project_id FROM catalogue_placement WHERE index_id = %s"


def shape_of(index: Index) -> tuple[str, int]:
    """What a page of an index depends on besides its projects: its audience and its newest layer."""
    newest = Layer.objects.order_by("-id").values_list("id", flat=True).first()
    return index.audience, newest or 0


def living_project(name: str) -> Project | None:
    """The project of this normalized name unless it is deleted."""
    return Project.objects.filter(name=name, deleted_serial=None).first()
