# SPDX-License-Identifier: Apache-2.0
"""Project names: which are valid, and which are the same (name normalization, PEP 503 and PEP 508)."""

from __future__ import annotations

import re
from typing import NewType

from packhouse.domain.wording import shown
from packhouse.errors import Kind, refuse

NormalizedName = NewType("NormalizedName", str)
"""A name in the one spelling that all its spellings share: lower case, runs of `-_.` as one `-`."""

LONGEST_NAME = 128
"""Characters of a project name: far beyond any real one, and short enough for every column and file system."""

# Without re.ASCII, IGNORECASE would take the KELVIN SIGN for a k; `$` would take a newline at the end.
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?\Z", re.ASCII | re.IGNORECASE)
_SEPARATORS = re.compile(r"[-_.]+")
_LOOKALIKES = str.maketrans({"l": "1", "L": "1", "i": "1", "I": "1", "o": "0", "O": "0", "-": "", "_": "", ".": ""})


def is_valid_name(name: str) -> bool:
    """Whether this is a project name: ASCII letters, digits, `.`, `_`, `-`; a letter or digit first and last."""
    return len(name) <= LONGEST_NAME and _NAME.match(name) is not None


def check_name(name: str) -> None:
    """Raise INVALID (`name-missing` or `name-invalid`) unless this is a project name."""
    if not name:
        raise refuse(Kind.INVALID, "name-missing", "Name is missing; give the name of the project.", "name")
    if not is_valid_name(name):
        raise refuse(
            Kind.INVALID,
            "name-invalid",
            f"Name {shown(name)} is invalid: expected at most {LONGEST_NAME} ASCII letters, digits, '.', '_' and '-', "
            "with a letter or a digit at the start and at the end; rename the project.",
            "name",
        )


def normalize(name: str) -> NormalizedName:
    """The normalized spelling; says nothing about validity."""
    return NormalizedName(_SEPARATORS.sub("-", name).lower())


def ultranormalize(name: str) -> str:
    """The spelling in which names that look alike are equal: no separators, `l` and `i` as `1`, `o` as `0`."""
    return name.translate(_LOOKALIKES).lower()
