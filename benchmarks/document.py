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

from benchmarks.findings import Finding, Record, findings, middle, spelled
from benchmarks.others import servers_in
from benchmarks.plot import plot
from benchmarks.scene import NGINX, NODE, OURS
from benchmarks.sizes import Sizes

MARK = "<!-- Written by hand from here on; `make bench` leaves it alone. -->"
READING = ("page-html", "page-json", "page-big", "not-modified", "not-found", "metadata", "file")
ABOUT_OTHERS = (
    "Requests a second, and microseconds of processor time for each; the same wheels, one processor each, one after the"
    " other on the same machine. Nothing where there is no such answer. pypiron's uploads are not yet visible when they"
    " are answered."
)
HOW = Path(__file__).with_name("repeat.md")


def write_document(target: Path, records: list[Record], sizes: Sizes) -> None:
    """Write the page, and the plot beside it with the same name, keeping what was written by hand."""
    found = findings(records)
    target.parent.mkdir(parents=True, exist_ok=True)
    by_hand = target.read_text(encoding="utf-8").partition(MARK)[2] if target.exists() else "\n"
    picture = target.with_suffix(".svg")
    picture.write_text(plot(found), encoding="utf-8")
    generated = "\n".join([_heading(picture.name), table(found), _costs(records), beside_others(records), _how(sizes)])
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
    limit = spelled(budget.limit, "" if budget.beside else budget.unit)
    word = "at least" if budget.at_least else "at most"
    if finding.beside is None:
        beside, ratio = "", ""
    else:
        beside = f"{budget.beside} {spelled(finding.beside, budget.unit)}"
        ratio = f"{finding.figure:.2f} ({finding.low:.2f} to {finding.high:.2f})"
    met = "yes" if finding.met else "**no**"
    return f"| {budget.label} | {ours} | {beside} | {ratio} | {word} {limit} | {met} |"


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
        tree=sizes.tree,
        connections="32 connections, 4 for the large file",
    )
