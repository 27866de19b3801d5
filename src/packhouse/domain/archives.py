# SPDX-License-Identifier: Apache-2.0
"""Judging a distribution: from the file and its filename to its metadata, or to all that is wrong with it.

Everything read here is hostile until proven otherwise: run it where it may be killed (`services.judging`).
"""

from __future__ import annotations

from dataclasses import dataclass
from io import SEEK_END
from typing import BinaryIO

from packhouse.domain.archive_limits import BadArchive
from packhouse.domain.codes import in_order
from packhouse.domain.core_metadata import CoreMetadata
from packhouse.domain.filenames import SdistFilename, WheelFilename
from packhouse.domain.judged import Findings
from packhouse.domain.metadata import licence_files, read_metadata
from packhouse.domain.policy import Profile
from packhouse.domain.sdists import Sdist
from packhouse.domain.wheels import Wheel
from packhouse.errors import Fault


@dataclass(frozen=True, slots=True)
class ArchiveVerdict:
    """What a distribution is: the exact bytes of METADATA or PKG-INFO, and what they say (None when there are faults).

    `faults` and `warnings` stand in the upload contract's order of precedence.
    """

    metadata: bytes
    core: CoreMetadata | None
    faults: tuple[Fault, ...] = ()
    warnings: tuple[Fault, ...] = ()


def judge_archive(file: BinaryIO, filename: WheelFilename | SdistFilename, profile: Profile) -> ArchiveVerdict:
    """Judge a wheel or an sdist wholly, reading every byte once or twice; the time is that of inflating and hashing."""
    found = Findings()
    metadata: bytes | None = None
    core = None
    size = file.seek(0, SEEK_END)
    try:
        if isinstance(filename, WheelFilename):
            metadata, core = _judge_wheel(Wheel(file, size, filename, profile), filename, profile, found)
        else:
            metadata, core = _judge_sdist(Sdist(file, size, filename, profile), filename, profile, found)
    except BadArchive as bad:
        found.faults.append(bad.fault)
    faults = in_order(found.faults)
    return ArchiveVerdict(metadata or b"", None if faults else core, faults, in_order(found.warnings))


def _judge_wheel(
    wheel: Wheel, filename: WheelFilename, profile: Profile, found: Findings
) -> tuple[bytes | None, CoreMetadata | None]:
    wheel.judge_platform(found)
    wheel.judge_layout(found)
    metadata = wheel.judge_info(found)
    core = _judge_metadata(metadata, filename, profile, found)
    wheel.judge_licences(_licence_files(metadata, core), found)
    wheel.judge_contents(found)
    return metadata, core


def _judge_sdist(
    sdist: Sdist, filename: SdistFilename, profile: Profile, found: Findings
) -> tuple[bytes | None, CoreMetadata | None]:
    metadata = sdist.judge(found)
    core = _judge_metadata(metadata, filename, profile, found)
    sdist.judge_licences(_licence_files(metadata, core), found)
    return metadata, core


def _licence_files(metadata: bytes | None, core: CoreMetadata | None) -> tuple[str, ...]:
    """What the metadata say should be there, whatever else is wrong with them."""
    if core is not None:
        return core.license_files
    return licence_files(metadata) if metadata is not None else ()


def _judge_metadata(
    metadata: bytes | None, filename: WheelFilename | SdistFilename, profile: Profile, found: Findings
) -> CoreMetadata | None:
    if metadata is None:
        return None
    judged = read_metadata(metadata, profile, filename)
    found.faults.extend(judged.faults)
    found.warnings.extend(judged.warnings)
    return judged.value
