# SPDX-License-Identifier: Apache-2.0
"""`make crash-test`: many kills and power cuts, side by side in folders of their own, and their figures.

    python -m tests.crash [--trials 500] [--cuts 50] [--nodes 45] [--jobs 2] [--minutes M] [--seed S] [--write]

`--nodes` are trials of three servers behind a load balancer, one after the other. Each part ends after `--minutes`.
Exits 1 when anything acknowledged was lost, anything was half visible, or anything else was wrong. With `--write` rows
for this commit go into docs/durability.md.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.crash.figures import DOCUMENT, add_nodes, add_row, row
from tests.crash.node_trials import NodeFigures, run_nodes
from tests.crash.powercut import Outcome, compiler, record, replay
from tests.crash.trial import POINTS, Figures, run_job


def run(count: int, jobs: int, seed: int, seconds: float) -> Figures:
    """All trials, divided among so many processes."""
    together = Figures()
    with tempfile.TemporaryDirectory(prefix="packhouse-crash-") as folder:
        shares = [count // jobs + (number < count % jobs) for number in range(jobs)]
        work = [(f"{folder}/{n}", share, seed + n, seconds) for n, share in enumerate(shares) if share]
        with multiprocessing.get_context("spawn").Pool(len(work)) as pool:
            for figures in pool.starmap(run_job, work):
                together.join(figures)
    return together


def cut(count: int, seed: int) -> Outcome:
    """Power cuts at so many moments of one recording."""
    if not count or compiler() is None:
        return Outcome()
    with tempfile.TemporaryDirectory(prefix="packhouse-power-") as folder:
        recording = record(Path(folder), 4.0, seed)
        chance = random.Random(seed)
        return replay(recording, recording.cuts(count, chance), Path(folder), chance)


def report(figures: Figures, cuts: Outcome) -> str:
    """The figures as text."""
    names = [*POINTS, "s16", "random", "start"]
    by_point = "  ".join(f"{name}:{figures.trials[name]}" for name in names if figures.trials[name])
    missed = "  ".join(f"{name}:{count}" for name, count in figures.missed.items()) or "none"
    return "\n".join(
        [
            f"{figures.trials.total()} kill trials: {by_point}",
            f"killed without having come to the step in time: {missed}",
            f"acknowledged: {figures.acknowledged} (lost: {len(figures.lost)}, half visible: {len(figures.half)})",
            f"unanswered uploads: {figures.appeared} had happened wholly, {figures.absent} not at all",
            f"longest start to ready after a kill: {figures.longest:.1f} s; later than 10 s: {figures.late}",
            f"anything else wrong: {len(figures.wrong)}",
            *figures.faults()[:50],
            f"{cuts.cuts} power cuts, {cuts.answers} answers looked for after them; wrong: {len(cuts.wrong)}",
            *cuts.wrong[:50],
        ]
    )


def row_of(figures: Figures, cuts: Outcome) -> str:
    """A row of the table of runs."""
    return row(
        figures.trials.total(),
        cuts.cuts,
        figures.acknowledged,
        len(figures.lost),
        len(figures.half),
        len(figures.wrong) + len(cuts.wrong),
        f"{figures.longest:.1f} s",
    )


def report_nodes(found: dict[str, NodeFigures]) -> str:
    """The figures of three nodes as text."""
    lines = []
    for fault, figures in found.items():
        lines.append(
            f"{figures.trials} times {fault}: {figures.answers} answers (lost: {len(figures.lost)}, half visible:"
            f" {len(figures.half)}, wrong: {len(figures.wrong)}), {figures.again} uploads sent again,"
            f" {figures.unread} of {figures.reads} readings refused, well again after {figures.longest:.1f} s at most"
        )
        lines += figures.faults()[:20]
    return "\n".join(lines)


def main() -> int:
    """Run, print, write."""
    parser = argparse.ArgumentParser(prog="make crash-test")
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--cuts", type=int, default=50)
    parser.add_argument("--nodes", type=int, default=45)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=24 * 60.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    figures = run(options.trials, options.jobs, options.seed, options.minutes * 60) if options.trials else Figures()
    cuts = cut(options.cuts, options.seed)
    if options.trials or options.cuts:
        print(report(figures, cuts))
        print(row_of(figures, cuts), end="", flush=True)
    nodes = run_nodes(options.nodes, options.seed, time.monotonic() + options.minutes * 60)
    print(report_nodes(nodes))
    if options.write:
        text = DOCUMENT.read_text(encoding="utf-8")
        text = add_row(text, row_of(figures, cuts)) if options.trials or options.cuts else text
        DOCUMENT.write_text(add_nodes(text, nodes), encoding="utf-8")
    return 1 if figures.faults() or cuts.wrong or any(one.faults() for one in nodes.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
