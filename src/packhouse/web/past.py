# SPDX-License-Identifier: Apache-2.0
"""Indexes as they were: `/@2026-11-01/simple/` of `main`, `/index/<name>/@2026-11-01/simple/` of another.

The same addresses stand below a moment as below an index, and link to each other relatively, so that an installer
stays in the past state. Who may read is asked of today: a closed index is closed in its past too. A moment that is not
over is answered as now.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase

from packhouse.domain.headers import of_the_past
from packhouse.domain.names import is_valid_name, normalize
from packhouse.domain.negotiation import choose_representation
from packhouse.domain.page import answer_page
from packhouse.domain.permissions import IndexRight
from packhouse.services import pulling
from packhouse.services.journal import Past, moment_named
from packhouse.services.past_pages import past_page
from packhouse.web import documents, files, resources, simple
from packhouse.web.reading import lower_headers
from packhouse.web.simple import make, missing, plainly_missing, reading

Now = Callable[..., HttpResponseBase]


def in_the_past(now: Now) -> Callable[[Callable[..., HttpResponseBase]], Now]:
    """A view of a past state; `now` is the view for a moment that is not over."""

    def decorate(view: Callable[..., HttpResponseBase]) -> Now:
        @plainly_missing
        @reading
        @wraps(view)
        def asked(request: HttpRequest, right: IndexRight, *, moment: str, **told: Any) -> HttpResponseBase:
            past = moment_named(moment, resources.get().clock())
            if past is None:
                return now(request, index=right.name, **told)
            return view(request, right, past, at=moment, **told)

        return asked

    return decorate


@in_the_past(simple.root)
def root(request: HttpRequest, right: IndexRight, past: Past, at: str) -> HttpResponseBase:
    """`/@T/simple/`: every project of the index then."""
    return _answer(request, right, past, at, "")


@in_the_past(simple.project)
def project(request: HttpRequest, right: IndexRight, past: Past, at: str, name: str) -> HttpResponseBase:
    """`/@T/simple/<name>/`: every file of a project then."""
    if not is_valid_name(name):
        return missing(right)
    normalized = normalize(name)
    if name != normalized:
        return simple.redirect_to(request, f"../{normalized}/", right)
    return _answer(request, right, past, at, normalized)


def _answer(request: HttpRequest, right: IndexRight, past: Past, at: str, name: str) -> HttpResponse:
    headers = lower_headers(request)
    representation = choose_representation(headers.get("accept"), request.META.get("QUERY_STRING", ""))
    if representation is None:
        return simple.not_acceptable(right)
    memory = resources.get().past if past.settled else None
    page = past_page(right.name, name, representation.kind, past.as_of, memory, at)
    if page is None and name:  # an upstream may know what it was then
        pulling.pull(resources.get(), right.name, name)
        page = past_page(right.name, name, representation.kind, past.as_of, memory, at)
    if page is None:
        return missing(right)
    status, sent, body = answer_page(page, request.method or "GET", headers, representation, now=time.time())
    return make(status, of_the_past(sent, settled=past.settled), body)


@in_the_past(files.file)
def file(request: HttpRequest, right: IndexRight, past: Past, at: str, sha256: str, filename: str) -> HttpResponseBase:
    """`/@T/files/<sha256>/<filename>` and the same with `.metadata`; files deleted since are still served."""
    return files.send(request, right, sha256, filename, past)


@in_the_past(documents.project_json)
def project_json(request: HttpRequest, right: IndexRight, past: Past, at: str, name: str) -> HttpResponse:
    """`/@T/pypi/<name>/json`."""
    return documents.json_of(request, right, name, None, past, at)


@in_the_past(documents.release_json)
def release_json(request: HttpRequest, right: IndexRight, past: Past, at: str, name: str, version: str) -> HttpResponse:
    """`/@T/pypi/<name>/<version>/json`."""
    return documents.json_of(request, right, name, version, past, at)


@in_the_past(simple.add_slash)
def add_slash(request: HttpRequest, right: IndexRight, past: Past, at: str, name: str = "") -> HttpResponse:
    """`/@T/simple` and `/@T/simple/<name>`: to the same with a slash."""
    if name and not is_valid_name(name):
        return missing(right)
    return simple.redirect_to(request, f"{normalize(name) if name else 'simple'}/", right)


@in_the_past(simple.unknown)
def unknown(request: HttpRequest, right: IndexRight, past: Past, at: str, rest: str = "") -> HttpResponse:
    """Anything else of a past state."""
    return missing(right)
