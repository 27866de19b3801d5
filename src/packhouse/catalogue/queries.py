# SPDX-License-Identifier: Apache-2.0
"""The few read queries of the web pages, the JSON API and the feeds; each a fixed number, whatever the data's size.

What is shown is judged here once: a placement that stands in the index now, of a project that is not deleted and
not quarantined.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Exists, F, Max, OuterRef, Q, QuerySet, Subquery

from packhouse.catalogue import listings
from packhouse.catalogue.activity.models import SearchDocument
from packhouse.catalogue.composition import owning_layer
from packhouse.catalogue.listings import was_living
from packhouse.catalogue.models import (
    File,
    FileDescription,
    Index,
    Invitation,
    JournalEntry,
    Organization,
    Placement,
    Project,
    ProjectStatus,
    Release,
    Role,
    User,
    Yank,
)
from packhouse.catalogue.models.journal import RESTORED
from packhouse.catalogue.rows import fetch_one
from packhouse.domain.listing import Status
from packhouse.domain.moments import AsOf
from packhouse.domain.permissions import ProjectRole
from packhouse.domain.project_json import FileFacts, ProjectFacts, ReleaseFacts
from packhouse.domain.serving import Policy
from packhouse.domain.versions import sort_key

OWNERS_FIRST = "-role"  # "owner" sorts after "maintainer"


def find_project(index: str, name: str) -> Project | None:
    """A project that this index knows: not deleted, and placed in it now or once."""
    placed = Placement.objects.filter(_KNOWN, index__name=index, project=OuterRef("pk"))
    return Project.objects.filter(Exists(placed), name=name, deleted_serial=None).first()


@dataclass(frozen=True, slots=True)
class Answering:
    """A project, the index whose own files of it are shown, and the policies that have a say in which."""

    project: Project
    index: str
    policies: tuple[Policy, ...] = ()


def answering(index: str, name: str, as_of: AsOf | None = None) -> Answering | None:
    """The living project that an index knows (or knew), by itself or by what it is made of."""
    row = Index.objects.filter(name=index).only("id").first()
    project = Project.objects.filter(name=name).first()
    owner = owning_layer(row.pk, project.name, as_of) if row and project else None
    if project is None or owner is None or not owner.own:
        return None
    lives = project.deleted_serial is None if as_of is None else was_living(name, as_of)
    return Answering(project, owner.name, owner.speaking) if lives else None


def status_of(project: Project) -> tuple[Status, str]:
    """The project's status now, with its reason."""
    row = ProjectStatus.objects.filter(project=project, to_serial=None).values_list("status", "reason").first()
    return (Status(row[0]), row[1]) if row else (Status.ACTIVE, "")


def project_facts(
    index: str, project: Project, *, even_quarantined: bool = False, as_of: AsOf | None = None
) -> ProjectFacts:
    """Everything that can be told of a project in an index, releases ascending; no files while quarantined.

    Policy has not judged it: see `services.serving`.

    Without an index (""): what stands in any of them, each file once, as those who manage it see it.

    Core metadata of all files comes along, descriptions do not: see `with_description`.
    """
    status, _reason = listings.status_of(project.pk, as_of)
    hidden = status is Status.QUARANTINED and not even_quarantined
    rows = [] if hidden else list(_placed(index, project, as_of))
    by_release: dict[str, list[FileFacts]] = {}
    for row in {row["file__filename"]: row for row in rows}.values():
        by_release.setdefault(row["file__release__version"], []).append(_file(row))
    releases = tuple(
        ReleaseFacts(version=version, files=tuple(sorted(files, key=lambda file: file.filename)))
        for version, files in sorted(by_release.items(), key=lambda item: sort_key(item[0]))
    )
    people = tuple((role.capitalize(), user) for role, user in project_people(project.name))
    serial = project.serial if as_of is None else listings.serial_at(project.name, as_of)
    owning = people[0][1] if people and project.organization_id is not None else None
    return ProjectFacts(project.name, project.display_name, serial, releases, people, owning)


