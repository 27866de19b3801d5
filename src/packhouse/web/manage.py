# SPDX-License-Identifier: Apache-2.0
"""One's projects: invitations, releases, yanking, promoting, status."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from packhouse.catalogue import queries
from packhouse.catalogue.listings import living_project
from packhouse.catalogue.models import Project, User
from packhouse.catalogue.organizations import organization_projects_of
from packhouse.domain.listing import Status
from packhouse.domain.names import is_valid_name, normalize
from packhouse.domain.permissions import Action, Identity, may
from packhouse.domain.project_json import FileFacts, ReleaseFacts
from packhouse.errors import PackhouseError
from packhouse.services import access, collaborators, people, promoting, releases, transfers
from packhouse.services import projects as services
from packhouse.services.indexes import MAIN, list_indexes
from packhouse.web import resources
from packhouse.web.administration import ANSWERED
from packhouse.web.manage_forms import PromotionForm, StatusForm, UndoForm, YankForm
from packhouse.web.organizations import answer_offer
from packhouse.web.project_tables import (
    FILES,
    OWN_PROJECTS,
    OWN_RELEASES,
    file_row,
    own_rows,
    release_row,
    release_rows,
)
from packhouse.web.projects import missing_project, release_of
from packhouse.web.reading import web_identity
from packhouse.web.tables import Row, Shown

_BY_RULE = frozenset(
    {
        "file-too-new",
        "file-denied",
        "file-not-allowed",
        "file-held",
        "project-quarantined",
        "index-without-own",
        "email-unverified",
        "two-factor-missing",
    }
)
"""Refusals by a rule of an index, which the form of a promotion tells too."""


def clock() -> Any:
    """The clock services are given."""
    return resources.get().clock


def own_projects(request: HttpRequest) -> HttpResponse:
    """`/manage/projects/`: one's projects, and invitations to others'."""
    identity = web_identity(request)
    if request.method == "POST":
        answer = answer_offer if "transfer" in request.POST else _answer
        answer(request, identity)
        return redirect("manage-projects")
    person = people.find_user(identity.username)
    context = {
        "projects": _own_projects(person, request.GET),
        "invitations": [_invited(row) for row in queries.open_invitations(person, clock()())],
        "offers": transfers.offers_to(person, clock()),
        "held": organization_projects_of(person),
    }
    return TemplateResponse(request, "manage/projects.html", context)


def _own_projects(person: User, query: QueryDict) -> Shown:
    """One's projects: all is read of those that are shown, and of all when the order needs it."""
    if query.get(OWN_PROJECTS.name, "").removeprefix("-") == "published":
        return OWN_PROJECTS.show(own_rows(queries.projects_of(person)), query)
    shown = OWN_PROJECTS.show(own_rows(queries.roles_held(person)), query)
    names = [row["normalized"] for row in shown.page]
    read = {row["normalized"]: row for row in own_rows(queries.projects_of(person, names=names))}
    shown.page.object_list = [read.get(row["normalized"], row) for row in shown.page]
    return shown


def _invited(row: Any) -> dict[str, Any]:
    return {
        "id": row.pk,
        "project": row.project.name,
        "role": row.role,
        "invited_by": row.invited_by.username,
        "expires_at": row.expires_at,
    }


def _answer(request: HttpRequest, identity: Identity) -> None:
    accept = request.POST.get("answer") == "accept"
    number = request.POST.get("invitation", "")
    row = collaborators.answer(identity, int(number) if number.isdecimal() else 0, accept=accept, clock=clock())
    words = f"You are {row.role} of {row.project.display_name} now." if accept else "The invitation is declined."
    messages.success(request, words)


def project(request: HttpRequest, name: str) -> HttpResponse:
    """`/manage/project/<name>/`: its releases and its status."""
    found, identity, owner = managed(request, name)
    status, reason = queries.status_of(found)
    form = StatusForm(
        request.POST or None, initial={"status": status.value, "reason": reason}, may_quarantine=identity.is_admin
    )
    if request.method == "POST" and did(form, lambda: _set_status(identity, found, form)):
        messages.success(request, f"{found.display_name} is {form.cleaned_data['status']} now.")
        return redirect("manage-project", found.name)
    facts = queries.project_facts("", found, even_quarantined=True)
    context = basis(found, owner=owner) | {
        "releases": OWN_RELEASES.show(release_rows(facts.releases), request.GET),
        "form": form if owner else None,
        "delete_url": reverse("delete-project", args=[found.name]) if owner else "",
        "transfer_url": reverse("transfer-project", args=[found.name]) if owner else "",
    }
    return TemplateResponse(request, "manage/project.html", context)


def _set_status(identity: Identity, found: Project, form: Form) -> None:
    status = Status(form.cleaned_data["status"])
    services.set_status(identity, found.name, status, reason=form.cleaned_data["reason"], clock=clock())


