# SPDX-License-Identifier: Apache-2.0
"""What each request leaves behind: one line in the log, two numbers in the metrics, an id to ask about.

The id comes from the edge or a trusted proxy (`X-Request-Id`) or is made here; it stands in every line logged
meanwhile and in the header `X-Request-Id` of answers that people ask about: errors, and everything but GET and HEAD.
Answers to GET that edges keep don't carry one.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable

import structlog
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from packhouse.web import metrics

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
MAX_AGENT = 100
"""Characters of a client's name that are logged: those of installers hold half a kilobyte on their machine."""
_QUIET = frozenset({"healthz", "readyz", "metrics"})
_log = structlog.stdlib.get_logger("packhouse.request")

Answer = Callable[[HttpRequest], HttpResponseBase]


def observe(get_response: Answer) -> Answer:
    """The outermost middleware."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        begun = time.perf_counter()
        request_id = _request_id(request)
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = get_response(request)
            _note(request, response, time.perf_counter() - begun)
        if response.status_code >= 400 or request.method not in {"GET", "HEAD"}:
            response.headers["X-Request-Id"] = request_id
        return response

    return answer


def _request_id(request: HttpRequest) -> str:
    given = request.headers.get("X-Request-Id", "")
    proxies = settings.PACKHOUSE.trusted_proxies
    trusted = "packhouse.edge_secret" in request.META or request.META.get("REMOTE_ADDR") in proxies
    return given if trusted and _ID.match(given) else secrets.token_hex(8)


def _note(request: HttpRequest, response: HttpResponseBase, seconds: float) -> None:
    """`path` is without the query, which may hold what people search for."""
    route = _route(request)
    if route in _QUIET:
        return
    metrics.request_answered(request.method or "", route, response.status_code, seconds)
    user = getattr(request, "_cached_user", None)  # don't ask the database for the sake of a log line
    _log.info(
        "request",
        method=request.method,
        path=request.path,
        status=response.status_code,
        ms=round(seconds * 1000, 1),
        bytes=None if response.streaming else len(getattr(response, "content", b"")),
        client=request.META.get("REMOTE_ADDR"),
        user=getattr(user, "username", None) or None,
        token_number=getattr(request, "token_id", None),
        agent=request.headers.get("User-Agent", "")[:MAX_AGENT] or None,
    )


def _route(request: HttpRequest) -> str:
    """The pattern that matched, so that numbers are kept per route and not per path; "" when none did."""
    return request.resolver_match.route if request.resolver_match else ""
