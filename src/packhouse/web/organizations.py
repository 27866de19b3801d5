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

from packhouse.catalogue.models import Organization, Project
from packhouse.catalogue.organizations import (
    organization_projects_of,
    projects_of_organization,
)
from packhouse.domain.permissions import Action, Identity, may
from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.services import access, members, organization_tokens, organizations, serving, tokens, transfers
from packhouse.services.indexes import MAIN, any_stages
from packhouse.web import resources
from packhouse.web.account import person_of
from packhouse.web.account_tables import TOKENS
from packhouse.web.administration import ANSWERED, did
from packhouse.web.manage_forms import TypedNameForm
from packhouse.web.organization_forms import (
    OrganizationForm,
    OrganizationTokenForm,
    TitleForm,
)
from packhouse.web.proofs import asked_again
from packhouse.web.reading import readable, web_identity
from packhouse.web.token_pages import indexes_for, rows_of, told_in

PER_PAGE = 100

Act = Callable[[], object]
"""What a button does."""


def clock() -> Any:
    """The clock services are given."""
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


def open_organization(request: HttpRequest, name: str, action: Action = Action.BELONG) -> Opened:
    """The organization of this name; raises for whoever may not do this with it."""
    found, identity = organizations.find_organization(name), web_identity(request)
    right = access.organization_right(identity, found)
    may(identity, action, organization=right).demand()
    runs, rules = (may(identity, one, organization=right).allowed for one in (Action.RUN, Action.RULE))
    return Opened(found, identity, runs, rules)


def do(request: HttpRequest, done: str, act: Act) -> bool:
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


def number_of(text: str) -> int:
    """A row's number as a form sends it; 0 for what is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0


def unknown_action(sent: str) -> PackhouseError:
    """The refusal of a button that is not there."""
    return refuse(Kind.INVALID, "action-unknown", f"There is no action {sent[:30]!r} here; use the buttons.")


# --- what everybody sees


@readable
def public(request: HttpRequest, name: str) -> HttpResponse:
    """`/org/<name>/`: an organization and those of its projects that everybody may see; `page=`."""
    found = organizations.find_organization(name)
    if name != found.name:
        return HttpResponsePermanentRedirect(reverse("organization", args=[found.name]))
    shown = serving.projects_of_organization(found, MAIN, clock()())
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
        "invitations": members.open_invitations(person, clock()),
        "held": organization_projects_of(person),
    }
    return TemplateResponse(request, "manage/organizations.html", context)


def _create(request: HttpRequest, identity: Identity, form: Form) -> None:
    said = form.cleaned_data
    organizations.create_organization(identity, said["name"], person_of(request), said["title"], clock=clock())
    messages.success(request, f"The organization {said['name']} is made, and you are its owner.")


def _answer(request: HttpRequest, identity: Identity) -> None:
    accept = request.POST.get("answer") == "accept"
    number = number_of(request.POST.get("invitation", ""))
    words = "You are in." if accept else "The invitation is declined."
    do(request, words, lambda: members.answer(identity, number, accept=accept, clock=clock()))


def overview(request: HttpRequest, name: str) -> HttpResponse:
    """`/manage/organization/<name>/`: its projects, those offered to it, its full name."""
    opened = open_organization(request, name)
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
            for one in transfers.offers_to(person_of(request), clock())
            if one.to_organization_id == opened.organization.pk
        ],
    }
    return TemplateResponse(request, "manage/organization.html", context)


def _retitle(request: HttpRequest, opened: Opened, form: Form) -> None:
    organizations.set_title(opened.identity, opened.name, form.cleaned_data["title"], clock=clock())
    messages.success(request, "The full name is saved.")


def answer_offer(request: HttpRequest, identity: Identity) -> None:
    """Accept or decline a project that was offered, as a button says."""
    accept = request.POST.get("answer") == "accept"
    number = number_of(request.POST.get("transfer", ""))
    words = "The project is moved." if accept else "The offer is declined."
    do(request, words, lambda: transfers.answer(identity, number, accept=accept, clock=clock()))


# --- tokens, and the end


@asked_again
def token_page(request: HttpRequest, name: str) -> HttpResponse:
    """`/manage/organization/<name>/tokens/`: its tokens; making, rotating and deleting them."""
    opened = open_organization(request, name, Action.RUN)
    sent = request.POST.get("action", "") if request.method == "POST" else ""
    form = _token_form(opened, request.POST if sent == "create" else None)
    made, rotated = None, False
    if sent == "create" and form.is_valid():
        made = _make_token(opened, form)
        form = form if made is None else _token_form(opened, None)
    elif sent in {"rotate", "replace"}:
        made, rotated = _rotate(request, opened), True
    elif sent == "delete":
        number = number_of(request.POST.get("token", ""))
        delete = lambda: organization_tokens.delete(opened.identity, opened.name, number, clock=clock())  # noqa: E731
        do(request, "The token is deleted; whatever used it is refused from now on.", delete)
        return redirect("organization-tokens", opened.name)
    context = opened.context() | {
        "form": form,
        "tokens": TOKENS.show(rows_of(tokens.tokens_of_organization(opened.organization)), request.GET),
        "new_token": made[1] if made else None,
        "new_token_name": made[0].name if made else "",
        "rotated": rotated,
        "old_until": made[0].old_until if made else None,
        "upload_url": request.build_absolute_uri("/legacy/"),
        "now": clock()(),
    }
    return TemplateResponse(request, "manage/organization_tokens.html", context)


def _token_form(opened: Opened, sent: Any) -> OrganizationTokenForm:
    owned = [row.name for row in projects_of_organization(opened.organization)]
    speaking = Identity(username=opened.name, organization_id=opened.organization.pk)
    readable = indexes_for(speaking)
    return OrganizationTokenForm(sent, projects=owned, indexes=readable, staging=any_stages(readable))


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
            form.chosen_expiry(clock()()),
            networks=[said["networks"]],
            clock=clock(),
        ),
    )


def _rotate(request: HttpRequest, opened: Opened) -> Any:
    grace = timedelta() if request.POST.get("action") == "replace" else tokens.GRACE
    number = number_of(request.POST.get("token", ""))
    return organization_tokens.rotate(opened.identity, opened.name, number, grace, clock=clock())


@asked_again
def end(request: HttpRequest, name: str) -> HttpResponse:
    """`/manage/organization/<name>/delete/`: the end of an organization, with its name typed."""
    opened = open_organization(request, name, Action.RULE)
    form = TypedNameForm(request.POST or None, expected=opened.name)
    act = lambda: organizations.delete_organization(opened.identity, opened.name, clock=clock())  # noqa: E731
    if request.method == "POST" and did(form, act):
        messages.success(request, f"The organization {opened.name} is deleted.")
        return redirect("manage-organizations")
    owned = Project.objects.filter(organization=opened.organization, deleted_serial=None).count()
    return TemplateResponse(request, "manage/organization_end.html", opened.context() | {"form": form, "owned": owned})
