# SPDX-License-Identifier: Apache-2.0
"""How much of everything a run makes and measures."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """Sizes in bytes, times in seconds."""

    projects: int = 60
    releases: int = 10
    big: int = 1000  # files of the one large project
    fat: int = 5_000_000  # the wheel whose download is measured
    tree: int = 60  # projects that one install brings
    tree_file: int = 100_000  # at most, of each of their wheels
    rounds: int = 3
    seconds: float = 4.0  # of load per case, server and round
    warm: float = 1.0
    uploads: int = 200  # small wheels per round
    large: int = 50_000_000
    large_uploads: int = 3  # per round
    installs: int = 5
    starts: int = 5
    idle: float = 3.0  # before memory is read
    at_once: int = 10  # installations
    together: int = 3  # rounds of them
    huge: int = 1_000_000_000
    pairs: int = 2000  # of an upload and the read after it
    plenty: int = 1000  # projects of the folder that is filled when none is given
    largest: int = 43_145  # files of its largest one
    pulled: int = 50_000_000  # the file that is pulled through
    pulls: int = 5
    link: int = 100_000_000  # bytes a second that the simulated upstream sends
    crowd: int = 1000  # clients that want one file at once
    root: int = 800_000  # projects from which its root index is measured


TINY = Sizes(
    projects=2,
    releases=2,
    big=5,
    fat=300_000,
    tree=3,
    tree_file=2_000,
    rounds=1,
    seconds=1.0,
    warm=0.0,
    uploads=4,
    large=1_000_000,
    large_uploads=1,
    installs=1,
    starts=1,
    idle=0.1,
    at_once=2,
    together=1,
    huge=3_000_000,
    pairs=8,
    plenty=3,
    largest=30,
    pulled=2_000_000,
    pulls=1,
    crowd=10,
    root=0,
)
