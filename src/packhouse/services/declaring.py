# SPDX-License-Identifier: Apache-2.0
"""What the parts of a declaration file share: the steps of its plan, and how what can't be read is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from packhouse.errors import Kind, PackhouseError, refuse
from packhouse.services.journal import Actor


@dataclass(frozen=True, slots=True)
class Step:
    """One change: a line that says it, and what does it."""

    line: str
    act: Callable[[Actor], object]


def texts(where: str, key: str, value: Any) -> list[str]:
    """A list of texts of a table; raises INVALID for anything else."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise wrong(f"{where} {key} is no list of texts")
    return value


def wrong(what: str) -> PackhouseError:
    """The refusal of a declaration."""
    return refuse(Kind.INVALID, "declaration-invalid", f"The declaration can't be applied: {what}; mend it.")
