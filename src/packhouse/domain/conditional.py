# SPDX-License-Identifier: Apache-2.0
"""Conditional requests: may the client keep what it has (RFC 9110 section 13)?

Pure and total: garbage in a header makes the condition false, never an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import formatdate
from functools import lru_cache

SETTLED = 2.0
"""Seconds after which a modification time of whole seconds tells two states of a page apart."""

_DATE_FORMATS = ("%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y")
_LONGEST_DATE = 40


def http_date(moment: float) -> str:
    """Write unix seconds as an IMF-fixdate; the fraction is cut off."""
    return formatdate(int(moment), usegmt=True)


@lru_cache(maxsize=1024)
def read_http_date(text: str) -> int | None:
    """Read any of the three date forms of RFC 9110 section 5.6.7 as unix seconds; None when it is none."""
    if len(text) > _LONGEST_DATE:
        return None
    for form in _DATE_FORMATS:
        try:
            return int(datetime.strptime(text.strip(), form).replace(tzinfo=UTC).timestamp())
        except ValueError:
            continue
    return None


def etag_matches(if_none_match: str, etag: str) -> bool:
    """Whether an `If-None-Match` header names the quoted strong tag `etag`: weakly, in a list, or by `*`.

    Our tags are made of letters, digits and hyphens between quotes, so to find the quoted tag anywhere in the
    header is to find it in the list; this stays linear for 10,000 tags.
    """
    return etag in if_none_match or if_none_match.strip() == "*"


def not_modified(headers: Mapping[str, str], etag: str, modified: int, now: float) -> bool:
    """Whether a GET or HEAD with these headers (lower-case names) is to be answered 304.

    `modified` is in unix seconds, `now` too. `If-Modified-Since` counts only without `If-None-Match`, and only
    when the last change is at least `SETTLED` seconds ago.
    """
    known = headers.get("if-none-match")
    if known is not None:
        return etag_matches(known, etag)
    since = headers.get("if-modified-since")
    if since is None or now - modified < SETTLED:
        return False
    moment = read_http_date(since)
    return moment is not None and modified <= moment
