# SPDX-License-Identifier: Apache-2.0
"""Who may come: invitations to register, and guests with the ends of their accounts. For administrators."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from packhouse.errors import PackhouseError
from packhouse.services import guests, inviting, people, registering
from packhouse.services.inviting import Terms, state_of
from packhouse.web import resources
from packhouse.web.administration import ANSWERED, did
from packhouse.web.proofs import asked_again
from packhouse.web.reading import web_identity

_DAYS = (1, 7, 14, 30, 90)
_DATE = {"type": "date"}


class InvitationForm(forms.Form):
    """A new invitation."""

    email = forms.EmailField(
        label="E-mail",
        required=False,
        help_text="For one person: the link is mailed there, good for that address alone. Empty: a link to copy.",
    )
    limit = forms.IntegerField(
        label="How many may use it", initial=1, min_value=1, max_value=inviting.MOST_USES, help_text="Of a copied link."
    )
    expires = forms.ChoiceField(
        label="Ends", initial="7", choices=[(str(days), f"in {days} day{'' if days == 1 else 's'}") for days in _DAYS]
    )
    guest_until = forms.DateField(
        label="Accounts end after",
        required=False,
        widget=forms.DateInput(attrs=_DATE),
        help_text="Guests: the last day (UTC) on which the accounts made by it work. Empty: for good.",
    )
    note = forms.CharField(
        label="Note", required=False, max_length=inviting.MAX_NOTE, help_text="For this list, such as the class."
    )

    def terms(self, now: datetime) -> Terms:
        """What was asked for."""
        data = self.cleaned_data
        ends = now + timedelta(days=int(data["expires"]))
        return Terms(ends, data["email"], data["limit"], data["note"], end_of(data["guest_until"]))


class EndForm(forms.Form):
    """When a guest's account ends."""

    username = forms.CharField(label="Username", max_length=64)
    until = forms.DateField(
        label="Last day",
        required=False,
        widget=forms.DateInput(attrs=_DATE),
        help_text="In UTC. Empty: the account stays for good.",
    )


def end_of(day: date | None) -> datetime | None:
    """The end of a day in UTC."""
    if day is None or day >= date.max:
        return None
    return datetime.combine(day + timedelta(days=1), time(), tzinfo=UTC)


@asked_again
def invitation_list(request: HttpRequest) -> HttpResponse:
    """`/admin/invitations/`: the invitations; making and withdrawing them."""
    stock = resources.get()
    sent = request.POST.get("action", "") if request.method == "POST" else ""
    form = InvitationForm(request.POST if sent == "invite" else None)
    made: dict[str, Any] = {}
    if sent == "invite" and did(form, lambda: made.update(_invite(request, form))):
        form = InvitationForm()
    elif sent == "withdraw":
        _withdraw(request)
        return redirect("admin-invitations")
    moment = stock.clock()
    context = {
        "form": form,
        "made": made,
        "registration": registering.in_force(stock.settings),
        "invitations": [{"row": row, "state": state_of(row, moment)} for row in inviting.listed(moment)],
    }
    return TemplateResponse(request, "admin/invitations.html", context)


def _invite(request: HttpRequest, form: InvitationForm) -> dict[str, Any]:
    stock = resources.get()
    row, link = inviting.invite(web_identity(request), form.terms(stock.clock()), stock.settings, clock=stock.clock)
    return {"row": row, "link": link, "mailed": inviting.send(row, link)}


def _withdraw(request: HttpRequest) -> None:
    number = request.POST.get("invitation", "")
    chosen = int(number) if number.isdecimal() and len(number) < 19 else 0
    try:
        inviting.withdraw(web_identity(request), chosen, clock=resources.get().clock)
        messages.success(request, "The invitation is withdrawn; its link is refused from now on.")
    except PackhouseError as error:
        if error.kind not in ANSWERED:
            raise
        messages.error(request, error.message)


@asked_again
def guest_list(request: HttpRequest) -> HttpResponse:
    """`/admin/guests/`: accounts that end, and when; changing it, of any account."""
    form = EndForm(request.POST or None)
    if request.method == "POST" and did(form, lambda: _set_end(request, form)):
        return redirect("admin-guests")
    moment = resources.get().clock()
    rows = [{"row": user, "ended": user.has_ended(moment)} for user in guests.list_guests()]
    return TemplateResponse(request, "admin/guests.html", {"form": form, "guests": rows})


def _set_end(request: HttpRequest, form: EndForm) -> None:
    user, until = people.find_user(form.cleaned_data["username"]), end_of(form.cleaned_data["until"])
    guests.set_end(web_identity(request), user, until, clock=resources.get().clock)
    words = "does not end" if until is None else f"ends at {until:%Y-%m-%d %H:%M} UTC"
    messages.success(request, f"The account {user.username} {words}.")
