# SPDX-License-Identifier: Apache-2.0
"""The pages of second factors where ours differ from allauth's."""

from __future__ import annotations

from typing import Any

from allauth.mfa.base.views import AuthenticateView, IndexView
from allauth.mfa.internal.flows.trust import trust_browser
from allauth.mfa.recovery_codes.views import ViewRecoveryCodesView
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from packhouse.services.second_factors import holds_back, is_wanting, seal_codes


class SecondStep(AuthenticateView):  # type: ignore[misc]  # allauth's views have no types
    """The second step of signing in: one form, for a code or for the answer of a key."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Leave the empty field for a code out where a key answered."""
        if request.POST.get("credential") not in {None, "", "null"}:  # null: as Django renders an empty JSON field
            sent = request.POST.copy()
            sent.pop("code", None)
            request.POST = sent  # type: ignore[assignment]
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        return response

    def form_valid(self, form: Any) -> HttpResponse:
        """Go on; trust the browser if that was asked for."""
        response: HttpResponse = super().form_valid(form)
        if self.request.POST.get("trust"):
            trust_browser(self.request, self.stage.login.user, response)
        return response


class Factors(IndexView):  # type: ignore[misc]
    """What one has of them; where one is demanded, that it is, and what waits for it."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """What the page says."""
        context: dict[str, Any] = super().get_context_data(**kwargs)
        user = self.request.user
        return context | {"wanting": is_wanting(user), "held_back": holds_back(user)}


class RecoveryCodes(ViewRecoveryCodesView):  # type: ignore[misc]
    """The recovery codes, the one time they are shown; how many are left, from then on."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """What the page says; after this, nobody can read the codes again."""
        context: dict[str, Any] = super().get_context_data(**kwargs)
        if context["can_view_codes"]:
            seal_codes(self.request.user)
        return context
