# SPDX-License-Identifier: Apache-2.0
"""The judgement on an uploaded file, and its form as plain data between processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

from packhouse.domain.archives import judge_archive
from packhouse.domain.core_metadata import CoreMetadata
from packhouse.domain.filenames import parse_filename
from packhouse.domain.policy import Profile
from packhouse.errors import Fault, PackhouseError


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is known of a file after it was read to its last byte.

    `core` is None exactly when there are faults. `metadata` are the exact bytes of METADATA or PKG-INFO.
    `description_html` is safe to show; None means: show the description as plain text. Faults and warnings stand in
    order of precedence.
    """

    core: CoreMetadata | None
    metadata: bytes = b""
    description_html: str | None = None
    faults: tuple[Fault, ...] = ()
    warnings: tuple[Fault, ...] = ()

    def refused(self, fault: Fault) -> Judgement:
        """The same judgement with one fault more."""
        return replace(self, core=None, faults=(*self.faults, fault))

    def warned(self, warning: Fault) -> Judgement:
        """The same judgement with one warning more."""
        return replace(self, warnings=(*self.warnings, warning))

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON, without the bytes of the metadata."""
        return {
            "core": self.core.as_dict() if self.core is not None else None,
            "faults": [[fault.code, fault.message, fault.field] for fault in self.faults],
            "warnings": [[fault.code, fault.message, fault.field] for fault in self.warnings],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], metadata: bytes) -> Judgement:
        """The judgement of plain data; raises KeyError, TypeError or ValueError when it is none."""
        core = None if values["core"] is None else CoreMetadata.from_dict(values["core"])
        faults = tuple(Fault(*map(str, fault)) for fault in values["faults"])
        warnings = tuple(Fault(*map(str, fault)) for fault in values["warnings"])
        if (core is None) != bool(faults):
            raise ValueError("a judgement has either metadata or faults")
        return cls(core, metadata, None, faults, warnings)


def judge_file(file: BinaryIO, filename: str, profile: Profile) -> Judgement:
    """Judge an uploaded file, its description left unrendered."""
    try:
        parsed = parse_filename(filename)
    except PackhouseError as error:
        return Judgement(None, faults=error.faults)
    verdict = judge_archive(file, parsed, profile)
    return Judgement(verdict.core, verdict.metadata, None, verdict.faults, verdict.warnings)
