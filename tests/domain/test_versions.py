# SPDX-License-Identifier: Apache-2.0
"""Versions (C3, hostile 50 to 52)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from packhouse.domain.versions import canonical, parse_version, sort_key
from packhouse.errors import PackhouseError


@pytest.mark.parametrize(
    ("text", "version"),
    [("1.0", "1.0"), ("01.0", "1.0"), ("v1.0", "1.0"), (" 1.0 ", "1.0"), ("1.0-1", "1.0.post1"),
     ("2!1.0RC1", "2!1.0rc1"),
     ("1.0+Ubuntu.1", "1.0+ubuntu.1"), ("20261124123456.0", "20261124123456.0"),
     ("1.0+1234567890123456789012345", "1.0+1234567890123456789012345")],
)  # fmt: skip
def test_C3_read(text: str, version: str) -> None:
    assert str(parse_version(text)) == version


@pytest.mark.parametrize(
    "text",
    ["dog", "latest", "1.0.*", "==1", "1 0", "1.0\n2", "1.0.po\u017ft1", "１.0", "1" * 129, "9" * 100 + "!1",
     "1." + "9" * 19,
     "1.0+" + "a" * 200, "1.0+", "1.0\x00"],
)  # fmt: skip
def test_C3_hostile_51_52_refused(text: str) -> None:
    with pytest.raises(PackhouseError) as refused:
        parse_version(text)
    assert refused.value.code == "version-invalid"
    assert refused.value.message.isascii()


@pytest.mark.parametrize("text", ["", " ", "\n"])
def test_C2_missing(text: str) -> None:
    with pytest.raises(PackhouseError) as refused:
        parse_version(text)
    assert refused.value.code == "version-missing"


@pytest.mark.parametrize("text", ["1.0", "1", "v1.0.0", "1.0.0.0", "01.00"])
def test_hostile_50_I18_identity(text: str) -> None:
    assert canonical(text) == "1"


def test_identity_keeps_what_differs() -> None:
    assert len({canonical(v) for v in ("1.0", "1.0.1", "1.0rc1", "1.0.post1", "1.0.dev1", "1!1.0", "1.0+a")}) == 7


NUMBERS = st.integers(0, 10**6)


@given(
    st.lists(
        st.builds(lambda a, b, s: f"{a}.{b}{s}", NUMBERS, NUMBERS, st.sampled_from(["", "rc1", ".post2", ".dev3"]))
    )
)
def test_sorts_as_pep_440(versions: list[str]) -> None:
    assert [Version(v) for v in sorted(versions, key=sort_key)] == sorted(map(Version, versions))


def test_what_is_no_version_sorts_first() -> None:
    assert sorted(["1.0", "zebra", "0.dev0", "ant"], key=sort_key) == ["ant", "zebra", "0.dev0", "1.0"]
