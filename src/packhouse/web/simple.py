# SPDX-License-Identifier: Apache-2.0
"""The simple repository API at the origin: pages of an index, complete answers with or without an edge before it."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Iterator
from functools import partial, wraps
from pathlib import Path
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from packhouse.domain.addresses import place_of
from packhouse.domain.headers import CacheRules, Headers, error_headers, preflight_headers, redirect_headers
from packhouse.domain.names import is_valid_name, normalize
from packhouse.domain.negotiation import IDENTITY, Representation, choose_representation
from packhouse.domain.page import answer_page
from packhouse.domain.permissions import IndexRight, ReadMode
from packhouse.domain.root_copy import answer_root
from packhouse.errors import Kind, PackhouseError
from packhouse.services import access, pages, pulling, roots
from packhouse.web import resources
from packhouse.web.reading import audience_headers, from_our_edge, lower_headers, may_read

NOT_FOUND = b"404 Not Found"
CHUNK = 256 * 1024
"""Bytes of a file sent at once."""

ReadView = Callable[..., HttpResponseBase]
"""A view given the request, the right to read the index, and what the address says."""


def reading(view: ReadView) -> ReadView:
    """A view of an index: whoever may not read it is refused before anything is looked for; OPTIONS is answered."""

    @wraps(view)
    def asked(request: HttpRequest, *args: Any, index: str = "main", **kwargs: Any) -> HttpResponseBase:
        right = may_read(request, index)
        if request.method == "OPTIONS":
            return make(204, preflight_headers())
        return view(request, right, *args, **kwargs)

    return asked


def plainly_missing(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """What a service says is missing (an index, a file) is answered like any unknown address of the read APIs."""

    @wraps(view)
    def answering(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except PackhouseError as error:
            if error.kind is not Kind.MISSING:
                raise
            public = not getattr(request, "read_privately", False)
            return make(404, error_headers(len(NOT_FOUND), public=public), NOT_FOUND)

    return answering


@plainly_missing
@reading
def root(request: HttpRequest, right: IndexRight) -> HttpResponseBase:
    """`/simple/`: every project of the index."""
    return _answer(request, right, "")


@plainly_missing
@reading
def project(request: HttpRequest, right: IndexRight, name: str) -> HttpResponseBase:
    """`/simple/<name>/`: every file of a project; another spelling is redirected to the normalized one."""
    if not is_valid_name(name):
        return missing(right)
    normalized = normalize(name)
    if name != normalized:
        return redirect_to(request, f"../{normalized}/", right)
    return _answer(request, right, normalized)


@plainly_missing
@reading
def add_slash(request: HttpRequest, right: IndexRight, name: str = "") -> HttpResponse:
    """`/simple` and `/simple/<name>`: to the same with a slash (the name normalized on the way)."""
    if name and not is_valid_name(name):
        return missing(right)
    return redirect_to(request, f"{normalize(name) if name else 'simple'}/", right)


@plainly_missing
@reading
def unknown(request: HttpRequest, right: IndexRight, rest: str = "") -> HttpResponse:
    """Anything else below `/simple/`, or of an index."""
    return missing(right)


def missing(right: IndexRight) -> HttpResponse:
    """The 404 of the read APIs."""
    return make(404, error_headers(len(NOT_FOUND), public=_public(right)), NOT_FOUND)


def make(status: int, headers: Headers, body: bytes = b"") -> HttpResponse:
    """A Django response with exactly these headers."""
    response = HttpResponse(body, status=status)
    del response["Content-Type"]
    for name, value in headers:
        response[name] = value
    return response


def _answer(request: HttpRequest, right: IndexRight, name: str) -> HttpResponseBase:
    headers = lower_headers(request)
    representation = choose_representation(headers.get("accept"), request.META.get("QUERY_STRING", ""))
    if representation is None:
        return not_acceptable(right)
    if not name and roots.are_many():
        return _answer_root(request, right, representation)
    pull = partial(pulling.pull, resources.get(), client=place_of(str(request.META.get("REMOTE_ADDR", ""))))
    page = pages.read_page(right.name, name, representation.kind, pull=pull)
    if page is None:
        return _missing_for_now(request, right, name)
    rules = _rules()
    status, sent, body = answer_page(
        page, request.method or "GET", headers, representation, now=time.time(), rules=rules
    )
    return make(status, (*sent, *audience_headers(request, page.audience)), body)


def _missing_for_now(request: HttpRequest, right: IndexRight, name: str) -> HttpResponse:
    """A 404 that an edge may repeat, for a name that an upstream may come to have no longer than it is remembered."""
    response = missing(right)
    until = pulling.unknown_until(resources.get(), right.name, name) if from_our_edge(request) else None
    if until is not None:
        response["x-packhouse-until"] = str(until)
    return response


def _answer_root(request: HttpRequest, right: IndexRight, representation: Representation) -> HttpResponseBase:
    """The root page of an index of a large server, from a file."""
    headers, settings = lower_headers(request), resources.get().settings
    lag = "no-cache" not in headers.get("cache-control", "").lower()
    found = roots.root_copy(right.name, representation.kind, settings.data, lag=lag)
    if found is None:
        return missing(right)
    copy, path = found
    audience = access.audience_of(right.name)
    rules = _rules()
    answer = answer_root(
        copy, request.method or "GET", headers, representation, audience=audience, now=time.time(), rules=rules
    )
    sent = (*answer.headers, *audience_headers(request, audience))
    if answer.encoding is None:
        return make(answer.status, sent)
    response = StreamingHttpResponse(_chunks(path, plain=answer.encoding == IDENTITY), status=answer.status)
    del response["Content-Type"]
    for name, value in sent:
        response[name] = value
    return response


def _chunks(path: str, *, plain: bool) -> Iterator[bytes]:
    """The bytes of a file, or (`plain`) what it holds compressed; opened now, so that it may be removed meanwhile."""
    file = gzip.open(path) if plain else Path(path).open("rb")  # noqa: SIM115 - closed at the end of the pieces

    def pieces() -> Iterator[bytes]:
        with file:
            while chunk := file.read(CHUNK):
                yield chunk

    return pieces()


def _rules() -> CacheRules:
    settings = resources.get().settings
    return CacheRules(settings.page_max_age, settings.kept_in_front)


def not_acceptable(right: IndexRight) -> HttpResponse:
    """The 406 of a page that has no representation asked for."""
    types = ", ".join(r.value for r in Representation)
    body = f"None of the types in Accept can be sent; this page comes as {types}.\n".encode()
    return make(406, error_headers(len(body), public=_public(right)), body)


def redirect_to(request: HttpRequest, location: str, right: IndexRight) -> HttpResponse:
    """301 to a relative address, with the query."""
    query = request.META.get("QUERY_STRING", "")
    return make(301, redirect_headers(f"{location}?{query}" if query else location, public=_public(right)))


def _public(right: IndexRight) -> bool:
    return right.read is ReadMode.PUBLIC
