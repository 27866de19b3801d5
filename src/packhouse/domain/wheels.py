# SPDX-License-Identifier: Apache-2.0
"""Judging a wheel: its archive, what must be in it, and whether it is what its filename says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import BinaryIO

from packhouse.domain.archive_limits import BadArchive, folded
from packhouse.domain.filenames import WheelFilename
from packhouse.domain.judged import Findings
from packhouse.domain.metadata_text import LARGEST_METADATA
from packhouse.domain.platforms import is_listed_platform
from packhouse.domain.policy import Profile
from packhouse.domain.records import LARGEST_RECORD, Record
from packhouse.domain.wheel_file import (
    LARGEST_ENTRY_POINTS,
    LARGEST_WHEEL_FILE,
    judge_entry_points,
    judge_wheel_file,
)
from packhouse.domain.wording import shown
from packhouse.domain.zips import Member, ZipArchive, looks_like_tar

_SCHEMES = frozenset({"purelib", "platlib", "headers", "scripts", "data"})
_LIBRARIES = frozenset({"purelib", "platlib"})
_STARTUP = re.compile(r"(?:sitecustomize|usercustomize)\.py\Z")
_LARGEST_PTH = 64 * 1024
_SMALL_FILES = {
    "METADATA": LARGEST_METADATA,
    "WHEEL": LARGEST_WHEEL_FILE,
    "RECORD": LARGEST_RECORD,
    "entry_points.txt": LARGEST_ENTRY_POINTS,
}


class Wheel:
    """One wheel under judgement."""

    def __init__(self, file: BinaryIO, size: int, filename: WheelFilename, profile: Profile) -> None:
        """Open the archive; raises BadArchive when it can't be read in one way only."""
        file.seek(0)
        if looks_like_tar(file.read(512)):
            raise BadArchive("archive-polyglot", "The file is both a ZIP and a tar archive")
        self._filename = filename
        self._profile = profile
        self._archive = ZipArchive(file, size, profile.largest_unpacked)
        self._files: Mapping[str, Member] = {m.name: m for m in self._archive.members if not m.is_directory}
        self._directories = [m for m in self._archive.members if m.is_directory]
        self._info = f"{filename.stem}.dist-info"

    def judge_platform(self, found: Findings) -> None:
        """E21: the platform tags of the filename."""
        for tag in self._filename.platforms:
            if not is_listed_platform(tag):
                found.by_rule(
                    self._profile.allow_unlisted_platforms,
                    "platform-unlisted",
                    f"Binary wheel {shown(self._filename.filename)} has an unsupported platform tag {shown(tag)}; "
                    "build it for a platform of the list, with auditwheel or cibuildwheel for example.",
                    "content",
                )

    def judge_layout(self, found: Findings) -> None:
        """The directories that installers look for: one `.dist-info`, at most one `.data`, both named as the file."""
        tops = {member.name.partition("/")[0] for member in self._archive.members}
        for top in sorted(tops):
            lowered = top.lower()
            if lowered.endswith(".dist-info") and top != self._info:
                found.fault(
                    "dist-info-mismatch",
                    f"The wheel holds the directory {shown(top)}: expected {shown(self._info)} alone, as its filename.",
                    "content",
                )
            if lowered.endswith(".data") and "-" in top and top != f"{self._filename.stem}.data":
                found.fault(
                    "data-directory-mismatch",
                    f"The wheel holds the directory {shown(top)}: expected {shown(self._filename.stem + '.data')}.",
                    "content",
                )
        self._judge_data(found)

    def _judge_data(self, found: Findings) -> None:
        start = f"{self._filename.stem}.data/"
        names = (member.name for member in self._archive.members)
        inside = (name.removeprefix(start) for name in names if name.startswith(start) and name != start)
        odd = {scheme if slash else "" for scheme, slash, _ in (name.partition("/") for name in inside)} - _SCHEMES
        for scheme in sorted(odd)[:5]:
            found.fault(
                "data-directory-invalid",
                f"The wheel's .data directory holds {shown(scheme) if scheme else 'a file'}: expected "
                f"{', '.join(sorted(_SCHEMES))}.",
                "content",
            )

        self._judge_libraries(start, found)

    def _judge_libraries(self, data: str, found: Findings) -> None:
        """What `.data` puts beside the modules: nothing that stands there already, and no `.dist-info`."""
        beside = {folded(name) for name in self._files if not name.startswith(data)}
        for name in self._files:
            scheme, _, path = name.removeprefix(data).partition("/")
            if not name.startswith(data) or scheme not in _LIBRARIES:
                continue
            if folded(path) in beside:
                message = f"{shown(name)} would be installed over another file of the wheel; build it again."
                found.fault("archive-duplicate-member", message, "content")
            beside.add(folded(path))
            if path.partition("/")[0].lower().endswith(".dist-info"):
                message = f"{shown(name)} would be installed as metadata: expected them in {shown(self._info)} alone."
                found.fault("dist-info-mismatch", message, "content")

    def read_info(self, name: str) -> bytes | None:
        """A file of `.dist-info`, or None; raises BadArchive."""
        member = self._files.get(f"{self._info}/{name}")
        return None if member is None else self._archive.read(member, _SMALL_FILES[name])

    def judge_info(self, found: Findings) -> bytes | None:
        """WHEEL, RECORD, entry_points.txt and METADATA; returns the bytes of METADATA, None when there are none."""
        for name in ("WHEEL", "RECORD", "METADATA"):
            if f"{self._info}/{name}" not in self._files:
                found.fault(
                    f"{name.lower()}-missing",
                    f"Wheel {shown(self._filename.filename)} does not contain the required {name} file "
                    f"{shown(f'{self._info}/{name}')}; build it again.",
                    "content",
                )
        wheel_file = self.read_info("WHEEL")
        if wheel_file is not None:
            judge_wheel_file(wheel_file, self._filename, found)
        entry_points = self.read_info("entry_points.txt")
        if entry_points is not None:
            judge_entry_points(entry_points, found)
        return self.read_info("METADATA")

    def judge_licences(self, paths: Iterable[str], found: Findings) -> None:
        """E19: every License-File of metadata 2.4 and later is there (PEP 639)."""
        for path in paths:
            inside = f"{self._info}/licenses/{path}"
            if inside not in self._files:
                found.fault(
                    "license-file-missing",
                    f"License-File {shown(path)} does not exist in {shown(self._filename.filename)} "
                    f"at {shown(inside)}; add the file or remove the field.",
                    "license_files",
                )

    def judge_contents(self, found: Findings) -> None:
        """Read every file to its end: checksums, and RECORD."""
        raw = self.read_info("RECORD")
        record = Record(raw, self._info, found) if raw is not None else None
        for name, member in self._files.items():
            hashed = record.hash_for(name) if record else None
            if hashed is None:
                for _ in self._archive.chunks(member):
                    pass
            else:
                for piece in self._archive.chunks(member):
                    hashed.update(piece)
            if record:
                record.compare(name, member.size, hashed)
        if record:
            record.finish()
        for directory in self._directories:
            for _ in self._archive.chunks(directory):
                pass
        self._judge_startup_code(found)

    def _judge_startup_code(self, found: Findings) -> None:
        """Files that Python runs at every start."""
        for name, member in self._files.items():
            top = name.removeprefix(f"{self._filename.stem}.data/purelib/")
            top = top.removeprefix(f"{self._filename.stem}.data/platlib/")
            if "/" in top:
                continue
            if _STARTUP.match(top) or (top.endswith(".pth") and self._imports(member)):
                found.by_rule(
                    self._profile.allow_startup_code,
                    "startup-code",
                    f"{shown(name)} is run at every start of Python; be sure that is wanted.",
                    "content",
                )

    def _imports(self, member: Member) -> bool:
        if member.size > _LARGEST_PTH:
            return True
        lines = self._archive.read(member, _LARGEST_PTH).splitlines()
        return any(line.startswith((b"import ", b"import\t")) for line in lines)
