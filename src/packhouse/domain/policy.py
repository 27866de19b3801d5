# SPDX-License-Identifier: Apache-2.0
"""Upload rules: each is a named setting of an index; a profile is a set of values for all of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

NO_LIMIT = "none"
"""How a rule set on an index says that there is no limit, which its profile may have."""


@dataclass(frozen=True, slots=True)
class Profile:
    """The rules an upload to an index is judged by. The defaults are those of the profile `private`.

    A rule named `allow_*` lets something pass (with a warning where that is of use); False refuses it.
    """

    name: str = "private"

    # What the file may hold
    allow_local_versions: bool = True  # 1.0+cu121
    allow_private_classifiers: bool = True  # Private :: Do Not Upload
    allow_unknown_classifiers: bool = True
    allow_deprecated_classifiers: bool = True
    allow_odd_emails: bool = True  # addresses that cannot be delivered to
    allow_odd_urls: bool = True  # not http(s), or without a label; shown as text, never linked
    allow_broken_descriptions: bool = True  # shown as plain text
    allow_unlisted_platforms: bool = True  # linux_x86_64
    allow_direct_urls: bool = True  # Requires-Dist: a @ https://...
    allow_startup_code: bool = True  # *.pth that import, sitecustomize.py

    max_file_size: int | None = None  # bytes; None: what the server takes
    max_project_size: int | None = None  # bytes of all files of a project; None: what the server takes
    largest_unpacked: int = 8 * 1024**3  # bytes of an archive's contents
    images: str = "block"  # pictures from elsewhere in descriptions: block, proxy or allow

    # Which names may be taken
    longest_name: int = 128  # characters
    allow_lookalike_names: bool = True
    allow_stdlib_names: bool = True
    prohibited_names: tuple[str, ...] = ()  # normalized

    # When and by whom
    closes_after_days: int | None = None  # new files for a release, counted from its first
    new_projects_per_hour: int | None = None  # by one person
    new_projects_per_hour_from_address: int | None = None
    uploads_per_minute: int | None = None  # by one token
    needs_verified_email: bool = False
    needs_two_factor: bool = False
    staging: bool = False  # what is uploaded is on trial, and tokens may be for such indexes alone

    def as_dict(self) -> dict[str, Any]:
        """All rules, as plain data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Profile:
        """The profile of plain data; names that are no rule, and values that no rule can have, are ignored."""
        chosen: dict[str, Any] = {}
        for field in fields(cls):
            if field.name not in values:
                continue
            value = None if values[field.name] == NO_LIMIT and field.default is None else values[field.name]
            if _fits(value, field.default):
                chosen[field.name] = tuple(value) if isinstance(value, list) else value
        return cls(**chosen)


def _fits(value: object, default: object) -> bool:
    """Whether a rule with this default may have this value: numbers are whole and not negative, None is no limit."""
    if isinstance(default, bool | str):
        return type(value) is type(default)
    if isinstance(default, tuple):
        return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
    if value is None:
        return default is None
    return type(value) is int and value >= 0


PRIVATE = Profile()
"""What an index of one's own takes: everything that installs, with warnings."""

STRICT = Profile(
    name="strict",
    allow_local_versions=False,
    allow_private_classifiers=False,
    allow_unknown_classifiers=False,
    allow_deprecated_classifiers=False,
    allow_odd_emails=False,
    allow_odd_urls=False,
    allow_broken_descriptions=False,
    allow_unlisted_platforms=False,
    allow_direct_urls=False,
    max_file_size=100 * 10**6,
    max_project_size=10 * 10**9,
    largest_unpacked=2 * 1024**3,
    longest_name=64,
    allow_lookalike_names=False,
    allow_stdlib_names=False,
    prohibited_names=("requirements-txt", "rrequirements-txt"),
    closes_after_days=14,
    new_projects_per_hour=20,
    new_projects_per_hour_from_address=40,
    uploads_per_minute=500,
    needs_verified_email=True,
    needs_two_factor=True,
)
"""What the public index takes."""

PROFILES = {profile.name: profile for profile in (PRIVATE, STRICT)}
"""The profiles by name."""
