# SPDX-License-Identifier: Apache-2.0
"""Who may register, and what happens to a sandbox: pages on which administrators see and change both."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from packhouse.catalogue.models import Flag
from packhouse.config import Settings
from packhouse.domain.registration import SETTING, Registration, read_domains, settle
from packhouse.errors import PackhouseError
from packhouse.services import choices, flags, registering, wiping
from packhouse.services.registering import Choice
from packhouse.web import resources
from packhouse.web.administration import did
from packhouse.web.manage_forms import TypedNameForm
from packhouse.web.proofs import asked_again
from packhouse.web.reading import web_identity

EVERYTHING = "everything"
"""What is typed to wipe a sandbox."""
_WORDS = {
    "open": "Open: anybody with an e-mail address, or one at the domains below",
    "invited": "By invitation: who follows the link of one",
    "closed": "Closed: nobody, whatever they hold",
}


class RegistrationForm(forms.Form):
    """Who may register; what a setting decides is shown and can't be changed."""

    mode = forms.ChoiceField(label="People make accounts", required=False, widget=forms.RadioSelect)
    domains = forms.CharField(
        label="Domains of e-mail addresses",
        required=False,
        max_length=choices.MAX_REASON * 20,
        widget=forms.Textarea(attrs={"rows": "2", "autocomplete": "off", "spellcheck": "false"}),
        help_text="Separated by spaces or commas. Without an invitation, addresses there alone register, where"
        " registration is open. Empty: all.",
    )
    reason = forms.CharField(
        label="Reason", required=False, max_length=choices.MAX_REASON, help_text="The journal keeps it."
    )

    def __init__(self, data: Any, *, now: Registration, usual: str) -> None:
        """`now`: what is in force; `usual`: the mode that nobody chose."""
        chosen = "" if now.mode_by not in {"chosen", SETTING} else now.mode
        initial = {"mode": chosen, "domains": " ".join(now.domains)}
        super().__init__(data, initial=initial)
        mode = self.fields["mode"]
        if isinstance(mode, forms.ChoiceField):
            mode.choices = [*_WORDS.items(), ("", f"Not decided: {usual} on this server")]
        mode.disabled, self.fields["domains"].disabled = now.mode_by == SETTING, now.domains_by == SETTING

    def clean_domains(self) -> tuple[str, ...]:
        """The domains that were typed."""
        try:
            return read_domains(self.cleaned_data["domains"])
        except PackhouseError as error:
            raise forms.ValidationError(error.message) from error

    def wanted(self) -> Choice:
        """What was chosen, of what may be chosen."""
        said = {name: self.cleaned_data[name] for name in ("mode", "domains") if not self.fields[name].disabled}
        return Choice(**said)


class BannerForm(forms.Form):
    """What every page of a sandbox says."""

    words = forms.CharField(
        label="Words on every page",
        required=False,
        max_length=wiping.MAX_BANNER,
        help_text="Beside the warning, such as the class and whom to ask. Empty: the warning alone.",
    )


class WipeForm(TypedNameForm):
    """To wipe: the word typed, and why."""

    name = forms.CharField(label="Confirmation", max_length=300, strip=True)

    reason = forms.CharField(
        label="Reason", required=False, max_length=choices.MAX_REASON, help_text="The journal keeps it."
    )


@asked_again
def registration(request: HttpRequest) -> HttpResponse:
    """`/admin/registration/`: who may register, who decided it, and changing it."""
    stock = resources.get()
    ours: Settings = stock.settings
    now = registering.in_force(ours)
    usual = settle(ours, None, now.domains).mode if now.mode_by != SETTING else now.mode
    form = RegistrationForm(request.POST or None, now=now, usual=_mode_word(usual))
    if request.method == "POST" and did(form, lambda: _choose(request, form)):
        return redirect("admin-registration")
    context = {
        "form": form,
        "now": now,
        "locked": {"mode": now.mode_by == SETTING, "domains": now.domains_by == SETTING},
        "stopped": Flag.objects.filter(name__in=[flags.NO_NEW_USERS, flags.READ_ONLY]).order_by("name").first(),
        "host": ours.host,
    }
    return TemplateResponse(request, "admin/registration.html", context)


def _mode_word(mode: str) -> str:
    return "by invitation" if mode == "invited" else mode


def _choose(request: HttpRequest, form: RegistrationForm) -> None:
    stock, reason = resources.get(), form.cleaned_data["reason"]
    after = registering.choose(web_identity(request), form.wanted(), reason, stock.settings, clock=stock.clock)
    where = f", to addresses at {', '.join(after.domains)}" if after.domains and after.mode == "open" else ""
    messages.success(request, f"Registration is {_mode_word(after.mode)}{where}, from the next request on.")


@asked_again
def sandbox(request: HttpRequest) -> HttpResponse:
    """`/admin/sandbox/`: whether this server is one, what its pages say, when it is wiped; wiping it now."""
    stock = resources.get()
    sent = request.POST.get("action", "") if request.method == "POST" else ""
    saying = BannerForm(
        request.POST if sent == "banner" else None, initial={"words": wiping.banner(stock.settings)}, prefix="banner"
    )
    form = WipeForm(request.POST if sent == "wipe" else None, expected=EVERYTHING)
    if (sent == "banner" and did(saying, lambda: _say(request, saying))) or (
        sent == "wipe" and did(form, lambda: _wipe(request, form))
    ):
        return redirect("admin-sandbox")
    context = {
        "form": form,
        "saying": saying,
        "on": stock.settings.sandbox == "on",
        "schedule": stock.settings.sandbox_wipe,
        "here": wiping.what_is_here(),
        "last": wiping.last_wipe(),
    }
    return TemplateResponse(request, "admin/sandbox.html", context)


def _say(request: HttpRequest, form: BannerForm) -> None:
    wiping.set_banner(web_identity(request), form.cleaned_data["words"], "", clock=resources.get().clock)
    messages.success(request, "Every page says so, from the next request on.")


def _wipe(request: HttpRequest, form: WipeForm) -> None:
    stock = resources.get()
    gone = wiping.wipe(web_identity(request), stock.settings, form.cleaned_data["reason"], clock=stock.clock)
    messages.success(request, f"Wiped {gone.projects} projects with {gone.files} files, and {gone.guests} guests.")
