# SPDX-License-Identifier: Apache-2.0
"""The pages people read about a project, a release, a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from packaging.requirements import InvalidRequirement, Requirement

from packhouse.catalogue import queries
from packhouse.catalogue.models import FileDescription, Organization, User
from packhouse.catalogue.queries import Answering
from packhouse.domain.addresses import place_of
from packhouse.domain.links import project_links
from packhouse.domain.listing import Status
from packhouse.domain.names import is_valid_name, normalize
from packhouse.domain.permissions import Action, may
from packhouse.domain.project_json import (
    ProjectFacts,
    ReleaseFacts,
    find_release,
    latest_release,
)
from packhouse.domain.upload_form import ABOUT_THE_FORM
from packhouse.domain.versions import parse_version
from packhouse.domain.wording import without_controls
from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.services import access, indexes, serving, upstream_projects, upstream_readings
from packhouse.services.serving import Served
from packhouse.web import resources
from packhouse.web.pictures import ALLOWING_POLICY
from packhouse.web.project_tables import FILES, RELEASES, downloads, file_row, release_rows
from packhouse.web.reading import readable, web_identity
from packhouse.web.statistics import of_files, of_project

PER_PAGE = 100
"""Projects of a person on a page."""


@readable
def project(request: HttpRequest, name: str) -> HttpResponse:
    """`/project/<name>/`: the latest release of a project; other spellings are redirected."""
    if "ask" in request.GET and is_valid_name(name):
        return _after_asking(request, normalize(name))
    found = look_up(name)
    if name != found.name:
        return HttpResponsePermanentRedirect(reverse("project", args=[found.name]))
    latest = latest_release(found.served.facts.releases)
    return _page(request, "project.html", _context(request, found, latest, pinned=False))


def _after_asking(request: HttpRequest, name: str) -> HttpResponse:
    """`?ask`: the upstreams of `main` are asked about a name (normalized) first, then its page is shown."""
    upstream_projects.ask(resources.get(), indexes.MAIN, name, place_of(str(request.META.get("REMOTE_ADDR", ""))))
    upstream_readings.bring(resources.get(), indexes.MAIN, name)
    return HttpResponseRedirect(reverse("project", args=[name]))


@readable
def release(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """`/project/<name>/<version>/`: one release; other spellings of the version are redirected."""
    found = look_up(name)
    shown = release_of(found.display_name, found.served.facts, version)
    if (name, version) != (found.name, shown.version):
        return HttpResponsePermanentRedirect(reverse("release", args=[found.name, shown.version]))
    return _page(request, "release.html", _context(request, found, shown, pinned=True))


def _page(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """A page with a description, which may load pictures from elsewhere where the index says so."""
    response = render(request, template, context)
    if context["images"] == "allow":
        response["Content-Security-Policy"] = ALLOWING_POLICY
    return response


@readable
def user(request: HttpRequest, name: str) -> HttpResponse:
    """`/user/<name>/`: a person and the projects of theirs that everybody may see, by name; `page=`."""
    person = User.objects.filter(username_key=name.lower(), is_active=True).first()
    if person is None and Organization.objects.filter(name_key=name.lower(), deleted_at=None).exists():
        return HttpResponsePermanentRedirect(reverse("organization", args=[name]))
    if person is None:
        raise refuse(Kind.MISSING, "user-missing", f"There is no user {name[:60]!r} here.")
    if name != person.username:
        return HttpResponsePermanentRedirect(reverse("user", args=[person.username]))
    now = resources.get().clock()
    page = Paginator(serving.projects_of_person(person, indexes.MAIN, now), PER_PAGE).get_page(
        request.GET.get("page", "1")
    )
    projects = serving.as_others_see(queries.projects_of(person, names=list(page)), indexes.MAIN, now)
    return render(request, "user.html", {"person": person, "page": page, "projects": projects})


def release_of(project: str, facts: ProjectFacts, version: str) -> ReleaseFacts:
    """The release of this version in any spelling; raises MISSING."""
    shown = find_release(facts.releases, version)
    if shown is None:
        raise refuse(Kind.MISSING, "release-unknown", f"{project} has no release {version[:60]!r} here.")
    return shown


@dataclass(frozen=True, slots=True)
class Found:
    """A project as `main` serves it: one of ours (`answering`), or one that `upstream` owns and a page was kept of.

    `gone`: the upstream has it no more.
    """

    name: str
    display_name: str
    status: Status
    status_reason: str
    served: Served
    answering: Answering | None = None
    upstream: str = ""
    gone: bool = False

    @property
    def uploaded_by(self) -> dict[str, str]:
        """Filename -> who uploaded it, of ours."""
        return {} if self.answering is None else queries.uploaders(self.answering.index, self.answering.project)


def look_up(name: str) -> Found:
    """The project of this name in any spelling as `main` has it; raises MISSING. No upstream is asked."""
    if not is_valid_name(name):
        raise missing_project(name)
    now, normalized = resources.get().clock(), normalize(name)
    ours = queries.answering(indexes.MAIN, normalized)
    if ours is not None:
        project, (status, reason) = ours.project, queries.status_of(ours.project)
        return Found(project.name, project.display_name, status, reason, serving.served(ours, now), ours)
    theirs = upstream_projects.pulled(indexes.MAIN, normalized, now)
    if theirs is None:
        raise missing_project(name)
    told = (theirs.status, theirs.status_reason, theirs.served)
    return Found(normalized, normalized, *told, upstream=theirs.upstream, gone=theirs.gone)


def missing_project(name: str) -> PackhouseError:
    """The refusal for a name nobody knows."""
    return refuse(
        Kind.MISSING, "project-unknown", f"There is no project {name[:60]!r} here; search for it, or publish it."
    )


def _context(request: HttpRequest, found: Found, shown: ReleaseFacts | None, *, pinned: bool) -> dict[str, Any]:
    served, facts = found.served, found.served.facts
    latest = latest_release(facts.releases)
    if found.upstream and shown:
        shown = upstream_readings.told(resources.get(), shown)
    uploaded_by = found.uploaded_by if shown else {}
    taken = of_files(found.name, shown.version) if shown else {}
    files = [
        file_row(file, uploaded_by.get(file.filename, ""), downloads=taken.get(file.filename, 0))
        for file in (shown.files if shown else ())
    ]
    return {
        "project": {
            "name": found.display_name,
            "normalized": found.name,
            "status": found.status.value,
            "status_reason": found.status_reason,
        },
        "upstream": found.upstream,
        "gone": found.gone,
        "release": shown_release(shown, _description(found, shown)) if shown else None,
        "latest": latest.version if latest else "",
        "pinned": pinned,
        "files": FILES.show(files, request.GET),
        "history": RELEASES.show(release_rows(facts.releases, shown), request.GET),
        "downloads": downloads(found.name, shown.version if shown else ""),
        "counts": of_project(found.name),
        "release_count": sum(taken.values()),
        "maintainers": [{"role": role.lower(), "username": name} for role, name in facts.roles],
        "may_manage": not found.upstream and _may_manage(request, found.name),
        "hidden": {"count": len(served.hidden), "until": served.until, "warned": len(served.warned)},
        "images": indexes.profile_of(indexes.MAIN).images,
    }


def _description(found: Found, shown: ReleaseFacts) -> FileDescription | None:
    """The README of a release; that of an upstream's as the text it is."""
    if found.upstream:
        return FileDescription(html="", text=without_controls(shown.description)) if shown.description else None
    return queries.description_of(shown)


