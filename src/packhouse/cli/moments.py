# SPDX-License-Identifier: Apache-2.0
"""Moments as people type them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

from packhouse.errors import Kind, refuse

_SPAN = re.compile(r"(\d{1,5})([dh])\Z", re.ASCII)


def expiry(text: str, now: datetime) -> datetime | None:
    """The end meant by `90d`, `12h`, `2027-01-01` (the end of that day, UTC) or `never` (None)."""
    if text == "never":
        return None
    if span := _SPAN.match(text):
        count = int(span[1])
        return now + (timedelta(days=count) if span[2] == "d" else timedelta(hours=count))
    try:
        return datetime.combine(date.fromisoformat(text), time(0), UTC) + timedelta(days=1)
    except (ValueError, OverflowError) as error:
        message = f"--expires is {text!r}, expected days (90d), hours (12h), a day (2027-01-01) or never; correct it."
        raise refuse(Kind.INVALID, "expiry-invalid", message, "expires") from error
