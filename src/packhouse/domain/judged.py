# SPDX-License-Identifier: Apache-2.0
"""What judging something yields: the thing, and all that is wrong or odd about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from packhouse.errors import Fault

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Judged(Generic[T_co]):
    """A value, None exactly when there are faults; faults in order of precedence; warnings never stop anything."""

    value: T_co | None
    faults: tuple[Fault, ...] = ()
    warnings: tuple[Fault, ...] = ()


@dataclass(slots=True)
class Findings:
    """What a judge has found so far, in order."""

    faults: list[Fault] = field(default_factory=list)
    warnings: list[Fault] = field(default_factory=list)

    def fault(self, code: str, message: str, field: str = "") -> None:
        """Something that refuses the file."""
        self.faults.append(Fault(code, message, field))

    def warn(self, code: str, message: str, field: str = "") -> None:
        """Something the uploader should know of."""
        self.warnings.append(Fault(code, message, field))

    def by_rule(self, allowed: bool, code: str, message: str, field: str = "") -> None:
        """Something that a rule of the index's profile lets pass with a warning, or not."""
        (self.warn if allowed else self.fault)(code, message, field)
