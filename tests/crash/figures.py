# SPDX-License-Identifier: Apache-2.0
"""Tables of runs in docs/durability.md: a row is added, or added to, above a mark."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

from tests.crash.node_trials import NodeFigures

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs/durability.md"
MARK = "<!-- rows of make crash-test --write go above this line -->\n"
NODES_MARK = "<!-- rows of three nodes go above this line -->\n"


def commit() -> str:
    """The commit of this tree, short."""
    done = subprocess.run(["git", "rev-parse", "--short=7", "HEAD"], cwd=ROOT, capture_output=True, check=False)
    return done.stdout.decode().strip() or "unknown"


def row(*cells: object) -> str:
    """A line of a table that begins with this commit and today."""
    return "| " + " | ".join(map(str, [commit(), f"{datetime.now(UTC):%Y-%m-%d}", *cells])) + " |\n"


def add_row(text: str, line: str) -> str:
    """The document with one more row of kill trials."""
    assert text.count(MARK) == 1
    return text.replace(MARK, line + MARK)


def add_nodes(text: str, found: dict[str, NodeFigures]) -> str:
    """The document with the figures of three nodes; what the same commit had on the same day is added up."""
    assert text.count(NODES_MARK) == 1
    for fault, figures in found.items():
        if not figures.trials:
            continue
        first = row(fault).removesuffix("\n")
        old = next((line for line in text.splitlines(keepends=True) if line.startswith(first)), "")
        cells = [cell.strip() for cell in old.removeprefix(first).strip("|\n ").split("|")] if old else []
        numbers = [
            before + now for before, now in zip(map(_number, cells[:-1] or ["0"] * 7), _counted(figures), strict=True)
        ]
        longest = max(figures.longest, float(cells[-1].removesuffix(" s")) if cells else 0.0)
        line = row(fault, *(f"{number:,}" for number in numbers), f"{longest:.1f} s")
        text = text.replace(old, line) if old else text.replace(NODES_MARK, line + NODES_MARK)
    return text


def _number(cell: str) -> int:
    return int(cell.replace(",", ""))


def _counted(figures: NodeFigures) -> list[int]:
    wrong = (len(figures.lost), len(figures.half), len(figures.wrong))
    return [figures.trials, figures.answers, *wrong, figures.again, figures.unread]
