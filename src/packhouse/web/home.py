# SPDX-License-Identifier: Apache-2.0
"""The first page, search, and the help page."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Page, Paginator
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from packhouse.catalogue import queries
from packhouse.domain.names import normalize
from packhouse.services import search as searching
from packhouse.services import serving, upstream_projects
from packhouse.services.indexes import MAIN, indexes_below_all
from packhouse.services.totals import totals
from packhouse.web import resources
from packhouse.web.reading import readable, reader_of

NEWEST = 12
LOOKED_AT = 60
"""Releases among which the newest of different projects are looked for."""
PER_PAGE = 20
MAX_QUERY = 200
MAX_FILTERS = 10
CHOICES = 12
_FIRST_GROUPS = ("Framework", "Topic", "Development Status", "Programming Language", "Operating System", "Environment")

_log = logging.getLogger(__name__)


@readable
def home(request: HttpRequest) -> HttpResponse:
    """`/`: search, what this index serves, the newest releases."""
    context = {
        "index": {"title": "", "description": ""},
        "counts": totals(resources.get().clock()),
        "newest": _newest(),
        "upstream": "",
    }
    return render(request, "home.html", context)


def _newest() -> list[queries.NewRelease]:
    """The newest release of each of the projects that released last."""
    found: dict[str, queries.NewRelease] = {}
    places, now = sorted(indexes_below_all([MAIN])), resources.get().clock()
    for release in serving.newest_served(MAIN, places, LOOKED_AT, now, even_quarantined=False):
        found.setdefault(release.name, release)
    return list(found.values())[:NEWEST]


@readable
def search(request: HttpRequest) -> HttpResponse:
    """`/search/?q=`: whatever is typed is text; classifiers narrow it (`c=`), pages go by `page=`."""
    q = " ".join(request.GET.get("q", "").replace("\x00", " ").split())[:MAX_QUERY]
    chosen = [c for c in request.GET.getlist("c") if c and len(c) <= MAX_QUERY][:MAX_FILTERS]
    started = time.perf_counter()
    _catch_up()
    number = _page_number(request.GET.get("page", "1"))
    clock = resources.get().clock
    found = searching.search(reader_of(request), "main", q, chosen, number, PER_PAGE, at=clock())
    first = number == 1 and not chosen
    exact = any(not hit.near and hit.project == normalize(q) for hit in found.hits)
    context = {
        "q": q,
        "upstream": upstream_projects.search(MAIN, q, clock(), known=exact) if first else None,
        "page": _page(found),
        "took": time.perf_counter() - started,
        "total": found.total,
        "more": found.more,
        "chosen": [{"label": c, "url": _url(q, [o for o in chosen if o != c])} for c in chosen],
        "facets": _facets(found.facets, q, chosen),
        "orders": [],
        "instead": _instead(found, chosen),
    }
    return render(request, "search.html", context)


def _catch_up() -> None:
    """Read the journal, so that what was just published is found; where nothing can be written, go on."""
    try:
        searching.catch_up()
    except DatabaseError as error:
        _log.warning("search is behind the journal: %s", error)


def _page_number(text: str) -> int:
    return max(int(text), 1) if text.isdecimal() and text.isascii() and len(text) < 9 else 1


class _Counted(Paginator):  # type: ignore[type-arg]  # Django's takes no argument at run time
    """A paginator that is told how many there are, and given only the page's own."""

    def __init__(self, found: searching.Found) -> None:
        super().__init__(found.hits, PER_PAGE)
        self._found = found

    @property
    def count(self) -> int:
        """All hits."""
        return min(self._found.total, self._found.pages * PER_PAGE)


def _page(found: searching.Found) -> Page[Any]:
    return Page([_shown(hit) for hit in found.hits], found.page, _Counted(found))


def _shown(hit: searching.Hit) -> dict[str, Any]:
    return {
        "name": hit.project,
        "display_name": hit.display_name,
        "version": hit.version,
        "summary": hit.summary,
        "published": hit.released_at,
    }


def _instead(found: searching.Found, chosen: list[str]) -> dict[str, str] | None:
    """What may have been meant, when only names nearly like it were found."""
    if not found.hits or not all(hit.near for hit in found.hits):
        return None
    name = found.hits[0].display_name
    return {"name": name, "url": _url(name, chosen)}


def _facets(counted: Iterable[tuple[str, int]], q: str, chosen: list[str]) -> list[dict[str, Any]]:
    """The classifiers of what was found, in groups, the commonest first."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for classifier, count in counted:
        group, _, label = classifier.partition(" :: ")
        choice = {
            "label": label or group,
            "count": count,
            "chosen": classifier in chosen,
            "url": _url(q, _toggled(chosen, classifier)),
        }
        groups.setdefault(group, []).append(choice)
    titles = sorted(groups, key=lambda title: (title not in _FIRST_GROUPS, title))
    return [{"title": title, "choices": groups[title][:CHOICES]} for title in titles]


def _toggled(chosen: list[str], classifier: str) -> list[str]:
    return [c for c in chosen if c != classifier] if classifier in chosen else [*chosen, classifier]


def _url(q: str, classifiers: list[str]) -> str:
    return "?" + urlencode([("q", q), *(("c", c) for c in classifiers)])


@readable
def help_page(request: HttpRequest) -> HttpResponse:
    """`/help/`: the exact lines for every tool."""
    return render(request, "help.html")
