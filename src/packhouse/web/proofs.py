# SPDX-License-Identifier: Apache-2.0
"""Asking people once more who they are, before what matters, when they showed it too long ago."""

from __future__ import annotations

import time
from datetime import datetime
from functools import wraps
from typing import Any

from allauth.account.internal.flows.login import get_authentication_records
from allauth.account.internal.flows.reauthentication import did_recently_reauthenticate
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
        if request.method == "POST" and not _proved(request):
            raise ReauthenticationRequired
        return view(request, *args, **kwargs)

    return proving


def _proved(request: HttpRequest) -> bool:
    earliest = time.time() - LATELY
    started = request.session.get(STARTED, {}).get("at")  # registering starts a session too
    if started and datetime.fromisoformat(started).timestamp() >= earliest:
        return True
    records = get_authentication_records(request, request.user)
    return any(record["at"] >= earliest for record in records) or bool(did_recently_reauthenticate(request))
