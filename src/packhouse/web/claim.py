# SPDX-License-Identifier: Apache-2.0
"""How the first administrator comes to be: whoever holds the link that was printed at the first start.

The link's secret goes into the session at once and the browser on to an address without it, so that it is neither in
the next page's Referer nor in a bookmark. Registering is open to a browser that holds it, whatever the mode.
"""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.module_loading import import_string

from packhouse.catalogue.models import User
from packhouse.errors import Kind, refuse
from packhouse.services import people
from packhouse.services.journal import Actor
from packhouse.services.resources import now

CLAIM = "packhouse_claim"
"""Session entry: the secret. The accounts adapter reads it."""


def follow(request: HttpRequest, secret: str) -> HttpResponse:
    """The link itself; GONE when it has done its work."""
    _demand_open(secret)
    request.session[CLAIM] = secret
    return redirect("claim")


def claim(request: HttpRequest) -> HttpResponse:
    """Register or sign in, then become the administrator by one button."""
    secret = request.session.get(CLAIM, "")
    _demand_open(secret)
    if request.method == "POST" and isinstance(request.user, User):
        user = request.user
        people.claim_first_administrator(Actor(user.pk, user.username, "web"), secret, user, clock=now)
        del request.session[CLAIM]
        (settings.PACKHOUSE.data / "first-admin").unlink(missing_ok=True)  # the link in it is used up
        messages.success(request, "You are the administrator of this server now.")
        return redirect("manage-account")
    form = None
    if not request.user.is_authenticated:
        form = import_string(settings.ACCOUNT_FORMS["signup"])()
    return TemplateResponse(request, "claim.html", {"form": form, "next": request.path})


def _demand_open(secret: str) -> None:
    if people.claim_is_open(secret):
        return
    if people.has_administrator():
        raise people.claimed()
    raise refuse(Kind.MISSING, "claim-unknown", "This is not the claim link of this server; its terminal shows it.")
