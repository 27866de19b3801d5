# SPDX-License-Identifier: Apache-2.0
"""From a run's JSON lines to figures: medians, ratios and whether the budget is met."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.pulling import UPSTREAM
from benchmarks.scene import NGINX, OURS
from benchmarks.uploads import LOOP

Record = dict[str, Any]


@dataclass(frozen=True)
class Budget:
    """What a case must reach (DESIGN.md, section 7). The figure is ours, or with `beside` its ratio to that server.

    Without a limit it is told and held against nothing.
    """

    case: str
    label: str
    limit: float | None
    unit: str
    key: str = "rate"
    beside: str = ""
    at_least: bool = True

    def met(self, figure: float) -> bool:
        """Whether a figure is within the budget."""
        if self.limit is None:
            return True
        return figure >= self.limit if self.at_least else figure <= self.limit


def reading(case: str, label: str, limit: float | None) -> Budget:
    """A case of requests a second as a ratio to nginx."""
    return Budget(case, label, limit, "requests/s", beside=NGINX)


BUDGETS = (
    reading("page-html", "small project page, HTML", 0.40),
    reading("page-json", "small project page, JSON", 0.40),
    Budget("page-html", "the same, 99th percentile", 8, "ms", "p99_ms", at_least=False),
    reading("page-big", "page of the large project, JSON", 0.45),
    reading("not-modified", "304 on a page", 0.36),
    reading("not-found", "404", 0.36),
    reading("metadata", "`.metadata` of a wheel", 0.25),
    reading("file", "5 MB file", 0.9),
    reading("range", "64 KB of that file", None),
    reading("page-huge", "page of 43,145 files, JSON", None),
    Budget("root", "root index of 886,000 projects, JSON", 100, "requests/s"),
    Budget("search", "search for an exact name, 99th percentile", 50, "ms", "p99_ms", at_least=False),
    Budget("search-slip", "search for a name with a slip, 99th percentile", 50, "ms", "p99_ms", at_least=False),
    Budget("upload-small", "uploads of small wheels, one connection", 200, "uploads/s"),
    Budget("upload-large", "upload of a 50 MB wheel, beside the loop", 0.6, "MB/s", beside=LOOP),
    Budget("upload-huge", "upload of a 1 GB wheel, beside the loop", None, "MB/s", beside=LOOP),
    Budget("upload-huge", "memory above idle meanwhile", 64e6, "bytes", "grown", at_least=False),
    Budget("fresh", "read right after publishing, by 4 clients: stale", 0, "answers", "stale", at_least=False),
    Budget("install", "`uv pip install` of 60 projects, cold", 1.05, "s", "seconds", NGINX, at_least=False),
    Budget("install-ten", "the same, 10 at once", None, "s", "seconds", NGINX, at_least=False),
    Budget(
        "pull", "cold 50 MB file pulled through, over a link of 100 MB/s", 1.1, "s", "seconds", UPSTREAM, at_least=False
    ),
    Budget("pull", "the same, until the first byte, of the time of all", 0.9, "", "first_share", at_least=False),
    Budget("pull-crowd", "upstream fetches for 1,000 clients at once", 1, "fetches", "fetches", at_least=False),
    Budget("start", "start to first page, existing folder", 1.5, "s", "seconds", at_least=False),
    Budget("memory", "idle memory (PSS), all processes", 150e6, "bytes", "bytes", at_least=False),
    Budget("memory-load", "the same at most, 64 connections reading, one publishing", None, "bytes", "bytes"),
)


@dataclass(frozen=True)
class Finding:
    """What a run says of a budget: medians over the rounds; `figure` is what is held against the limit."""

    budget: Budget
    ours: float
    beside: float | None
    figure: float
    low: float
    high: float

    @property
    def met(self) -> bool:
        """Whether the budget is met."""
        return self.budget.met(self.figure)


def read_records(file: Path) -> list[Record]:
    """A run's findings, in the order they were made."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def findings(records: list[Record]) -> list[Finding]:
    """One per budget that was measured."""
    return [found for budget in BUDGETS if (found := _finding(budget, records)) is not None]


def _finding(budget: Budget, records: list[Record]) -> Finding | None:
    ours = values(records, budget.case, OURS, budget.key)
    if not ours:
        return None
    if not budget.beside:
        return Finding(budget, median(ours), None, median(ours), min(ours), max(ours))
    other = values(records, budget.case, budget.beside, budget.key)
    ratios = [a / b for a, b in zip(ours, other, strict=False)]  # of the same round: the machine was the same
    return Finding(budget, median(ours), median(other), median(ratios), min(ratios), max(ratios))


def values(records: Iterable[Record], case: str, server: str, key: str) -> list[float]:
    """What was found for a case of a server, round by round."""
    return [float(r[key]) for r in records if r["case"] == case and r["server"] == server and key in r]


def middle(records: list[Record], case: str, server: str, key: str) -> float | None:
    """The median of what was found, if anything was."""
    found = values(records, case, server, key)
    return median(found) if found else None


def spelled(value: float, unit: str) -> str:
    """A figure with as many digits as mean something."""
    if unit == "bytes":
        return f"{value / 1e6:.0f} MB"
    digits, name = {"": (2, ""), "s": (2, " s"), "ms": (1, " ms")}.get(unit, (0, f" {unit}"))
    return f"{value:,.{digits}f}{name}"
