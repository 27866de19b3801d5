# SPDX-License-Identifier: Apache-2.0
"""The two errors that leave this package; whatever libraries raise is translated here, once."""

from __future__ import annotations


class UnreachableError(Exception):
    """Nothing came, or too late, or the other side said that it failed: it may be better later.

    `retry_after` is the seconds the other side asked us to wait, or None.
    """

    def __init__(self, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class UnusableError(Exception):
    """The address may not be asked, or what came is not what was asked for: it will be the same later."""
