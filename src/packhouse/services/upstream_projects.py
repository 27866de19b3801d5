# SPDX-License-Identifier: Apache-2.0
"""Projects that upstreams own, for people: finding the kept ones by name, and what an index serves of one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from packhouse.catalogue.composition import owners_of, owning_layer, upstreams_below
from packhouse.catalogue.listings import pulled_at, pulled_shown
from packhouse.catalogue.models import Index, UpstreamProject
from packhouse.catalogue.pulled import kept_project
from packhouse.domain.listing import ListedFile, ProjectListing, Status
from packhouse.domain.moments import AsOf
from packhouse.domain.project_json import FileFacts, ProjectFacts, ReleaseFacts, latest_release
from packhouse.domain.searching import exact_name, words_of
from packhouse.domain.versions import sort_key
from packhouse.errors import Kind, refuse
from packhouse.services import pulling
from packhouse.services.serving import HiddenFile, Served

if TYPE_CHECKING:
    from packhouse.services.resources import Resources

MOST = 20
"""Projects of upstreams that one search shows."""
LOOKED_AT = 100
"""Names that are looked at for them: rules may hide all of some."""
PATIENCE = 5.0
"""Seconds that somebody waits for a turn to have an upstream asked."""
_ASKING = threading.BoundedSemaphore(4)
"""People's pages and documents that wait for an upstream at once: the other threads go on with what is here."""


@dataclass(frozen=True, slots=True)
class UpstreamHit:
    """A project of an upstream with the latest release that is served of it; `gone`: the upstream has it no more."""

    name: str
    upstream: str
    version: str
    released_at: datetime
    status: str
    gone: bool


@dataclass(frozen=True, slots=True)
class UpstreamHits:
    """What was found. `more`: there are others. `asked`: a name nobody here knows, of which `upstreams` may know."""

    hits: tuple[UpstreamHit, ...] = ()
    more: bool = False
    asked: str = ""
    upstreams: tuple[str, ...] = ()


def search(index_name: str, query: str, now: datetime, *, known: bool) -> UpstreamHits:
    """The kept projects of the upstreams of an index whose names have all words of a query; without words the newest.

    For askers who may read the index; nothing is asked of an upstream. `known`: the very name was found here.
    Whatever else is typed, a name that could be one is given as `asked`: whether it is reserved, or another index's,
    is nobody's business.
    """
    index = Index.objects.filter(name=index_name).first()
    upstreams = [] if index is None else upstreams_below(index.pk)
    if index is None or not upstreams:
        return UpstreamHits()
    name = exact_name(query)
    names = _named(upstreams, name, words_of(query))
    found: list[UpstreamHit] = []
    more = len(names) > LOOKED_AT
    for hit in _served(index, names[:LOOKED_AT], now):
        if len(found) == MOST:
            more = True
            break
        found.append(hit)
    asks = bool(name) and not known and name not in names
    return UpstreamHits(tuple(found), more, name if asks else "", tuple(upstreams))


def _named(upstreams: list[str], name: str, words: list[str]) -> list[str]:
    """Names of kept projects: the one typed, then those it begins, then the others; at most one more than are used."""
    rows = UpstreamProject.objects.filter(upstream__name__in=upstreams).exclude(status=Status.QUARANTINED.value)
    if not words:
        return list(dict.fromkeys(rows.order_by("-pk").values_list("name", flat=True)[: LOOKED_AT + 1]))
    for word in words:
        rows = rows.filter(name__contains=word)
    begun = rows.filter(name__startswith=name).order_by("name") if name else rows.none()
    ordered = (begun, rows.order_by("name"))
    found = [one for some in ordered for one in some.values_list("name", flat=True)[: LOOKED_AT + 1]]
    return list(dict.fromkeys(found))[: LOOKED_AT + 1]