def _names(text: str) -> list[str]:
    return text.split()


_FIELDS = _names(
    "filename packagetype python_version sha256 blake2b_256 md5 size uploaded_at requires_python metadata_sha256"
    " metadata_served metadata warnings release__version uploaded_by__username"
)


def _placed(index: str, project: Project, as_of: AsOf | None) -> Iterable[dict[str, Any]]:
    where = {"index__name": index} if index else {}
    rows: Iterable[dict[str, Any]] = (
        Placement.objects.filter(_held("", as_of), **where, project=project, file__purged_serial=None)
        .annotate(yanked=Max("file__yanks__reason", filter=_held("file__yanks__", as_of)))
        .values("yanked", *(f"file__{name}" for name in _FIELDS))
    )
    return rows


def _held(prefix: str, as_of: AsOf | None) -> Q:
    """The condition that a row with serials holds, now or at a past moment."""
    if as_of is None:
        return Q(**{f"{prefix}to_serial": None})
    later = Q(**{f"{prefix}to_serial": None}) | Q(**{f"{prefix}to_serial__gt": as_of.serial})
    return later & Q(**{f"{prefix}from_serial__lte": as_of.serial})


def _file(row: dict[str, Any]) -> FileFacts:
    return FileFacts(
        filename=row["file__filename"],
        packagetype=row["file__packagetype"],
        python_version=row["file__python_version"],
        sha256=row["file__sha256"],
        blake2b_256=row["file__blake2b_256"],
        md5=row["file__md5"],
        size=row["file__size"],
        upload_time=row["file__uploaded_at"],
        requires_python=row["file__requires_python"] or None,
        metadata_sha256=row["file__metadata_sha256"] if row["file__metadata_served"] else None,
        yanked=row["yanked"],
        core=row["file__metadata"],
        warnings=tuple(row["file__warnings"] or ()),
    )


def uploaders(index: str, project: Project) -> dict[str, str]:
    """Who uploaded which file: filename -> user name."""
    rows = Placement.objects.filter(index__name=index, project=project, to_serial=None, file__uploaded_by__isnull=False)
    return dict(rows.values_list("file__filename", "file__uploaded_by__username"))


def description_of(release: ReleaseFacts) -> FileDescription | None:
    """The README to show for a release: of its first wheel, else of its first file."""
    wheels = [file for file in release.files if file.packagetype == "bdist_wheel"]
    first = min(wheels or release.files, key=lambda file: (file.upload_time, file.filename), default=None)
    if first is None:
        return None
    return FileDescription.objects.filter(file__filename=first.filename).first()


def project_people(name: str) -> list[tuple[str, str]]:
    """(role, user name) of a project, owners first; the organization it belongs to is the first owner."""
    rows = Role.objects.filter(project__name=name).order_by(OWNERS_FIRST, "user__username")
    owning = Organization.objects.filter(projects__name=name).values_list("name", flat=True)
    return [*((ProjectRole.OWNER.value, one) for one in owning), *rows.values_list("role", "user__username")]


_KNOWN = Q(to_serial=None) | Q(taken_back=False)
"""Of a placement: that it says the index knows the project."""


def serials(indexes: Iterable[str]) -> dict[str, int]:
    """The serial of every living project that these indexes know, by normalized name, quarantined ones too."""
    placed = Placement.objects.filter(_KNOWN, index__name__in=indexes, project=OuterRef("pk"))
    rows = Project.objects.filter(Exists(placed), deleted_serial=None).order_by("name")
    return dict(rows.values_list("name", "serial"))


