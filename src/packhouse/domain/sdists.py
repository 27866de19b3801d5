# SPDX-License-Identifier: Apache-2.0
"""Judging a source distribution: one gzip member, one tar archive, one top directory with PKG-INFO (PEP 625)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO

from packhouse.domain.archive_limits import MOST_MEMBERS, BadArchive, check_path, parents_of
from packhouse.domain.filenames import SdistFilename
from packhouse.domain.gzips import GzipReader
from packhouse.domain.judged import Findings
from packhouse.domain.metadata_text import LARGEST_METADATA
from packhouse.domain.policy import Profile
from packhouse.domain.tars import TarMember, TarReader
from packhouse.domain.wording import shown


class Sdist:
    """One sdist under judgement."""

    def __init__(self, file: BinaryIO, size: int, filename: SdistFilename, profile: Profile) -> None:
        """Open the archive; raises BadArchive when it is not gzip."""
        self._filename = filename
        self._reader = TarReader(GzipReader(file, size, profile.largest_unpacked))
        self._paths: set[str] = set()
        self._directories: set[str] = set()
        self._count = 0
        self._tops: dict[str, None] = {}
        self._odd_modes = 0
        self._info: bytes | None = None

    @property
    def top(self) -> str:
        """The top directory."""
        return next(iter(self._tops), "")

    def judge(self, found: Findings) -> bytes | None:
        """Read the archive to its end; returns the bytes of PKG-INFO, None when there are none. Raises BadArchive."""
        for member in self._reader.members():
            self._take(member)
        self._check_parents()
        if len(self._tops) != 1 or self.top in self._paths:
            raise BadArchive(
                "sdist-top-directory",
                f"Incorrect number of top-level directories in sdist ({len(self._tops)}): expected one, "
                f"{shown(self._filename.stem)}",
            )
        if self.top != self._filename.stem:
            found.warn(
                "sdist-top-directory-odd",
                f"The sdist's top directory is {shown(self.top)}: expected {shown(self._filename.stem)}.",
                "content",
            )
        if self._odd_modes:
            found.warn("sdist-modes", f"{self._odd_modes} members are set-user-id or writable for everyone.", "content")
        if self._info is None:
            found.fault(
                "pkg-info-missing",
                f"PKG-INFO not found at {shown(f'{self.top}/PKG-INFO')}; build the sdist again.",
                "content",
            )
        return self._info

    def _take(self, member: TarMember) -> None:
        self._count += 1
        if self._count > MOST_MEMBERS:
            raise BadArchive("archive-too-many-members", f"The archive has more than {MOST_MEMBERS} members")
        check_path(member.name)
        top, slash, rest = member.name.partition("/")
        self._tops.setdefault(top)
        known = self._directories if member.is_directory else self._paths
        if member.name in self._paths or (member.name in self._directories and not member.is_directory):
            raise BadArchive("archive-duplicate-member", f"The archive holds {shown(member.name)} twice")
        known.add(member.name)
        if not member.is_directory and member.mode & 0o6002:
            self._odd_modes += 1
        if slash and rest.lower() == "pkg-info" and not member.is_directory:
            if self._info is not None or rest != "PKG-INFO":
                raise BadArchive("archive-duplicate-member", f"The archive holds {shown(member.name)} beside PKG-INFO")
            self._info = self._reader.read(LARGEST_METADATA)

    def _check_parents(self) -> None:
        """No file may be a directory of another member."""
        clash = self._paths & parents_of(self._paths | self._directories)
        if clash:
            what = f"The archive holds {shown(min(clash))} both as file and as directory"
            raise BadArchive("archive-duplicate-member", what)

    def judge_licences(self, paths: Iterable[str], found: Findings) -> None:
        """E19: every License-File of metadata 2.4 and later is there (PEP 639)."""
        for path in paths:
            inside = f"{self.top}/{path}"
            if inside not in self._paths:
                found.fault(
                    "license-file-missing",
                    f"License-File {shown(path)} does not exist in {shown(self._filename.filename)} "
                    f"at {shown(inside)}; add the file or remove the field.",
                    "license_files",
                )
