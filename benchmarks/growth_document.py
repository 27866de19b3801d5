# SPDX-License-Identifier: Apache-2.0
"""The tables of docs/growth.md. What stands above and below their marks is written by hand and kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.document import machine

BEGIN = "<!-- Written by `python -m benchmarks.growing --write` from here on. -->"
END = "<!-- Written by hand from here on. -->"
WITHIN = 1.5
FEW_MS = 0.5
"""Differences of processor time up to which are not told from noise."""
WHOLE = frozenset(
    {
        "root page, first", "root page after an upload, current", "root page, JSON in gzip",
        "root page, HTML in gzip", "root page, JSON as it is", "list_packages_with_serial",
    }
)  # fmt: skip
"""What names all projects: compared by project."""
Record = Mapping[str, Any]


def write_document(target: Path, records: Sequence[Record]) -> None:
    """Put the tables in place of those that are there."""
    text = target.read_text(encoding="utf-8")
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    target.write_text(f"{before}{BEGIN}\n\n{tables(records)}\n{END}{after}", encoding="utf-8")


def tables(records: Sequence[Record]) -> str:
    """All that was measured, the smallest server first."""
    measured = [record for record in records if "figures" in record]
    today = datetime.now(UTC).strftime("%d %B %Y")
    parts = [f"Measured on {today}: {machine()}.\n", *_of_servers(measured), *_of_requests(measured), *_kept(records)]
    return "\n".join(parts)


def _of_servers(records: Sequence[Record]) -> Iterator[str]:
    yield from _heading("the server", [f"{one['projects']:,} projects" for one in records])
    rows: dict[str, Callable[[Record], str]] = {
        "files": lambda one: f"{one['files']:,}",
        "start to first answer, s": lambda one: f"{one['start_s']:.2f}",
        "idle memory, MB": lambda one: f"{one['idle_bytes'] / 1e6:.0f}",
        "memory after all of this, MB": lambda one: f"{one['after_bytes'] / 1e6:.0f}",
        "`catalogue.db`, MB": lambda one: f"{one['database_bytes']['catalogue.db'] / 1e6:,.0f}",
        "`activity.db`, MB": lambda one: f"{one['database_bytes']['activity.db'] / 1e6:,.0f}",
        "bytes of both for each file": lambda one: f"{sum(one['database_bytes'].values()) / one['files']:,.0f}",
    }
    for what, spell in rows.items():
        yield f"| {what} | {' | '.join(spell(one) for one in records)} |"
    yield ""


def _of_requests(records: Sequence[Record]) -> Iterator[str]:
    yield (
        "Milliseconds of processor time of all processes of the server (median), how the largest compares with the"
        " smallest, and what passed (median and 99th percentile) on the largest:\n"
    )
    names = [f"{one['projects']:,}" for one in records]
    yield from _heading("what", [*names, "ratio", f"within {WITHIN}", f"passed, {names[-1]}"])
    for what in records[-1]["figures"]:
        found = [one["figures"].get(what) for one in records]
        yield f"| {what} | {' | '.join(_cpu(one) for one in found)} | {_compared(what, found, records)} |"
    yield ""


def _compared(what: str, found: Sequence[Record | None], records: Sequence[Record]) -> str:
    """The cells behind the figures."""
    first, last = found[0], found[-1]
    if first is None or last is None:
        return " | | "
    passed = f"{last['median_ms']:,.1f}, {last['p99_ms']:,.1f}"
    ratio = last["cpu_ms"] / first["cpu_ms"]
    if what in WHOLE:
        each = ratio * records[0]["projects"] / records[-1]["projects"]
        return f"{each:.3f} by project | {_word(each <= WITHIN)} | {passed}"
    near = last["cpu_ms"] - first["cpu_ms"] <= FEW_MS
    return f"{ratio:.2f} | {_word(ratio <= WITHIN or near)} | {passed}"


def _word(within: bool) -> str:
    return "yes" if within else "**no**"


def _cpu(figure: Record | None) -> str:
    return "" if figure is None else f"{figure['cpu_ms']:,.2f}"


def _kept(records: Sequence[Record]) -> Iterator[str]:
    """What grows with the files, by file."""
    done = [one for one in records if "keeping" in one]
    if not done:
        return
    yield "Microseconds of processor time for each file (and seconds in all), without reading stored files:\n"
    yield from _heading("what", [f"{one['files']:,} files" for one in done])
    for what in done[-1]["keeping"]:
        cells = (_each(one["keeping"][what], one["files"]) for one in done)
        yield f"| {what} | {' | '.join(cells)} |"
    yield ""


def _each(figure: Record, files: int) -> str:
    return f"{1e6 * figure['cpu_s'] / files:,.1f} ({figure['passed_s']:,.1f} s)"


def _heading(first: str, columns: Sequence[str]) -> Iterator[str]:
    yield f"| {first} | {' | '.join(columns)} |"
    yield f"|---|{'---:|' * len(columns)}"
