# SPDX-License-Identifier: Apache-2.0
"""One's projects: invitations, releases, yanking, collaborators, status, and deleting with the name typed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.core import ratelimit
from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from packhouse.catalogue import queries
from packhouse.catalogue.listings import living_project
from packhouse.catalogue.models import Project, Role, TeamRole, User
from packhouse.catalogue.organizations import organization_projects_of
from packhouse.domain.listing import Status
from packhouse.domain.names import is_valid_name, normalize
from packhouse.domain.permissions import Action, Identity, ProjectRole, may
from packhouse.domain.project_json import FileFacts, ReleaseFacts
from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.services import access, collaborators, people, promoting, releases, transfers
from packhouse.services import projects as services
from packhouse.services.indexes import MAIN, list_indexes
from packhouse.web import resources
from packhouse.web.manage_forms import InvitationForm, PromotionForm, StatusForm, TypedNameForm, UndoForm, YankForm
from packhouse.web.organization_forms import TransferForm
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
from packhouse.web.proofs import asked_again
from packhouse.web.reading import web_identity
from packhouse.web.tables import Row, Shown

_ANSWERED = frozenset({Kind.INVALID, Kind.CONFLICT, Kind.MISSING})
"""Refusals that are told in the form they answer."""
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
    found, identity, owner = _managed(request, name)
    status, reason = queries.status_of(found)
    form = StatusForm(
        request.POST or None, initial={"status": status.value, "reason": reason}, may_quarantine=identity.is_admin
    )
    if request.method == "POST" and _did(form, lambda: _set_status(identity, found, form)):
        messages.success(request, f"{found.display_name} is {form.cleaned_data['status']} now.")
        return redirect("manage-project", found.name)
    facts = queries.project_facts("", found, even_quarantined=True)
    context = _base(found, owner=owner) | {
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
    found, identity, owner = _managed(request, name)
    shown = _release_of(found, version)
    sent = request.POST.get("action", "")
    form = YankForm(request.POST if sent in {"yank", "unyank"} else None)
    promotion = PromotionForm(request.POST if sent == "promote" else None, offered=_readable(identity))
    acts: dict[str, tuple[Form, Callable[[], None]]] = {
        "promote": (promotion, lambda: _promote(request, identity, found, shown, promotion)),
        "undo": (UndoForm(request.POST), lambda: _undo(request, identity)),
    }
    chosen, act = acts.get(sent, (form, lambda: _yank(request, identity, found, shown, form)))
    if request.method == "POST" and _did(chosen, act):
        return redirect("manage-release", found.name, shown.version)
    told = promoting.promotions_of(found) if owner else []
    context = _base(found, owner=owner) | {
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


def _release_of(found: Project, version: str) -> ReleaseFacts:
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


def people_page(request: HttpRequest, name: str) -> HttpResponse:
    """`/manage/project/<name>/collaborators/`: who may publish; invite, withdraw, remove, leave."""
    found, identity, owner = _managed(request, name)
    inviting = request.POST.get("action") == "invite"
    form = InvitationForm(request.POST if inviting else None)
    if request.method == "POST" and _changed_people(request, identity, found, form, inviting=inviting):
        still = Role.objects.filter(project=found, user_id=identity.user_id or 0).exists() or identity.is_admin
        return redirect("manage-collaborators", found.name) if still else redirect("manage-projects")
    rows = Role.objects.filter(project=found).select_related("user").order_by("-role", "user__username")
    context = _base(found, owner=owner) | {
        "people": [_person_row(row, identity, owner=owner) for row in rows],
        "invitations": [_invitation_row(row) for row in _open_invitations(found)] if owner else [],
        "form": form if owner else None,
        "organization": found.organization,
        "teams": TeamRole.objects.filter(project=found).select_related("team").order_by("team__name"),
    }
    return TemplateResponse(request, "manage/collaborators.html", context)


def _open_invitations(found: Project) -> Any:
    return found.invitations.filter(state="open", expires_at__gt=clock()()).select_related("user", "invited_by")


def _person_row(row: Role, identity: Identity, *, owner: bool) -> dict[str, Any]:
    you = row.user_id == identity.user_id
    return {
        "username": row.user.username,
        "role": row.role,
        "since": row.since,
        "you": you,
        "removable": owner or you,
    }


def _invitation_row(row: Any) -> dict[str, Any]:
    return {
        "id": row.pk,
        "username": row.user.username,
        "role": row.role,
        "invited_by": row.invited_by.username,
        "expires_at": row.expires_at,
    }


def _changed_people(request: HttpRequest, identity: Identity, found: Project, form: Form, *, inviting: bool) -> bool:
    """Do what was asked; False when the form has to be shown again with what is wrong."""
    if inviting:
        return _did(form, lambda: _invite(request, identity, found, form))
    try:
        if request.POST.get("action") == "withdraw":
            number = request.POST.get("invitation", "")
            chosen = int(number) if number.isdecimal() else 0
            collaborators.withdraw(identity, found.name, chosen, clock=clock())
            messages.success(request, "The invitation is withdrawn.")
        else:
            _remove(request, identity, found)
    except PackhouseError as error:
        if error.kind not in _ANSWERED:
            raise
        messages.error(request, error.message)
    return True


def _invite(request: HttpRequest, identity: Identity, found: Project, form: Form) -> None:
    person = people.find_user(form.cleaned_data["username"])
    role = ProjectRole(form.cleaned_data["role"])
    collaborators.invite(identity, found.name, person, role, clock=clock())
    words = f"{person.username} is invited and finds the invitation under “Your projects”"
    told = tell_invited(request, person, {"project": found.display_name, "role": role.value, "inviter": identity})
    messages.success(request, f"{words}; a mail says so." if told else f"{words}.")


def tell_invited(request: HttpRequest, person: User, facts: dict[str, Any]) -> bool:
    """Send the mail; False without an address, after many such mails to it, or when the mail server is away.

    The invitation stands all the same.
    """
    if not person.email or not ratelimit.consume(request, action="invite", key=person.email):
        return False
    where = {"invited": person.username, "projects_url": ""}
    try:
        get_adapter(request).send_mail("account/email/invitation", person.email, facts | where)
    except PackhouseError:
        return False
    return True


def _remove(request: HttpRequest, identity: Identity, found: Project) -> None:
    person = people.find_user(request.POST.get("username", ""))
    if person.pk == identity.user_id:
        collaborators.leave(identity, found.name, clock=clock())
        messages.success(request, f"You have left {found.display_name}.")
    else:
        collaborators.remove(identity, found.name, person, clock=clock())
        messages.success(request, f"{person.username} may no longer publish {found.display_name}.")


@asked_again
def transfer(request: HttpRequest, name: str) -> HttpResponse:
    """`/manage/project/<name>/transfer/`: offer a project to a person or an organization; take the offer back."""
    found, identity, _ = _managed(request, name, Action.MANAGE)
    withdrawing = request.POST.get("action") == "withdraw"
    form = TransferForm(None if withdrawing else request.POST or None, expected=found.display_name)
    if withdrawing:
        transfers.withdraw(identity, found.name, clock=clock())
        messages.success(request, "The offer is withdrawn.")
        return redirect("transfer-project", found.name)
    if request.method == "POST" and _did(form, lambda: _offer(request, identity, found, form)):
        still = may(identity, Action.YANK, project=access.project_right(identity, found.name)).allowed
        return redirect("transfer-project", found.name) if still else redirect("manage-projects")
    context = _base(found, owner=True) | {
        "form": form,
        "offer": transfers.open_offer(found, clock()),
        "organization": found.organization,
    }
    return TemplateResponse(request, "manage/transfer.html", context)


def _offer(request: HttpRequest, identity: Identity, found: Project, form: Form) -> None:
    receiver = transfers.find_receiver(form.cleaned_data["receiver"])
    offered = transfers.offer(identity, found.name, receiver, clock=clock())
    words = f"is offered to {receiver}, who has to accept it" if offered else f"belongs to {receiver} now"
    messages.success(request, f"{found.display_name} {words}.")


def delete_project(request: HttpRequest, name: str) -> HttpResponse:
    """Delete a whole project."""
    found, identity, _ = _managed(request, name, Action.DELETE)
    consequences = [
        "Every release and file of it stops being offered, at once, in every index.",
        "Their filenames can never be used again, by anybody.",
        "The name stays reserved for its present owners; nobody else gets it.",
    ]
    return _delete(
        request,
        _base(found, owner=True)
        | {"what": "project", "name": found.display_name, "consequences": consequences}
        | {"cancel_url": reverse("manage-project", args=[found.name])},
        lambda: services.delete_project(identity, found.name, clock=clock()),
        reverse("manage-projects"),
    )


def delete_release(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """Delete a release with all its files."""
    found, identity, _ = _managed(request, name, Action.DELETE)
    shown = _release_of(found, version)
    consequences = [
        f"Its {len(shown.files)} file{'s stop' if len(shown.files) != 1 else ' stops'} being offered, at once.",
        "Their filenames can never be used again; the next release needs another version.",
        "Yanking hides a release from new installs and can be undone; deleting can't.",
    ]
    return _delete(
        request,
        _base(found, owner=True)
        | {"what": "release", "name": shown.version, "consequences": consequences}
        | {"cancel_url": reverse("manage-release", args=[found.name, shown.version])},
        lambda: releases.delete(identity, found.name, shown.version, clock=clock()),
        reverse("manage-project", args=[found.name]),
    )


def delete_file(request: HttpRequest, name: str, version: str, filename: str) -> HttpResponse:
    """Delete one file of a release."""
    found, identity, _ = _managed(request, name, Action.DELETE)
    shown = _release_of(found, version)
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
        _base(found, owner=True)
        | {"what": "file", "name": filename, "consequences": consequences}
        | {"cancel_url": reverse("manage-release", args=[found.name, shown.version])},
        lambda: releases.delete(identity, found.name, shown.version, filename=filename, clock=clock()),
        reverse(after, args=[found.name] if last else [found.name, shown.version]),
    )


def _delete(request: HttpRequest, context: dict[str, Any], act: Callable[[], object], afterwards: str) -> HttpResponse:
    """The page on which a name is typed, and what happens when it is right."""
    form = TypedNameForm(request.POST or None, expected=context["name"])
    if request.method == "POST" and _did(form, act):
        messages.success(request, f"The {context['what']} {context['name']} is deleted.")
        return redirect(afterwards)
    return TemplateResponse(request, "manage/delete.html", context | {"form": form})


def _did(form: Form, act: Callable[[], object]) -> bool:
    """Do it if the form is right; a refusal becomes the form's own error."""
    if not form.is_valid():
        return False
    try:
        act()
    except PackhouseError as error:
        if error.kind not in _ANSWERED and error.code not in _BY_RULE:
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


def _managed(request: HttpRequest, name: str, action: Action = Action.YANK) -> tuple[Project, Identity, bool]:
    """The project, who manages it, and whether as an owner (or administrator); raises for anybody else."""
    found = find(name)
    identity = web_identity(request)
    right = access.project_right(identity, found.name)
    verdict = may(identity, action, project=right)
    if not verdict.allowed and queries.find_project(MAIN, found.name) is None:
        raise missing_project(name)  # a name that only other indexes have is nobody else's to know
    verdict.demand()
    return found, identity, may(identity, Action.DELETE, project=right).allowed


def _base(found: Project, *, owner: bool) -> dict[str, Any]:
    status, reason = queries.status_of(found)
    shown = {"name": found.display_name, "normalized": found.name, "status": status.value, "status_reason": reason}
    return {"project": shown, "may_delete": owner}
