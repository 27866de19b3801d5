# SPDX-License-Identifier: Apache-2.0
"""Versions as PEP 440 has them: reading, identity, order."""

from __future__ import annotations

import re
from functools import lru_cache

from packaging.utils import canonicalize_version
from packaging.version import InvalidVersion, Version

from packhouse.domain.wording import shown
from packhouse.errors import Kind, refuse

LONGEST_VERSION = 128
"""Characters of a version as it is spelled."""

_LONGEST_NUMBER = re.compile(r"[0-9]{19}")
_LEAST = Version("0.dev0")


@lru_cache(maxsize=4096)
def parse_version(text: str) -> Version:
    """Read a version; raises INVALID (`version-missing` or `version-invalid`).

    Accepts what PEP 440 accepts, `v1.0` and ` 1.0 ` among it, when it is ASCII, of at most 128 characters, and its
    numbers (those of a local version apart) have at most 18 digits, so that they fit any database.
    """
    if not text.strip():
        raise refuse(Kind.INVALID, "version-missing", "Version is missing; give the version of the release.", "version")
    if text.isascii() and len(text) <= LONGEST_VERSION and not _LONGEST_NUMBER.search(text.partition("+")[0]):
        try:
            return Version(text)
        except InvalidVersion:
            pass
    raise refuse(
        Kind.INVALID,
        "version-invalid",
        f"Version {shown(text)} is not a version of PEP 440: expected something like '1.2.3', '2.0rc1' or '1.0.post2' "
        f"in at most {LONGEST_VERSION} characters; change it and build again.",
        "version",
    )


def canonical(text: str) -> str:
    """The identity of a version: `1.0`, `1.0.0` and `v1` are all `1`. Raises INVALID as `parse_version` does."""
    return canonicalize_version(parse_version(text))


def sort_key(text: str) -> tuple[bool, Version, str]:
    """What to sort versions by: PEP 440's order; texts that are no version come before all, by their letters."""
    try:
        return True, Version(text), text
    except InvalidVersion:
        return False, _LEAST, text
