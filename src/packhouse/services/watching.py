# SPDX-License-Identifier: Apache-2.0
"""How somebody follows long work."""

from __future__ import annotations


class Watch:
    """Told how far the work is; this one looks away."""

    def begin(self, stage: str, total: int) -> None:
        """A stage begins that will have done `total` units (bytes, rows)."""

    def advance(self, count: int) -> None:
        """So many units more are done."""
