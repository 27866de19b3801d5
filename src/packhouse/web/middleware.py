# SPDX-License-Identifier: Apache-2.0
"""The boundary of the origin: what is asked of every request before a view sees it, and added to every reply."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

from packhouse.config import Settings
from packhouse.domain.addresses import is_own_host, split_host
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

_FORWARDED = [f"HTTP_X_FORWARDED_{name}" for name in ("FOR", "PROTO", "HOST", "PREFIX")]
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_TOO_MANY_CODES = frozenset({"too_many_login_attempts", "rate_limited"})
_RETRY_AFTER = "60"


class Boundary:
    """Proxies believed, hosts judged, cross-site writes refused, errors answered, headers added."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response
        self._settings: Settings = settings.PACKHOUSE
        self._proxies = [ipaddress.ip_network(entry, strict=False) for entry in self._settings.trusted_proxies]
        self._strict_transport = (self._settings.base_url or "").startswith("https://")

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer one request."""
        self._believe_proxy(request)
        set_script_prefix(str(request.META.get("SCRIPT_NAME", "")) or "/")
        response = self._refuse_host(request) or self._get_response(request)
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
        refusal = translated(exception) if isinstance(exception, DatabaseError) else exception
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
        """Take address, scheme, host and prefix from a trusted proxy; take the headers away from anybody else.

        An edge of ours did this before and left no such header.
        """
        meta = request.META
        if not self._trusts(str(meta.get("REMOTE_ADDR", ""))):
            for name in _FORWARDED:
                meta.pop(name, None)
            return
        meta["REMOTE_ADDR"] = self._client(str(meta.get("HTTP_X_FORWARDED_FOR", "")), str(meta["REMOTE_ADDR"]))
        if meta.get("HTTP_X_FORWARDED_PROTO") in {"http", "https"}:
            meta["wsgi.url_scheme"] = meta["HTTP_X_FORWARDED_PROTO"]
        if meta.get("HTTP_X_FORWARDED_HOST"):
            meta["HTTP_HOST"] = str(meta["HTTP_X_FORWARDED_HOST"]).rpartition(",")[2].strip()
        prefix = str(meta.get("HTTP_X_FORWARDED_PREFIX", "")).rstrip("/")
        if _PREFIX.fullmatch(prefix):
            meta["SCRIPT_NAME"], request.path = prefix, prefix + request.path_info

    def _trusts(self, address: str) -> bool:
        try:
            peer = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(peer in network for network in self._proxies)

    def _client(self, chain: str, peer: str) -> str:
        """The last address of `X-Forwarded-For` that is no trusted proxy; the peer's when the list makes no sense."""
        for part in reversed(chain.split(",")):
            try:
                address = str(ipaddress.ip_address(part.strip()))
            except ValueError:
                return peer
            if not self._trusts(address):
                return address
            peer = address
        return peer

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


CROSS_SITE = "This request was started by another site, so nothing was changed; open the page here and try again."


def _fault_codes(context: dict[str, Any]) -> set[str]:
    """The codes of all faults of the forms in a page."""
    codes = set()
    for name in ("form", "webauthn_form", "verify_form", "change_form"):
        form = context.get(name)
        if form is not None and getattr(form, "is_bound", False):
            codes |= {fault.code or "invalid" for faults in form.errors.as_data().values() for fault in faults}
    return codes
