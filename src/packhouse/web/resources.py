# SPDX-License-Identifier: Apache-2.0
"""What views hand to services: the process's Resources, put here once by `bootstrap`."""

from __future__ import annotations

from packhouse.services.resources import Resources

_held: list[Resources] = []


def hold(stock: Resources) -> None:
    """Set the resources of this process (again, in tests)."""
    _held[:] = [stock]


def get() -> Resources:
    """The resources; raises IndexError before `hold`."""
    return _held[-1]
