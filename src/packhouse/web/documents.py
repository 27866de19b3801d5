# SPDX-License-Identifier: Apache-2.0
"""The legacy JSON API and the RSS feeds of an index: documents made for each request, with strong tags."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import NamedTuple
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse

from packhouse.catalogue import queries
from packhouse.domain import feeds
from packhouse.domain.addresses import place_of
from packhouse.domain.compressing import compress
from packhouse.domain.conditional import etag_matches
from packhouse.domain.headers import (
    JSON,
    document_headers,
    error_headers,
    for_not_modified,
    of_the_past,
    redirect_headers,
    surrogate_keys,
)
from packhouse.domain.names import is_valid_name, normalize
from packhouse.domain.negotiation import IDENTITY, choose_encoding
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
from packhouse.services import changelog, downloads, serving, upstream_projects
from packhouse.services.indexes import MAIN, indexes_below_all
from packhouse.services.journal import Past
from packhouse.web import resources
from packhouse.web.context import house
from packhouse.web.simple import make, missing, plainly_missing, reading

JSON_AGE = 0  # seconds; like pages: kept, but asked about each time
FEED_AGE = 300
FEED_ITEMS = 100


@plainly_missing
@reading
def project_json(request: HttpRequest, right: IndexRight, name: str) -> HttpResponse:
    """`/pypi/<name>/json`."""
    return json_of(request, right, name, None)


@plainly_missing
@reading
def release_json(request: HttpRequest, right: IndexRight, name: str, version: str) -> HttpResponse:
    """`/pypi/<name>/<version>/json`; the version in any spelling."""
    return json_of(request, right, name, version)


def json_of(
    request: HttpRequest, right: IndexRight, name: str, version: str | None, past: Past | None = None, at: str = ""
) -> HttpResponse:
    """The document of a project or release, now or in a past state, which its address spells `at`."""
    if not is_valid_name(name):
        return _missing(right)
    normalized = normalize(name)
    if name != normalized:
        return _redirect(request, name, normalized, right)
    facts = _facts(request, right.name, normalized, past)
    made = None if facts is None else _body(_Asked(request, right.name, version, at), facts)
    if facts is None or made is None:
        return _missing(right)
    response = _document(request, _Document(made, JSON, facts.serial, JSON_AGE, normalized), right)
    if past is not None:
        headers = of_the_past((("cache-control", response["Cache-Control"]),), settled=past.settled)
        response["Cache-Control"] = dict(headers)["cache-control"]
    return response


@dataclass(frozen=True, slots=True)
class _Asked:
    """A document asked for: of `version`, or the latest; of a past state, which its address spells `at`."""

    request: HttpRequest
    index: str
    version: str | None
    at: str


def _facts(request: HttpRequest, index: str, name: str, past: Past | None) -> ProjectFacts | None:
    """What an index serves (or served) of a project (normalized), of ours or of the upstream that owns it."""
    now, as_of = resources.get().clock(), None if past is None else past.as_of
    found = queries.answering(index, name, as_of)
    if found is not None:
        return serving.served(found, now, as_of).facts
    theirs = None if past is None else upstream_projects.pulled(index, name, now, as_of)
    if theirs is None:  # an upstream may know it, or know it better
        client = place_of(str(request.META.get("REMOTE_ADDR", "")))
        upstream_projects.ask(resources.get(), index, name, client)
        theirs = upstream_projects.pulled(index, name, now, as_of)
    return None if theirs is None else theirs.served.facts


def _body(asked: _Asked, facts: ProjectFacts) -> bytes | None:
    """The document; None when there is no such release."""
    request, index, version, at = asked.request, asked.index, asked.version, asked.at
    shown = latest_release(facts.releases) if version is None else find_release(facts.releases, version)
    if shown is None:
        return None
    counted = downloads.of_project(index, facts.name, resources.get().clock())
    facts = replace(_with_description(facts, shown), downloads=counted)
    where = addresses(request, index)
    if at:
        where = replace(where, index=f"{where.index}/@{quote(at, safe=':+')}")
    return render_project(facts, where) if version is None else render_release(facts, shown.version, where)


def _with_description(facts: ProjectFacts, shown: ReleaseFacts) -> ProjectFacts:
    """The same facts with the README of the one release that is told of at length."""
    found = queries.description_of(shown)
    if found is None:
        return facts
    told = replace(shown, description=found.text, description_content_type=found.content_type)
    return replace(facts, releases=tuple(told if r.version == shown.version else r for r in facts.releases))


def addresses(request: HttpRequest, index: str = MAIN) -> Addresses:
    """Where this server and one of its indexes are, for absolute links."""
    base = house(request)["house"].base_url
    return Addresses(site=base, index=base if index == MAIN else f"{base}/index/{index}")


def _missing(right: IndexRight) -> HttpResponse:
    public = right.read is ReadMode.PUBLIC
    return make(404, error_headers(len(NOT_FOUND), JSON, public=public, accept=False), NOT_FOUND)


def _redirect(request: HttpRequest, name: str, normalized: str, right: IndexRight) -> HttpResponse:
    rest = quote(request.path_info.partition(f"/{name}/")[2])
    query = request.META.get("QUERY_STRING", "")
    up = "../" * rest.rstrip("/").count("/") + ("../" if not rest.endswith("/") else "../../")
    location = f"{up}{normalized}/{rest}" + (f"?{query}" if query else "")
    return make(301, redirect_headers(location, public=right.read is ReadMode.PUBLIC))


class _Document(NamedTuple):
    """What is sent: `age` in seconds, `project` normalized or "" for a document about the whole index."""

    body: bytes
    content_type: str
    serial: int
    age: int
    project: str = ""


def _document(request: HttpRequest, document: _Document, right: IndexRight) -> HttpResponse:
    """The document in the encoding asked for, or 304; the tag is that of the bytes sent."""
    encoding = choose_encoding(request.headers.get("Accept-Encoding"))
    digest = hashlib.sha256(document.body).hexdigest()[:32]
    etag = f'"{digest}"' if encoding == IDENTITY else f'"{digest}-{encoding}"'
    known = etag_matches(request.headers.get("If-None-Match", ""), etag)
    body = b"" if known else compress(document.body, encoding)
    headers = document_headers(
        document.content_type,
        len(body),
        encoding=encoding,
        etag=etag,
        serial=document.serial,
        max_age=document.age,
        keys=surrogate_keys(right.name, document.project),
        public=right.read is ReadMode.PUBLIC,
    )
    if known:
        return make(304, for_not_modified(headers))
    return make(200, headers, b"" if request.method == "HEAD" else body)


@plainly_missing
@reading
def updates_feed(request: HttpRequest, right: IndexRight) -> HttpResponse:
    """`/rss/updates.xml`: the newest releases."""
    items = _happenings(_newest(right, _shown_by(right)))
    return _feed(request, feeds.render_updates(items, _site(request, right), addresses(request, right.name)), right)


@plainly_missing
@reading
def projects_feed(request: HttpRequest, right: IndexRight) -> HttpResponse:
    """`/rss/packages.xml`: the newest projects."""
    now = resources.get().clock()
    items = _happenings(serving.newest_projects_served(right.name, _shown_by(right), FEED_ITEMS, now))
    return _feed(request, feeds.render_projects(items, _site(request, right), addresses(request, right.name)), right)


@plainly_missing
@reading
def releases_feed(request: HttpRequest, right: IndexRight, name: str) -> HttpResponse:
    """`/rss/project/<name>/releases.xml`: the newest releases of one project."""
    found = queries.answering(right.name, normalize(name)) if is_valid_name(name) else None
    if found is None:
        return missing(right)
    if name != found.project.name:
        location = f"../{found.project.name}/releases.xml"
        return make(301, redirect_headers(location, public=right.read is ReadMode.PUBLIC))
    items = _happenings(_newest(right, [found.index], name))
    where = addresses(request, right.name)
    return _feed(request, feeds.render_releases(name, items, _site(request, right), where), right)


def _newest(right: IndexRight, indexes: list[str], project: str = "") -> list[queries.NewRelease]:
    clock = resources.get().clock
    return serving.newest_served(right.name, indexes, FEED_ITEMS, clock(), project, even_quarantined=True)


def _shown_by(right: IndexRight) -> list[str]:
    return sorted(indexes_below_all([right.name]))


def _happenings(rows: list[queries.NewRelease]) -> list[feeds.Happening]:
    return [
        feeds.Happening(row.name, row.display_name, row.version, row.summary, row.published, row.author) for row in rows
    ]


def _site(request: HttpRequest, right: IndexRight) -> str:
    title = str(house(request)["house"].title)
    return title if right.name == MAIN else f"{title} {right.name}"


def _feed(request: HttpRequest, body: bytes, right: IndexRight) -> HttpResponse:
    return _document(request, _Document(body, feeds.CONTENT_TYPE, changelog.newest_serial(), FEED_AGE), right)
