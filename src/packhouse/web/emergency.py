# SPDX-License-Identifier: Apache-2.0
"""Sign-in links, made by command where the provider of single sign-on is away: once, within minutes.

Opening one does nothing (mail programs open links); its button signs in. Second factors are asked as ever.
"""

from __future__ import annotations

from allauth.account.internal.flows.login import perform_login
from allauth.account.models import Login
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.response import TemplateResponse

from packhouse.services import single_sign_on
from packhouse.services.resources import now

EMERGENCY = "emergency"
"""What the accounts adapter is told of such a sign-in."""


def sign_in(request: HttpRequest, secret: str) -> HttpResponseBase:
    """`/account/emergency/<secret>/`: whom it signs in, and the button."""
    if request.method != "POST":
        owner = single_sign_on.owner_of_link(secret, now())
        response: HttpResponse = TemplateResponse(request, "account/emergency.html", {"owner": owner})
        response["Referrer-Policy"] = "no-referrer"
        return response
    user = single_sign_on.use_link(secret, clock=now)
    login = Login(user=user, email_verification="none", signal_kwargs={EMERGENCY: True})
    answer: HttpResponseBase = perform_login(request, login)
    return answer
