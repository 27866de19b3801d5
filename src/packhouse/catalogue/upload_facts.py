# SPDX-License-Identifier: Apache-2.0
"""Everything the catalogue knows about a file somebody wants to publish, in four statements."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from packhouse.catalogue.rows import fetch, fetch_one, moment_out, read_json
from packhouse.catalogue.standing import GRANTED, ROLE, granted_values, role_of, role_values
from packhouse.domain.listing import Status
from packhouse.domain.permissions import Identity, IndexRight, ProjectRight, ProjectRole, ReadMode


@dataclass(frozen=True, slots=True)
class IndexFacts:
    """An index, what the asker is to it, and the rules set on it now; `has_own`: files can be placed in it.

    `read_only` and `no_new_projects` are switches of the whole server (see `services.flags`).
    """

    index_id: int
    name: str
    right: IndexRight
    audience: str
    rules: dict[str, Any]
    shaped: int = 0
    has_own: bool = True
    read_only: bool = False
    no_new_projects: bool = False


@dataclass(frozen=True, slots=True)
class KnownProject:
    """A project, deleted or not, and what the asker is to it; `in_index`: it ever had a file in the index."""

    project_id: int
    display_name: str
    deleted: bool
    serial: int
    modified: int
    role: ProjectRole | None
    has_owner: bool
    status: Status
    status_reason: str
    in_index: bool
    organization: str


@dataclass(frozen=True, slots=True)
class KnownFile:
    """The file that has the filename, or one that must not stand beside it; where it stands and stood."""

    file_id: int
    filename: str
    sha256: str
    blake2b_256: str
    lives: bool
    here: bool
    was_here: bool


@dataclass(frozen=True, slots=True)
class KnownRelease:
    """The release: how many of its files stand somewhere now, how many of these are yanked."""

    release_id: int
    version: str
    created_at: datetime
    living: int
    yanked: int
    has_sdist: bool


@dataclass(frozen=True, slots=True)
class UploadFacts:
    """All of it; None for what is not there yet."""

    index: IndexFacts
    project: KnownProject | None
    file: KnownFile | None
    release: KnownRelease | None

    @property
    def project_exists(self) -> bool:
        """Whether the name was ever taken."""
        return self.project is not None

    def project_right(self, name: str) -> ProjectRight:
        """The project as far as rights go."""
        if self.project is None:
            return ProjectRight(name, exists=False)
        return ProjectRight(name, role=self.project.role, organization=self.project.organization)


_INDEX = f"""
SELECT i.id, i.read, i.audience, i.shaped,
       EXISTS (SELECT 1 FROM catalogue_layer l WHERE l.index_id = i.id AND l.kind = 'own' AND l.to_serial IS NULL),
       {GRANTED},
       EXISTS (SELECT 1 FROM catalogue_indexrule r WHERE r.index_id = i.id AND r.to_serial IS NULL),
       EXISTS (SELECT 1 FROM catalogue_flag WHERE name = 'read-only'),
       EXISTS (SELECT 1 FROM catalogue_flag WHERE name = 'no-new-projects')
FROM catalogue_index i WHERE i.name = %s
"""  # noqa: S608 - our own words
_RULES = 'SELECT "key", value FROM catalogue_indexrule WHERE index_id = %s AND to_serial IS NULL'
_PROJECT = f"""
SELECT p.id, p.display_name, p.deleted_serial IS NOT NULL, p.serial, p.modified,
       {ROLE},
       p.organization_id IS NOT NULL
         OR EXISTS (SELECT 1 FROM catalogue_role r WHERE r.project_id = p.id AND r.role = 'owner'),
       s.status, s.reason,
       EXISTS (SELECT 1 FROM catalogue_placement l WHERE l.index_id = %s AND l.project_id = p.id
               AND (l.to_serial IS NULL OR NOT l.taken_back)),
       COALESCE(o.name, '')
FROM catalogue_project p
LEFT JOIN catalogue_organization o ON o.id = p.organization_id
LEFT JOIN catalogue_projectstatus s ON s.project_id = p.id AND s.to_serial IS NULL
WHERE p.name = %s
"""  # noqa: S608 - our own words
_FILE = """
SELECT f.id, f.filename, f.sha256, f.blake2b_256,
       EXISTS (SELECT 1 FROM catalogue_placement l WHERE l.file_id = f.id AND l.to_serial IS NULL),
       EXISTS (SELECT 1 FROM catalogue_placement l
               WHERE l.file_id = f.id AND l.to_serial IS NULL AND l.index_id = %s),
       EXISTS (SELECT 1 FROM catalogue_placement l
               WHERE l.file_id = f.id AND l.to_serial IS NOT NULL AND l.index_id = %s)
