# SPDX-License-Identifier: Apache-2.0
"""What people type, as words, grams and slips."""

from __future__ import annotations

import pytest

from packhouse.domain.searching import exact_name, grams, slips, spellings, words_of


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("  HTTP  client ", ["http", "client"]),
        ("scikit-learn", ["scikit", "learn"]),
        ("Ünïcode ﬁle", ["unicode", "file"]),
        ("' OR 1=1--", ["or", "1", "1"]),
        ('NEAR("a" b*) name:x ^y', ["near", "a", "b", "name", "x", "y"]),
        ("a & b | !c <-> d:*", ["a", "b", "c", "d"]),
        ("%_%", []),
        ("\x00 ", []),
        ("日本語", ["日本語"]),
    ],
)
def test_hostile_245_words_have_no_syntax(query: str, words: list[str]) -> None:
    assert words_of(query) == words


def test_hostile_246_a_query_has_an_end() -> None:
    assert len(words_of("a " * 5000)) == 16
    assert words_of("x" * 10_000) == ["x" * 64]


def test_grams_mark_the_ends() -> None:
    assert grams("Num-Py") == sorted(["þþn", "þnu", "num", "ump", "mpy", "pyþ", "yþþ"])
    assert grams("...") == []


@pytest.mark.parametrize(
    ("typed", "name", "distance"),
    [
        ("numpy", "numpy", 0),
        ("nmupy", "numpy", 1),
        ("reqeusts", "requests", 1),
        ("requets", "requests", 1),
        ("djnago", "django", 1),
        ("flsk", "flask", 1),
        ("scikitlearn", "scikit-learn", 0),
        ("numpy", "pandas", None),
        ("ab", "abcd", None),
    ],
)
def test_slips(typed: str, name: str, distance: int | None) -> None:
    assert slips(typed, name) == distance


def test_names_are_found_in_parts_and_in_one_word() -> None:
    assert spellings("Scikit_learn") == "scikit learn scikitlearn"
    assert exact_name("Scikit learn") == "scikit-learn"
    assert exact_name("?!") == ""
