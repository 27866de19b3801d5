# SPDX-License-Identifier: Apache-2.0
"""The upstreams for administrators: how they do, names reserved and permitted, and names that both sides have."""

from __future__ import annotations

from collections.abc import Callable

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from packhouse.domain.serving import split_picks
from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.services import upstream_facts, upstreams
from packhouse.services.administering import as_administrator
from packhouse.services.journal import Actor
from packhouse.web import resources
from packhouse.web.administration import ANSWERED, ENTRIES, did, told
from packhouse.web.proofs import asked_again
from packhouse.web.reading import web_identity

_LONGEST = 100_000  # characters of a list of names


class ReservedForm(forms.Form):
    """The names of which no upstream is asked."""

    names = forms.CharField(
        label="Reserved names",
        required=False,
        max_length=_LONGEST,
        widget=forms.Textarea(attrs={"rows": "3", "autocomplete": "off", "spellcheck": "false"}),
        help_text="Names, and prefixes like acme-*, separated by commas, spaces or lines. This is the whole list.",
    )


class PermitForm(forms.Form):
    """A name that may be published here although an upstream has it."""

    name = forms.CharField(
        label="Name to permit", max_length=200, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )


@asked_again
def upstream_list(request: HttpRequest) -> HttpResponse:
    """`/admin/upstreams/`: every upstream and how it does, reserved names, permits, and names that clash."""
    sent = request.POST.get("action", "") if request.method == "POST" else ""
    reserving = ReservedForm(
        request.POST if sent == "reserve" else None, initial={"names": "\n".join(upstreams.reserved_names())}
    )
    permitting = PermitForm(request.POST if sent == "permit" else None)
    if sent and _did(request, sent, reserving, permitting):
        return redirect("admin-upstreams")
    clashes = upstream_facts.clashes()
    context = {
        "upstreams": [upstream_facts.standing_of(one) for one in upstreams.list_upstreams()],
        "reserving": reserving,
        "permitting": permitting,
        "permits": upstream_facts.permits(),
        "clashes": clashes[: upstream_facts.MOST_CLASHES],
        "unlisted": max(len(clashes) - upstream_facts.MOST_CLASHES, 0),
        "entries": [told(entry) for entry in upstream_facts.entries(ENTRIES)],
    }
    return TemplateResponse(request, "admin/upstreams.html", context)


def _did(request: HttpRequest, sent: str, reserving: ReservedForm, permitting: PermitForm) -> bool:
    """Do what was sent; False when a form has to be shown again with what is wrong."""
    if sent == "reserve":
        names = split_picks(str(reserving.data.get("names", "")))
        return did(reserving, lambda: _act(request, lambda actor: _reserve(request, actor, names)))
    if sent == "permit":
        return did(permitting, lambda: _act(request, lambda actor: _permit(request, actor, permitting)))
    try:
        if sent != "withdraw":
            raise refuse(Kind.INVALID, "action-unknown", f"There is no action {sent[:30]!r} here; use the buttons.")
        _act(request, lambda actor: _withdraw(request, actor))
    except PackhouseError as error:
        if error.kind not in ANSWERED:
            raise
        messages.error(request, error.message)
    return True


def _act(request: HttpRequest, act: Callable[[Actor], object]) -> None:
    as_administrator(web_identity(request), act, clock=resources.get().clock)


def _reserve(request: HttpRequest, actor: Actor, names: list[str]) -> None:
    kept = upstreams.set_reserved(actor, names, clock=resources.get().clock)
    said = f"Reserved: {', '.join(kept)[:300]}" if kept else "No name is reserved"
    messages.success(request, f"{said}, from the next request on.")


def _permit(request: HttpRequest, actor: Actor, form: PermitForm) -> None:
    name = form.cleaned_data["name"]
    upstreams.permit(actor, name, clock=resources.get().clock)
    messages.success(request, f"{name} may be published here; from then on no upstream answers for it.")


def _withdraw(request: HttpRequest, actor: Actor) -> None:
    name = request.POST.get("name", "")
    upstreams.end_permit(actor, name, clock=resources.get().clock)
    messages.success(request, f"{name} is no longer permitted.")
