# SPDX-License-Identifier: Apache-2.0
"""Byte ranges of files (RFC 9110 section 14): one range is answered, several get the whole file.

Pure and total: a header that can't be read is ignored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from packhouse.domain.conditional import read_http_date

_RANGE = re.compile(r"bytes[ \t]*=[ \t]*([0-9]*)[ \t]*-[ \t]*([0-9]*)[ \t]*\Z", re.IGNORECASE)
_LONGEST_RANGE = 128
_HUGE_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Span:
    """The bytes to send: from `start` up to, not including, `end`, of a file of `size` bytes.

    `status` is 200 (all of it), 206 (a part) or 416 (nothing: the range lies outside).
    """

    status: int
    start: int
    end: int
    size: int

    @property
    def content_range(self) -> str | None:
        """The `Content-Range` value, or None for a whole file."""
        if self.status == 200:
            return None
        part = "*" if self.status == 416 else f"{self.start}-{self.end - 1}"
        return f"bytes {part}/{self.size}"


def choose_span(headers: Mapping[str, str], size: int, etag: str, modified: int) -> Span:
    """Choose the bytes of a GET with these headers (lower-case names) on a file of `size` bytes.

    `etag` is the quoted strong tag, `modified` unix seconds: what `If-Range` is compared with.
    """
    whole = Span(200, 0, size, size)
    given = headers.get("range")
    if given is None or not _if_range_holds(headers.get("if-range"), etag, modified):
        return whole
    match = _RANGE.match(given.strip()) if len(given) <= _LONGEST_RANGE else None
    if match is None or match.groups() == ("", ""):
        return whole
    start, end = _bounds(match[1], match[2], size)
    return Span(206, start, end, size) if start < end else Span(416, 0, 0, size)


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    """Start and exclusive end of `first-last`, `first-` or `-last`; empty when it can't be satisfied."""
    if not first:
        return max(0, size - _number(last)), size
    return _number(first), min(_number(last) + 1, size) if last else size


def _number(digits: str) -> int:
    """A number of ASCII digits, cut to one larger than any file, for a client may send thousands of digits."""
    digits = digits.lstrip("0") or "0"
    return int(digits) if len(digits) <= _HUGE_DIGITS else 10**_HUGE_DIGITS


def _if_range_holds(if_range: str | None, etag: str, modified: int) -> bool:
    """Whether the range may be used: no `If-Range`, the same strong tag, or exactly the same date."""
    if if_range is None:
        return True
    return if_range.strip() == etag or read_http_date(if_range) == modified
