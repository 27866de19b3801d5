# SPDX-License-Identifier: Apache-2.0
"""Rules as they are typed: every one settable, wrong ones refused with one sentence that names what is possible."""

from __future__ import annotations

from typing import Any

import pytest

from packhouse.domain.policy import PRIVATE, STRICT, Profile
from packhouse.domain.rules import RULES, read_rule, spoken, value_of
from packhouse.domain.stdlib_names import is_stdlib_name
from packhouse.errors import Kind, PackhouseError


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("profile", "strict", "strict"),
        ("profile", "default", None),
        ("allow_local_versions", "no", False),
        ("allow_local_versions", " TRUE ", True),
        ("allow_local_versions", "default", None),
        ("images", "Proxy", "proxy"),
        ("closes_after_days", "0", 0),
        ("closes_after_days", "none", "none"),
        ("max_file_size", "100MB", 100_000_000),
        ("max_file_size", "2 GiB", 2 * 1024**3),
        ("largest_unpacked", "1", 1),
        ("prohibited_names", "Foo_Bar, a.b", ["a-b", "foo-bar"]),
        ("prohibited_names", "none", []),
    ],
)
def test_what_can_be_typed(key: str, text: str, value: Any) -> None:
    assert read_rule(key, text) == value


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        ("profile", "lax", "private or strict"),
        ("allow_local_versions", "maybe", "yes or no"),
        ("allow_local_versions", "", "yes or no"),
        ("images", "blocked", "block or proxy or allow"),
        ("closes_after_days", "-1", "a whole number from 0 to 100000, or none"),
        ("closes_after_days", "14d", "a whole number"),
        ("closes_after_days", "9" * 30, "a whole number"),
        ("closes_after_days", "1e3", "a whole number"),
        ("closes_after_days", "\u0661", "a whole number"),
        ("largest_unpacked", "none", "100MB or 2GiB"),
        ("largest_unpacked", "0", "from 1 to"),
        ("max_file_size", "5 parsecs", "100MB or 2GiB"),
        ("max_file_size", "999999999GB", "100MB or 2GiB"),
        ("longest_name", "129", "from 1 to 128"),
        ("prohibited_names", "a, -b", "project names separated by commas"),
        ("prohibited_names", "", "project names separated by commas"),
        ("prohibited_names", " ".join(f"n{n}" for n in range(1001)), "at most 1000 names"),
    ],
)
def test_wrong_values_are_told_what_is_possible(key: str, text: str, expected: str) -> None:
    with pytest.raises(PackhouseError) as caught:
        read_rule(key, text)
    assert (caught.value.kind, caught.value.code) == (Kind.INVALID, "rule-value-invalid")
    assert expected in caught.value.message
    assert key in caught.value.message


def test_unknown_rules_are_told_which_there_are() -> None:
    with pytest.raises(PackhouseError) as caught:
        read_rule("allow_local_version", "no")
    assert caught.value.code == "rule-unknown"
    assert "did you mean allow_local_versions?" in caught.value.message
    assert all(key in caught.value.message for key in ("profile", *RULES))


@pytest.mark.parametrize("key", RULES)
@pytest.mark.parametrize("profile", [PRIVATE, STRICT], ids=lambda profile: profile.name)
def test_what_is_shown_can_be_typed_again(key: str, profile: Profile) -> None:
    typed = read_rule(key, value_of(profile, key))
    assert getattr(Profile.from_dict(PRIVATE.as_dict() | {key: typed}), key) == getattr(profile, key)


@pytest.mark.parametrize(
    ("value", "words"), [(2 * 1024**3, "2 GiB"), (10**10, "10 GB"), (1_500, "1500"), (3 * 2**20, "3 MiB"), (0, "0")]
)
def test_sizes_in_words(value: int, words: str) -> None:
    assert spoken(value, size=True) == words


@pytest.mark.parametrize(
    "name", ["os", "xml", "XML", "xml.dom.minidom", "os_path", "email-mime-text", "Queue", "urllib2"]
)
def test_hostile_57_D8_modules_of_every_python(name: str) -> None:
    assert is_stdlib_name(name)


@pytest.mark.parametrize("name", ["requests", "email-validator", "xml-parser", "simple", "admin"])
def test_D8_other_names(name: str) -> None:
    assert not is_stdlib_name(name)