def _may_manage(request: HttpRequest, name: str) -> bool:
    identity = web_identity(request)
    if identity.anonymous:
        return False
    return may(identity, Action.YANK, project=access.project_right(identity, name)).allowed


def shown_release(facts: ReleaseFacts, description: FileDescription | None) -> dict[str, Any]:
    """What a page says about a release: the facts of its metadata, ordered for reading."""
    core = _plain(facts.core)
    return {
        "version": facts.version,
        "summary": core.get("summary") or "",
        "published": min((file.upload_time for file in facts.files), default=None),
        "yanked": facts.yanked,
        "prerelease": parse_version(facts.version).is_prerelease,
        "requires_python": core.get("requires_python") or "",
        "license": core.get("license_expression") or _short(core.get("license")),
        "keywords": list(core.get("keywords") or ()),
        **{key: core.get(key) or "" for key in ("author", "author_email", "maintainer", "maintainer_email")},
        "classifiers": _grouped(core.get("classifiers") or ()),
        "extras": list(core.get("provides_extra") or ()),
        "links": project_links(core),
        "warnings": warnings_of(facts),
        "dependencies": _dependencies(core.get("requires_dist") or ()),
        "description_html": description.html if description else "",
        "description_text": description.text if description and not description.html else "",
    }


def _plain(core: Any) -> dict[str, Any]:
    """Metadata without the control characters that may be in its texts."""
    return {key: _plain_value(value) for key, value in core.items()}


def _plain_value(value: Any) -> Any:
    if isinstance(value, str):
        return without_controls(value)
    return [_plain_value(item) for item in value] if isinstance(value, list | tuple) else value


def _short(text: str | None) -> str:
    """The first line of a licence field, which may hold the whole licence."""
    first = (text or "").strip().partition("\n")[0]
    return first if len(first) <= 100 else f"{first[:99]}…"


def _grouped(classifiers: Any) -> list[tuple[str, list[str]]]:
    groups: dict[str, list[str]] = {}
    for classifier in sorted(classifiers):
        group, _, value = classifier.partition(" :: ")
        groups.setdefault(group, []).append(value or group)
    return list(groups.items())


def warnings_of(release: ReleaseFacts) -> list[dict[str, Any]]:
    """What the index took a release's files in spite of: each sentence once, with the files it is about."""
    found: dict[tuple[str, str], list[str]] = {}
    for file in release.files:
        for warning in file.warnings:
            if warning["code"] not in ABOUT_THE_FORM:
                files = found.setdefault((warning["code"], warning["message"]), [])
                files += [file.filename] if file.filename not in files else []
    every = len(release.files)
    return [
        {"code": code, "message": message, "files": [] if len(files) == every else files}
        for (code, message), files in found.items()
    ]


def _dependencies(requirements: Any) -> list[dict[str, Any]]:
    """Requirements grouped by the extra that asks for them, those always wanted first."""
    groups: dict[str, list[str]] = {}
    for text in requirements:
        extra, shown = _extra_of(text)
        groups.setdefault(extra, []).append(shown)
    return [{"extra": extra, "requirements": groups[extra]} for extra in sorted(groups)]


def _extra_of(text: str) -> tuple[str, str]:
    try:
        marker = str(Requirement(text).marker or "")
    except InvalidRequirement:
        return "", text
    for quote_mark in ('"', "'"):
        start = marker.find(f"extra == {quote_mark}")
        if start >= 0:
            return marker[start + 10 :].partition(quote_mark)[0], text
    return "", text
