# SPDX-License-Identifier: Apache-2.0
"""Pages for administrators about people: accounts and what is open of them, organizations, the journal, switches.

Changing asks for the password once more, unless it was given a few minutes ago, and for a reason, which is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

from allauth.account.decorators import reauthentication_required
from allauth.mfa.models import Authenticator
from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Exists, OuterRef, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from packhouse.catalogue.models import Flag, Membership, Role, User
from packhouse.errors import Kind, refuse
from packhouse.services import choices, flags, inquiring, organizations, overseeing, people, sessions, tokens
from packhouse.services.inquiring import Inquiry
from packhouse.services.journal import Fact
from packhouse.web import resources
from packhouse.web.administration import did, told
from packhouse.web.reading import web_identity
from packhouse.web.token_pages import rows_of

PER_PAGE = 100
_SHOWN: dict[str, tuple[str, Q]] = {
    "": ("All", Q()),
    "active": ("Open", Q(is_active=True)),
    "frozen": ("Frozen", Q(is_active=False)),
    "admins": ("Administrators", Q(is_admin=True)),
    "alone": ("Without a second factor", Q(is_active=True, factor=False)),
}


class ReasonForm(forms.Form):
    """Why an account is changed."""

    reason = forms.CharField(
        label="Reason",
        max_length=overseeing.MAX_REASON,
        help_text="The journal keeps it. For a recovery: how you made sure who asks.",
    )


class FlagForm(forms.Form):
    """Why a switch is thrown."""

    reason = forms.CharField(label="Reason", max_length=choices.MAX_REASON, required=False)


def person_list(request: HttpRequest) -> HttpResponse:
    """`/admin/people/`: every account, by name; `q` narrows by name or address, `show` by what it is."""
    factor = Authenticator.objects.filter(user=OuterRef("pk"), type__in=("totp", "webauthn"))
    living = Count("tokens", filter=Q(tokens__deleted_at=None), distinct=True)
    rows = User.objects.annotate(factor=Exists(factor), living=living).order_by("username_key")
    sought, shown = request.GET.get("q", "").strip()[:100], request.GET.get("show", "")
    if sought and "\x00" not in sought:
        rows = rows.filter(Q(username_key__contains=sought.lower()) | Q(email__icontains=sought))
    if shown in _SHOWN:
        rows = rows.filter(_SHOWN[shown][1])
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page", "1"))
    choices = [
        {"label": label, "url": f"?{urlencode({'show': key, 'q': sought})}", "chosen": key == shown}
        for key, (label, _) in _SHOWN.items()
    ]
    context = {"page": page, "q": sought, "show": shown, "choices": choices}
    return TemplateResponse(request, "admin/people.html", context)


@reauthentication_required(allow_get=True)  # type: ignore[untyped-decorator]
def person(request: HttpRequest, name: str) -> HttpResponse:
    """`/admin/person/<name>/`: an account, what it has part in and what is open of it; freezing, recovering, ending."""
    found = people.find_user(name)
    form = ReasonForm(request.POST or None)
    if request.method == "POST" and did(form, lambda: _act(request, found, form.cleaned_data["reason"])):
        return redirect("admin-person", found.username)
    clock = resources.get().clock
    factors = Authenticator.objects.filter(user=found).values_list("type", flat=True)
    context = {
        "person": found,
        "form": form,
        "factors": sorted(set(factors)),
        "tokens": rows_of(tokens.tokens_of(found)),
        "sessions": len(sessions.sessions_of(found, None, clock())),
        "roles": Role.objects.filter(user=found, project__deleted_serial=None).select_related("project")[:PER_PAGE],
        "memberships": Membership.objects.filter(user=found).select_related("organization"),
        "entries": [told(entry) for entry in inquiring.entries(Inquiry(who=found.username))[:20]],
    }
    return TemplateResponse(request, "admin/person.html", context)


def _act(request: HttpRequest, found: User, reason: str) -> None:
    identity, clock = web_identity(request), resources.get().clock
    acts: dict[str, tuple[Callable[[], object], str]] = {
        "freeze": (lambda: overseeing.freeze(identity, found, reason, clock=clock), "is frozen"),
        "unfreeze": (lambda: overseeing.unfreeze(identity, found, reason, clock=clock), "is open again"),
        "end": (
            lambda: overseeing.end_all(identity, found, reason, clock=clock),
            "has no tokens and sessions any more",
        ),
        "recover": (
            lambda: overseeing.recover(identity, found, reason, clock=clock),
            "is recovered: a new password is set by a reset",
        ),
        "promote": (
            lambda: overseeing.set_administrator(identity, found, reason, admin=True, clock=clock),
            "is an administrator now",
        ),
        "demote": (
            lambda: overseeing.set_administrator(identity, found, reason, admin=False, clock=clock),
            "is no administrator any more",
        ),
    }
    sent = request.POST.get("action", "")
    if sent not in acts:
        raise refuse(Kind.INVALID, "action-unknown", f"There is no action {sent[:30]!r} here; use the buttons.")
    act, words = acts[sent]
    act()
    messages.success(request, f"{found.username} {words}.")


def organization_list(request: HttpRequest) -> HttpResponse:
    """`/admin/organizations/`: every organization; administrators manage each as its owners do."""
    page = Paginator(organizations.list_organizations(), PER_PAGE).get_page(request.GET.get("page", "1"))
    return TemplateResponse(request, "admin/organizations.html", {"page": page})


def journal(request: HttpRequest) -> HttpResponse:
    """`/admin/journal/`: newest first; `kind`, `who`, `project`, `index` and `before` (a serial) narrow it."""
    before = request.GET.get("before", "")
    number = int(before) if before.isascii() and before.isdecimal() and len(before) < 19 else 0
    named = {
        key: request.GET.get(key, "").strip().replace("\x00", "")[:200] for key in ("kind", "who", "project", "index")
    }
    rows = list(inquiring.entries(Inquiry(**named, before=number))[: PER_PAGE + 1])
    older = ""
    if len(rows) > PER_PAGE:
        older = "?" + urlencode(
            {**{key: value for key, value in named.items() if value}, "before": rows[PER_PAGE - 1].serial}
        )
    context = {
        "entries": [told(entry) for entry in rows[:PER_PAGE]],
        "named": named,
        "kinds": sorted(fact.value for fact in Fact),
        "older": older,
        "narrowed": any(named.values()) or bool(number),
    }
    return TemplateResponse(request, "admin/journal.html", context)


@reauthentication_required(allow_get=True)  # type: ignore[untyped-decorator]
def flag_list(request: HttpRequest) -> HttpResponse:
    """`/admin/flags/`: the switches of the whole server."""
    form = FlagForm(request.POST or None)
    if request.method == "POST" and did(form, lambda: _throw(request, form.cleaned_data["reason"])):
        return redirect("admin-flags")
    thrown = {flag.name: flag for flag in Flag.objects.all()}
    rows = [{"name": name, "about": about, "thrown": thrown.get(name)} for name, about in flags.ABOUT.items()]
    return TemplateResponse(request, "admin/flags.html", {"flags": rows, "form": form})


def _throw(request: HttpRequest, reason: str) -> None:
    on, name = request.POST.get("action") == "on", request.POST.get("flag", "")
    flags.set_flag(web_identity(request), name, reason, on=on, clock=resources.get().clock)
    messages.success(request, f"{name} is {'on' if on else 'off'}, from the next request on.")
