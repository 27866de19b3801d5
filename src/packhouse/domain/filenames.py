# SPDX-License-Identifier: Apache-2.0
"""Filenames of distributions: wheels (binary distribution format) and sdists (PEP 625).

Nothing here looks into a file. A filename that passes is safe as the last segment of a path and of a URL.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import prod
from typing import Literal

from packaging.tags import Tag
from packaging.version import Version

from packhouse.domain.names import NormalizedName, is_valid_name, normalize
from packhouse.domain.versions import canonical, parse_version
from packhouse.domain.wording import shown
from packhouse.errors import Kind, PackhouseError, refuse

LONGEST_FILENAME = 246
"""Bytes of a filename: 255 of the usual file systems, less those of `.metadata`."""

MOST_TAGS = 1000
"""Tags that one wheel's compressed tag set may stand for."""

_SDIST = ".tar.gz"
_WHEEL = ".whl"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BUILD = re.compile(r"([0-9]+)([A-Za-z0-9_.]*)\Z")
_TAG_SET = re.compile(r"[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*\Z")
_LONGEST_TAG_SET = 100  # characters of the interpreter part


@dataclass(frozen=True, slots=True)
class SdistFilename:
    """The parts of `{name}-{version}.tar.gz`."""

    filename: str
    name: NormalizedName
    raw_name: str
    version: Version
    raw_version: str
    packagetype: Literal["sdist"] = "sdist"
    python_version: str = "source"

    @property
    def key(self) -> str:
        """Equal for filenames that must not both exist: spelling of name and version put aside."""
        return f"{self.name}-{canonical(self.raw_version)}{_SDIST}"

    @property
    def stem(self) -> str:
        """`{name}-{version}` as spelled: what the top directory of the archive should be called."""
        return f"{self.raw_name}-{self.raw_version}"


@dataclass(frozen=True, slots=True)
class WheelFilename:
    """The parts of `{name}-{version}(-{build})?-{interpreter}-{abi}-{platform}.whl`.

    `build` is () or the number and the rest of the build tag; `tag_sets` are the three compressed sets as spelled.
    """

    filename: str
    name: NormalizedName
    raw_name: str
    version: Version
    raw_version: str
    build: tuple[()] | tuple[int, str]
    tag_sets: tuple[str, str, str]
    packagetype: Literal["bdist_wheel"] = "bdist_wheel"

    @property
    def python_version(self) -> str:
        """The interpreter part, such as `py3` or `cp312.cp313`."""
        return self.tag_sets[0]

    @property
    def platforms(self) -> tuple[str, ...]:
        """The platform tags, in lower case."""
        return tuple(self.tag_sets[2].lower().split("."))

    @property
    def tags(self) -> frozenset[Tag]:
        """All tags the compressed set stands for."""
        pythons, abis, platforms = (part.split(".") for part in self.tag_sets)
        return frozenset(Tag(python, abi, platform) for python in pythons for abi in abis for platform in platforms)

    @property
    def key(self) -> str:
        """Equal for filenames that must not both exist: spelling of version, build and tags put aside."""
        build = f"-{self.build[0]}{self.build[1].lower()}" if self.build else ""
        sets = "-".join(".".join(sorted(set(part.lower().split(".")))) for part in self.tag_sets)
        return f"{self.name}-{canonical(self.raw_version)}{build}-{sets}{_WHEEL}"

    @property
    def stem(self) -> str:
        """`{name}-{version}` as spelled: what `.dist-info` and `.data` follow."""
        return f"{self.raw_name}-{self.raw_version}"


def parse_filename(filename: str) -> WheelFilename | SdistFilename:
    """Read a filename; raises INVALID with the first rule it breaks."""
    check_filename(filename)
    if filename.endswith(_WHEEL):
        return _parse_wheel(filename)
    return _parse_sdist(filename)


