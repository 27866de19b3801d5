# SPDX-License-Identifier: Apache-2.0
"""Moments as people type them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

from packhouse.errors import Kind, refuse

_SPAN = re.compile(r"(\d{1,5})([dh])\Z", re.ASCII)


def span(text: str) -> timedelta:
    """The span meant by `7d`, `12h` or `0`; raises INVALID for anything else."""
    if text == "0":
        return timedelta()
    if found := _SPAN.match(text):
        return timedelta(days=int(found[1])) if found[2] == "d" else timedelta(hours=int(found[1]))
    message = f"The span is {text[:20]!r}, expected hours (12h), days (7d) or 0; correct it."
    raise refuse(Kind.INVALID, "span-invalid", message, "grace")


def expiry(text: str, now: datetime, what: str = "--expires") -> datetime | None:
    """The end meant by `90d`, `12h`, `2027-01-01` (the end of that day, UTC) or `never` (None); `what` was typed."""
    if text == "never":
        return None
    if found := _SPAN.match(text):
        count = int(found[1])
        return now + (timedelta(days=count) if found[2] == "d" else timedelta(hours=count))
    try:
        return datetime.combine(date.fromisoformat(text), time(0), UTC) + timedelta(days=1)
    except (ValueError, OverflowError) as error:
        message = f"{what} is {text!r}, expected days (90d), hours (12h), a day (2027-01-01) or never; correct it."
        raise refuse(Kind.INVALID, "expiry-invalid", message, "expires") from error
