# SPDX-License-Identifier: Apache-2.0
"""What people type into a search box, and what of a name finds it in spite of a slip. Everything typed is text."""

from __future__ import annotations

import re
import unicodedata

from packhouse.domain.names import normalize

MAX_QUERY = 256
"""Characters of a query that are looked at."""
MAX_WORDS = 16
MAX_GRAMS = 40

_WORD = re.compile(r"[^\W_]+")
_PAD = "þ"  # a letter, so that it is part of a gram for every tokenizer, and none of any project's name


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
    """The trigrams of a name, with its ends marked: `numpy` has `þþn`, `þnu`, `num`, `ump`, `mpy`, `pyþ`, `yþþ`."""
    letters = "".join(_WORD.findall(plain(name)))[:64]
    if not letters:
        return []
    padded = f"{_PAD * 2}{letters}{_PAD * 2}"
    return sorted({padded[at : at + 3] for at in range(len(padded) - 2)})[:MAX_GRAMS]


def slips(typed: str, name: str) -> int | None:
    """How many letters differ, swapped neighbours counting once; None when too many for the length."""
    one, other = ("".join(_WORD.findall(plain(text)))[:64] for text in (typed, name))
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
