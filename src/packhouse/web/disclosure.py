# SPDX-License-Identifier: Apache-2.0
"""`/_/secrets/disclose-token`: where secret scanners report tokens they found published.

204 whatever the tokens are; 404 where no keys are set, or without the headers of a scanner.
"""

from __future__ import annotations

import hashlib

from allauth.core import ratelimit
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from packhouse.errors import Fault, Kind, PackhouseError, refuse
from packhouse.services import disclosing
from packhouse.web import resources

SCANNERS = {"GITHUB": "GitHub", "GOSST": "deps.dev"}
"""The first word of a scanner's two headers, `-PUBLIC-KEY-IDENTIFIER` and `-PUBLIC-KEY-SIGNATURE`, and its name."""
REMEMBERED = 30 * 24 * 3600
"""Seconds for which a report is not taken a second time."""


@csrf_exempt
def disclose(request: HttpRequest) -> HttpResponse:
    """Verify a report, end the tokens it names."""
    keys = resources.get().settings.disclosure_keys
    sent = _headers(request)
    if keys is None or sent is None:
        message = "No reports of secrets are taken here, or this one is not signed by a scanner we know."
        raise refuse(Kind.MISSING, "disclosure-off", message)
    if not ratelimit.consume(request, action="disclose"):
        wait = Fault("disclosures-too-many", "Too many reports of secrets from this address; wait a minute and go on.")
        raise PackhouseError(Kind.TOO_MANY, wait, retry_after=60)
    body = request.read(disclosing.MAX_BODY + 1)
    if len(body) > disclosing.MAX_BODY:
        message = f"The report is larger than {disclosing.MAX_BODY} bytes; send it in parts."
        raise refuse(Kind.TOO_LARGE, "disclosure-too-large", message)
    scanner, identifier, signature = sent
    disclosing.verify(keys, identifier, signature, body)
    mark = "disclosure-" + hashlib.sha256(body).hexdigest()
    if cache.get(mark) is not None:
        message = "This report was taken before; there is nothing left to do."
        raise refuse(Kind.CONFLICT, "disclosure-replayed", message)
    disclosing.disclose(body, scanner, clock=resources.get().clock)
    cache.set(mark, 1, REMEMBERED)  # only now: what failed may be sent again
    return HttpResponse(status=204, headers={"Cache-Control": "no-store"})


def _headers(request: HttpRequest) -> tuple[str, str, str] | None:
    """The scanner, the identifier of its key and its signature."""
    for word, name in SCANNERS.items():
        identifier = request.headers.get(f"{word}-PUBLIC-KEY-IDENTIFIER")
        signature = request.headers.get(f"{word}-PUBLIC-KEY-SIGNATURE")
        if identifier and signature:
            return name, identifier, signature
    return None
