# SPDX-License-Identifier: Apache-2.0
"""The document a run writes. What stands below its mark is written by hand and kept."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.infra.nginx import program

from benchmarks.findings import Budget, Finding, Record, findings, middle, spelled
from benchmarks.others import servers_in
from benchmarks.plot import plot
from benchmarks.scene import NGINX, NODE, OURS, TWO
from benchmarks.sizes import Sizes

MARK = "<!-- Written by hand from here on; `make bench` leaves it alone. -->"
READING = ("page-html", "page-json", "page-big", "not-modified", "not-found", "metadata", "file", "range")
ABOUT_OTHERS = (
    "Requests a second, and microseconds of processor time for each; the same wheels, one processor each, one after the"
    " other on the same machine. Nothing where there is no such answer. pypiron's uploads are not yet visible when they"
    " are answered."
)
ABOUT_TWO = (
    "With one worker on one processor, and with two on all of them, which they share with the load; `fresh` is an"
    " upload and the read after it, by 4 clients:"
)
HOW = Path(__file__).with_name("repeat.md")


def write_document(target: Path, records: list[Record], sizes: Sizes) -> None:
    """Write the page, and the plot beside it with the same name, keeping what was written by hand."""
    found = findings(records)
    target.parent.mkdir(parents=True, exist_ok=True)
    by_hand = target.read_text(encoding="utf-8").partition(MARK)[2] if target.exists() else "\n"
    picture = target.with_suffix(".svg")
    picture.write_text(plot(found), encoding="utf-8")
    parts = [table(found), _skipped(records), _costs(records), with_two_workers(records), beside_others(records)]
    generated = "\n".join([_heading(picture.name), *filter(None, parts), _how(sizes)])
    target.write_text(f"{generated}\n{MARK}{by_hand}", encoding="utf-8")


def _heading(picture: str) -> str:
    today = datetime.now(UTC).strftime("%d %B %Y")
    return (
        f"# Performance\n\nMeasured on {today} beside nginx, in the same run on the same machine: {machine()}. "
        "The figures are medians; what counts are the ratios.\n\n"
        f"![Ratios to nginx and the loop, with a line at each budget]({picture})\n"
    )


def machine() -> str:
    """The machine and the programs that matter, in a line."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    versions = [f"Linux {platform.release().split('-')[0]}", f"Python {platform.python_version()}", _nginx_version()]
    processors = f"{os.cpu_count()} processors ({model[1] if model else platform.machine()})"
    return f"{processors}, {', '.join(versions)}, load {os.getloadavg()[2]:.1f} over the last 15 minutes"


def _nginx_version() -> str:
    done = subprocess.run([program() or "nginx", "-v"], capture_output=True, text=True, check=False)
    return done.stderr.strip().removeprefix("nginx version: ").replace("/", " ")


def table(found: Sequence[Finding]) -> str:
    """The figures and what they are held against."""
    lines = [
        "| what | Packhouse | beside it | ratio (lowest to highest) | budget | met |",
        "|---|---:|---:|---:|---:|---|",
        *(_row(finding) for finding in found),
    ]
    return "\n".join(lines) + "\n"


def _row(finding: Finding) -> str:
    budget = finding.budget
    ours = spelled(finding.ours, budget.unit)
    limit = _limit(budget)
    if finding.beside is None:
        beside, ratio = "", ""
    else:
        beside = f"{budget.beside} {spelled(finding.beside, budget.unit)}"
        ratio = f"{finding.figure:.2f} ({finding.low:.2f} to {finding.high:.2f})"
    met = "" if budget.limit is None else "yes" if finding.met else "**no**"
    return f"| {budget.label} | {ours} | {beside} | {ratio} | {limit} | {met} |"


def _limit(budget: Budget) -> str:
    if budget.limit is None:
        return ""
    word = "at least" if budget.at_least else "at most"
    return f"{word} {spelled(budget.limit, '' if budget.beside else budget.unit)}"


