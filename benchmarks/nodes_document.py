# SPDX-License-Identifier: Apache-2.0
"""The page that `benchmarks.nodes` writes, and its plot. What stands below the mark is written by hand and kept."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

from benchmarks.document import machine
from benchmarks.plot import STYLE

MARK = "<!-- Written by hand from here on; `python -m benchmarks.nodes` leaves it alone. -->"
COSTS = (
    "page, warm", "304, warm", "page, cold", "JSON document", "project page", "search", "file, warm",
    "file, no copy here", "file, redirected to the bucket", "upload, small",
)  # fmt: skip
TOGETHER = {"page together": "page, warm", "file together": "file of 1 MB, warm", "upload together": "upload, small"}
PARTS = ("node", "database", "bucket", "worker")
COLOURS = {"node": "#2f6f9f", "database": "#b4562b", "bucket": "#5b8c3a", "worker": "#8a6fb0"}
ROW, LEFT, WIDTH, RIGHT = 40, 230, 420, 70

Record = dict[str, Any]


def write_document(target: Path, records: Sequence[Record]) -> None:
    """Write the page, and the plot beside it."""
    by_hand = target.read_text(encoding="utf-8").partition(MARK)[2] if target.exists() else "\n"
    picture = target.with_suffix(".svg")
    picture.write_text(plot(records), encoding="utf-8")
    lines = [*_heading(picture.name), *_costs(records), *_together(records)]
    target.write_text("\n".join(lines) + f"\n{MARK}{by_hand}", encoding="utf-8")


def _of(records: Sequence[Record], case: str, nodes: int | None = None) -> list[Record]:
    return [one for one in records if one["case"] == case and (nodes is None or one["nodes"] == nodes)]


def middle(records: Sequence[Record], case: str, part: str) -> float:
    """Microseconds that a request of a case costs a part: the median of all rounds."""
    return float(statistics.median(one["spent"].get(part, 0.0) for one in _of(records, case)))


def _heading(picture: str) -> Iterator[str]:
    today = datetime.now(UTC).strftime("%d %B %Y")
    yield f"# Growth by servers\n\nMeasured on {today}: {machine()}.\n"
    yield "What a request costs each part of the set-up of [Running Packhouse for a company](running-for-a-company.md):"
    yield "a server (`--role origin`, one worker process), PostgreSQL (with fsync), a bucket (SeaweedFS), and a server"
    yield "with `--role worker`. Statements are those of `pg_stat_statements` without begin, commit and the like, and"
    yield "requests to the bucket those that a proxy before it counted; what goes on without requests is taken off."
    yield "Microseconds of processor time are medians.\n"
    yield f"![Microseconds of processor time of each part for one request]({picture})\n"


def _costs(records: Sequence[Record]) -> Iterator[str]:
    yield "| request | server, us | PostgreSQL, us | bucket, us | worker, us | statements | requests to the bucket |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for case in COSTS:
        found = _of(records, case)
        if found:
            cells = [f"{middle(records, case, part):,.0f}" for part in PARTS]
            counts = [f"{statistics.median(one[name] for one in found):.1f}" for name in _COUNTS]
            yield f"| {case} | {' | '.join([*cells, *counts])} |"
    yield ""


_COUNTS = ("statements", "bucket_requests")


def _together(records: Sequence[Record]) -> Iterator[str]:
    if not any(_of(records, case) for case in TOGETHER):
        return
    yield "## One, two and three servers\n"
    yield "All parts and the load share the processors of one machine, so the throughput can't grow by servers here: it"
    yield "is the machine's. What shows whether it would on machines of their own is the processor time for each"
    yield "request: as long as that stays, two servers do twice as much, until what all share has no processor left."
    yield "*Busy* is the share of all processors that a part had, the rest being the load's and the system's.\n"
    columns = "server, us | PostgreSQL, us | bucket, us | busy: servers, PostgreSQL, bucket"
    yield f"| request | servers | requests/s | beside one | {columns} |"
    yield "|---|---:|---:|---:|---:|---:|---:|---|"
    for case, label in TOGETHER.items():
        first = _rate(_of(records, case, 1))
        for nodes in (1, 2, 3):
            found = _of(records, case, nodes)
            if found:
                yield _line(label, nodes, found, first)
    yield ""
    yield from _ceilings(records)


def _rate(found: Sequence[Record]) -> float:
    return statistics.median(one["requests"] / one["passed"] for one in found) if found else 0.0


def _line(label: str, nodes: int, found: Sequence[Record], first: float) -> str:
    rate = _rate(found)
    spent = {part: statistics.median(one["spent"][part] for one in found) for part in ("node", "database", "bucket")}
    busy = ", ".join(f"{micro * rate / 1e6 / _processors():.0%}" for micro in spent.values())
    ratio = f"{rate / first:.2f}" if first else ""
    cells = [f"{micro:,.0f}" for micro in spent.values()]
    return f"| {label} | {nodes} | {rate:,.0f} | {ratio} | {' | '.join(cells)} | {busy} |"


def _processors() -> int:
    import os

    return os.cpu_count() or 1


def _ceilings(records: Sequence[Record]) -> Iterator[str]:
    """How far it goes: what one processor of each part carries."""
    yield "What follows: how many requests a second one processor of a part carries, and so how many server processors"
    yield "one processor of PostgreSQL feeds before it is what limits.\n"
    columns = "one processor of a server | one processor of PostgreSQL | server processors for one of PostgreSQL"
    yield f"| request | {columns} |"
    yield "|---|---:|---:|---:|"
    for case, label in TOGETHER.items():
        found = _of(records, case)
        if not found:
            continue
        node, database = middle(records, case, "node"), middle(records, case, "database")
        carried = "no limit seen" if database < 0.5 else f"{1e6 / database:,.0f}"
        ratio = "no limit seen" if database < 0.5 else f"{node / database:.1f}"
        yield f"| {label} | {1e6 / max(node, 1):,.0f} | {carried} | {ratio} |"
    yield ""


def plot(records: Sequence[Record]) -> str:
    """Bars of each case, a part each, on a scale of powers of ten."""
    cases = [case for case in COSTS if _of(records, case)]
    most = max([10.0, *(middle(records, case, part) for case in cases for part in PARTS)])
    scale = WIDTH / math.log10(most)
    height = (len(cases) + 1) * ROW
    legend = "".join(
        f'<rect x="{LEFT + 110 * number}" y="6" width="12" height="12" fill="{COLOURS[part]}"/>'
        f'<text x="{LEFT + 110 * number + 18}" y="17">{part}</text>'
        for number, part in enumerate(PARTS)
    )
    bars = "".join(_bars(records, case, (number + 1) * ROW, scale) for number, case in enumerate(cases))
    width = LEFT + WIDTH + RIGHT
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        f' role="img" aria-label="Microseconds of processor time of each part for one request"><style>{STYLE}'
        f" .small {{ font-size: 10px }}</style>{legend}{bars}</svg>\n"
    )


def _bars(records: Sequence[Record], case: str, top: int, scale: float) -> str:
    lines = [f'<text x="{LEFT - 10}" y="{top + 20}" text-anchor="end">{escape(case)}</text>']
    for number, part in enumerate(PARTS):
        micro = middle(records, case, part)
        if micro < 1:
            continue
        length = max(1.0, math.log10(micro) * scale)
        y = top + 2 + number * 9
        lines.append(
            f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="8" fill="{COLOURS[part]}"/>'
            f'<text class="small" x="{LEFT + length + 5:.1f}" y="{y + 8}">{micro:,.0f}</text>'
        )
    return "".join(lines) + "\n"
