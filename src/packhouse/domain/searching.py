# SPDX-License-Identifier: Apache-2.0
"""What people type into a search box, and what of a name finds it in spite of a slip. Everything typed is text."""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections.abc import Collection
from itertools import combinations, pairwise

from packhouse.domain.names import normalize

MAX_QUERY = 256
"""Characters of a query that are looked at."""
MAX_WORDS = 16
MAX_GRAMS = 40

_WORD = re.compile(r"[^\W_]+")
_PAD = "þ"  # a letter, so that it is part of a gram for every tokenizer, and none of any project's name
_BROKEN = 4  # grams that one slip breaks at most: two swapped letters are in four
_PLACES = 8  # of a slip that are told apart


def words_of(query: str) -> list[str]:
    """The words of a query, in lower case and without accents; no syntax is left in them."""
    return [word[:64] for word in _WORD.findall(plain(query[:MAX_QUERY]))][:MAX_WORDS]


def plain(text: str) -> str:
    """Lower case, without accents and in the ordinary width."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(c for c in decomposed if not unicodedata.combining(c)).lower()


def spellings(name: str) -> str:
    """A project's name as it is searched: its parts, and all of it in one word."""
    parts = _WORD.findall(plain(name))
    return " ".join([*parts, "".join(parts)])


def grams(name: str) -> list[str]:
    """The trigrams of a name, its ends marked, each with the name's length: `numpy` has `þþn5`, `þnu5`, ... `yþþ5`.

    With the length few names have the same gram, however many names there are.
    """
    letters = _letters(name)
    return sorted({f"{gram}{len(letters)}" for gram in _trigrams(letters)})[:MAX_GRAMS]


def near_grams(typed: str, distance: int) -> list[list[str]]:
    """What names at most so many slips (1 or 2) from what was typed have: all grams of one of these lists.

    One slip is found always, two where they leave enough of the name as it is.
    """
    letters = _letters(typed)
    if not 3 <= len(letters) <= MAX_GRAMS - 4:
        return []
    left = _left_by_one(_trigrams(letters)) if distance == 1 else _left_by_two(f"{_PAD * 2}{letters}{_PAD * 2}")
    lengths = range(len(letters) - distance, len(letters) + distance + 1)
    return [[f"{gram}{length}" for gram in grams] for length in lengths for grams in left]


def _left_by_one(grams: list[str]) -> list[list[str]]:
    """The grams that a slip leaves: it breaks at most four neighbours. A few of them, for each of some places."""
    starts = range(len(grams) - _BROKEN + 1)
    step = math.ceil(len(starts) / _PLACES)
    return [_some(grams[:at] + grams[at + _BROKEN + step - 1 :]) for at in starts[::step]]


def _left_by_two(padded: str) -> list[list[str]]:
    """The grams of two of the four quarters: a slip within one leaves the other three."""
    cuts = [len(padded) * quarter // 4 for quarter in range(5)]
    quarters = [padded[start:end] for start, end in pairwise(cuts)]
    if len(quarters[0]) < 3:
        return []
    whole = [_some([part[at : at + 3] for at in range(len(part) - 2)], 3) for part in quarters]
    return [one + other for one, other in combinations(whole, 2)]


def _some(grams: list[str], most: int = 6) -> list[str]:
    """At most so many, from everywhere."""
    return grams if len(grams) <= most else [grams[at * (len(grams) - 1) // (most - 1)] for at in range(most)]


def _trigrams(letters: str) -> list[str]:
    padded = f"{_PAD * 2}{letters}{_PAD * 2}"
    return [padded[at : at + 3] for at in range(len(padded) - 2)] if letters else []


def _letters(name: str) -> str:
    return "".join(_WORD.findall(plain(name)))[:64]


def index_mark(index: str) -> str:
    """The word that stands in the documents of an index; nobody's text has it."""
    return f"{_PAD}i{index.encode().hex()}"


def classifier_mark(classifier: str) -> str:
    """The word that stands in the documents with a classifier."""
    return f"{_PAD}c{hashlib.sha256(classifier.encode('utf-8', 'replace')).hexdigest()[:20]}"


def place_of(name: str, words: Collection[str], project: str, part: int) -> tuple[int, ...]:
    """Where a project that was found comes, the least first; `part`: how far from its name the words were found.

    The name that was typed; the names it begins, whole parts before others; names that have all words as parts; those
    that have them within; the rest by where the words were found, then those with more of them in the name.
    """
    parts = project.split("-")
    if name and project == name:
        return (0,)
    if name and project.startswith(name):
        return (1, project[len(name)] != "-", len(project))
    if all(word in parts for word in words):
        return (2, len(project))
    within = sum(word in project for word in words)
    return (3, len(project)) if within == len(words) else (4, part, -within)


def slips(typed: str, name: str) -> int | None:
    """How many letters differ, swapped neighbours counting once; None when too many for the length."""
    one, other = _letters(typed), _letters(name)
    allowed = 1 if len(one) <= 4 else 2 if len(one) <= 8 else 3
    if abs(len(one) - len(other)) > allowed:
        return None
    distance = _distance(one, other)
    return distance if distance <= allowed else None


def _distance(one: str, other: str) -> int:
    """The Damerau-Levenshtein distance with adjacent swaps."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, last, row = row, before, [i]
        for j, b in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]


def exact_name(query: str) -> str:
    """The project name the whole query would be, or what comes nearest to one."""
    return normalize("-".join(words_of(query)))
