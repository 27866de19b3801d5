# SPDX-License-Identifier: Apache-2.0
"""A clock for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class TickingClock:
    """A clock that moves by hand, and by one millisecond whenever it is read."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Now."""
        self.at += timedelta(milliseconds=1)
        return self.at

    def move(self, **by: float) -> None:
        """Let time pass."""
        self.at += timedelta(**by)
