# SPDX-License-Identifier: Apache-2.0
"""Moments of the past: how an address names one, and what it means to the rows of the catalogue.

Whatever an index shows holds from one serial to another, so a past state is a serial; the time that belongs to it is
what policy and upstreams are asked by.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


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
