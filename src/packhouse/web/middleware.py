# SPDX-License-Identifier: Apache-2.0
"""The boundary of the origin: what is asked of every request before a view sees it, and added to every reply."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseErrors
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

from packhouse.config import Settings
from packhouse.domain.addresses import MAX_FORM, is_own_host, split_host, takes_uploads
from packhouse.domain.forwarding import Proxies, Source, below
from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.services.failures import translated
from packhouse.web import errors

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; font-src 'self'; script-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'; connect-src 'self'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
"""On every reply that does not set them itself."""

PRIVATE_PATHS = ("/account/", "/manage/", "/admin/")
PROBES = frozenset({"/healthz", "/readyz"})
"""Asked by address, by machines that know no name of ours."""

_FORWARDED = {f"HTTP_X_FORWARDED_{name.upper()}": f"x-forwarded-{name}" for name in ("for", "proto", "host", "prefix")}
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_TOO_MANY_CODES = frozenset({"too_many_login_attempts", "rate_limited"})
_RETRY_AFTER = "60"


class Boundary:
    """Proxies believed, hosts judged, cross-site writes refused, errors answered, headers added."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response
        self._settings: Settings = settings.PACKHOUSE
        self._proxies = Proxies(self._settings.trusted_proxies)
        self._strict_transport = (self._settings.base_url or "").startswith("https://")

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer one request."""
        self._believe_proxy(request)
        set_script_prefix(str(request.META.get("SCRIPT_NAME", "")) or "/")
        response = self._refuse_host(request) or _refuse_body(request) or self._get_response(request)
        self._add_headers(request, response)
        return response

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponseBase | None:
        """Refuse writes that another site makes a browser send; token-authenticated views need no such care."""
        if request.method in SAFE_METHODS or getattr(view, "csrf_exempt", False):
            return None
        if request.headers.get("Sec-Fetch-Site", "none") in {"cross-site", "same-site"}:
            return errors.reply(request, refuse(Kind.FORBIDDEN, "cross-site", CROSS_SITE))
        return None

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        """Turn refusals into replies; anything else is a fault of ours and goes on to Django's handler."""
        refusal = translated(exception) if isinstance(exception, DatabaseErrors | OSError) else exception
        return errors.reply(request, refusal) if isinstance(refusal, PackhouseError) else None

    def process_template_response(self, request: HttpRequest, response: Any) -> Any:
        """A form that was refused is answered 400, or 429 after too many attempts, with the form."""
        if request.method == "POST" and response.status_code == 200:
            codes = _fault_codes(response.context_data or {})
            if codes & _TOO_MANY_CODES:
                response.status_code, response["Retry-After"] = 429, _RETRY_AFTER
            elif codes:
                response.status_code = 400
        return response

    def _believe_proxy(self, request: HttpRequest) -> None:
        """Take address, scheme, host and prefix from a trusted proxy, and the headers away from everybody.

        An edge of ours did this before and left no such header.
        """
        meta = request.META
        given = {header: str(meta.pop(key)) for key, header in _FORWARDED.items() if key in meta}
        if not given:
            return
        address, scheme = str(meta.get("REMOTE_ADDR", "")), str(meta.get("wsgi.url_scheme", "http"))
        peer = Source(address, str(meta.get("REMOTE_PORT", "")), scheme, str(meta.get("HTTP_HOST", "")), "")
        source = self._proxies.source(peer, given)
        meta["REMOTE_ADDR"], meta["wsgi.url_scheme"] = source.address, source.scheme
        if source.host:
            meta["HTTP_HOST"] = source.host
        if source.prefix:
            request.path_info = below(source.prefix, request.path_info)
            meta["SCRIPT_NAME"], request.path = source.prefix, source.prefix + request.path_info

    def _refuse_host(self, request: HttpRequest) -> HttpResponse | None:
        authority = request.META.get("HTTP_HOST", "")
        if request.path_info in PROBES or not authority:
            return None
        if not split_host(authority):
            return HttpResponse("The Host header can't be understood.\n", status=400, content_type="text/plain")
        if not is_own_host(self._settings, authority):
            return HttpResponse("This server does not answer for that host.\n", status=421, content_type="text/plain")
        return None

    def _add_headers(self, request: HttpRequest, response: HttpResponseBase) -> None:
        for name, value in HEADERS.items():
            response.setdefault(name, value)
        if self._strict_transport:
            response.setdefault("Strict-Transport-Security", "max-age=31536000")
        private = request.path_info.startswith(PRIVATE_PATHS) or response.status_code >= 400
        response.setdefault("Cache-Control", "no-store" if private else "private, no-cache")


def _refuse_body(request: HttpRequest) -> HttpResponse | None:
    """Refuse a large body where no file is uploaded, before anything parses it. An edge of ours did so before."""
    length = str(request.META.get("CONTENT_LENGTH") or "")
    if not length.isdigit() or int(length) <= MAX_FORM or takes_uploads(request.path_info):
        return None
    text = f"The body is larger than {MAX_FORM} bytes, the most that is taken here; send less.\n"
    return HttpResponse(text, status=413, content_type="text/plain")


CROSS_SITE = "This request was started by another site, so nothing was changed; open the page here and try again."


def _fault_codes(context: dict[str, Any]) -> set[str]:
    """The codes of all faults of the forms in a page."""
    codes = set()
    for name in ("form", "webauthn_form", "verify_form", "change_form"):
        form = context.get(name)
        if form is not None and getattr(form, "is_bound", False):
            codes |= {fault.code or "invalid" for faults in form.errors.as_data().values() for fault in faults}
    return codes
