# SPDX-License-Identifier: Apache-2.0
"""The legacy JSON API and the RSS feeds of `main`: documents made for each request, with strong tags."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse

from packhouse.catalogue import queries
from packhouse.catalogue.models import Project
from packhouse.domain import feeds
from packhouse.domain.conditional import etag_matches
from packhouse.domain.headers import (
    JSON,
    document_headers,
    error_headers,
    for_not_modified,
    preflight_headers,
    redirect_headers,
    surrogate_keys,
)
from packhouse.domain.names import is_valid_name, normalize
from packhouse.domain.permissions import IndexRight, ReadMode
from packhouse.domain.project_json import (
    NOT_FOUND,
    Addresses,
    ProjectFacts,
    ReleaseFacts,
    find_release,
    latest_release,
    render_project,
    render_release,
)
from packhouse.services import changelog
from packhouse.web.context import house
from packhouse.web.reading import may_read
from packhouse.web.simple import make

JSON_AGE = 0  # seconds; like pages: kept, but asked about each time
FEED_AGE = 300
FEED_ITEMS = 100


def project_json(request: HttpRequest, name: str) -> HttpResponse:
    """`/pypi/<name>/json`."""
    return _json(request, name, None)


def release_json(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """`/pypi/<name>/<version>/json`; the version in any spelling."""
    return _json(request, name, version)


def _json(request: HttpRequest, name: str, version: str | None) -> HttpResponse:
    right = may_read(request, "main")
    if request.method == "OPTIONS":
        return make(204, preflight_headers())
    if not is_valid_name(name):
        return _missing(right)
    normalized = normalize(name)
    if name != normalized:
        return _redirect(request, name, normalized, right)
    project = queries.find_project("main", normalized)
    body = _body(request, project, version) if project else None
    if project is None or body is None:
        return _missing(right)
    return _document(request, body, JSON, project.serial, JSON_AGE, surrogate_keys("main", project.name), right)


def _body(request: HttpRequest, project: Project, version: str | None) -> bytes | None:
    facts = queries.project_facts("main", project)
    shown = latest_release(facts.releases) if version is None else find_release(facts.releases, version)
    if shown is None:
        return None
    facts = _with_description(facts, shown)
    where = addresses(request)
    return render_project(facts, where) if version is None else render_release(facts, shown.version, where)


def _with_description(facts: ProjectFacts, shown: ReleaseFacts) -> ProjectFacts:
    """The same facts with the README of the one release that is told of at length."""
    found = queries.description_of(shown)
    if found is None:
        return facts
    told = replace(shown, description=found.text, description_content_type=found.content_type)
    return replace(facts, releases=tuple(told if r.version == shown.version else r for r in facts.releases))


def addresses(request: HttpRequest) -> Addresses:
    """Where this server is, for absolute links."""
    base = house(request)["house"].base_url
    return Addresses(site=base, index=base)


def _missing(right: IndexRight) -> HttpResponse:
    public = right.read is ReadMode.PUBLIC
    return make(404, error_headers(len(NOT_FOUND), JSON, public=public, accept=False), NOT_FOUND)


def _redirect(request: HttpRequest, name: str, normalized: str, right: IndexRight) -> HttpResponse:
    rest = quote(request.path_info.partition(f"/{name}/")[2])
    query = request.META.get("QUERY_STRING", "")
    up = "../" * rest.rstrip("/").count("/") + ("../" if not rest.endswith("/") else "../../")
    location = f"{up}{normalized}/{rest}" + (f"?{query}" if query else "")
    return make(301, redirect_headers(location, public=right.read is ReadMode.PUBLIC))


def _document(
    request: HttpRequest, body: bytes, content_type: str, serial: int, age: int, keys: str, right: IndexRight
) -> HttpResponse:
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    public = right.read is ReadMode.PUBLIC
    headers = document_headers(content_type, len(body), etag=etag, serial=serial, max_age=age, keys=keys, public=public)
    if etag_matches(request.headers.get("If-None-Match", ""), etag):
        return make(304, for_not_modified(headers))
    return make(200, headers, b"" if request.method == "HEAD" else body)


def updates_feed(request: HttpRequest) -> HttpResponse:
    """`/rss/updates.xml`: the newest releases."""
    right = may_read(request, "main")
    items = _happenings(queries.newest_releases("main", FEED_ITEMS))
    return _feed(request, feeds.render_updates(items, _site(request), addresses(request)), right)


def projects_feed(request: HttpRequest) -> HttpResponse:
    """`/rss/packages.xml`: the newest projects."""
    right = may_read(request, "main")
    items = _happenings(queries.newest_projects("main", FEED_ITEMS))
    return _feed(request, feeds.render_projects(items, _site(request), addresses(request)), right)


def releases_feed(request: HttpRequest, name: str) -> HttpResponse:
    """`/rss/project/<name>/releases.xml`: the newest releases of one project."""
    right = may_read(request, "main")
    project = queries.find_project("main", normalize(name)) if is_valid_name(name) else None
    if project is None:
        return _missing(right)
    if name != project.name:
        return make(301, redirect_headers(f"../{project.name}/releases.xml"))
    items = _happenings(queries.newest_releases("main", FEED_ITEMS, project.name))
    return _feed(request, feeds.render_releases(project.name, items, _site(request), addresses(request)), right)


def _happenings(rows: list[queries.NewRelease]) -> list[feeds.Happening]:
    return [
        feeds.Happening(row.name, row.display_name, row.version, row.summary, row.published, row.author) for row in rows
    ]


def _site(request: HttpRequest) -> str:
    return str(house(request)["house"].title)


def _feed(request: HttpRequest, body: bytes, right: IndexRight) -> HttpResponse:
    keys = surrogate_keys("main", "")
    return _document(request, body, feeds.CONTENT_TYPE, changelog.newest_serial(), FEED_AGE, keys, right)