def check_filename(filename: str) -> None:
    """Raise INVALID unless the filename is one safe path segment with an extension we take (E1, E2, E4, E28)."""
    if _CONTROL.search(filename):
        raise _refuse("filename-control-character", f"Filename {shown(filename)} holds a control character")
    if "/" in filename or "\\" in filename:
        raise _refuse("filename-with-path", f"Filename {shown(filename)} holds '/' or '\\': expected a bare filename")
    if not filename.isascii():
        raise _refuse("filename-not-ascii", f"Filename {shown(filename)} holds characters other than ASCII")
    if len(filename) > LONGEST_FILENAME:
        raise _refuse(
            "filename-too-long",
            f"Filename {shown(filename)} has {len(filename)} characters: expected at most {LONGEST_FILENAME}",
        )
    if not filename.endswith((_WHEEL, _SDIST)):
        raise _refuse("extension-unknown", f"Filename {shown(filename)} must end in '.tar.gz' or '.whl'")


def _refuse(code: str, finding: str) -> PackhouseError:
    return refuse(Kind.INVALID, code, f"{finding}; build the file again with a current build tool.", "content")


def _parse_sdist(filename: str) -> SdistFilename:
    """PEP 625: exactly the normalized name with `_`, and the version in its normal spelling."""
    raw_name, dash, raw_version = filename.removesuffix(_SDIST).rpartition("-")
    version = _version(raw_version)
    if not dash or version is None or not is_valid_name(raw_name):
        raise _refuse("sdist-filename-invalid", f"Filename {shown(filename)} is not '<name>-<version>.tar.gz'")
    name = normalize(raw_name)
    expected = f"{name.replace('-', '_')}-{version}{_SDIST}"
    if filename != expected:
        raise _refuse(
            "sdist-filename-not-normalized", f"Filename {shown(filename)} is invalid, should be {shown(expected)}"
        )
    return SdistFilename(filename, name, raw_name, version, raw_version)


def _version(text: str) -> Version | None:
    """The version, if this is one without blanks around it."""
    try:
        return parse_version(text) if text == text.strip() else None
    except PackhouseError:
        return None


def _parse_wheel(filename: str) -> WheelFilename:
    parts = filename.removesuffix(_WHEEL).split("-")
    if len(parts) not in {5, 6}:
        raise _refuse(
            "wheel-filename-invalid",
            f"Filename {shown(filename)} has {len(parts)} parts between dashes: expected "
            "'<name>-<version>-<interpreter>-<abi>-<platform>.whl', or six parts with a build tag",
        )
    raw_name, raw_version = parts[:2]
    if not is_valid_name(raw_name):
        raise _refuse("wheel-filename-invalid", f"Filename {shown(filename)} starts with an invalid project name")
    version = _version(raw_version)
    if version is None:
        raise _refuse("wheel-filename-invalid", f"Filename {shown(filename)} holds an invalid version")
    build = _build(filename, parts[2]) if len(parts) == 6 else ()
    tag_sets = _tag_sets(filename, *parts[-3:])
    name = normalize(raw_name)
    expected = name.replace("-", "_")
    if raw_name != expected:
        raise _refuse(
            "wheel-filename-not-normalized",
            f"Filename {shown(filename)} should contain the normalized project name {shown(expected)}, "
            f"not {shown(raw_name)}",
        )
    return WheelFilename(filename, name, raw_name, version, raw_version, build, tag_sets)


def _build(filename: str, text: str) -> tuple[int, str]:
    match = _BUILD.match(text)
    if match is None:
        raise _refuse(
            "wheel-filename-invalid",
            f"Filename {shown(filename)} has the build tag {shown(text)}: expected a digit at its start",
        )
    return int(match[1]), match[2]


def _tag_sets(filename: str, python: str, abi: str, platform: str) -> tuple[str, str, str]:
    sets = (python, abi, platform)
    if len(python) > _LONGEST_TAG_SET or not all(_TAG_SET.match(part) for part in sets):
        raise _refuse("wheel-filename-invalid", f"Filename {shown(filename)} holds an invalid tag")
    stands_for = prod(part.count(".") + 1 for part in sets)
    if stands_for > MOST_TAGS:
        raise _refuse(
            "wheel-filename-invalid",
            f"Filename {shown(filename)} stands for {stands_for} tags: expected at most {MOST_TAGS}",
        )
    return sets