def release(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """`/manage/project/<name>/release/<version>/`: its files; yank and unyank."""
    found, identity, owner = managed(request, name)
    shown = release_shown(found, version)
    sent = request.POST.get("action", "")
    form = YankForm(request.POST if sent in {"yank", "unyank"} else None)
    promotion = PromotionForm(request.POST if sent == "promote" else None, offered=_readable(identity))
    acts: dict[str, tuple[Form, Callable[[], None]]] = {
        "promote": (promotion, lambda: _promote(request, identity, found, shown, promotion)),
        "undo": (UndoForm(request.POST), lambda: _undo(request, identity)),
    }
    chosen, act = acts.get(sent, (form, lambda: _yank(request, identity, found, shown, form)))
    if request.method == "POST" and did(chosen, act):
        return redirect("manage-release", found.name, shown.version)
    told = promoting.promotions_of(found) if owner else []
    context = basis(found, owner=owner) | {
        "promotion": promotion if owner and len(promotion.offered) > 1 else None,
        "promotions": [one for one in told if one.version == shown.version],
        "release": release_row(shown) | {"yanked": shown.yanked},
        "files": FILES.show([_file_row(found, shown, file, owner=owner) for file in shown.files], request.GET),
        "form": form,
        "delete_url": reverse("delete-release", args=[found.name, shown.version]) if owner else "",
    }
    return TemplateResponse(request, "manage/release.html", context)


def _readable(identity: Identity) -> list[str]:
    """The indexes that somebody may read."""
    return [
        index.name
        for index in list_indexes()
        if may(identity, Action.READ, index=access.right_on(identity, index)).allowed
    ]


def _promote(
    request: HttpRequest, identity: Identity, found: Project, shown: ReleaseFacts, form: PromotionForm
) -> None:
    said = form.cleaned_data
    done = promoting.promote(
        identity, found.name, shown.version, said["source"], said["target"], reason=said["why"], clock=clock()
    )
    what = f"{found.display_name} {shown.version}"
    words = f"{what} is in {said['target']} now." if done.serial else f"{what} is in {said['target']} already."
    messages.success(request, words)


def _undo(request: HttpRequest, identity: Identity) -> None:
    """Take back the promotion whose button was pressed."""
    serial = request.POST.get("serial", "")
    promoting.undo(identity, int(serial) if serial.isdecimal() and len(serial) < 19 else 0, clock=clock())
    messages.success(request, "The promotion is taken back.")


def release_shown(found: Project, version: str) -> ReleaseFacts:
    """A release as its people see it; raises MISSING."""
    return release_of(found.display_name, queries.project_facts("", found, even_quarantined=True), version)


def _yank(request: HttpRequest, identity: Identity, found: Project, shown: ReleaseFacts, form: Form) -> None:
    one = request.POST.get("file") or None
    what = one or f"{found.display_name} {shown.version}"
    if request.POST.get("action") == "unyank":
        releases.unyank(identity, found.name, shown.version, filename=one, clock=clock())
        messages.success(request, f"{what} is no longer yanked.")
        return
    reason = form.cleaned_data["reason"]
    releases.yank(identity, found.name, shown.version, filename=one, reason=reason, clock=clock())
    messages.success(request, f"{what} is yanked: installers pass it over unless its exact version is asked for.")


def _file_row(found: Project, shown: ReleaseFacts, file: FileFacts, *, owner: bool) -> Row:
    address = reverse("delete-file", args=[found.name, shown.version, file.filename]) if owner else ""
    return file_row(file) | {"delete_url": address}


def did(form: Form, act: Callable[[], object]) -> bool:
    """Do it if the form is right; a refusal becomes the form's own error."""
    if not form.is_valid():
        return False
    try:
        act()
    except PackhouseError as error:
        if error.kind not in ANSWERED and error.code not in _BY_RULE:
            raise
        form.add_error(None, error.message)
        return False
    return True


def find(name: str) -> Project:
    """The living project of this name in any spelling, in whichever index it stands; raises MISSING."""
    found = living_project(normalize(name)) if is_valid_name(name) else None
    if found is None:
        raise missing_project(name)
    return found


def managed(request: HttpRequest, name: str, action: Action = Action.YANK) -> tuple[Project, Identity, bool]:
    """The project, who manages it, and whether as an owner (or administrator); raises for anybody else."""
    found = find(name)
    identity = web_identity(request)
    right = access.project_right(identity, found.name)
    verdict = may(identity, action, project=right)
    if not verdict.allowed and queries.find_project(MAIN, found.name) is None:
        raise missing_project(name)  # a name that only other indexes have is nobody else's to know
    verdict.demand()
    return found, identity, may(identity, Action.DELETE, project=right).allowed


def basis(found: Project, *, owner: bool) -> dict[str, Any]:
    """What every page of a project needs."""
    status, reason = queries.status_of(found)
    shown = {"name": found.display_name, "normalized": found.name, "status": status.value, "status_reason": reason}
    return {"project": shown, "may_delete": owner}