def _skipped(records: list[Record]) -> str:
    """What was left out, and why."""
    left_out = dict.fromkeys(f"`{record['case']}` ({record['skipped']})" for record in records if "skipped" in record)
    return f"Not measured in this run: {', '.join(left_out)}.\n" if left_out else ""


def _costs(records: list[Record]) -> str:
    """Processor time and delay of the reading cases."""
    lines = [
        "Processor time of the whole server per request (what else the machine does hardly touches it) and delays:\n",
        "| case | Packhouse | a reading node | nginx | 50th and 99th percentile | the node's | nginx's |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for case in READING:
        cells = [_microseconds(records, case, server) for server in (OURS, NODE, NGINX)]
        cells += [_delays(records, case, server) for server in (OURS, NODE, NGINX)]
        lines.append(f"| {case} | {' | '.join(cells)} |")
    small = middle(records, "upload-small", OURS, "cpu_us")
    tail = (
        "" if small is None else f"\nA small upload costs {small / 1000:.1f} ms of processor time in all processes.\n"
    )
    return "\n".join(lines) + "\n" + tail


def with_two_workers(records: list[Record]) -> str:
    """What two workers on all processors do, beside one on one processor."""
    rows = [(case, "rate", " /s") for case in (*READING, "upload-small", "fresh")]
    rows += [("install", "seconds", " s"), ("install-ten", "seconds", " s"), ("memory-load", "bytes", " MB")]
    lines = []
    for case, key, unit in rows:
        one, two = (middle(records, case, server, key) for server in (OURS, TWO))
        if one is not None and two is not None:
            scale = 1e6 if key == "bytes" else 1
            lines.append(f"| {case} | {_figure(one / scale, unit)} | {_figure(two / scale, unit)} |")
    if not lines:
        return ""
    stale = middle(records, "fresh", TWO, "stale")
    tail = "" if stale is None else f"\nStale answers right after publishing, with two workers: {stale:.0f}.\n"
    heading = f"{ABOUT_TWO}\n\n| case | one worker | two workers |\n|---|---:|---:|\n"
    return heading + "\n".join(lines) + "\n" + tail


def beside_others(records: list[Record]) -> str:
    """What other indexes answer in the same run: requests a second, and processor time for each."""
    servers = servers_in(records)
    if not servers:
        return ""
    columns = [NGINX, OURS, NODE, *servers]
    lines = [
        "## Beside other indexes\n",
        f"{ABOUT_OTHERS}\n",
        f"| case | {' | '.join(columns)} |",
        f"|---|{'---:|' * len(columns)}",
    ]
    lines += [
        f"| {case} | {' | '.join(_rate_and_cost(records, case, server) for server in columns)} |" for case in READING
    ]
    for case, unit in (("upload-small", " /s"), ("install", " s")):
        key = "rate" if unit == " /s" else "seconds"
        cells = [_figure(middle(records, case, server, key), unit) for server in columns]
        lines.append(f"| {case} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _rate_and_cost(records: list[Record], case: str, server: str) -> str:
    rate, cost = (middle(records, case, server, key) for key in ("rate", "cpu_us"))
    return "" if rate is None or cost is None else f"{rate:,.0f} ({cost:,.1f})"


def _figure(value: float | None, unit: str) -> str:
    return "" if value is None else f"{value:,.2f}{unit}" if unit == " s" else f"{value:,.0f}{unit}"


def _microseconds(records: list[Record], case: str, server: str) -> str:
    cost = middle(records, case, server, "cpu_us")
    return "" if cost is None else f"{cost:,.1f} µs"


def _delays(records: list[Record], case: str, server: str) -> str:
    found = [middle(records, case, server, key) for key in ("p50_ms", "p99_ms")]
    known = ", ".join(f"{value:.2f}" for value in found if value is not None)
    return known and f"{known} ms"


def _how(sizes: Sizes) -> str:
    return HOW.read_text(encoding="utf-8").format(
        small=sizes.projects,
        releases=sizes.releases,
        big=sizes.big,
        fat=sizes.fat / 1e6,
        link=sizes.link / 1e6,
        tree=sizes.tree,
        plenty=sizes.plenty,
        connections="32 connections, 4 for the large file",
    )
