# SPDX-License-Identifier: Apache-2.0
"""What was kept of upstreams, as pages need it: which upstream owns a name, and what it offers, now or in the past."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import zstandard
from django.db import connection
from django.db.models import Exists, OuterRef, Q

from packhouse.catalogue.models import Observation, Project, Upstream, UpstreamFile, UpstreamPermit, UpstreamProject
from packhouse.catalogue.rows import fetch, fetch_one, moment_out
from packhouse.domain.listing import ListedFile, ProjectListing, RootEntry, Status
from packhouse.domain.moments import AsOf
from packhouse.domain.pulled import PulledFile, believed
from packhouse.domain.reach import Reach
from packhouse.domain.simple_reader import read_project_page
from packhouse.domain.versions import sort_key

FIRST_SEEN = "first-seen"
RECONSTRUCTED = "reconstructed"
LOOKED_AT = 1_000
"""Files looked at to find the one to be completed next."""
FETCHED = "fetched"
WHEEL = "wheel"

_OWNED = """
SELECT p.from_serial FROM catalogue_upstreamproject p JOIN catalogue_upstream u ON u.id = p.upstream_id
WHERE u.name = %s AND p.name = %s
"""


def is_ours(name: str) -> bool:
    """Whether a name (normalized) is or was a project of this server: no upstream may answer for it, nor be asked."""
    return fetch_one("SELECT 1 FROM catalogue_project WHERE name = %s", name) is not None


def upstream_owns(upstream: str, name: str, as_of: AsOf | None = None) -> bool:
    """Whether a page of a project was kept of an upstream, and the name is not ours.

    The past is what it would have shown: the first page says what the project was before it, too.
    """
    return fetch_one(_OWNED, upstream, name) is not None and not is_ours(name)


def owned_among(upstream: str, names: Collection[str]) -> set[str]:
    """Those of these names (normalized) that an upstream owns, as `upstream_owns` says of each."""
    ours = Project.objects.filter(name=OuterRef("name"))
    rows = UpstreamProject.objects.filter(~Exists(ours), upstream__name=upstream, name__in=list(names))
    return set(rows.values_list("name", flat=True))


def upstream_with(name: str) -> str | None:
    """An upstream of which a page of a project (normalized) was kept, and which has it still; None when none has."""
    rows = UpstreamProject.objects.filter(name=name, gone=False).order_by("from_serial")
    found: str | None = rows.values_list("upstream__name", flat=True).first()
    return found


def is_permitted(name: str) -> bool:
    """Whether a name (normalized) may be published here although an upstream has it."""
    return UpstreamPermit.objects.filter(name=name).exists()


def kept_range(
    upstreams: Collection[str], start: str = "", end: str | None = None, limit: int | None = None
) -> list[RootEntry]:
    """The projects kept of these upstreams whose names are not ours, quarantined ones left out, by name.

    Those with names from `start` to before `end`, at most `limit`, in the order of their code points.
    """
    if not upstreams:
        return []
    more, less, order = (">=", "<", "p.name") if connection.vendor == "sqlite" else ("~>=~", "~<~", "p.name USING ~<~")
    statement = f"""
        SELECT p.name, max(p.serial) {_KEPT.format(marks=", ".join("%s" for _ in upstreams))}
          AND p.status <> 'quarantined' AND p.name {more} %s{f" AND p.name {less} %s" if end is not None else ""}
        GROUP BY p.name ORDER BY {order}{f" LIMIT {limit:d}" if limit is not None else ""}"""
    rows = fetch(statement, *upstreams, start, *(() if end is None else (end,)))
    return [RootEntry(name, name, serial) for name, serial in rows]


_KEPT = """
FROM catalogue_upstreamproject p JOIN catalogue_upstream u ON u.id = p.upstream_id
WHERE u.name IN ({marks}) AND NOT EXISTS (SELECT 1 FROM catalogue_project j WHERE j.name = p.name)
"""


def kept_at(upstreams: Collection[str], as_of: AsOf) -> list[RootEntry]:
    """The projects of which a page of these upstreams was kept up to a past moment, with the serial of the first."""
    if not upstreams:
        return []
    statement = f"""
        SELECT p.name, min(p.from_serial) {_KEPT.format(marks=", ".join("%s" for _ in upstreams))}
          AND p.from_serial <= %s GROUP BY p.name"""
    rows = fetch(statement, *upstreams, as_of.serial)
    return [RootEntry(name, name, serial) for name, serial in rows]


def kept_since(upstreams: Collection[str], serial: int) -> list[str]:
    """The names of which something was kept of these upstreams after `serial`, or that became ours since."""
    if not upstreams:
        return []
    marks = ", ".join("%s" for _ in upstreams)
    statement = f"""
        SELECT p.name FROM catalogue_upstreamproject p JOIN catalogue_upstream u ON u.id = p.upstream_id
        LEFT JOIN catalogue_project j ON j.name = p.name
        WHERE u.name IN ({marks}) AND (p.serial > %s OR j.created_serial > %s)"""  # noqa: S608
    return [name for (name,) in fetch(statement, *upstreams, serial, serial)]


def kept_project(upstream: str, name: str) -> UpstreamProject | None:
    """What is kept of a project of an upstream."""
    rows = UpstreamProject.objects.select_related("upstream")
    return rows.filter(upstream__name=upstream, name=name).first()


_LISTED = """
SELECT filename, version, sha256, size, upload_time, first_seen, seen_at, requires_python, metadata_sha256,
       metadata_filled, metadata_wrong, yanked, provenance, hashed_here
