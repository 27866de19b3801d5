# SPDX-License-Identifier: Apache-2.0
"""Upload rules: documented, and robust against settings that make no sense."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from packhouse.domain.policy import PRIVATE, PROFILES, STRICT, Profile
from packhouse.domain.rules import RULES, value_of

GUIDE = Path(__file__).parents[2] / "docs/administrator.md"


def test_the_administrators_guide_lists_each_rule_with_its_values() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    documented = re.findall(r"^\| `([a-z_]+)` \| ([^|]+) \| ([^|]+) \| [^|]+ \| [^|]+ \|$", text, re.MULTILINE)
    assert documented == [(key, value_of(PRIVATE, key), value_of(STRICT, key)) for key in RULES]


def test_each_field_of_a_profile_is_a_rule() -> None:
    assert list(RULES) == [field.name for field in fields(Profile) if field.name != "name"]


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
    assert Profile.from_dict(STRICT.as_dict() | {"closes_after_days": "none"}).closes_after_days is None
    assert Profile.from_dict({"largest_unpacked": "none"}) == PRIVATE
