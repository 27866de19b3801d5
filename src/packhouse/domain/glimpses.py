# SPDX-License-Identifier: Apache-2.0
"""The core metadata of a wheel that is somewhere else: read out of a few of its bytes, or not at all.

Nothing is repaired: of a wheel that two programs may read differently, or whose metadata speak of another project or
version than its filename, nothing is given.
"""

from __future__ import annotations

from packaging.utils import canonicalize_version

from packhouse.domain.archive_limits import BadArchive
from packhouse.domain.judged import Findings
from packhouse.domain.metadata_text import LARGEST_METADATA, read_fields
from packhouse.domain.names import normalize
from packhouse.domain.wording import shown
from packhouse.domain.zips import Member, Seekable, ZipGlimpse

LARGEST_DIRECTORY = 4 * 1024 * 1024
"""Bytes of a central directory that are looked through."""
_INFO = ".dist-info"


def core_metadata_of(file: Seekable, size: int, name: str, version: str) -> bytes:
    """METADATA of a wheel of `size` bytes, of the project `name` (normalized) in this version; raises BadArchive."""
    archive = ZipGlimpse(file, size, LARGEST_DIRECTORY)
    raw = archive.read_one(_find(archive.members, name), LARGEST_METADATA)
    _check_identity(raw, name, version)
    return raw


def _find(members: list[Member], name: str) -> Member:
    """The one METADATA of the one `.dist-info` directory, which is this project's."""
    tops = {top for top in (member.name.partition("/")[0] for member in members) if top.lower().endswith(_INFO)}
    if len(tops) != 1:
        raise BadArchive("dist-info-mismatch", f"The wheel has {len(tops)} directories *.dist-info: expected one")
    top = tops.pop()
    found = next((member for member in members if member.name == f"{top}/METADATA"), None)
    if found is None or normalize(top.removesuffix(_INFO).partition("-")[0]) != name:
        raise BadArchive("dist-info-mismatch", f"The wheel's {shown(top)} has no METADATA, or is another project's")
    return found


def _check_identity(raw: bytes, name: str, version: str) -> None:
    """That the metadata can be read, and are those of the release that the filename speaks of."""
    fields = read_fields(raw, Findings())
    said = {key: (fields or {}).get(key, [""])[0].strip() for key in ("metadata-version", "name", "version")}
    if not said["metadata-version"] or normalize(said["name"]) != name:
        raise BadArchive("metadata-malformed", f"METADATA is not that of the project {shown(name)}")
    if canonicalize_version(said["version"]) != canonicalize_version(version):
        raise BadArchive("metadata-malformed", f"METADATA has the version {shown(said['version'])}")
