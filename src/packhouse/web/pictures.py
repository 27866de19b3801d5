# SPDX-License-Identifier: Apache-2.0
"""Pictures from elsewhere in descriptions: not loaded, loaded through us, or loaded from where they are.

`/_/image/<signature>/<hex of the address>` is given out on our pages alone: without our signature nothing is fetched,
so that it is no proxy for everybody.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.crypto import salted_hmac

from packhouse.domain.destinations import LONGEST_URL
from packhouse.errors import Kind, refuse
from packhouse.services import pictures
from packhouse.web import resources
from packhouse.web.middleware import CONTENT_SECURITY_POLICY

PICTURE_POLICY = "sandbox; default-src 'none'"
ALLOWING_POLICY = CONTENT_SECURITY_POLICY.replace("img-src 'self' data:", "img-src 'self' data: https: http:")
"""Of a page with a description, where the rule `images` is `allow`."""
_KEEP = "private, max-age=86400"

Place = Callable[[str], str | None]
"""Where a page loads the picture of an address from; None: it doesn't."""


def place_of_pictures(rule: str) -> Place:
    """How pages show pictures from elsewhere under a value of the rule `images`."""
    if rule == "allow":
        return str
    return proxied if rule == "proxy" else lambda _url: None


def proxied(url: str) -> str | None:
    """The address at which this server gives the picture of another's."""
    if len(url) > LONGEST_URL:
        return None
    return reverse("picture", args=[_sign(url), url.encode("utf-8", "replace").hex()])


def _sign(url: str) -> str:
    return str(salted_hmac("packhouse.picture", url, algorithm="sha256").hexdigest())[:40]


def picture(request: HttpRequest, signature: str, address: str) -> HttpResponse:
    """Give a picture from elsewhere, as nothing but a picture."""
    try:
        url = bytes.fromhex(address).decode("utf-8")
    except ValueError:
        url = ""
    if not hmac.compare_digest(signature.encode(), _sign(url).encode()):
        raise refuse(Kind.MISSING, "picture-unsigned", "No page of this server shows this picture.")
    found = pictures.picture(url, resources.get())
    response = HttpResponse(found.body, content_type=found.media_type)
    response["Content-Security-Policy"] = PICTURE_POLICY
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    response["Cache-Control"] = _KEEP
    return response
