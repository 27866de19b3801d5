# SPDX-License-Identifier: Apache-2.0
"""Registering by an invitation: the link, and what the session of a browser that followed it holds.

As with the claim of the first administrator, the secret does not stay in an address. The session has its hash alone.
"""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.module_loading import import_string

from packhouse.catalogue.models import AccountInvitation
from packhouse.errors import Kind, refuse
from packhouse.services import inviting, registering
from packhouse.services.resources import now

INVITATION = "packhouse_invitation"
"""Session entry: the digest of the secret."""


def invitation_of(request: HttpRequest) -> AccountInvitation | None:
    """The open invitation that this browser holds, unless registration is closed."""
    if registering.in_force(settings.PACKHOUSE).mode == "closed":
        return None
    return inviting.open_invitation(str(request.session.get(INVITATION, "")), now())


def follow(request: HttpRequest, secret: str) -> HttpResponse:
    """The link itself; GONE when it has done its work."""
    _demand_registration()
    found = inviting.demand_open(secret, now())
    request.session[INVITATION] = found.digest
    return redirect("invitation")


def invitation(request: HttpRequest) -> HttpResponse:
    """Who invites to what, and the form to register."""
    _demand_registration()
    held = invitation_of(request)
    if held is None:
        message = "This browser holds no open invitation; follow the link of yours again, or ask for a new one."
        raise refuse(Kind.GONE, "invitation-ended", message)
    form = None
    if not request.user.is_authenticated:
        form = import_string(settings.ACCOUNT_FORMS["signup"])(initial={"email": held.email})
    return TemplateResponse(request, "invitation.html", {"form": form, "invitation": held})


def _demand_registration() -> None:
    if registering.in_force(settings.PACKHOUSE).mode == "closed":
        message = "Registration is closed on this server, also for people who were invited; ask an administrator."
        raise refuse(Kind.FORBIDDEN, "registration-closed", message)
