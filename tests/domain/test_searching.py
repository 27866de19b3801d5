# SPDX-License-Identifier: Apache-2.0
"""What people type, as words, grams and slips."""

from __future__ import annotations

import pytest

from packhouse.domain.searching import (
    classifier_mark,
    exact_name,
    grams,
    index_mark,
    near_grams,
    place_of,
    slips,
    spellings,
    words_of,
)


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


def test_grams_mark_the_ends_and_the_length() -> None:
    assert grams("Num-Py") == sorted(["þþn5", "þnu5", "num5", "ump5", "mpy5", "pyþ5", "yþþ5"])
    assert grams("...") == []


def slipped(name: str) -> set[str]:
    """All that one slip makes of a name."""
    cuts = [(name[:at], name[at:]) for at in range(len(name) + 1)]
    return {
        *(f"{before}x{after}" for before, after in cuts),
        *(before + after[1:] for before, after in cuts if after),
        *(f"{before}x{after[1:]}" for before, after in cuts if after),
        *(before + after[1] + after[0] + after[2:] for before, after in cuts if len(after) > 1),
    }


@pytest.mark.parametrize("name", ["httpx", "numpy", "requests", "beautifulsoup", "scikit-learn-extra-of-everything"])
def test_one_slip_leaves_grams_enough(name: str) -> None:
    has = set(grams(name))
    for typed in slipped(name.replace("-", "")):
        assert any(has.issuperset(wanted) for wanted in near_grams(typed, 1)), typed


@pytest.mark.parametrize("typed", ["xequesxs", "rexueats", "requests1x", "ruequests2"])
def test_two_slips_leave_two_quarters(typed: str) -> None:
    assert any(set(grams("requests")).issuperset(wanted) for wanted in near_grams(typed, 2))


@pytest.mark.parametrize("typed", ["", "ab", "?!", "x" * 37, "x" * 500])
def test_too_little_and_too_much_is_near_nothing(typed: str) -> None:
    assert near_grams(typed, 1) == near_grams(typed, 2) == []


@pytest.mark.parametrize("typed", ["abc", "requests", "a" * 36])
def test_what_is_looked_for_is_bounded(typed: str) -> None:
    for distance in (1, 2):
        assert sum(len(wanted) for wanted in near_grams(typed, distance)) <= 200


def test_marks_are_words_of_their_own() -> None:
    marks = {index_mark("main"), index_mark("ma-in"), classifier_mark("main"), classifier_mark("Topic :: A")}
    assert len(marks) == 4
    assert all(words_of(mark) == [mark] for mark in marks)


def test_places() -> None:
    found = ["requests", "requests-cache", "requestsx", "my-requests", "myrequests", "httpx"]
    assert sorted({*found}, key=lambda name: place_of("requests", ["requests"], name, 1)) == found
    assert place_of("a-b", ["a", "b"], "x", 1) < place_of("a-b", ["a", "b"], "x", 2)
    assert place_of("http-client", ["http", "client"], "httpx", 1) < place_of("http-client", ["http", "client"], "x", 1)


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
