# SPDX-License-Identifier: Apache-2.0
"""Who has part in a project: collaborators and invitations, and giving the project to somebody else."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.core import ratelimit
from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from packhouse.catalogue.models import Project, Role, TeamRole, User
from packhouse.domain.permissions import Action, Identity, ProjectRole, may
from packhouse.errors import PackhouseError
from packhouse.services import access, collaborators, offers, people, transfers
from packhouse.web.administration import ANSWERED
from packhouse.web.manage import basis, clock, did, managed
from packhouse.web.manage_forms import InvitationForm
from packhouse.web.organization_forms import TransferForm
from packhouse.web.proofs import asked_again


def people_page(request: HttpRequest, name: str) -> HttpResponse:
    """`/manage/project/<name>/collaborators/`: who may publish; invite, withdraw, remove, leave."""
    found, identity, owner = managed(request, name)
    inviting = request.POST.get("action") == "invite"
    form = InvitationForm(request.POST if inviting else None)
    if request.method == "POST" and _changed_people(request, identity, found, form, inviting=inviting):
        still = Role.objects.filter(project=found, user_id=identity.user_id or 0).exists() or identity.is_admin
        return redirect("manage-collaborators", found.name) if still else redirect("manage-projects")
    rows = Role.objects.filter(project=found).select_related("user").order_by("-role", "user__username")
    context = basis(found, owner=owner) | {
        "people": [_person_row(row, identity, owner=owner) for row in rows],
        "invitations": [_invitation_row(row) for row in _open_invitations(found)] if owner else [],
        "form": form if owner else None,
        "organization": found.organization,
        "teams": TeamRole.objects.filter(project=found).select_related("team").order_by("team__name"),
    }
    return TemplateResponse(request, "manage/collaborators.html", context)


def _open_invitations(found: Project) -> Any:
    return offers.living(found.invitations.all(), clock()).select_related("user", "invited_by")


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
        return did(form, lambda: _invite(request, identity, found, form))
    try:
        if request.POST.get("action") == "withdraw":
            number = request.POST.get("invitation", "")
            chosen = int(number) if number.isdecimal() else 0
            collaborators.withdraw(identity, found.name, chosen, clock=clock())
            messages.success(request, "The invitation is withdrawn.")
        else:
            _remove(request, identity, found)
    except PackhouseError as error:
        if error.kind not in ANSWERED:
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
    found, identity, _ = managed(request, name, Action.MANAGE)
    withdrawing = request.POST.get("action") == "withdraw"
    form = TransferForm(None if withdrawing else request.POST or None, expected=found.display_name)
    if withdrawing:
        transfers.withdraw(identity, found.name, clock=clock())
        messages.success(request, "The offer is withdrawn.")
        return redirect("transfer-project", found.name)
    if request.method == "POST" and did(form, lambda: _offer(request, identity, found, form)):
        still = may(identity, Action.YANK, project=access.project_right(identity, found.name)).allowed
        return redirect("transfer-project", found.name) if still else redirect("manage-projects")
    context = basis(found, owner=True) | {
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
