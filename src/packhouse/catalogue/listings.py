# SPDX-License-Identifier: Apache-2.0
"""The read queries pages are made of: what an index shows, now or once, in a fixed number of statements."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.db import connection

from packhouse.catalogue.composition import Owner, own_indexes, owning_layer, owns, upstreams_below
from packhouse.catalogue.models import Index, Project, UpstreamProject
from packhouse.catalogue.pulled import (
    kept_at,
    kept_project,
    kept_range,
    kept_since,
    upstream_listing,
    upstream_listing_as_of,
    without_digest,
)
from packhouse.catalogue.rows import fetch, fetch_one, moment_out
from packhouse.domain.listing import ListedFile, ProjectListing, RootEntry, RootListing, Status
from packhouse.domain.moments import AsOf, holds
from packhouse.domain.serving import Subject, Verdict, judge, next_change
from packhouse.domain.versions import sort_key


@dataclass(frozen=True, slots=True)
class Hidden:
    """A file that an index has and does not serve, or serves with a warning, and why."""

    filename: str
    version: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Shown:
    """A project as an index shows it, and what its validators are: `modified` in unix seconds.

    `valid_until` is the moment from which time alone makes another page; None: never.
    """

    listing: ProjectListing
    modified: int
    valid_until: datetime | None = None
    hidden: tuple[Hidden, ...] = ()


def project_shown(index: Index, project: Project, now: datetime) -> Shown | None:
    """What the index shows of a living project now; None when no own layer of it owns the name."""
    owner = owning_layer(index.pk, project.name)
    return shown_from(owner, project, index.shaped, now) if owner is not None and owner.own else None


def shown_from(owner: Owner, project: Project, shaped: int, now: datetime) -> Shown:
    """The project as an own layer has it, judged by what every index on the way to it says (`shaped`: its marker)."""
    status, reason = status_of(project.pk)
    files = () if status is Status.QUARANTINED else _files(owner.index_id, project.pk)
    judged = _judged(project.name, files, owner, now)
    listing = _listing(project, project.serial, judged.files, (status, reason))
    return Shown(listing, max(project.modified, shaped, judged.changed), judged.until, judged.hidden)


def project_at(index: Index, name: str, as_of: AsOf) -> Shown | None:
    """What an index showed of a project (normalized) at a past moment; None when it did not know it, or deleted it."""
    owner = owning_layer(index.pk, name, as_of)
    if owner is not None and not owner.own:
        return pulled_at(owner, name, as_of)
    project = Project.objects.filter(name=name).first()
    if owner is None or not owner.own or project is None or not was_living(name, as_of):
        return None
    status, reason = status_of(project.pk, as_of)
    files = () if status is Status.QUARANTINED else _files(owner.index_id, project.pk, as_of)
    judged = _judged(name, files, owner, as_of.at)
    listing = _listing(project, serial_at(name, as_of), judged.files, (status, reason))
    return Shown(listing, int(as_of.at.timestamp()), None, judged.hidden)


def _listing(
    project: Project, serial: int, files: tuple[ListedFile, ...], status: tuple[Status, str]
) -> ProjectListing:
    versions = sorted({file.version for file in files}, key=sort_key)
    return ProjectListing(
        name=project.name,
        display_name=project.display_name,
        serial=serial,
        files=files,
        versions=tuple(versions),
        status=status[0],
        status_reason=status[1],
    )


@dataclass(frozen=True, slots=True)
class _Judged:
    """The files served, those that are not, when that changes next, and when (unix seconds) it changed last."""

    files: tuple[ListedFile, ...]
    hidden: tuple[Hidden, ...] = ()
    until: datetime | None = None
    changed: int = 0


def _judged(name: str, files: tuple[ListedFile, ...], owner: Owner, now: datetime) -> _Judged:
    policies = owner.speaking
    if not policies:
        return _Judged(files)
    verdicts = [
        (file, judge(Subject(name, file.version, file.upload_time, _seen(file)), policies, now)) for file in files
    ]
    hidden = tuple(Hidden(f.filename, f.version, v) for f, v in verdicts if v.against or v.warnings)
    served = tuple(file for file, verdict in verdicts if verdict.served)
    ages = {policy.minimum_age for policy in policies}
    # A cooldown that ended made another page: its moment goes into the page's time of modification.
    ended = [int(max(file.upload_time, _seen(file)).timestamp()) + age for file in served for age in ages]
    changed = max((moment for moment in ended if moment <= now.timestamp()), default=0)
    return _Judged(served, hidden, next_change((verdict for _, verdict in verdicts), now), changed)


def _seen(file: ListedFile) -> datetime:
    return file.seen_at or file.upload_time


def pulled_shown(owner: Owner, project: UpstreamProject, shaped: int, now: datetime) -> Shown:
    """The project as the upstream layer that owns it has it, until the upstream is to be asked again."""
    listing = upstream_listing(project)
    judged = _judged(project.name, listing.files, owner, now)
    fresh = datetime.fromtimestamp(project.fresh_until, UTC)
    until = fresh if judged.until is None else min(fresh, judged.until)
    modified = max(project.modified, shaped, judged.changed)
    hidden = (*judged.hidden, *_undigested(owner, project, now))
    return Shown(_with_files(listing, judged.files), modified, until, hidden)


def _undigested(owner: Owner, project: UpstreamProject, now: datetime) -> list[Hidden]:
    """The files of an upstream that nobody has said the sha256 of, held until we have hashed them."""
    return [
        Hidden(filename, version, judge(Subject(project.name, version, None, None, held=why_held(missing)), (), now))
        for filename, version, missing in without_digest(project)
    ]


def why_held(missing: str) -> str:
    """Why a file whose sha256 nobody has said is not served; `missing` is what went wrong with hashing it, or ""."""
    why = f" The last attempt failed: {missing}." if missing else ""
    return f"The upstream gives no sha256 of the file; it is fetched and hashed before it is shown.{why}"


def _with_files(listing: ProjectListing, files: tuple[ListedFile, ...]) -> ProjectListing:
    versions = {file.version for file in files}
    return replace(listing, files=files, versions=tuple(v for v in listing.versions if v in versions))


def pulled_at(owner: Owner, name: str, as_of: AsOf) -> Shown | None:
    """The project as the upstream that owns it showed it at a past moment; None when it had nothing of it then."""
    project = kept_project(owner.upstream, name)
    listing = None if project is None else upstream_listing_as_of(project, as_of.at)
    if listing is None:
        return None
    judged = _judged(name, listing.files, owner, as_of.at)
    return Shown(_with_files(listing, judged.files), int(as_of.at.timestamp()), None, judged.hidden)


def was_living(name: str, as_of: AsOf) -> bool:
    """Whether a project that existed at a past moment was not deleted then."""
    statement = """
        SELECT kind FROM catalogue_journalentry
        WHERE project = %s AND serial <= %s AND kind IN ('project created', 'project deleted')
        ORDER BY serial DESC LIMIT 1"""
    row = fetch_one(statement, name, as_of.serial)
    return row is None or row[0] != "project deleted"


def serial_at(name: str, as_of: AsOf) -> int:
    """The serial of the last journal entry about a project up to a past moment."""
    statement = "SELECT max(serial) FROM catalogue_journalentry WHERE project = %s AND serial <= %s"
    return int(fetch_one(statement, name, as_of.serial)[0] or 0)


def status_of(project_id: int, as_of: AsOf | None = None) -> tuple[Status, str]:
    """The status of a project, now or at a past moment, and its reason."""
    statement = f"""
        SELECT s.status, s.reason FROM catalogue_projectstatus s
        WHERE s.project_id = %s AND {holds("s", as_of)}"""  # noqa: S608 - our own words
    row = fetch_one(statement, project_id)
    return (Status.ACTIVE, "") if row is None else (Status(row[0]), row[1])


def has_more_files(index_id: int, project_id: int, most: int) -> bool:
    """Whether a project has more than `most` files in the own layer of an index now."""
    statement = """
        SELECT count(*) FROM (SELECT 1 FROM catalogue_placement
        WHERE index_id = %s AND project_id = %s AND to_serial IS NULL LIMIT %s) AS few"""
    return int(fetch_one(statement, index_id, project_id, most + 1)[0]) > most


def _files(index_id: int, project_id: int, as_of: AsOf | None = None) -> tuple[ListedFile, ...]:
    """The files placed in an index, now or at a past moment, sorted by version and filename; purged ones left out."""
    statement = f"""
        SELECT f.filename, r.version, f.sha256, f.size, f.uploaded_at, f.requires_python,
               CASE WHEN f.metadata_served THEN f.metadata_sha256 ELSE '' END, y.reason
        FROM catalogue_placement p
        JOIN catalogue_file f ON f.id = p.file_id
        JOIN catalogue_release r ON r.id = f.release_id
        LEFT JOIN catalogue_yank y ON y.file_id = f.id AND {holds("y", as_of)}
        WHERE p.index_id = %s AND p.project_id = %s AND {holds("p", as_of)}
          AND f.purged_serial IS NULL"""  # noqa: S608 - our own words
    files = [_listed(row) for row in fetch(statement, index_id, project_id)]
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


def root_at(index: Index, as_of: AsOf) -> RootListing:
    """Every project an index showed at a past moment."""
    own = own_indexes(index.pk, as_of)
    statement = f"""
        SELECT p.name, p.display_name,
               (SELECT max(j.serial) FROM catalogue_journalentry j WHERE j.project = p.name AND j.serial <= %s)
        FROM catalogue_project p
        LEFT JOIN catalogue_projectstatus s ON s.project_id = p.id AND {holds("s", as_of)}
        WHERE COALESCE(s.status, '') <> 'quarantined'
          AND EXISTS (SELECT 1 FROM catalogue_placement l
                      WHERE l.project_id = p.id AND l.index_id IN ({_marks(own)}) AND {owns("l", as_of)})
          AND COALESCE((SELECT j.kind FROM catalogue_journalentry j
                        WHERE j.project = p.name AND j.serial <= %s
                          AND j.kind IN ('project created', 'project deleted')
                        ORDER BY j.serial DESC LIMIT 1), '') <> 'project deleted'"""  # noqa: S608 - our own words
    rows = fetch(statement, as_of.serial, *own, as_of.serial)
    ours = [RootEntry(name, display, serial or 0) for name, display, serial in rows]
    kept = kept_at(upstreams_below(index.pk, as_of), as_of)
    entries = sorted([*ours, *kept], key=lambda entry: entry.name)
    return RootListing(max((entry.serial for entry in entries), default=0), tuple(entries))


def root_shown(index: Index) -> RootListing:
    """Every project an index shows now, quarantined and deleted ones left out; of upstreams those kept."""
    rows = root_range(Sources.of(index.pk))
    shown = [RootEntry(row.name, row.display_name, row.serial) for row in rows if row.shown]
    return RootListing(serial=index.serial, projects=tuple(shown))


class Sources(NamedTuple):
    """What an index is made of in the end: indexes whose own placements it shows (ids, sorted), and upstreams."""

    own: list[int]
    upstreams: list[str]

    @classmethod
    def of(cls, index_id: int) -> Sources:
        """Those of an index now."""
        return cls(own_indexes(index_id), upstreams_below(index_id))


class RootRow(NamedTuple):
    """A living project of this server, or one kept of an upstream, and whether the root page asked for shows it."""

    name: str
    display_name: str
    serial: int
    shown: bool


def root_range(sources: Sources, start: str = "", end: str | None = None, limit: int | None = None) -> list[RootRow]:
    """The projects with names from `start` to before `end`, at most `limit`, in the order of their code points.

    A root page shows those that one of its own indexes ever had a file of, and those kept of its upstreams;
    quarantined ones are left out.
    """
    ours = _own_range(sources.own, start, end, limit)
    kept = [
        RootRow(entry.name, entry.display_name, entry.serial, shown=True)
        for entry in kept_range(sources.upstreams, start, end, limit)
    ]
    return sorted([*ours, *kept], key=lambda row: row.name)[:limit] if kept else ours


def _own_range(own: list[int], start: str, end: str | None, limit: int | None) -> list[RootRow]:
    # PostgreSQL's ordinary comparisons follow a language; these are by bytes, and have an index of Django's making.
    more, less, order = (">=", "<", "p.name") if connection.vendor == "sqlite" else ("~>=~", "~<~", "p.name USING ~<~")
    statement = f"""
        SELECT p.name, p.display_name, p.serial, CASE WHEN s.status = 'quarantined' THEN 0 WHEN EXISTS (
            SELECT 1 FROM catalogue_placement l
            WHERE l.project_id = p.id AND l.index_id IN ({_marks(own)}) AND {owns("l")}
        ) THEN 1 ELSE 0 END
        FROM catalogue_project p
        LEFT JOIN catalogue_projectstatus s ON s.project_id = p.id AND s.to_serial IS NULL
        WHERE p.deleted_serial IS NULL AND p.name {more} %s{f" AND p.name {less} %s" if end is not None else ""}
        ORDER BY {order}{f" LIMIT {limit:d}" if limit is not None else ""}"""  # noqa: S608 - our own words
    values = [*own, start] if end is None else [*own, start, end]
    return [RootRow(name, display, serial, bool(shown)) for name, display, serial, shown in fetch(statement, *values)]


def changed_names(sources: Sources, serial: int) -> list[str]:
    """The projects of these sources, deleted ones too, of which something was journalled after `serial`."""
    own = sources.own
    statement = f"""
        SELECT p.name FROM catalogue_project p WHERE p.serial > %s AND EXISTS (
            SELECT 1 FROM catalogue_placement l WHERE l.project_id = p.id AND l.index_id IN ({_marks(own)})
        )"""  # noqa: S608 - our own words
    return [*(name for (name,) in fetch(statement, serial, *own)), *kept_since(sources.upstreams, serial)]


def _marks(values: list[int]) -> str:
    return ", ".join("%s" for _ in values) or "NULL"


def shape_of(index: Index) -> tuple[str, int]:
    """What a page of an index depends on besides its projects: its audience, and when it was last made up anew."""
    return index.audience, index.shaped


def living_project(name: str) -> Project | None:
    """The project of this normalized name unless it is deleted."""
    return Project.objects.filter(name=name, deleted_serial=None).first()
