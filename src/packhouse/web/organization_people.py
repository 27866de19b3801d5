# SPDX-License-Identifier: Apache-2.0
"""The people of an organization, and its teams: pages for those who are in it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from packhouse.catalogue.models import Membership, OrganizationInvitation, Team
from packhouse.catalogue.organizations import projects_of_organization
from packhouse.domain.permissions import OrganizationRole, ProjectRole
from packhouse.errors import Kind, refuse
from packhouse.services import group_roles, members, offers, people, teams
from packhouse.web.administration import did
from packhouse.web.organization_forms import MemberForm, TeamForm, TeamMemberForm, TeamRoleForm
from packhouse.web.organizations import Act, Opened, clock, do, number_of, open_organization, unknown_action
from packhouse.web.proofs import asked_again


@asked_again
def people_page(request: HttpRequest, name: str) -> HttpResponse:
    """`/manage/organization/<name>/people/`: members and their roles; invite, withdraw, change, remove, leave."""
    opened = open_organization(request, name)
    sent = request.POST.get("action", "") if request.method == "POST" else ""
    form = MemberForm(request.POST if sent == "invite" else None, rules=opened.rules)
    if sent == "invite":
        if did(form, lambda: _invite(request, opened, form)):
            return redirect("organization-people", opened.name)
    elif sent:
        left = _change_people(request, opened, sent)
        return redirect("manage-organizations") if left else redirect("organization-people", opened.name)
    rows = Membership.objects.filter(organization=opened.organization).select_related("user")
    context = opened.context() | {
        "people": [_member_row(row, opened) for row in rows.order_by("user__username")],
        "roles": [role.value for role in OrganizationRole],
        "invitations": list(_open_invitations(opened)) if opened.runs else [],
        "form": form if opened.runs else None,
        "by_groups": group_roles.decides_about(opened.organization),
    }
    return TemplateResponse(request, "manage/organization_people.html", context)


def _open_invitations(opened: Opened) -> Any:
    rows = offers.living(OrganizationInvitation.objects.filter(organization=opened.organization), clock())
    return rows.select_related("user", "invited_by").order_by("created_at")


def _member_row(row: Membership, opened: Opened) -> dict[str, Any]:
    you = row.user_id == opened.identity.user_id
    reached = opened.rules or (opened.runs and row.role == OrganizationRole.MEMBER.value)
    return {
        "username": row.user.username,
        "role": row.role,
        "since": row.since,
        "you": you,
        "removable": you or reached,
        "changeable": opened.rules,
    }


def _invite(request: HttpRequest, opened: Opened, form: Form) -> None:
    person, role = people.find_user(form.cleaned_data["username"]), OrganizationRole(form.cleaned_data["role"])
    members.invite(opened.identity, opened.name, person, role, clock=clock())
    messages.success(request, f"{person.username} is invited and finds the invitation under “Organizations”.")


def _change_people(request: HttpRequest, opened: Opened, sent: str) -> bool:
    """Do what a button of the list says; whether somebody has left by it who asked for it."""
    identity, name, now = opened.identity, opened.name, clock()
    if sent == "withdraw":
        number = number_of(request.POST.get("invitation", ""))
        do(request, "The invitation is withdrawn.", lambda: members.withdraw(identity, name, number, clock=now))
        return False
    person = people.find_user(request.POST.get("username", ""))
    if sent == "role":
        role = _role(request.POST.get("role", ""))
        words = f"{person.username} is {role.value} now."
        do(request, words, lambda: members.set_member(identity, name, person, role, clock=now))
        return False
    if sent != "remove":
        raise unknown_action(sent)
    if person.pk == identity.user_id:
        return do(request, f"You have left {name}.", lambda: members.leave(identity, name, clock=now))
    words = f"{person.username} is no longer in {name}."
    do(request, words, lambda: members.remove_member(identity, name, person, clock=now))
    return False


def _role(text: str) -> OrganizationRole:
    try:
        return OrganizationRole(text)
    except ValueError as error:
        message = f"The role is {text[:30]!r}, expected owner, manager or member; choose one."
        raise refuse(Kind.INVALID, "role-invalid", message, "role") from error


def team_list(request: HttpRequest, name: str) -> HttpResponse:
    """`/manage/organization/<name>/teams/`: the teams; making one."""
    opened = open_organization(request, name)
    form = TeamForm(request.POST or None)
    if request.method == "POST" and did(
        form,
        lambda: teams.create_team(opened.identity, opened.name, form.cleaned_data["team"], clock=clock()),
    ):
        return redirect("organization-team", opened.name, form.cleaned_data["team"].lower())
    rows = Team.objects.filter(organization=opened.organization).prefetch_related("members", "roles").order_by("name")
    shown = [{"name": one.name, "members": one.members.count(), "projects": one.roles.count()} for one in rows]
    context = opened.context() | {"teams": shown, "form": form if opened.runs else None}
    return TemplateResponse(request, "manage/organization_teams.html", context)


def team_page(request: HttpRequest, name: str, team: str) -> HttpResponse:
    """`/manage/organization/<name>/team/<team>/`: who is in a team, what it may do; changing both; its end."""
    opened = open_organization(request, name)
    found = teams.find_team(opened.organization, team)
    inside = list(found.members.select_related("user").order_by("user__username"))
    outside = _outside(opened, {row.user_id for row in inside})
    roles = list(found.roles.select_related("project").order_by("project__name"))
    owned = [row.name for row in projects_of_organization(opened.organization)]
    sent = request.POST.get("action", "") if request.method == "POST" else ""
    joining = TeamMemberForm(request.POST if sent == "add" else None, offered=outside)
    giving = TeamRoleForm(request.POST if sent == "give" else None, offered=owned)
    forms: dict[str, tuple[Form, Act]] = {
        "add": (joining, lambda: _put(opened, found, joining.cleaned_data["username"], inside=True)),
        "give": (giving, lambda: _give(opened, found, giving.cleaned_data["project"], giving.cleaned_data["role"])),
    }
    if sent in forms and did(*forms[sent]):
        messages.success(request, f"The team {found.name} is changed, from the next request on.")
        return redirect("organization-team", opened.name, found.name)
    if sent and sent not in forms:
        return _change_team(request, opened, found, sent)
    context = opened.context() | {
        "team": found,
        "members": [row.user.username for row in inside],
        "roles": [{"project": row.project.display_name, "name": row.project.name, "role": row.role} for row in roles],
        "joining": joining if opened.runs and outside else None,
        "giving": giving if opened.runs and owned else None,
    }
    return TemplateResponse(request, "manage/organization_team.html", context)


def _outside(opened: Opened, inside: set[int]) -> list[str]:
    rows = Membership.objects.filter(organization=opened.organization).exclude(user_id__in=inside)
    return list(rows.order_by("user__username").values_list("user__username", flat=True))


def _put(opened: Opened, found: Team, username: str, *, inside: bool) -> None:
    person = people.find_user(username)
    teams.set_team_member(opened.identity, opened.name, found.name, person, inside=inside, clock=clock())


def _give(opened: Opened, found: Team, project: str, role: str) -> None:
    given = ProjectRole(role) if role else None
    teams.set_team_role(opened.identity, opened.name, found.name, project, given, clock=clock())


def _change_team(request: HttpRequest, opened: Opened, found: Team, sent: str) -> HttpResponse:
    """What a button of the page of a team does."""
    if sent == "end":
        end = lambda: teams.delete_team(opened.identity, opened.name, found.name, clock=clock())  # noqa: E731
        gone = do(request, f"The team {found.name} is deleted.", end)
        return redirect("organization-teams", opened.name) if gone else redirect(request.path)
    acts: dict[str, Act] = {
        "remove": lambda: _put(opened, found, request.POST.get("username", ""), inside=False),
        "take": lambda: _give(opened, found, request.POST.get("project", ""), ""),
    }
    if sent not in acts:
        raise unknown_action(sent)
    do(request, f"The team {found.name} is changed, from the next request on.", acts[sent])
    return redirect("organization-team", opened.name, found.name)
