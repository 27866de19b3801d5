# SPDX-License-Identifier: Apache-2.0
"""Addresses that the public index once had, or that other programs make up, and where to find today what they name.

Locations are relative, so that prefix, host and scheme of a proxy stay. Nothing here says whether a project exists;
the address led to does.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from urllib.parse import quote, urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from trove_classifiers import sorted_classifiers

from packhouse.catalogue import queries
from packhouse.domain.headers import TEXT, error_headers, redirect_headers
from packhouse.domain.names import is_valid_name, normalize
from packhouse.domain.permissions import IndexRight, ReadMode
from packhouse.errors import Kind, refuse
from packhouse.services import serving
from packhouse.web import resources, xmlrpc
from packhouse.web.simple import NOT_FOUND, make, missing, plainly_missing, reading

_FORBIDDEN = ("\\", "\r", "\n")


def project(request: HttpRequest, name: str, version: str = "") -> HttpResponse:
    """`/pypi/<name>/`, `/p/<name>/` and the same with a version: to the project's page, or the release's."""
    return _to(request, _page(name, version)) if is_valid_name(name) else _not_found()


@csrf_exempt
def pypi(request: HttpRequest) -> HttpResponseBase:
    """`/pypi`: XML-RPC when posted to; otherwise what `?:action=` wants, or the first page."""
    if request.method == "POST":
        return xmlrpc.endpoint(request)
    answer = _ACTIONS.get(request.GET.get(":action", ""))
    return _to(request, "") if answer is None else answer(request)


@plainly_missing
@reading
def predictable(_request: HttpRequest, right: IndexRight, name: str, filename: str, **_told: str) -> HttpResponse:
    """`/packages/<python>/<letter>/<name>/<filename>`, as packagers of distributions make it up: to the file."""
    wanted, metadata = filename.removesuffix(".metadata"), filename.endswith(".metadata")
    found = queries.answering(right.name, normalize(name)) if is_valid_name(name) else None
    if found is None:
        return missing(right)
    file = serving.demand_served(serving.served(found, resources.get().clock()), wanted)
    path = f"files/{file.sha256}/{quote(wanted, safe='')}{'.metadata' if metadata else ''}"
    return make(302, redirect_headers(f"../../../../{path}", public=right.read is ReadMode.PUBLIC))


def _to(request: HttpRequest, path: str) -> HttpResponse:
    """301 to a path of this server, spelled from the one asked for."""
    up = "../" * (request.path_info.count("/") - 1)
    return make(301, redirect_headers(up + path or "./"))


def _page(name: str, version: str) -> str:
    path = f"project/{quote(_safe(name), safe='')}/"
    return f"{path}{quote(_safe(version), safe='')}/" if version else path


def _safe(text: str) -> str:
    if any(character in text for character in _FORBIDDEN):
        raise refuse(Kind.INVALID, "address-odd", "The address holds a line break or a backslash; leave it out.")
    return text


def _not_found() -> HttpResponse:
    return make(404, error_headers(len(NOT_FOUND)), NOT_FOUND)


def _display(request: HttpRequest) -> HttpResponse:
    name, version = _safe(request.GET.get("name", "")), request.GET.get("version", "")
    return _to(request, _page(name, version)) if is_valid_name(name) else _not_found()


def _files(request: HttpRequest) -> HttpResponse:
    name, version = _safe(request.GET.get("name", "")), request.GET.get("version", "")
    return _to(request, _page(name, version) + "#files") if is_valid_name(name) and version else _not_found()


def _search(request: HttpRequest) -> HttpResponse:
    return _to(request, "search/?" + urlencode({"q": _safe(request.GET.get("term", ""))}))


def _browse(request: HttpRequest) -> HttpResponse:
    return _to(request, "search/?" + urlencode([("c", _safe(text)) for text in request.GET.getlist("c")]))


def _doap(_request: HttpRequest) -> HttpResponse:
    raise refuse(Kind.GONE, "doap-gone", "DOAP is no longer supported; use the JSON API.")


def _list_classifiers(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(_classifiers(), content_type=TEXT)


@lru_cache(maxsize=1)
def _classifiers() -> bytes:
    return "".join(f"{classifier}\n" for classifier in sorted_classifiers).encode()


_ACTIONS: dict[str, Callable[[HttpRequest], HttpResponse]] = {
    "rss": lambda request: _to(request, "rss/updates.xml"),
    "packages_rss": lambda request: _to(request, "rss/packages.xml"),
    "display": _display,
    "files": _files,
    "browse": _browse,
    "search": _search,
    "list_classifiers": _list_classifiers,
    "doap": _doap,
}