FROM catalogue_upstreamfile WHERE project_id = %s AND sha256 <> ''
"""


def upstream_listing(project: UpstreamProject) -> ProjectListing:
    """What an upstream offers of a project now; of one that is gone there, what was kept."""
    status = status_said(project.status)
    which = "" if status is Status.QUARANTINED else " AND kept" if project.gone else " AND listed"
    rows = [] if status is Status.QUARANTINED else fetch(_LISTED + which, project.pk)
    return _listing(project, [_listed(row) for row in rows], status, project.status_reason)


def offered_files(project: UpstreamProject) -> list[UpstreamFile]:
    """The files an upstream offers of a project now, hidden ones too, by version and name.

    Of a project that is gone there, those kept; of one that it quarantines, those it ever offered.
    """
    rows = UpstreamFile.objects.filter(project=project)
    if project.status != Status.QUARANTINED.value:
        rows = rows.filter(kept=True) if project.gone else rows.filter(listed=True)
    files = list(rows)
    keys = {version: sort_key(version) for version in {file.version for file in files}}
    return sorted(files, key=lambda file: (keys[file.version], file.filename))


def status_said(text: str) -> Status:
    """The status an upstream says; one that is none of those we know means nothing."""
    try:
        return Status(text)
    except ValueError:
        return Status.ACTIVE


def _listing(project: UpstreamProject, files: Iterable[ListedFile], status: Status, reason: str) -> ProjectListing:
    listed = list(files)
    keys = {version: sort_key(version) for version in {file.version for file in listed}}
    return ProjectListing(
        name=project.name,
        display_name=project.name,
        serial=project.serial,
        files=tuple(sorted(listed, key=lambda file: (keys[file.version], file.filename))),
        versions=tuple(sorted(keys, key=keys.__getitem__)),
        status=status,
        status_reason=reason,
    )


def _listed(row: Any) -> ListedFile:
    (
        filename, version, sha256, size, upload_time, first_seen, seen_at, requires_python, metadata,
        filled, wrong, yanked, provenance, hashed,
    ) = row  # fmt: skip
    return ListedFile(
        filename=filename,
        version=version,
        sha256=sha256,
        size=size,
        upload_time=moment_out(first_seen if upload_time is None else upload_time),
        requires_python=requires_python or None,
        metadata_sha256=None if wrong else metadata or None,
        yanked=yanked,
        provenance=provenance or None,
        seen_at=moment_out(seen_at),
        notes=_notes(timed=upload_time is not None, hashed=hashed, filled=bool(filled and metadata and not wrong)),
    )


def _notes(*, timed: bool, hashed: bool, filled: bool) -> tuple[tuple[str, str], ...]:
    """What JSON says of what the upstream left out and we filled in: upload time, sha256, core metadata."""
    notes = (
        ("upload-time-source", FIRST_SEEN, not timed),
        ("hashes-source", FETCHED, hashed),
        ("core-metadata-source", WHEEL, filled),
    )
    return tuple((name, value) for name, value, holds in notes if holds)


def newest_incomplete(missing: Q, now: datetime) -> UpstreamFile | None:
    """Of the files that miss something, of the project asked for last, one of the newest version; None: none to do.

    Left out are those whose names are ours, of upstreams that are not asked, and those put off until later than `now`.
    """
    rows = UpstreamFile.objects.select_related("project", "project__upstream").filter(
        missing,
        ~Exists(Project.objects.filter(name=OuterRef("project__name"))),
        listed=True,
        wait_until__lte=now.timestamp(),
        project__gone=False,
    )
    rows = rows.exclude(project__upstream__mode="offline").exclude(project__status=Status.QUARANTINED.value)
    few = list(rows.order_by("-project__checked_at", "-pk")[:LOOKED_AT])
    newest = [file for file in few if file.project_id == few[0].project_id]
    return max(newest, key=lambda file: (sort_key(file.version), file.filename), default=None)


def without_digest(project: UpstreamProject) -> list[tuple[str, str, str]]:
    """Filename, version and what went wrong ("") of the files that wait for their sha256, which no page shows."""
    if project.gone or project.status == Status.QUARANTINED.value:
        return []
    statement = """
        SELECT filename, version, missing FROM catalogue_upstreamfile
        WHERE project_id = %s AND sha256 = '' AND listed ORDER BY filename"""
    return [(filename, version, missing) for filename, version, missing in fetch(statement, project.pk)]


def upstream_listing_as_of(project: UpstreamProject, at: datetime) -> ProjectListing | None:
    """What the upstream offered at a past moment (aware): the page last seen then.

    Before the first one: of that one the files uploaded by then, each marked as reconstructed; None when there are
    none.
    """
    pages = Observation.objects.filter(upstream_id=project.upstream_id, project=project.name)
    seen = pages.filter(seen_at__lte=at).order_by("-seen_at", "-pk").first()
    found = seen or pages.order_by("seen_at", "pk").first()
    if found is None:
        return None
    page = read_project_page(unpacked(found), found.content_type, found.url)
    files, _ = believed(page, project.name, _reach_of(project.upstream).leads_to)
    rows = {file.filename: file for file in UpstreamFile.objects.filter(project=project)}
    listed = [_of_past(file, rows[file.filename]) for file in files if file.filename in rows]
    if seen is None:
        listed = [_reconstructed(file) for file in listed if file.upload_time <= at]
        if not listed:
            return None
    offered = [file for file in listed if file.sha256]
    return _listing(project, offered, page.status, page.status_reason)


def unpacked(observation: Observation) -> bytes:
    """The decoded page."""
    return zstandard.ZstdDecompressor().decompress(bytes(observation.body))


def _reach_of(upstream: Upstream) -> Reach:
    """Where its links may lead; without credentials."""
    return Reach(upstream.url, hosts=tuple(upstream.hosts))


def _of_past(file: PulledFile, row: UpstreamFile) -> ListedFile:
    """A file as a page of the past had it, with the digest that was first seen."""
    metadata = "" if row.metadata_wrong else row.metadata_sha256
    filled = bool(row.metadata_filled and metadata)
    return ListedFile(
        filename=file.filename,
        version=file.version,
        sha256=row.sha256,
        size=file.size if file.size is not None else row.size,
        upload_time=(file.upload_time or row.first_seen).astimezone(UTC),
        requires_python=file.requires_python or None,
        metadata_sha256=metadata or None,
        yanked=file.yanked,
        provenance=file.provenance or None,
        seen_at=row.seen_at,
        notes=_notes(timed=file.upload_time is not None, hashed=row.hashed_here, filled=filled),
    )


def _reconstructed(file: ListedFile) -> ListedFile:
    return replace(file, notes=(*file.notes, (RECONSTRUCTED, "true")))
