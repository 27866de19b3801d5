# SPDX-License-Identifier: Apache-2.0
"""Project names (B3, hostile 53 to 57)."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packhouse.domain.names import LONGEST_NAME, check_name, is_valid_name, normalize, ultranormalize
from packhouse.errors import PackhouseError

INSIDE = string.ascii_letters + string.digits + "._-"
ENDS = string.ascii_letters + string.digits
NAMES = st.builds(
    lambda first, middle, last: first + middle + last,
    st.sampled_from(ENDS),
    st.text(INSIDE, max_size=LONGEST_NAME - 2),
    st.sampled_from(ENDS),
)


@pytest.mark.parametrize("name", ["a", "A", "0", "foo", "Foo.Bar", "a--b", "a._-b", "a" * LONGEST_NAME])
def test_B3_valid(name: str) -> None:
    check_name(name)
    assert is_valid_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "-a", "a-", ".", "..", "_", "a ", " a", "a\n", "a\r", "a\x00b", "a b", "a/b", "a+b", "foo-",
        "Rеquests", "ｆｏｏ", "ﬀ", "\u212aube", "po\u017ft", "a\u202eb", "\ufefffoo",
        "a" * (LONGEST_NAME + 1), "a" * 10_000,
    ],
)  # fmt: skip
def test_B3_hostile_53_54_invalid(name: str) -> None:
    assert not is_valid_name(name)
    with pytest.raises(PackhouseError) as refused:
        check_name(name)
    assert refused.value.code == "name-invalid"
    assert refused.value.message.isascii()
    assert refused.value.message.isprintable()
    assert len(refused.value.message) < 400


def test_B2_missing() -> None:
    with pytest.raises(PackhouseError) as refused:
        check_name("")
    assert refused.value.code == "name-missing"


@pytest.mark.parametrize("name", ["foo-bar", "foo--bar", "foo._-bar", "Foo.Bar", "FOO_BAR"])
def test_hostile_55_one_project(name: str) -> None:
    assert normalize(name) == "foo-bar"


@given(NAMES)
def test_normalize_is_stable_and_valid(name: str) -> None:
    once = normalize(name)
    assert normalize(once) == once
    assert is_valid_name(once)
    assert is_valid_name(name)
    assert normalize(name.upper()) == once


@given(NAMES)
def test_ultranormalize_sees_through_spelling(name: str) -> None:
    assert ultranormalize(name) == ultranormalize(normalize(name)) == ultranormalize(name.upper())


def test_hostile_56_lookalikes() -> None:
    assert ultranormalize("pi1low") == ultranormalize("PIl-l0W")
    assert ultranormalize("requests_") == ultranormalize("requests")
    assert ultranormalize("requests") != ultranormalize("reqeusts")


@given(st.text(max_size=40))
def test_never_more_than_the_grammar(text: str) -> None:
    expected = bool(text) and set(text) <= set(INSIDE) and text[0] in ENDS and text[-1] in ENDS
    assert is_valid_name(text) == expected
