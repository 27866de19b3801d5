# SPDX-License-Identifier: Apache-2.0
"""A file somebody may have, and the pure function that answers a request for it: whole, in part, or not modified."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from packhouse.domain.conditional import not_modified
from packhouse.domain.headers import Headers, error_headers, for_not_modified
from packhouse.domain.ranges import Span, choose_span


@dataclass(frozen=True, slots=True)
class FileOffer:
    """Bytes to hand out: `blob` is their sha256, `size` is in bytes, `headers` those of a 200 without the length.

    `headers` are what `headers.file_headers` made (or the origin sent), `etag` is quoted, `modified` unix seconds.
    """

    blob: str
    size: int
    etag: str
    modified: int
    headers: Headers
    public: bool = True


@dataclass(frozen=True, slots=True)
class FileAnswer:
    """Status and headers, and the bytes to send: from `start` up to, not including, `end` (none when equal)."""

    status: int
    headers: Headers
    start: int
    end: int


def answer_file(offer: FileOffer, method: str, headers: Mapping[str, str], *, now: float) -> FileAnswer:
    """Answer a GET or HEAD for a file the asker may have: 200, 206, 304 or 416 (RFC 9110 section 13.2.2).

    `headers` are the request's, names in lower case; `now` is unix seconds. HEAD ignores `Range`.
    """
    if not_modified(headers, offer.etag, offer.modified, now):
        return FileAnswer(304, for_not_modified(offer.headers), 0, 0)
    if method == "HEAD":
        return FileAnswer(200, _with_length(offer.headers, offer.size), 0, 0)
    span = choose_span(headers, offer.size, offer.etag, offer.modified)
    if span.status == 416:
        return FileAnswer(416, _unsatisfiable(span, public=offer.public), 0, 0)
    return FileAnswer(span.status, _of_span(offer.headers, span), span.start, span.end)


def _with_length(headers: Headers, length: int) -> Headers:
    return (*headers, ("content-length", str(length)))


def _of_span(headers: Headers, span: Span) -> Headers:
    """The headers of a 200 or 206."""
    length = _with_length(headers, span.end - span.start)
    return length if span.content_range is None else (*length, ("content-range", span.content_range))


def _unsatisfiable(span: Span, *, public: bool) -> Headers:
    """The headers of a 416, which says how long the file is."""
    length = ("content-range", f"bytes */{span.size}")
    return (("accept-ranges", "bytes"), length, *error_headers(0, public=public, accept=False))
