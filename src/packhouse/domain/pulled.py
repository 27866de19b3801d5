# SPDX-License-Identifier: Apache-2.0
"""What of an upstream's page is believed: files of that very project, with names that are safe, behind hosts allowed.

Older spellings than an upload here may have are taken, since nobody can change them any more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename
from packaging.version import InvalidVersion

from packhouse.domain.filenames import LONGEST_FILENAME
from packhouse.domain.reach import Reach, host_of
from packhouse.domain.simple_reader import ReadFile, ReadPage

_LARGEST = 2**50  # bytes a file may be said to have
_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+!")
LONGEST_TEXT = 1000  # characters of Requires-Python and of reasons
_LONGEST_URL = 2000
ALGORITHMS = {"sha512": 128, "sha384": 96, "blake2b": 128, "sha224": 56, "sha1": 40, "md5": 32}
"""Digests other than sha256 that a file is compared with, the strongest first, and how many digits they have."""


@dataclass(frozen=True, slots=True)
class PulledFile:
    """A file of an upstream. `sha256` and `metadata_sha256` are "" where not said; `size` is in bytes or None.

    `other_digest` is another digest that stands on the page instead of the sha256, as `md5=...`, or "".
    """

    filename: str
    version: str
    url: str
    sha256: str
    size: int | None
    upload_time: datetime | None
    requires_python: str
    metadata_sha256: str
    yanked: str | None
    provenance: str
    other_digest: str = ""


def believed(page: ReadPage, name: str, allows: Callable[[str], bool]) -> tuple[tuple[PulledFile, ...], int]:
    """The files of a page of the project `name` (normalized), and how many entries were left out.

    Left out are those that can't be read, are another project's, lie where `allows` forbids, or stand there twice
    with different digests.
    """
    read = [_file(file, name) for file in page.files if allows(file.url)]
    files = [file for file in read if file is not None]
    kept = [
        group[0] for group in _by_name(files).values() if len({(file.sha256, file.other_digest) for file in group}) == 1
    ]
    return tuple(kept), page.dropped + len(page.files) - len(kept)


def _by_name(files: Iterable[PulledFile]) -> dict[str, list[PulledFile]]:
    groups: dict[str, list[PulledFile]] = {}
    for file in files:
        groups.setdefault(file.filename, []).append(file)
    return groups


def _file(file: ReadFile, name: str) -> PulledFile | None:
    version = version_of(file.filename, name)
    if version is None or len(file.url) > _LONGEST_URL:
        return None
    metadata = (file.core_metadata or {}).get("sha256", "")
    sha256 = _sha256(file.hashes.get("sha256", ""))
    return PulledFile(
        filename=file.filename,
        version=version,
        url=file.url,
        sha256=sha256,
        size=file.size if file.size is not None and file.size <= _LARGEST else None,
        upload_time=file.upload_time,
        requires_python=(file.requires_python or "")[:LONGEST_TEXT],
        metadata_sha256=_sha256(metadata),
        yanked=None if file.yanked is None else file.yanked[:LONGEST_TEXT],
        provenance=file.provenance or "" if len(file.provenance or "") <= _LONGEST_URL else "",
        other_digest="" if sha256 else _other_digest(file.hashes),
    )


def _other_digest(hashes: Mapping[str, str]) -> str:
    """The strongest digest but sha256 that is one."""
    found = (name for name, digits in ALGORITHMS.items() if len(hashes.get(name, "")) == digits)
    name = next(found, "")
    return f"{name}={hashes[name]}" if name else ""


def _sha256(text: str) -> str:
    return text if len(text) == 64 else ""


def version_of(filename: str, name: str) -> str | None:
    """The version in a filename of the project `name`; None for a name that is not safe, or another project's."""
    found = parts_of(filename)
    return found[1] if found is not None and found[0] == name else None


def parts_of(filename: str) -> tuple[str, str] | None:
    """The normalized project and the version a filename speaks of, in older spellings too; None when it is none."""
    if not filename or len(filename) > LONGEST_FILENAME or not _SAFE.issuperset(filename):
        return None
    try:
        if filename.endswith(".whl"):
            found, version, *_ = parse_wheel_filename(filename)
            return str(found), str(version)
        if filename.endswith((".tar.gz", ".zip")):
            project, parsed = parse_sdist_filename(filename)
            return str(project), str(parsed)
    except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion):
        return None
    return None


def hosts_forbidden(files: Iterable[ReadFile], reach: Reach) -> list[str]:
    """The hosts that a page's files name and its upstream may not lead to, most used first."""
    counted = Counter(host_of(file.url) for file in files if not reach.leads_to(file.url))
    return [host for host, _ in counted.most_common() if host]
