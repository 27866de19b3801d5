# SPDX-License-Identifier: Apache-2.0
"""Upload rules: documented, and robust against settings that make no sense."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from packhouse.domain.policy import PRIVATE, PROFILES, STRICT, Profile

GUIDE = Path(__file__).parents[2] / "docs/administrator.md"


def test_each_rule_is_in_the_administrators_guide() -> None:
    documented = re.findall(r"^\| `([a-z_]+)` \|", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(documented) == sorted({field.name for field in fields(Profile)} - {"name"})


@pytest.mark.parametrize("profile", PROFILES.values())
def test_plain_data_and_back(profile: Profile) -> None:
    assert Profile.from_dict(profile.as_dict()) == profile


@pytest.mark.parametrize(
    "values",
    [
        {"unheard_of": 1}, {"largest_unpacked": "much"}, {"largest_unpacked": -1}, {"largest_unpacked": True},
        {"largest_unpacked": None}, {"allow_direct_urls": 0}, {"prohibited_names": "abc"}, {"prohibited_names": [1]},
        {"closes_after_days": "never"}, {"images": None},
    ],
)  # fmt: skip
def test_nonsense_is_ignored(values: dict[str, object]) -> None:
    assert Profile.from_dict(values) == PRIVATE


def test_single_rules_count() -> None:
    changed = Profile.from_dict(STRICT.as_dict() | {"closes_after_days": None, "prohibited_names": ["a"]})
    assert (changed.closes_after_days, changed.prohibited_names, changed.allow_direct_urls) == (None, ("a",), False)
    assert Profile.from_dict({"closes_after_days": 7}).closes_after_days == 7
