# SPDX-License-Identifier: Apache-2.0
"""What administrators are told of upstreams: how they do, what is kept of them, what was refused, which names clash."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db.models import Count, Q, Sum

from packhouse.catalogue.models import (
    JournalEntry,
    Observation,
    Project,
    Upstream,
    UpstreamFile,
    UpstreamPermit,
    UpstreamProject,
)
from packhouse.catalogue.pulled import unpacked
from packhouse.domain.pulled import hosts_forbidden
from packhouse.domain.simple_reader import read_project_page
from packhouse.services.indexes import MAIN
from packhouse.services.journal import Fact
from packhouse.services.upstreams import RESERVED, find_upstream, permitted_names, reach_of, reserved_names

MOST_SHOWN = 50
MOST_NAMED = 5
"""Hosts named of a page whose files lie elsewhere."""
MOST_CLASHES = 200
"""Names that both have, on a page."""


def facts_of(name: str) -> Iterator[tuple[str, str]]:
    """Everything about an upstream, as pairs of a word and a value. Raises MISSING."""
    upstream = find_upstream(name)
    projects = UpstreamProject.objects.filter(upstream=upstream)
    kept = UpstreamFile.objects.filter(project__upstream=upstream, kept=True)
    yield "name", upstream.name
    yield "address", upstream.url
    yield "credentials", "kept sealed" if upstream.secret else "none"
    yield "mode", upstream.mode
    for host in upstream.hosts:
        yield "host", host
    if upstream.learns:
        yield "host", "(those of the first page with files)"
    for key, seconds in (("ttl", upstream.ttl), ("negative-ttl", upstream.negative_ttl)):
        yield key, "as set for the server" if seconds is None else f"{seconds} seconds"
    for pattern in reserved_names():
        yield "reserved", pattern
    yield "projects", str(projects.count())
    yield "files kept", f"{kept.count()} ({kept.aggregate(total=Sum('size'))['total'] or 0} bytes)"
    for project in projects.exclude(failure="").order_by("name")[:MOST_SHOWN]:
        yield "failing", f"{project.name} since {_moment(project.failing_since)}: {project.failure}"
    for project in projects.filter(gone=True).order_by("name")[:MOST_SHOWN]:
        yield "gone", project.name
    for project in projects.filter(dropped__gt=0).order_by("name")[:MOST_SHOWN]:
        yield "left out", f"{project.name}: {project.dropped} files{_behind_others(upstream, project.name)}"
    listed = UpstreamFile.objects.filter(project__upstream=upstream, listed=True)
    waiting = listed.filter(sha256="", project__gone=False)
    for label, rows in (
        ("waiting for a sha256", waiting),
        ("hashed here", listed.filter(hashed_here=True)),
        ("metadata filled in", listed.filter(metadata_filled=True, metadata_wrong=False)),
    ):
        if rows.exists():
            yield label, f"{rows.count()} files"
    for file in waiting.exclude(missing="").order_by("filename")[:MOST_SHOWN]:
        yield "not hashed", f"{file.filename}: {file.missing}"
    refused = UpstreamFile.objects.filter(project__upstream=upstream).exclude(refused_sha256="")
    for file in refused.order_by("filename")[:MOST_SHOWN]:
        said = file.refused_sha256
        expected = file.other_digest if "=" in said else f"sha256={file.sha256}"
        yield "refused", f"{file.filename}: {said if '=' in said else f'sha256={said}'} instead of {expected}"


def _behind_others(upstream: Upstream, name: str) -> str:
    """The hosts on the newest page of a project that the upstream may not lead to."""
    pages = Observation.objects.filter(upstream=upstream, project=name)
    found = pages.order_by("-seen_at", "-pk").first()
    if found is None:
        return ""
    page = read_project_page(unpacked(found), found.content_type, found.url)
    hosts = hosts_forbidden(page.files, reach_of(upstream))[:MOST_NAMED]
    return f", some at hosts that its list lacks (--host): {', '.join(hosts)}" if hosts else ""


def _moment(seconds: float | None) -> str:
    return "?" if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class Clash:
    """A name that is or was a project here and of which an upstream's page was kept."""

    name: str
    upstream: str
    ours_since: datetime
    theirs_since: datetime
    deleted: bool
    permitted: bool


def clashes() -> list[Clash]:
    """The names that both have, by name."""
    ours = {
        name: (since, deleted is not None)
        for name, since, deleted in Project.objects.filter(name__in=UpstreamProject.objects.values("name")).values_list(
            "name", "created_at", "deleted_serial"
        )
    }
    permitted = set(permitted_names())
    rows = UpstreamProject.objects.filter(name__in=Project.objects.values("name")).order_by("name", "upstream__name")
    return [
        Clash(name, upstream, ours[name][0], seen, ours[name][1], name in permitted)
        for name, upstream, seen in rows.values_list("name", "upstream__name", "first_seen")
        if name in ours
    ]


def collisions() -> list[tuple[str, str]]:
    """The names that both have, each with the upstream's name."""
    return [(clash.name, clash.upstream) for clash in clashes()]


@dataclass(frozen=True, slots=True)
class Permit:
    """A name that may be published here although an upstream has it; `used`: it was."""

    name: str
    by: str
    at: datetime
    used: bool


def permits() -> list[Permit]:
    """The permits there are, by name."""
    rows = list(UpstreamPermit.objects.order_by("name"))
    ours = set(Project.objects.filter(name__in=[row.name for row in rows]).values_list("name", flat=True))
    return [Permit(row.name, row.granted_by, row.granted_at, row.name in ours) for row in rows]


@dataclass(frozen=True, slots=True)
class Standing:
    """An upstream in a line: what is kept of it (files, their bytes), how much fails, how many files it changed."""

    name: str
    url: str
    mode: str
    credentials: bool
    projects: int
    files: int
    size: int
    failing: int
    refused: int


def standing_of(upstream: Upstream) -> Standing:
    """How an upstream does."""
    projects, files = UpstreamProject.objects.filter(upstream=upstream), UpstreamFile.objects
    kept = files.filter(project__upstream=upstream, kept=True).aggregate(count=Count("pk"), total=Sum("size"))
    refused = files.filter(project__upstream=upstream).exclude(refused_sha256="").count()
    failing = projects.exclude(failure="").count()
    told = (upstream.name, upstream.url, upstream.mode, bool(upstream.secret))
    return Standing(*told, projects.count(), kept["count"], kept["total"] or 0, failing, refused)


_CHANGES = (
    Fact.UPSTREAM_SET,
    Fact.UPSTREAM_NAME_PERMITTED,
    Fact.UPSTREAM_PERMIT_ENDED,
    Fact.UPSTREAM_NAME_CLASHES,
    Fact.UPSTREAM_FILE_REFUSED,
)


def entries(count: int) -> list[JournalEntry]:
    """The newest journal entries about upstreams and names, newest first; that a project was kept is none of them."""
    about = Q(kind__in=[fact.value for fact in _CHANGES])
    about |= Q(kind=Fact.INDEX_RULE_SET.value, index_name=MAIN, detail__key=RESERVED)
    return list(JournalEntry.objects.filter(about).order_by("-serial")[:count])
