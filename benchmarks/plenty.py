# SPDX-License-Identifier: Apache-2.0
"""The rows of a catalogue as large as is wanted: real or made-up names, and as many files as real projects have.

Nothing is random: the same table and sizes give the same rows.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
import random
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.corpus import ENDS, TAGS, WORDS
from packhouse.domain.names import is_valid_name, normalize

LARGEST = 43_145
"""Files of the one largest project of the public index (November 2026)."""
_QUANTILES = ((0.0, 1), (0.5, 4), (0.9, 35), (0.99, 262), (0.999, 600), (0.9999, 2_000), (1.0, 6_000))
"""How many files a project has: the median, the 90th and the 99th percentile are those of the public index."""
_CLASSIFIERS = (
    "Development Status :: 3 - Alpha",
    "Development Status :: 4 - Beta",
    "Development Status :: 5 - Production/Stable",
    "Intended Audience :: Developers",
    "License :: OSI Approved :: MIT License",
    "Operating System :: OS Independent",
    "Programming Language :: Python :: 3",
    "Programming Language :: Python :: 3.12",
    "Topic :: Software Development :: Libraries",
)


@dataclass(frozen=True, slots=True)
class Plenty:
    """A project to be: `files` counts all of them; `owner` numbers its owner, 0 for the one who has many."""

    name: str
    display_name: str
    summary: str
    text: str
    files: int
    owner: int


@dataclass(frozen=True, slots=True)
class PlentyFile:
    """A file to be: its filename, kind of distribution, and the digests that stand for its bytes."""

    filename: str
    key: str
    packagetype: str
    python_version: str
    sha256: str


def file_count(share: float, thin: float = 1.0) -> int:
    """The files of a project at this share (0 to 1) of all, fewest first; `thin` times as many, at least one."""
    at = min(bisect_right(_QUANTILES, (share, math.inf)), len(_QUANTILES) - 1)
    (low, least), (high, most) = _QUANTILES[at - 1], _QUANTILES[at]
    count = least * (most / least) ** ((share - low) / (high - low))
    return max(1, int(count * thin + 0.5))


def plenty(
    projects: int, table: Path | None = None, thin: float = 1.0, *, largest: int = LARGEST, owned: int = 1000
) -> Iterator[Plenty]:
    """The projects, in the order in which they appeared; the first has `largest` files. `owned` have the same owner."""
    rows = _named(projects, table)
    texts = random.Random(4)
    chance = random.Random(5)
    summaries = [summary for _, summary in rows[:2000]] or [""]
    every = max(1, len(rows) // owned)
    for number, (display_name, summary) in enumerate(rows):
        text = " ".join([f"pip install {display_name}", *(texts.choice(summaries) for _ in range(4))])
        files = largest if number == 0 else file_count(chance.random(), thin)
        owner = 0 if number % every == 0 and number // every < owned else 1 + number // 3
        yield Plenty(normalize(display_name), display_name, summary, text, files, owner)


def _named(projects: int, table: Path | None) -> list[tuple[str, str]]:
    """Display names and summaries, no name twice; from the table in its order of time as far as it goes."""
    found: dict[str, tuple[str, str, str]] = {}
    if table is not None:
        with table.open(encoding="utf-8", newline="") as rows:
            for row in csv.DictReader(rows, delimiter="\t", quoting=csv.QUOTE_NONE):
                if is_valid_name(row["name"]):
                    found.setdefault(normalize(row["name"]), (row.get("month") or "", row["name"], row["summary"]))
    if len(found) > projects:  # every n-th, so that all of the alphabet is there
        kept = sorted(found)[:: len(found) // projects][:projects]
        found = {name: found[name] for name in kept}
    number = 0
    while len(found) < projects:
        word, end = WORDS[number % len(WORDS)], ENDS[number // len(WORDS) % len(ENDS)]
        name = f"{word}-{end}-{number}"
        found.setdefault(name, ("", name, f"A {word} for every {end}, number {number}."))
        number += 1
    return [(name, summary or "") for _, name, summary in sorted(found.values())]


def releases(project: Plenty) -> Iterator[tuple[str, list[PlentyFile]]]:
    """The versions of a project, oldest first, each with its files: an sdist and one wheel or many."""
    each = 2 if project.files <= 100 else 1 + len(TAGS)
    left, number = project.files, 0
    while left:
        version = f"{number // 100}.{number // 10 % 10}.{number % 10}"
        count = min(each, left)
        yield version, [_file(project, version, at, many=each > 2) for at in range(count)]
        left -= count
        number += 1


def _file(project: Plenty, version: str, at: int, *, many: bool) -> PlentyFile:
    stem = f"{project.name.replace('-', '_')}-{version}"
    if at == 0:
        filename, kind, python = f"{stem}.tar.gz", "sdist", "source"
    else:
        tag = TAGS[at - 1] if many else "py3-none-any"
        filename, kind, python = f"{stem}-{tag}.whl", "bdist_wheel", tag.partition("-")[0]
    return PlentyFile(filename, filename.lower(), kind, python, hashlib.sha256(filename.encode()).hexdigest())


def metadata_of(project: Plenty) -> tuple[str, list[str]]:
    """The core metadata as JSON, with `VERSION` where the version stands, and the classifiers in it."""
    first = len(project.name) % len(_CLASSIFIERS)
    classifiers = [_CLASSIFIERS[(first + step * 2) % len(_CLASSIFIERS)] for step in range(4)]
    values = {
        "metadata_version": "2.4",
        "name": project.display_name,
        "version": "VERSION",
        "summary": project.summary,
        "keywords": project.name.split("-"),
        "author_email": f"Somebody <{project.name}@example.org>",
        "license_expression": "MIT",
        "classifiers": classifiers,
        "requires_python": ">=3.9",
        "requires_dist": ["requests>=2", "click>=8", "rich; extra == 'pretty'"],
        "provides_extra": ["pretty"],
        "project_urls": [["Source", f"https://example.org/{project.name}"]],
    }
    return json.dumps(values), classifiers
