# SPDX-License-Identifier: Apache-2.0
"""Organizations: one's own, their people, teams and tokens; what everybody sees of one.

What a form does is judged by the service that does it; the pages only leave out what somebody may not do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.shortcuts import redirect, render
from django.template.response import TemplateResponse
from django.urls import reverse

from packhouse.catalogue.models import Membership, Organization, OrganizationInvitation, Project, Team
from packhouse.catalogue.organizations import (
    organization_projects_of,
    projects_of_organization,
)
from packhouse.domain.permissions import Action, Identity, OrganizationRole, ProjectRole, may
from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.services import access, organization_tokens, organizations, people, serving, tokens, transfers
from packhouse.services.indexes import MAIN
from packhouse.web import resources
from packhouse.web.account import person_of
from packhouse.web.account_tables import TOKENS
from packhouse.web.administration import ANSWERED, did
from packhouse.web.manage_forms import TypedNameForm
from packhouse.web.organization_forms import (
    MemberForm,
    OrganizationForm,
    OrganizationTokenForm,
    TeamForm,
    TeamMemberForm,
    TeamRoleForm,
    TitleForm,
)
from packhouse.web.proofs import asked_again
from packhouse.web.reading import readable, web_identity
from packhouse.web.token_pages import indexes_for, rows_of, told_in

PER_PAGE = 100

Act = Callable[[], object]


def _clock() -> Any:
    return resources.get().clock


@dataclass(frozen=True, slots=True)
class Opened:
    """An organization as somebody opened it: who they are, and whether they run it or rule it."""

    organization: Organization
    identity: Identity
    runs: bool
    rules: bool

    @property
    def name(self) -> str:
        """Its name."""
        return self.organization.name

    def context(self) -> dict[str, Any]:
        """What every page of it needs."""
        return {"organization": self.organization, "runs": self.runs, "rules": self.rules}


def _open(request: HttpRequest, name: str, action: Action = Action.BELONG) -> Opened:
    """The organization of this name; raises for whoever may not do this with it."""
    found, identity = organizations.find_organization(name), web_identity(request)
    right = access.organization_right(identity, found)
    may(identity, action, organization=right).demand()
    runs, rules = (may(identity, one, organization=right).allowed for one in (Action.RUN, Action.RULE))
    return Opened(found, identity, runs, rules)


def _do(request: HttpRequest, done: str, act: Act) -> bool:
    """What a button does that has no form of its own to tell a refusal in; whether it was done."""
    try:
        act()
    except PackhouseError as error:
        if error.kind not in ANSWERED:
            raise
        messages.error(request, error.message)
        return False
    messages.success(request, done)
    return True


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0


def _unknown_action(sent: str) -> PackhouseError:
    return refuse(Kind.INVALID, "action-unknown", f"There is no action {sent[:30]!r} here; use the buttons.")


# --- what everybody sees


@readable
def public(request: HttpRequest, name: str) -> HttpResponse:
    """`/org/<name>/`: an organization and those of its projects that everybody may see; `page=`."""
    found = organizations.find_organization(name)
    if name != found.name:
        return HttpResponsePermanentRedirect(reverse("organization", args=[found.name]))
    shown = serving.projects_of_organization(found, MAIN, _clock()())
    page = Paginator(shown, PER_PAGE).get_page(request.GET.get("page", "1"))
    right = access.organization_right(web_identity(request), found)
    context = {"organization": found, "page": page, "projects": list(page), "belongs": right.role is not None}
    return render(request, "organization.html", context)


# --- one's own


def own(request: HttpRequest) -> HttpResponse:
    """`/manage/organizations/`: one's organizations, invitations to others, and making one."""
    person, identity = person_of(request), web_identity(request)
    making = request.POST.get("action") == "create"
    form = OrganizationForm(request.POST if making else None)
    if request.method == "POST" and not making:
        _answer(request, identity)
        return redirect("manage-organizations")
    if making and did(form, lambda: _create(request, identity, form)):
        return redirect("manage-organization", form.cleaned_data["name"])
    context = {
        "form": form,
        "memberships": organizations.organizations_of(person),
        "invitations": organizations.open_invitations(person, _clock()),
        "held": organization_projects_of(person),
    }
    return TemplateResponse(request, "manage/organizations.html", context)


def _create(request: HttpRequest, identity: Identity, form: Form) -> None:
    said = form.cleaned_data
    organizations.create_organization(identity, said["name"], person_of(request), said["title"], clock=_clock())
    messages.success(request, f"The organization {said['name']} is made, and you are its owner.")


