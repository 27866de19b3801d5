# SPDX-License-Identifier: Apache-2.0
"""The first page, search, and the help page."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from packhouse.catalogue import queries
from packhouse.web.reading import readable

NEWEST = 12


@readable
def home(request: HttpRequest) -> HttpResponse:
    """`/`: search, what this index serves, the newest releases."""
    context = {
        "index": {"title": "", "description": ""},
        "counts": queries.counts("main"),
        "newest": queries.newest_releases("main", NEWEST),
        "upstream": "",
    }
    return render(request, "home.html", context)


@readable
def help_page(request: HttpRequest) -> HttpResponse:
    """`/help/`: the exact lines for every tool."""
    return render(request, "help.html")
