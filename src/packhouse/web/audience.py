# SPDX-License-Identifier: Apache-2.0
"""`/_/audience?id=`: may these credentials read what carries this audience id?

For an edge elsewhere, and for nginx's `auth_request`: 204, or the very refusal the page itself would get.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from packhouse.errors import Kind, refuse
from packhouse.services import access
from packhouse.web.reading import may_read

MAX_ID = 32


def ask(request: HttpRequest) -> HttpResponse:
    """204 for who may read; 401 or 403 with the complete reply otherwise; 404 for an id that is none (any more)."""
    audience = request.GET.get("id", "")
    name = None
    if audience and len(audience) <= MAX_ID and audience.isalnum():
        name = access.index_of_audience(audience)
    if name is None:
        raise refuse(Kind.MISSING, "audience-unknown", "No index has this audience id; ask for the page again.", "id")
    may_read(request, name)
    reply = HttpResponse(status=204)
    reply["Cache-Control"] = "no-store"
    return reply
