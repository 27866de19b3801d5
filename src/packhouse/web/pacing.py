# SPDX-License-Identifier: Apache-2.0
"""Answers that take the same time whatever was found, where the time would tell strangers who has an account."""

from __future__ import annotations

import time
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from packhouse.web.routing import View


def evenly(view: View) -> View:
    """Hold back accepted forms until EVEN_SECONDS (a Django setting) have passed since they came.

    Registering an address that has an account writes less than registering a new one; a reset of one nobody has, too.
    """

    @wraps(view)
    def paced(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        due = time.monotonic() + settings.EVEN_SECONDS
        response = view(request, *args, **kwargs)
        if request.method == "POST" and response.status_code == 302:
            time.sleep(max(0.0, due - time.monotonic()))
        return response

    return paced