def _answer(request: HttpRequest, identity: Identity) -> None:
    accept = request.POST.get("answer") == "accept"
    number = _number(request.POST.get("invitation", ""))
    words = "You are in." if accept else "The invitation is declined."
    _do(request, words, lambda: organizations.answer(identity, number, accept=accept, clock=_clock()))


def overview(request: HttpRequest, name: str) -> HttpResponse:
    """`/manage/organization/<name>/`: its projects, those offered to it, its full name."""
    opened = _open(request, name)
    form = TitleForm(request.POST or None, initial={"title": opened.organization.title})
    if request.method == "POST":
        sent = request.POST.get("answer", "")
        if sent:
            answer_offer(request, opened.identity)
            return redirect("manage-organization", opened.name)
        if did(form, lambda: _retitle(request, opened, form)):
            return redirect("manage-organization", opened.name)
    context = opened.context() | {
        "form": form if opened.runs else None,
        "projects": projects_of_organization(opened.organization),
        "offers": [
            one
            for one in transfers.offers_to(person_of(request), _clock())
            if one.to_organization_id == opened.organization.pk
        ],
    }
    return TemplateResponse(request, "manage/organization.html", context)


def _retitle(request: HttpRequest, opened: Opened, form: Form) -> None:
    organizations.set_title(opened.identity, opened.name, form.cleaned_data["title"], clock=_clock())
    messages.success(request, "The full name is saved.")


def answer_offer(request: HttpRequest, identity: Identity) -> None:
    """Accept or decline a project that was offered, as a button says."""
    accept = request.POST.get("answer") == "accept"
    number = _number(request.POST.get("transfer", ""))
    words = "The project is moved." if accept else "The offer is declined."
    _do(request, words, lambda: transfers.answer(identity, number, accept=accept, clock=_clock()))


@asked_again
def people_page(request: HttpRequest, name: str) -> HttpResponse:
    """`/manage/organization/<name>/people/`: members and their roles; invite, withdraw, change, remove, leave."""
    opened = _open(request, name)
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
    }
    return TemplateResponse(request, "manage/organization_people.html", context)


def _open_invitations(opened: Opened) -> Any:
    rows = OrganizationInvitation.objects.filter(organization=opened.organization, state="open")
    return rows.filter(expires_at__gt=_clock()()).select_related("user", "invited_by").order_by("created_at")


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
    organizations.invite(opened.identity, opened.name, person, role, clock=_clock())
    messages.success(request, f"{person.username} is invited and finds the invitation under “Organizations”.")


def _change_people(request: HttpRequest, opened: Opened, sent: str) -> bool:
    """Do what a button of the list says; whether somebody has left by it who asked for it."""
    identity, name, clock = opened.identity, opened.name, _clock()
    if sent == "withdraw":
        number = _number(request.POST.get("invitation", ""))
        _do(
            request, "The invitation is withdrawn.", lambda: organizations.withdraw(identity, name, number, clock=clock)
        )
        return False
    person = people.find_user(request.POST.get("username", ""))
    if sent == "role":
        role = _role(request.POST.get("role", ""))
        words = f"{person.username} is {role.value} now."
        _do(request, words, lambda: organizations.set_member(identity, name, person, role, clock=clock))
        return False
    if sent != "remove":
        raise _unknown_action(sent)
    if person.pk == identity.user_id:
        return _do(request, f"You have left {name}.", lambda: organizations.leave(identity, name, clock=clock))
    words = f"{person.username} is no longer in {name}."
    _do(request, words, lambda: organizations.remove_member(identity, name, person, clock=clock))
    return False


def _role(text: str) -> OrganizationRole:
    try:
        return OrganizationRole(text)
    except ValueError as error:
        message = f"The role is {text[:30]!r}, expected owner, manager or member; choose one."
        raise refuse(Kind.INVALID, "role-invalid", message, "role") from error


# --- teams


def team_list(request: HttpRequest, name: str) -> HttpResponse:
    """`/manage/organization/<name>/teams/`: the teams; making one."""
    opened = _open(request, name)
    form = TeamForm(request.POST or None)
    if request.method == "POST" and did(
        form,
        lambda: organizations.create_team(opened.identity, opened.name, form.cleaned_data["team"], clock=_clock()),
    ):
        return redirect("organization-team", opened.name, form.cleaned_data["team"].lower())
    rows = Team.objects.filter(organization=opened.organization).prefetch_related("members", "roles").order_by("name")
    teams = [{"name": one.name, "members": one.members.count(), "projects": one.roles.count()} for one in rows]
    context = opened.context() | {"teams": teams, "form": form if opened.runs else None}
    return TemplateResponse(request, "manage/organization_teams.html", context)


