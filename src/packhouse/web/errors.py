# SPDX-License-Identifier: Apache-2.0
"""From a PackhouseError to a reply: the one place that knows which kind is which HTTP status."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from http import HTTPStatus
from urllib.parse import quote

import orjson
import structlog
from django.core.exceptions import RequestDataTooBig
from django.db import Error as DatabaseErrors
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template import loader
from django.urls import Resolver404, is_valid_path, reverse

from packhouse.errors import Fault, Kind, PackhouseError, refuse
from packhouse.services.failures import translated

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
    Kind.UPSTREAM: 502,
}

CHALLENGE = 'Basic realm="packhouse", charset="UTF-8"'
"""Sent with every 401, so that pip asks its keyring and browsers ask people."""


API_PATHS = (
    *("/@", "/simple", "/legacy", "/files/", "/packages/", "/index/", "/pypi", "/RPC2", "/integrity/", "/rss/"),
    *("/_/", "/healthz", "/readyz", "/robots.txt", "/.well-known/", "/api/"),
)
"""Read by programs: refusals there are never HTML pages."""


def reply(request: HttpRequest, error: PackhouseError) -> HttpResponse:
    """The reply for whoever asks: a page with a way on for people, `api_reply` for programs."""
    if request.path_info.startswith(MANAGEMENT_API):
        return problem(request, error)
    if _is_program(request):
        return api_reply(request, error)
    return page_reply(request, error)


MANAGEMENT_API = "/api/"


def problem(request: HttpRequest, error: PackhouseError) -> HttpResponse:
    """The reply of the management API: a problem (RFC 9457) whose type is the address that explains its code."""
    status = STATUS[error.kind]
    help_at = f"{request.build_absolute_uri(reverse('upload-errors'))}#"
    body = {
        "type": f"{help_at}{error.code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": one_line(error.message),
        "code": error.code,
        "errors": [
            {
                "field": fault.field,
                "message": one_line(fault.message),
                "reason": fault.code,
                "help": f"{help_at}{fault.code}",
            }
            for fault in error.faults
        ],
    }
    response = HttpResponse(orjson.dumps(body), status=status, content_type="application/problem+json")
    return with_error_headers(response, error)


Explain = Callable[[str], str]
"""From a code to the address of what it means."""


def page_reply(request: HttpRequest, error: PackhouseError, explain: Explain | None = None) -> HttpResponse:
    """The reply for people: a page that says what happened and has a way on, with a link to what each code means."""
    status = STATUS[error.kind]
    context: dict[str, object] = {"status": status, "sentences": [one_line(fault.message) for fault in error.faults]}
    if explain is not None:
        context["explained"] = [(one_line(fault.message), fault.code, explain(fault.code)) for fault in error.faults]
    if status >= 500:
        context["request_id"] = _request_id()
    try:
        body = loader.select_template([f"{status}.html", "error.html"]).render(context, request)
    except DatabaseErrors:  # the page would say who is signed in, and the database that knows is away
        return api_reply(request, error)
    return with_error_headers(HttpResponse(body, status=status), error)


def not_allowed(request: HttpRequest, methods: Iterable[str]) -> HttpResponse:
    """A method that an address does not know, told as the asker reads it."""
    if request.path_info.startswith(MANAGEMENT_API):
        message = f"This address knows only the methods {', '.join(methods)}; use one of them."
        response = problem(request, refuse(Kind.INVALID, "method-unknown", message))
        response.status_code, response["Allow"] = 405, ", ".join(methods)
        return response
    if _is_program(request):
        text = f"This address knows only the methods {', '.join(methods)}.\n"
        headers = {"Cache-Control": "no-store", "Content-Type": "text/plain; charset=utf-8"}
        return HttpResponseNotAllowed(methods, text, headers=headers)
    body = loader.render_to_string("405.html", {}, request)
    return HttpResponseNotAllowed(methods, body, headers={"Cache-Control": "no-store", "Vary": "Accept"})


def _is_program(request: HttpRequest) -> bool:
    return request.path_info.startswith(API_PATHS) or "text/html" not in request.headers.get("Accept", "")


def _request_id() -> str:
    """What the log calls the request being answered (`web.observing`)."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler404: an address that only lacks the slash at its end is redirected, as everywhere."""
    if request.method in {"GET", "HEAD"} and isinstance(exception, Resolver404) and _slash_helps(request):
        query = request.META.get("QUERY_STRING", "")
        last = quote(request.path_info.rpartition("/")[2], safe="")
        headers = {"Location": f"{last}/?{query}" if query else f"{last}/", "Cache-Control": "no-store"}
        return HttpResponse(status=301, headers=headers)
    return reply(request, refuse(Kind.MISSING, "missing", "There is no page at this address."))


