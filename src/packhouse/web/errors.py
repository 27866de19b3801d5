# SPDX-License-Identifier: Apache-2.0
"""From a PackhouseError to a reply: the one place that knows which kind is which HTTP status."""

from __future__ import annotations

import orjson
from django.http import HttpRequest, HttpResponse

from packhouse.errors import Kind, PackhouseError

STATUS = {
    Kind.INVALID: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.MISSING: 404,
    Kind.CONFLICT: 409,
    Kind.GONE: 410,
    Kind.TOO_LARGE: 413,
    Kind.UNSUPPORTED: 415,
    Kind.TOO_MANY: 429,
    Kind.UNAVAILABLE: 503,
    Kind.FULL: 507,
}

CHALLENGE = 'Basic realm="packhouse", charset="UTF-8"'
"""Sent with every 401, so that pip asks its keyring and browsers ask people."""


def one_line(text: str) -> str:
    """The text without control characters, in one line."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def api_reply(request: HttpRequest, error: PackhouseError) -> HttpResponse:
    """The reply for programs: JSON when asked for, else plain text with one line per fault.

    JSON has Content-Type `application/json` exactly: with a charset parameter uv shows it raw.
    """
    status = STATUS[error.kind]
    accept = request.headers.get("Accept", "")
    if "json" in accept and "problem+json" not in accept.split(",")[0]:
        response = HttpResponse(_json_body(error), status=status, content_type="application/json")
    else:
        body = "".join(f"{one_line(fault.message)}\n" for fault in error.faults)
        response = HttpResponse(body, status=status, content_type="text/plain; charset=utf-8")
    return with_error_headers(response, error)


def with_error_headers(response: HttpResponse, error: PackhouseError) -> HttpResponse:
    """Add what every refusal carries: no-store, the challenge of a 401, Retry-After."""
    response["Cache-Control"] = "no-store"
    response["Vary"] = "Accept, Authorization"
    if error.kind is Kind.UNAUTHENTICATED:
        response["WWW-Authenticate"] = CHALLENGE
    if error.retry_after is not None:
        response["Retry-After"] = str(error.retry_after)
    return response


def _json_body(error: PackhouseError) -> bytes:
    body = {
        "code": one_line(error.message),
        "message": "\n".join(one_line(fault.message) for fault in error.faults),
        "reason": error.code,
        "errors": [{"field": f.field, "message": one_line(f.message), "reason": f.code} for f in error.faults],
    }
    return orjson.dumps(body)
