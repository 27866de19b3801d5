# SPDX-License-Identifier: Apache-2.0
"""Why an index shows what it shows of a project, for people who may read the index."""

from __future__ import annotations

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponsePermanentRedirect
from django.shortcuts import render
from django.urls import reverse

from packhouse.domain.names import is_valid_name, normalize
from packhouse.domain.permissions import ANONYMOUS, Action, ReadMode, may
from packhouse.services import access, explaining
from packhouse.services.indexes import MAIN
from packhouse.web import resources
from packhouse.web.projects import missing_project
from packhouse.web.reading import readable, web_identity


def explain(request: HttpRequest, name: str) -> HttpResponseBase:
    """`/project/<name>/explain/?index=I`: which layer answers, which files are hidden, by which rule, until when."""
    index = request.GET.get("index") or MAIN
    if index == MAIN:
        return _of_main(request, name)
    if access.index_right(ANONYMOUS, index).read is not ReadMode.PUBLIC:
        identity = web_identity(request)
        if identity.anonymous:
            return redirect_to_login(request.get_full_path())
        may(identity, Action.READ, index=access.index_right(identity, index)).demand()
    return _page(request, name, index)


@readable
def _of_main(request: HttpRequest, name: str) -> HttpResponse:
    return _page(request, name, MAIN)


def _page(request: HttpRequest, name: str, index: str) -> HttpResponse:
    if not is_valid_name(name):
        raise missing_project(name)
    normalized = normalize(name)
    if name != normalized:
        query = request.META.get("QUERY_STRING", "")
        address = reverse("explain", args=[normalized])
        return HttpResponsePermanentRedirect(f"{address}?{query}" if query else address)
    found = explaining.explain(index, normalized, resources.get().clock())
    if not found.known or found.deleted:
        raise missing_project(name)
    return render(request, "explain.html", {"found": found})
