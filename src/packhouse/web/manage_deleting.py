# SPDX-License-Identifier: Apache-2.0
"""Deleting a project, a release or a file of one's own, with its name typed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from packhouse.domain.permissions import Action
from packhouse.errors import Kind, refuse
from packhouse.services import projects as services
from packhouse.services import releases
from packhouse.web.manage import basis, clock, did, managed, release_shown
from packhouse.web.manage_forms import TypedNameForm


def delete_project(request: HttpRequest, name: str) -> HttpResponse:
    """Delete a whole project."""
    found, identity, _ = managed(request, name, Action.DELETE)
    consequences = [
        "Every release and file of it stops being offered, at once, in every index.",
        "Their filenames can never be used again, by anybody.",
        "The name stays reserved for its present owners; nobody else gets it.",
    ]
    return _delete(
        request,
        basis(found, owner=True)
        | {"what": "project", "name": found.display_name, "consequences": consequences}
        | {"cancel_url": reverse("manage-project", args=[found.name])},
        lambda: services.delete_project(identity, found.name, clock=clock()),
        reverse("manage-projects"),
    )


def delete_release(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """Delete a release with all its files."""
    found, identity, _ = managed(request, name, Action.DELETE)
    shown = release_shown(found, version)
    consequences = [
        f"Its {len(shown.files)} file{'s stop' if len(shown.files) != 1 else ' stops'} being offered, at once.",
        "Their filenames can never be used again; the next release needs another version.",
        "Yanking hides a release from new installs and can be undone; deleting can't.",
    ]
    return _delete(
        request,
        basis(found, owner=True)
        | {"what": "release", "name": shown.version, "consequences": consequences}
        | {"cancel_url": reverse("manage-release", args=[found.name, shown.version])},
        lambda: releases.delete(identity, found.name, shown.version, clock=clock()),
        reverse("manage-project", args=[found.name]),
    )


def delete_file(request: HttpRequest, name: str, version: str, filename: str) -> HttpResponse:
    """Delete one file of a release."""
    found, identity, _ = managed(request, name, Action.DELETE)
    shown = release_shown(found, version)
    if filename not in {file.filename for file in shown.files}:
        raise refuse(Kind.MISSING, "file-missing", f"The release {shown.version} has no file {filename[:255]!r}.")
    consequences = [
        "It stops being offered, at once; whoever pinned its hash can't install it any more.",
        "Its filename can never be used again, not even for the same bytes.",
    ]
    last = len(shown.files) == 1
    after = "manage-project" if last else "manage-release"
    return _delete(
        request,
        basis(found, owner=True)
        | {"what": "file", "name": filename, "consequences": consequences}
        | {"cancel_url": reverse("manage-release", args=[found.name, shown.version])},
        lambda: releases.delete(identity, found.name, shown.version, filename=filename, clock=clock()),
        reverse(after, args=[found.name] if last else [found.name, shown.version]),
    )


def _delete(request: HttpRequest, context: dict[str, Any], act: Callable[[], object], afterwards: str) -> HttpResponse:
    """The page on which a name is typed, and what happens when it is right."""
    form = TypedNameForm(request.POST or None, expected=context["name"])
    if request.method == "POST" and did(form, act):
        messages.success(request, f"The {context['what']} {context['name']} is deleted.")
        return redirect(afterwards)
    return TemplateResponse(request, "manage/delete.html", context | {"form": form})