def _slash_helps(request: HttpRequest) -> bool:
    return not request.path_info.endswith("/") and bool(is_valid_path(request.path_info + "/"))


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler403."""
    return reply(request, refuse(Kind.FORBIDDEN, "forbidden", "This is not allowed."))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler400: a request that Django itself refused to read."""
    if isinstance(exception, RequestDataTooBig):
        return reply(request, refuse(Kind.TOO_LARGE, "form-too-large", "The form is larger than this page takes."))
    return reply(request, refuse(Kind.INVALID, "bad-request", "The request can't be understood."))


def too_many(request: HttpRequest) -> HttpResponse:
    """Allauth's handler429."""
    fault = Fault("too-many", "Too many requests came from your address; wait a minute and try again.")
    return reply(request, PackhouseError(Kind.TOO_MANY, fault, retry_after=60))


def form_expired(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's CSRF_FAILURE_VIEW: a form without its secret, as another site would send it."""
    message = "This form was not opened in this browser, or long ago; open the page again and repeat it."
    return reply(request, refuse(Kind.FORBIDDEN, "form-expired", message))


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500: a fault of ours, or of a database that failed outside of a view.

    Relies on nothing: without the page's template, a bare one is sent.
    """
    fault = sys.exc_info()[1]
    refusal = translated(fault) if isinstance(fault, DatabaseErrors) else None
    if refusal is not None:
        return api_reply(request, refusal)
    if _is_program(request):
        return HttpResponse("Internal error; the server's log says more.\n", status=500, content_type="text/plain")
    return HttpResponse(_fault_page(), status=500)


def _fault_page() -> str:
    """Our page for faults, rendered without the request, whose session or account may be the fault."""
    try:
        return str(loader.render_to_string("500.html", {"request_id": _request_id()}))
    except Exception:  # noqa: BLE001 - the page that must not fail
        return _FAULT_PAGE


_FAULT_PAGE = """<!DOCTYPE html>
<html lang="en-GB"><head><meta charset="utf-8"><title>Internal error</title></head>
<body><main><h1>Internal error</h1>
<p>Something went wrong on this server; its log says more. Nothing of what you did was half done.</p>
<p><a href="/">To the front page</a></p></main></body></html>
"""


def one_line(text: str) -> str:
    """The text without control characters, in one line."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def api_reply(request: HttpRequest, error: PackhouseError, explain: Explain | None = None) -> HttpResponse:
    """The reply for programs: JSON when asked for, else plain text with one line per fault.

    JSON has Content-Type `application/json` exactly: with a charset parameter uv shows it raw. With `explain`, each
    fault carries the address of what its code means.
    """
    status = STATUS[error.kind]
    accept = request.headers.get("Accept", "")
    if "json" in accept and "problem+json" not in accept.split(",")[0]:
        response = HttpResponse(_json_body(error, explain), status=status, content_type="application/json")
    else:
        body = "".join(f"{_sentence(fault, explain)}\n" for fault in error.faults)
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


def _sentence(fault: Fault, explain: Explain | None) -> str:
    return one_line(fault.message) + (f" See {explain(fault.code)}" if explain is not None else "")


def _json_body(error: PackhouseError, explain: Explain | None) -> bytes:
    """`code` is the one line that uv shows."""
    errors = [
        {"field": fault.field, "message": one_line(fault.message), "reason": fault.code} for fault in error.faults
    ]
    if explain is not None:
        for said in errors:
            said["help"] = explain(said["reason"])
    body = {
        "code": _sentence(error.faults[0], explain),
        "message": "\n".join(one_line(fault.message) for fault in error.faults),
        "reason": error.code,
        "errors": errors,
    }
    return orjson.dumps(body)
