# SPDX-License-Identifier: Apache-2.0
"""Moments of the past: how an address names one, and what it means to the rows of the catalogue.

Whatever an index shows holds from one serial to another, so a past state is a serial; the time that belongs to it is
what policy and upstreams are asked by.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from packhouse.domain.wording import shown
from packhouse.errors import Kind, refuse


@dataclass(frozen=True, slots=True)
class AsOf:
    """A past state: everything up to the journal entry `serial`, judged at the moment `at` (aware, UTC)."""

    serial: int
    at: datetime


def holds(table: str, as_of: AsOf | None) -> str:
    """The SQL condition that a row of `table` (with from_serial and to_serial) holds; now when `as_of` is None."""
    if as_of is None:
        return f"{table}.to_serial IS NULL"
    serial = f"{as_of.serial:d}"
    return f"{table}.from_serial <= {serial} AND ({table}.to_serial IS NULL OR {table}.to_serial > {serial})"


def began(table: str, as_of: AsOf | None) -> str:
    """The SQL condition that a row of `table` began to hold, whether or not it has ended since."""
    return "1 = 1" if as_of is None else f"{table}.from_serial <= {as_of.serial:d}"


_SERIAL = re.compile(r"serial-([0-9]{1,18})\Z", re.ASCII)
_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?(Z|[+-]\d\d:\d\d))?\Z", re.ASCII)
_DAY = timedelta(days=1)
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Named:
    """What an address names: a serial, or a span of time whose end is meant (both ends aware, in UTC)."""

    serial: int | None = None
    first: datetime | None = None
    last: datetime | None = None


def read_moment(text: str) -> Named:
    """Read `2026-11-01` (the end of that day in UTC), `2026-11-01T12:00:00Z` or `serial-4711`.

    Raises INVALID (`moment-invalid`) for anything else.
    """
    match = _SERIAL.match(text)
    if match:
        return Named(serial=int(match[1]))
    match = _TIME.match(text)
    try:
        if match and match[4] is None:
            day = datetime(int(match[1]), int(match[2]), int(match[3]), tzinfo=UTC)
            return Named(first=day, last=day + (_DAY - _TICK))
        if match:
            at = datetime.fromisoformat(text).astimezone(UTC)
            return Named(first=at, last=at)
    except (ValueError, OverflowError):
        pass
    message = (
        f"The moment {shown(text)} is none: expected a day (2026-11-01), a time (2026-11-01T12:00:00Z) or a serial"
        " (serial-4711)."
    )
    raise refuse(Kind.INVALID, "moment-invalid", message, "moment")