def roles_of(username: str, indexes: Iterable[str]) -> list[tuple[str, str]]:
    """(role, display name) of the projects of a person that have a file in these indexes now, owners first.

    An organization is the owner of its projects. What a person is to one by an organization is not told: who belongs
    to it is for its members to know.
    """
    organization = Organization.objects.filter(name_key=username.lower(), deleted_at=None).first()
    if organization is not None:
        placed = Placement.objects.filter(index__name__in=indexes, project=OuterRef("pk"), to_serial=None)
        owned = Project.objects.filter(Exists(placed), organization=organization, deleted_serial=None)
        return [
            (ProjectRole.OWNER.value, name) for name in owned.order_by("name").values_list("display_name", flat=True)
        ]
    placed = Placement.objects.filter(index__name__in=indexes, project=OuterRef("project"), to_serial=None)
    rows = Role.objects.filter(
        Exists(placed), user__username_key=username.lower(), user__is_active=True, project__deleted_serial=None
    ).order_by(OWNERS_FIRST, "project__name")
    return list(rows.values_list("role", "project__display_name"))


@dataclass(frozen=True, slots=True)
class NewRelease:
    """A release as lists of news show it."""

    name: str
    display_name: str
    version: str
    summary: str
    published: datetime
    author: str


def newest_releases(
    indexes: Iterable[str], count: int, project: str = "", *, even_quarantined: bool = False, offset: int = 0
) -> list[NewRelease]:
    """The newest releases that have a file in these indexes now, newest first; of one project when named."""
    placed = Placement.objects.filter(index__name__in=indexes, file__release=OuterRef("pk"), to_serial=None)
    # Not a condition on the joined project: SQLite would read all projects first, to know the ones to leave out.
    deleted = Project.objects.filter(pk=OuterRef("project"), deleted_serial__isnull=False)
    releases = Release.objects.filter(Exists(placed), ~Exists(deleted))
    if not even_quarantined:
        releases = releases.filter(~Exists(_quarantined("project")))
    if project:
        releases = releases.filter(project__name=project)
    rows = list(releases.select_related("project").order_by("-created_serial")[offset : offset + count])
    core = _first_metadata([row.pk for row in rows])
    return [
        NewRelease(
            row.project.name,
            row.project.display_name,
            row.version,
            str(core.get(row.pk, {}).get("summary") or ""),
            row.created_at,
            str(core.get(row.pk, {}).get("author_email") or ""),
        )
        for row in rows
    ]


def _quarantined(key: str) -> QuerySet[ProjectStatus]:
    """The quarantine, if there is one, of the project whose id is the field `key` of the query around it."""
    return ProjectStatus.objects.filter(project=OuterRef(key), to_serial=None, status=Status.QUARANTINED.value)


def _first_metadata(releases: list[int]) -> dict[int, dict[str, Any]]:
    rows = File.objects.filter(release__in=releases).order_by("release", "-serial").values_list("release", "metadata")
    return dict(rows)


def newest_projects(indexes: Iterable[str], count: int, offset: int = 0) -> list[NewRelease]:
    """The newest projects of these indexes, newest first."""
    placed = Placement.objects.filter(index__name__in=indexes, project=OuterRef("pk"), to_serial=None)
    projects = Project.objects.filter(Exists(placed), deleted_serial=None).order_by("-created_serial")
    projects = projects[offset : offset + count]
    return [NewRelease(p.name, p.display_name, "", "", p.created_at, "") for p in projects]


@dataclass(frozen=True, slots=True)
class Counts:
    """How much an index holds now."""

    projects: int
    releases: int
    files: int


def counts(index: str) -> Counts:
    """How much an index holds now, in one query."""
    found = Placement.objects.filter(index__name=index, to_serial=None, project__deleted_serial=None).aggregate(
        projects=Count("project", distinct=True), releases=Count("file__release", distinct=True), files=Count("pk")
    )
    return Counts(**found)


def estimate(index: str) -> Counts:
    """About how much an index of a large server holds: releases deleted or elsewhere are counted too."""
    placed = Placement.objects.filter(index__name=index, to_serial=None)
    return Counts(SearchDocument.objects.filter(index_name=index).count(), Release.objects.count(), placed.count())


@dataclass(frozen=True, slots=True)
class Held:
    """How much a server holds in all its indexes: living projects, files and their bytes, active accounts."""

    projects: int
    files: int
    size: int
    people: int


