# SPDX-License-Identifier: Apache-2.0
"""What machines look for at fixed places: `/robots.txt` and `/.well-known/security.txt` (RFC 9309, RFC 9116)."""

from __future__ import annotations

from datetime import timedelta

from django.http import HttpRequest, HttpResponse

from packhouse.domain.headers import TEXT
from packhouse.domain.permissions import ANONYMOUS, ReadMode
from packhouse.services import access
from packhouse.web import resources
from packhouse.web.context import house

VALID = timedelta(days=90)
CACHE = "public, max-age=3600"
_NOT_FOR_ROBOTS = ("account", "admin", "files", "index", "legacy", "manage", "packages", "pypi", "search", "simple")


def robots(_request: HttpRequest) -> HttpResponse:
    """`/robots.txt`: pages for people may be read, what programs read may not; nothing if `main` is shut."""
    public = access.index_right(ANONYMOUS, "main").read is ReadMode.PUBLIC
    paths = [f"/{name}/" for name in _NOT_FOR_ROBOTS] if public else ["/"]
    return _text("User-agent: *\n" + "".join(f"Disallow: {path}\n" for path in paths))


def security(request: HttpRequest) -> HttpResponse:
    """`/.well-known/security.txt`: whom to tell of a hole; the help page when nobody was named."""
    settings, base = resources.get().settings, house(request)["house"].base_url
    ends = (resources.get().clock() + VALID).replace(hour=0, minute=0, second=0, microsecond=0)
    lines = [
        f"Contact: {settings.security_contact or f'{base}/help/'}",
        f"Expires: {ends:%Y-%m-%dT%H:%M:%SZ}",
        "Preferred-Languages: en",
        f"Canonical: {base}/.well-known/security.txt",
    ]
    return _text("".join(f"{line}\n" for line in lines))


def _text(body: str) -> HttpResponse:
    return HttpResponse(body, content_type=TEXT, headers={"Cache-Control": CACHE})