FROM catalogue_file f WHERE f.filename = %s OR f.filename_key = %s
"""
_RELEASE = """
SELECT r.id, r.version, r.created_at, count(f.id),
       count(CASE WHEN EXISTS (SELECT 1 FROM catalogue_yank y WHERE y.file_id = f.id AND y.to_serial IS NULL)
             THEN 1 END),
       count(CASE WHEN f.packagetype = 'sdist' THEN 1 END)
FROM catalogue_release r
LEFT JOIN catalogue_file f ON f.release_id = r.id
     AND EXISTS (SELECT 1 FROM catalogue_placement l WHERE l.file_id = f.id AND l.to_serial IS NULL)
WHERE r.project_id = %s AND r.canonical = %s
GROUP BY r.id, r.version, r.created_at
"""


def index_facts(name: str, identity: Identity) -> IndexFacts | None:
    """The index of this name as somebody stands to it, with the rules set on it; None when there is none."""
    row = fetch_one(_INDEX, *granted_values(identity), name)
    if row is None:
        return None
    index_id, read, audience, shaped, has_own, granted, has_rules, *flags = row
    rules = {key: read_json(value) for key, value in fetch(_RULES, index_id)} if has_rules else {}
    mode = ReadMode(read)
    stages = identity.scope is not None and identity.scope.only_stages and is_staging(name)
    right = IndexRight(name, mode, granted=bool(granted) and mode is ReadMode.CLOSED, staging=stages)
    return IndexFacts(index_id, name, right, audience, rules, shaped, bool(has_own), *map(bool, flags))


_ABOVE = """
SELECT i.name FROM catalogue_layer l JOIN catalogue_index i ON i.id = l.index_id
WHERE l.kind = 'index' AND l.target = %s AND l.to_serial IS NULL
"""


def directly_above(name: str) -> list[str]:
    """The indexes that have this one as a layer now."""
    return [row[0] for row in fetch(_ABOVE, name)]


_STAGING = """
SELECT 1 FROM catalogue_indexrule r JOIN catalogue_index i ON i.id = r.index_id
WHERE i.name = %s AND r."key" = 'staging' AND r.value = 'true' AND r.to_serial IS NULL
"""


def is_staging(name: str) -> bool:
    """Whether an index is marked as staging, and so is every one that shows what it holds."""
    marked = fetch_one(_STAGING, name) is not None
    return marked and all(is_staging(above) for above in directly_above(name))


def lock_project(name: str) -> bool:
    """Hold the project for this transaction, before the counter is taken: quotas hold, nobody waits in a ring.

    False when there is no such project yet.
    """
    if connection.vendor == "sqlite":
        return True
    return bool(fetch("SELECT id FROM catalogue_project WHERE name = %s FOR NO KEY UPDATE", name))


def upload_facts(
    index: IndexFacts, identity: Identity, name: str, canonical: str, filename: str, key: str
) -> UploadFacts:
    """What is known of a file to come, by its project (normalized), version identity, filename and filename key."""
    project = _project(fetch_one(_PROJECT, *role_values(identity), index.index_id, name))
    rows = [_file(row) for row in fetch(_FILE, index.index_id, index.index_id, filename, key)]
    file = min(rows, key=lambda row: row.filename != filename, default=None)
    release = None if project is None else _release(fetch_one(_RELEASE, project.project_id, canonical))
    return UploadFacts(index, project, file, release)


def _project(row: Any) -> KnownProject | None:
    if row is None:
        return None
    project_id, display_name, deleted, serial, modified, role, has_owner, status, reason, in_index, organization = row
    return KnownProject(
        project_id,
        display_name,
        bool(deleted),
        serial,
        modified,
        role_of(role),
        bool(has_owner),
        Status.ACTIVE if status is None else Status(status),
        reason or "",
        bool(in_index),
        organization,
    )


def _file(row: Any) -> KnownFile:
    file_id, filename, sha256, blake2b_256, *flags = row
    return KnownFile(file_id, filename, sha256, blake2b_256, *(bool(flag) for flag in flags))


def _release(row: Any) -> KnownRelease | None:
    if row is None:
        return None
    release_id, version, created_at, living, yanked, sdists = row
    return KnownRelease(release_id, version, moment_out(created_at), living, yanked, bool(sdists))
