# SPDX-License-Identifier: Apache-2.0
"""Asking people once more who they are, before what matters, when they showed it too long ago."""

from __future__ import annotations

import time
from datetime import datetime
from functools import wraps
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.decorators import reauthentication_required
from allauth.account.internal.flows.login import get_authentication_records
from allauth.core.exceptions import ReauthenticationRequired
from django.http import HttpRequest, HttpResponseBase

from packhouse.catalogue.activity.sessions import STARTED
from packhouse.web.routing import View

LATELY = 1800
"""Seconds for which having signed in counts as having shown who one is."""


def proved_lately(view: View) -> View:
    """Let a view's form be sent only within `LATELY` seconds of a proof; else that is asked for first."""

    @wraps(view)
    def proving(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method == "POST" and not is_proved(request):
            raise ReauthenticationRequired
        return view(request, *args, **kwargs)

    return proving


def asked_again(view: View) -> View:
    """Let a view's form be sent only a few minutes after its sender showed once more who they are (allauth's limit).

    allauth asks nobody who has neither password nor second factor; people of single sign-on are asked as by
    `proved_lately`.
    """
    asking: View = reauthentication_required(allow_get=True)(proved_lately(view))
    return asking


def is_proved(request: HttpRequest) -> bool:
    """Whether somebody showed lately who they are; who can't show it by anything counts as having done so."""
    earliest = time.time() - LATELY
    started = request.session.get(STARTED, {}).get("at")  # registering starts a session too
    if started and datetime.fromisoformat(started).timestamp() >= earliest:
        return True
    records = get_authentication_records(request, request.user)
    return any(record["at"] >= earliest for record in records) or not get_adapter(request).get_reauthentication_methods(
        request.user
    )
