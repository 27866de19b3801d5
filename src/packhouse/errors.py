# SPDX-License-Identifier: Apache-2.0
"""The one error type of Packhouse.

An error carries every fault found, the first of which speaks for all. It knows no HTTP status:
`web` and `edge` translate a `Kind` into one, in one place each.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What sort of failure it is, independent of any protocol."""

    INVALID = "invalid"  # the input breaks a rule
    UNAUTHENTICATED = "unauthenticated"  # no, unknown, expired or revoked credentials
    FORBIDDEN = "forbidden"  # known, but not allowed
    MISSING = "missing"  # no such thing, or none the asker may know of
    CONFLICT = "conflict"  # clashes with what is already there
    GONE = "gone"  # was offered once, is no more
    TOO_LARGE = "too-large"  # over a size limit or a quota
    UNSUPPORTED = "unsupported"  # a representation or encoding we do not speak
    TOO_MANY = "too-many"  # a rate limit; try again later
    UNAVAILABLE = "unavailable"  # we cannot do it now
    FULL = "full"  # no space left
    UPSTREAM = "upstream"  # another index did not give what we asked it for


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong.

    `code` is a stable slug documented in `docs/upload-errors.md`; `message` is one sentence that names the
    field, what was found, what was expected and what to do; `field` is the form or metadata field, or "".
    """

    code: str
    message: str
    field: str = ""


class PackhouseError(Exception):
    """A refusal with all faults found, in the order of precedence of the upload contract."""

    def __init__(self, kind: Kind, *faults: Fault, retry_after: int | None = None) -> None:
        if not faults:
            raise ValueError("a PackhouseError needs at least one fault")
        super().__init__(faults[0].message)
        self.kind = kind
        self.faults = faults
        self.retry_after = retry_after  # seconds, for TOO_MANY and UNAVAILABLE

    @property
    def code(self) -> str:
        """The stable code of the first fault."""
        return self.faults[0].code

    @property
    def message(self) -> str:
        """The sentence of the first fault."""
        return self.faults[0].message


def refuse(kind: Kind, code: str, message: str, field: str = "") -> PackhouseError:
    """Make the error for a single fault; the caller raises it."""
    return PackhouseError(kind, Fault(code, message, field))
