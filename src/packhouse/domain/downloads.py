# SPDX-License-Identifier: Apache-2.0
"""Downloads: who installs, as told by a `User-Agent`, and the numbers of a project made of daily counts.

Only a fixed set of installers and of Python versions is told apart, so that what strangers send can't make many rows.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

import orjson

MAX_AGENT = 2048
"""Characters of a `User-Agent` that are looked at; pip's are about 500 long."""
WINDOW = 30
"""Days that are shown, today among them."""
KEPT = 400
"""Days for which daily counts are kept."""
OTHER = "other"
BROWSER = "browser"

INSTALLERS = frozenset({
    "artifactory", "bandersnatch", "bazel", "conda", "curl", "dependabot", "devpi", "hatch", "mamba", "micromamba",
    "nexus", "pdm", "pex", "pip", "pipenv", "pixi", "poetry", "renovate", "requests", "rye", "setuptools", "uv", "wget",
})  # fmt: skip
"""The names that are kept, besides `browser` and `other`."""

_ALIASES = {
    "mozilla": BROWSER,
    "python-requests": "requests",
    "devpi-server": "devpi",
    "libcurl": "curl",
    "unearth": "pdm",
    "sonatype": "nexus",
    "renovatebot": "renovate",
}
_MINOR = re.compile(r"(2\.7|3\.[0-9]|3\.[1-4][0-9])(?![0-9])")
_TOLD = re.compile(r"(?:c?python|pypy|python-urllib|graalpy)[/ ](\d+\.\d+)(?![0-9])", re.ASCII)
_PRODUCT = re.compile(r"[a-z0-9_.-]+", re.ASCII)


class Agent(NamedTuple):
    """An installer's name, and the minor version of the Python it installs for ("3.12"), "" when it does not say."""

    installer: str
    python: str


def read_agent(header: str) -> Agent:
    """What a `User-Agent` tells; never raises, and answers only with what is on our lists.

    pip and uv send `name/version {JSON}`, of which `python` is read; others name an implementation, like
    `poetry/1.8.3 CPython/3.11.7`.
    """
    text = header[:MAX_AGENT].strip()
    found = _PRODUCT.match(text.lower())
    name = found[0] if found else ""
    name = _ALIASES.get(name, name)
    if name == BROWSER:
        return Agent(BROWSER, "")
    return Agent(name if name in INSTALLERS else OTHER, _python(text))


def _python(text: str) -> str:
    brace = text.find("{")
    said = _of_json(text[brace:]) if brace >= 0 else ""
    if not said:
        told = _TOLD.search(text.lower())
        said = told[1] if told else ""
    minor = _MINOR.match(said)
    return minor[1] if minor else ""


def _of_json(text: str) -> str:
    try:
        told = orjson.loads(text)
    except ValueError:
        return ""
    python = told.get("python") if isinstance(told, dict) else None
    return python if isinstance(python, str) else ""


class DayCount(NamedTuple):
    """How often files were downloaded on a day (UTC) by one installer for one Python."""

    day: date
    installer: str
    python: str
    number: int


@dataclass(frozen=True, slots=True)
class Downloads:
    """The downloads of a project, or of a whole index, in the `WINDOW` days that end with `today` (UTC).

    `days` has a number for each day, the oldest first; `installers` and `pythons` are (name, count), most first;
    `total` is what was ever counted, as far as it is known.
    """

    today: date
    days: tuple[int, ...]
    installers: tuple[tuple[str, int], ...] = ()
    pythons: tuple[tuple[str, int], ...] = ()
    total: int = 0

    @property
    def last_day(self) -> int:
        """Today so far."""
        return self.days[-1]

    @property
    def last_week(self) -> int:
        """Today and the six days before."""
        return sum(self.days[-7:])

    @property
    def last_month(self) -> int:
        """Today and the 29 days before."""
        return sum(self.days)

    @property
    def dated(self) -> tuple[tuple[date, int], ...]:
        """The days with their numbers, the oldest first."""
        first = first_day(self.today)
        return tuple((first + timedelta(days=place), count) for place, count in enumerate(self.days))


def first_day(today: date) -> date:
    """The first day of the window that ends today."""
    return today - timedelta(days=WINDOW - 1)


def gather(counts: Iterable[DayCount], today: date, total: int = 0) -> Downloads:
    """The numbers of a window, from the counts of its days; what lies outside is passed over."""
    days, installers, pythons = [0] * WINDOW, Counter[str](), Counter[str]()
    first = first_day(today)
    for day, installer, python, count in counts:
        place = (day - first).days
        if 0 <= place < WINDOW:
            days[place] += count
            installers[installer] += count
            pythons[python] += count
    return Downloads(today, tuple(days), _most_first(installers), _most_first(pythons), total)


def _most_first(counted: Counter[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counted.items(), key=lambda pair: (-pair[1], pair[0])))