def team_page(request: HttpRequest, name: str, team: str) -> HttpResponse:
    """`/manage/organization/<name>/team/<team>/`: who is in a team, what it may do; changing both; its end."""
    opened = _open(request, name)
    found = organizations.find_team(opened.organization, team)
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
    organizations.set_team_member(opened.identity, opened.name, found.name, person, inside=inside, clock=_clock())


def _give(opened: Opened, found: Team, project: str, role: str) -> None:
    given = ProjectRole(role) if role else None
    organizations.set_team_role(opened.identity, opened.name, found.name, project, given, clock=_clock())


def _change_team(request: HttpRequest, opened: Opened, found: Team, sent: str) -> HttpResponse:
    """What a button of the page of a team does."""
    if sent == "end":
        end = lambda: organizations.delete_team(opened.identity, opened.name, found.name, clock=_clock())  # noqa: E731
        gone = _do(request, f"The team {found.name} is deleted.", end)
        return redirect("organization-teams", opened.name) if gone else redirect(request.path)
    acts: dict[str, Act] = {
        "remove": lambda: _put(opened, found, request.POST.get("username", ""), inside=False),
        "take": lambda: _give(opened, found, request.POST.get("project", ""), ""),
    }
    if sent not in acts:
        raise _unknown_action(sent)
    _do(request, f"The team {found.name} is changed, from the next request on.", acts[sent])
    return redirect("organization-team", opened.name, found.name)


# --- tokens, and the end


@asked_again
def token_page(request: HttpRequest, name: str) -> HttpResponse:
    """`/manage/organization/<name>/tokens/`: its tokens; making, rotating and deleting them."""
    opened = _open(request, name, Action.RUN)
    sent = request.POST.get("action", "") if request.method == "POST" else ""
    form = _token_form(opened, request.POST if sent == "create" else None)
    made, rotated = None, False
    if sent == "create" and form.is_valid():
        made = _make_token(opened, form)
        form = form if made is None else _token_form(opened, None)
    elif sent in {"rotate", "replace"}:
        made, rotated = _rotate(request, opened), True
    elif sent == "delete":
        number = _number(request.POST.get("token", ""))
        delete = lambda: organization_tokens.delete(opened.identity, opened.name, number, clock=_clock())  # noqa: E731
        _do(request, "The token is deleted; whatever used it is refused from now on.", delete)
        return redirect("organization-tokens", opened.name)
    context = opened.context() | {
        "form": form,
        "tokens": TOKENS.show(rows_of(tokens.tokens_of_organization(opened.organization)), request.GET),
        "new_token": made[1] if made else None,
        "new_token_name": made[0].name if made else "",
        "rotated": rotated,
        "old_until": made[0].old_until if made else None,
        "upload_url": request.build_absolute_uri("/legacy/"),
        "now": _clock()(),
    }
    return TemplateResponse(request, "manage/organization_tokens.html", context)


def _token_form(opened: Opened, sent: Any) -> OrganizationTokenForm:
    owned = [row.name for row in projects_of_organization(opened.organization)]
    speaking = Identity(username=opened.name, organization_id=opened.organization.pk)
    return OrganizationTokenForm(sent, projects=owned, indexes=indexes_for(speaking))


def _make_token(opened: Opened, form: OrganizationTokenForm) -> Any:
    said = form.cleaned_data
    return told_in(
        form,
        lambda: organization_tokens.create(
            opened.identity,
            opened.name,
            said["name"],
            form.chosen_scopes(),
            said.get("indexes") or (),
            form.chosen_projects(),
            form.chosen_expiry(_clock()()),
            networks=[said["networks"]],
            clock=_clock(),
        ),
    )


def _rotate(request: HttpRequest, opened: Opened) -> Any:
    grace = timedelta() if request.POST.get("action") == "replace" else tokens.GRACE
    number = _number(request.POST.get("token", ""))
    return organization_tokens.rotate(opened.identity, opened.name, number, grace, clock=_clock())


@asked_again
def end(request: HttpRequest, name: str) -> HttpResponse:
    """`/manage/organization/<name>/delete/`: the end of an organization, with its name typed."""
    opened = _open(request, name, Action.RULE)
    form = TypedNameForm(request.POST or None, expected=opened.name)
    act = lambda: organizations.delete_organization(opened.identity, opened.name, clock=_clock())  # noqa: E731
    if request.method == "POST" and did(form, act):
        messages.success(request, f"The organization {opened.name} is deleted.")
        return redirect("manage-organizations")
    owned = Project.objects.filter(organization=opened.organization, deleted_serial=None).count()
    return TemplateResponse(request, "manage/organization_end.html", opened.context() | {"form": form, "owned": owned})
