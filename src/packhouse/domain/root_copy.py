# SPDX-License-Identifier: Apache-2.0
"""The root page of an index with many projects: a ready copy, and the pure function that answers a request with it.

The bytes lie elsewhere, compressed (see `domain.joined_gzip`); what is known here is all that headers need.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from packhouse.domain.conditional import not_modified
from packhouse.domain.headers import (
    DEFAULT_RULES,
    CacheRules,
    Headers,
    for_not_modified,
    page_headers,
    surrogate_keys,
)
from packhouse.domain.negotiation import IDENTITY, Representation, choose_encoding, etag_of

ALWAYS_CURRENT = 50_000
"""Projects up to which a root page is current at the commit; a larger one may lag."""
LAG = 2.5
"""Seconds after which a copy that was last known to be current is not sent any more."""
GZIP = "gzip"


class RootCopy(NamedTuple):
    """The root page of an index in one kind (`html`, `json`) as of a serial.

    `modified` is in unix seconds, `etag` the unquoted base of the tags, `packed` and `plain` are lengths in bytes,
    `name` is that of the file with the gzip form.
    """

    index_name: str
    kind: str
    serial: int
    modified: int
    etag: str
    packed: int
    plain: int
    name: str


class RootAnswer(NamedTuple):
    """What to send: `encoding` says which bytes (`gzip`, `identity`), None that there are none."""

    status: int
    headers: Headers
    encoding: str | None


def wants_newest(headers: Mapping[str, str]) -> bool:
    """Whether a request (header names in lower case) asks for what is there now, and not for what was a moment ago."""
    asked = headers.get("cache-control")
    return asked is not None and "no-cache" in asked.lower()


def may_lag(projects: int, headers: Mapping[str, str]) -> bool:
    """Whether a request may get a copy that is a little old, of so many projects."""
    return projects > ALWAYS_CURRENT and not wants_newest(headers)


def answer_root(
    copy: RootCopy,
    method: str,
    headers: Mapping[str, str],
    representation: Representation,
    *,
    audience: str,
    now: float,
    rules: CacheRules = DEFAULT_RULES,
) -> RootAnswer:
    """Answer a GET or HEAD with a copy of the representation's kind that the asker may read; `now` is unix seconds."""
    encoding = choose_encoding(headers.get("accept-encoding"), (GZIP,))
    etag = etag_of(copy.etag, representation, encoding)
    sent = page_headers(
        representation=representation,
        encoding=encoding,
        length=copy.plain if encoding == IDENTITY else copy.packed,
        etag=etag,
        serial=copy.serial,
        modified=copy.modified,
        keys=surrogate_keys(copy.index_name, ""),
        public=not audience,
        rules=rules,
    )
    if not_modified(headers, etag, copy.modified, now):
        return RootAnswer(304, for_not_modified(sent), None)
    return RootAnswer(200, sent, None if method == "HEAD" else encoding)