def _served(index: Index, names: list[str], now: datetime) -> Iterator[UpstreamHit]:
    """Those that an upstream answers for and of which a release is served, in their order."""
    owners = owners_of(index.pk, names)
    for name in names:
        owner = owners.get(name)
        project = None if owner is None or owner.own else kept_project(owner.upstream, name)
        if owner is None or project is None:
            continue
        facts = facts_of(pulled_shown(owner, project, index.shaped, now).listing)
        latest = latest_release(facts.releases)
        if latest is not None:
            newest = max(file.upload_time for file in latest.files)
            yield UpstreamHit(name, owner.upstream, latest.version, newest, project.status, project.gone)


def served_names(index_name: str, names: list[str], now: datetime) -> set[str]:
    """Those of these projects (normalized) that an upstream answers for in an index and of which a file is served."""
    index = Index.objects.filter(name=index_name).first()
    return set() if index is None or not names else {hit.name for hit in _served(index, names, now)}


@dataclass(frozen=True, slots=True)
class Pulled:
    """A project that an upstream owns, as an index serves it; `gone`: the upstream has it no more."""

    name: str
    upstream: str
    status: Status
    status_reason: str
    served: Served
    gone: bool


def ask(resources: Resources, index_name: str, name: str, client: str) -> None:
    """Bring what is kept of a project up to date as `pulling.pull` does, a few at a time; raises what it raises.

    Who asks about one that is up to date waits for nobody.
    """
    if UpstreamProject.objects.filter(name=name, fresh_until__gt=resources.clock().timestamp()).exists():
        return
    with turn():
        pulling.pull(resources, index_name, name, client)


@contextmanager
def turn() -> Iterator[None]:
    """A turn to have an upstream asked for a page of people; raises UPSTREAM when none comes soon."""
    if not _ASKING.acquire(timeout=PATIENCE):
        raise refuse(Kind.UPSTREAM, "upstream-failed", "Others wait for the upstream just now; try again in a moment.")
    try:
        yield
    finally:
        _ASKING.release()


def pulled(index_name: str, name: str, now: datetime, as_of: AsOf | None = None) -> Pulled | None:
    """The project (normalized) of the upstream that answers for it in an index, now or once; None when none does.

    It is as it was kept: see `pulling.pull` for bringing it up to date.
    """
    index = Index.objects.filter(name=index_name).first()
    owner = None if index is None else owning_layer(index.pk, name, as_of)
    project = None if owner is None or owner.own else kept_project(owner.upstream, name)
    if index is None or owner is None or project is None:
        return None
    shown = pulled_shown(owner, project, index.shaped, now) if as_of is None else pulled_at(owner, name, as_of)
    if shown is None:
        return None
    marked = [HiddenFile(file.filename, file.version, file.verdict) for file in shown.hidden]
    hidden = tuple(file for file in marked if not file.verdict.served)
    warned = tuple(file for file in marked if file.verdict.served)
    listing = shown.listing
    served = Served(facts_of(listing), hidden, warned)
    return Pulled(name, owner.upstream, listing.status, listing.status_reason, served, project.gone)


def facts_of(listing: ProjectListing) -> ProjectFacts:
    """What documents and pages tell of a project of an upstream: what its page says, and no metadata."""
    by_version: dict[str, list[FileFacts]] = {}
    for file in listing.files:
        by_version.setdefault(file.version, []).append(_facts(file))
    releases = tuple(
        ReleaseFacts(version, tuple(sorted(files, key=lambda file: file.filename)))
        for version, files in sorted(by_version.items(), key=lambda item: sort_key(item[0]))
    )
    return ProjectFacts(listing.name, listing.display_name, listing.serial, releases)


def _facts(file: ListedFile) -> FileFacts:
    wheel = file.filename.endswith(".whl")
    tags = file.filename.removesuffix(".whl").split("-")
    return FileFacts(
        filename=file.filename,
        packagetype="bdist_wheel" if wheel else "sdist",
        python_version=tags[-3] if wheel and len(tags) > 3 else "source",
        sha256=file.sha256,
        blake2b_256="",
        md5="",
        size=file.size,
        upload_time=file.upload_time,
        requires_python=file.requires_python,
        metadata_sha256=file.metadata_sha256,
        yanked=file.yanked,
        core={"requires_python": file.requires_python} if file.requires_python else {},
    )
