# SPDX-License-Identifier: Apache-2.0
"""The upload API: `POST /legacy/` (and `/legacy`, and `/index/<name>/legacy/`).

Credentials are judged from the headers before a byte of the body is read; the body streams into the blob store;
`services.uploads` judges and commits. Answers have the form each client reads best (docs/upload-errors.md).
"""

from __future__ import annotations

import time
from functools import partial
from urllib.parse import parse_qs

import orjson
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from packhouse.domain.permissions import Identity
from packhouse.errors import PackhouseError
from packhouse.services import access, uploads
from packhouse.web import resources
from packhouse.web.errors import api_reply, one_line, page_reply
from packhouse.web.explaining import link_to
from packhouse.web.receiving import Stream, boundary_of, receive, too_large

MULTIPART_ROOM = 5 * 1024 * 1024  # what a body may hold besides the file
DRAIN_BYTES = 64 * 1024 * 1024
DRAIN_SECONDS = 10.0
LONG = 64 * 1024
"""Bytes of a body that may be a while in coming; meanwhile no database connection is kept for it."""


@csrf_exempt
def upload(request: HttpRequest, index: str = "main") -> HttpResponse:
    """Take one upload, or say everything that is wrong with it."""
    stream = _Body(request.META["wsgi.input"])
    length = _content_length(request)
    try:
        identity = access.authenticate(request.headers.get("Authorization"), resources.get().clock(), _address(request))
        request.token_id = identity.token_id  # type: ignore[attr-defined]
        limit = uploads.begin(identity, index, resources.get().settings)
        resources.get().hook("s1")
        outcome = _publish(request, stream, length, limit, identity, index)
    except PackhouseError as error:
        if _is_ours_to_drain(request) and (
            stream.begun or "100-continue" not in request.headers.get("Expect", "").lower()
        ):
            _drain(stream, length)
        return _refusal(request, error)
    access.note_use(identity, _address(request), request.headers.get("User-Agent", ""), resources.get().clock())
    return _success(request, outcome)


class _Body:
    """A body that knows whether it was begun: who waits for our 100 Continue has sent nothing before."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.begun = False

    def read(self, size: int = -1) -> bytes:
        """Read on."""
        self.begun = True
        return self._stream.read(size)


def _publish(
    request: HttpRequest, stream: Stream, length: int | None, limit: int, identity: Identity, index: str
) -> uploads.Outcome:
    stock = resources.get()
    if length is not None and length > limit + MULTIPART_ROOM:
        raise too_large(limit)
    boundary = boundary_of(request.headers.get("Content-Type", ""), request.headers.get("Content-Encoding", ""))
    if length is None or length > LONG:
        _let_go_of_databases()
    received = receive(stream, boundary, length, stock.blobs.incoming, limit)
    try:
        form = uploads.read_form(received.fields, received.filename, _query_action(request))
        return uploads.publish(form, received.incoming, stock, identity, index, address=_address(request))
    finally:
        if length is None or length > LONG:
            _let_go_of_databases()
        received.discard()  # harmless once the file is kept


def _let_go_of_databases() -> None:
    """Close this thread's connections: the threads for uploads are many, what PostgreSQL and the system give is not."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:  # a test around us
            connection.close()


def _query_action(request: HttpRequest) -> str | None:
    values = parse_qs(request.META.get("QUERY_STRING", "")).get(":action")
    return values[0] if values else None


def _content_length(request: HttpRequest) -> int | None:
    text = request.META.get("CONTENT_LENGTH") or ""
    if not text and "chunked" in request.headers.get("Transfer-Encoding", "").lower():
        return None
    if not text and request.META.get("wsgi.input_terminated"):
        return None
    return int(text) if text.isdigit() else 0


def _is_ours_to_drain(request: HttpRequest) -> bool:
    """Whether nobody before us reads the rest of a body: an edge does, and holds no thread for it."""
    return not request.META.get("packhouse.lingers")


def _drain(stream: Stream, length: int | None) -> None:
    """Read what the client still sends, within bounds, so that it gets to read our answer instead of a reset."""
    if length is not None and length > DRAIN_BYTES:
        return
    left, until = DRAIN_BYTES, time.monotonic() + DRAIN_SECONDS
    try:
        while left > 0 and time.monotonic() < until:
            chunk = stream.read(64 * 1024)
            if not chunk:
                return
            left -= len(chunk)
    except (OSError, ValueError):
        return


def _address(request: HttpRequest) -> str:
    return str(request.META.get("REMOTE_ADDR", ""))


def _refusal(request: HttpRequest, error: PackhouseError) -> HttpResponse:
    """JSON for those who ask for it (uv), a page for browsers, plain sentences for all others (twine).

    Some tools show the words behind the status alone: those are the first sentence.
    """
    explain = partial(link_to, request)
    accept = request.headers.get("Accept", "")
    page = "text/html" in accept and "json" not in accept and "text/plain" not in accept
    response = (page_reply if page else api_reply)(request, error, explain)
    response.reason_phrase = one_line(error.faults[0].message).encode("latin-1", "replace").decode("latin-1")
    return response


def _success(request: HttpRequest, outcome: uploads.Outcome) -> HttpResponse:
    """200, with the warnings in the body: JSON when asked for, else a line each."""
    if "json" in request.headers.get("Accept", ""):
        body = orjson.dumps(
            {
                "code": "OK",
                "message": outcome.message,
                "warnings": [{"field": f.field, "message": f.message, "reason": f.code} for f in outcome.warnings],
            }
        )
        response = HttpResponse(body, content_type="application/json")
    else:
        lines = [outcome.message, *(f"warning: {one_line(f.message)}" for f in outcome.warnings)]
        response = HttpResponse("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8")
    response["Cache-Control"] = "no-store"
    return response