def held() -> Held:
    """How much this server holds now; reads all of it."""
    files, size = fetch_one("SELECT COUNT(*), COALESCE(SUM(size), 0) FROM catalogue_file WHERE purged_serial IS NULL")
    projects, people = Project.objects.filter(deleted_serial=None), User.objects.filter(is_active=True)
    return Held(projects.count(), files, int(size), people.count())


def restorations() -> list[JournalEntry]:
    """The entries with which restored backups began, the newest first."""
    # The kind stands in the statement itself: the small index of these is for statements that say so.
    return list(
        JournalEntry.objects.raw(
            f"SELECT * FROM catalogue_journalentry WHERE kind = '{RESTORED}' ORDER BY serial DESC"  # noqa: S608
        )
    )


@dataclass(frozen=True, slots=True)
class OwnProject:
    """A project in a person's own list, with its newest release ("" and None without one)."""

    name: str
    normalized: str
    role: str
    status: str
    version: str
    summary: str
    published: datetime | None


def roles_held(user: User) -> list[OwnProject]:
    """The projects a person has a role in, by name, without what `projects_of` reads for each of them."""
    rows = Role.objects.filter(user=user, project__deleted_serial=None).order_by("project__name")
    held = rows.values_list("project__display_name", "project__name", "role")
    return [OwnProject(display, name, role, "", "", "", None) for display, name, role in held]


def projects_of(user: User, index: str = "main", names: Collection[str] | None = None) -> list[OwnProject]:
    """The projects a person has a role in, by name: three queries, however many they are. Of `names` alone if given."""
    newest = Placement.objects.filter(index__name=index, project=OuterRef("project"), to_serial=None)
    roles = Role.objects.filter(user=user, project__deleted_serial=None)
    if names is not None:
        roles = roles.filter(project__name__in=names)
    rows = list(
        roles.annotate(file=Subquery(newest.order_by("-from_serial", "-file").values("file")[:1]))
        .order_by("project__name")
        .values_list("project__display_name", "project__name", "role", "file")
    )
    files = {file.pk: file for file in File.objects.select_related("release").filter(pk__in=[row[3] for row in rows])}
    current = ProjectStatus.objects.filter(project__roles__user=user, to_serial=None)
    if names is not None:
        current = current.filter(project__name__in=names)
    statuses = dict(current.values_list("project__name", "status"))
    return [_own(row, files.get(row[3]), statuses.get(row[1], Status.ACTIVE.value)) for row in rows]


def _own(row: tuple[str, str, str, int | None], file: File | None, status: str) -> OwnProject:
    display, name, role, _ = row
    if file is None:
        return OwnProject(display, name, role, status, "", "", None)
    summary = str(file.metadata.get("summary") or "")
    return OwnProject(display, name, role, status, file.release.version, summary, file.uploaded_at)


def public_projects_of(user: User, indexes: Iterable[str]) -> list[str]:
    """The names of a person's projects that have a file in these indexes and are not quarantined, by name."""
    placed = Placement.objects.filter(index__name__in=indexes, project=OuterRef("project"), to_serial=None)
    roles = Role.objects.filter(Exists(placed), ~Exists(_quarantined("project")), user=user)
    rows = roles.filter(project__deleted_serial=None).order_by("project__name")
    return list(rows.values_list("project__name", flat=True))


def open_invitations(user: User, now: datetime) -> list[Invitation]:
    """Invitations a person has not answered."""
    rows = Invitation.objects.filter(user=user, state="open", expires_at__gt=now)
    return list(rows.select_related("project", "invited_by").order_by("created_at"))


def yanked_files(project: Project) -> dict[str, str]:
    """Filename -> reason of the files yanked now."""
    rows = Yank.objects.filter(file__project=project, to_serial=None).annotate(filename=F("file__filename"))
    return dict(rows.values_list("filename", "reason"))


def entries_of_index(index: str, count: int) -> list[JournalEntry]:
    """The newest journal entries about an index itself, newest first."""
    about = JournalEntry.objects.filter(index_name=index, project="")
    return list(about.order_by("-serial")[:count])
