# SPDX-License-Identifier: Apache-2.0
"""Processes as /proc shows them: who belongs to whom, what they cost; and on which processor they run."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SERVER_CPU = 0
LOAD_CPU = 1
TICK = 1_000_000 / os.sysconf("SC_CLK_TCK")
"""Microseconds."""


@contextmanager
def pinned(processor: int) -> Iterator[None]:
    """Whatever is started meanwhile stays on one processor (on a machine that has it)."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {processor} & before or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def children(process: int) -> list[int]:
    """The processes that one has started and that still run."""
    found: list[int] = []
    for file in _tasks(process, "children"):
        with suppress(OSError):
            found.extend(int(word) for word in file.read_text().split())
    return found


def _tasks(process: int, name: str) -> list[Path]:
    """A file of each thread of a process; none when the process has ended."""
    with suppress(OSError):
        return list(Path(f"/proc/{process}/task").glob(f"*/{name}"))
    return []


def tree(process: int) -> list[int]:
    """A process and all below it."""
    return [process, *(p for child in children(process) for p in tree(child))]


def cpu_time(process: int) -> float:
    """Microseconds of processor time, user and system, of a whole tree so far."""
    return sum(_ticks(p) for p in tree(process)) * TICK


def cpu_nanoseconds(process: int) -> int:
    """The same in nanoseconds, as the scheduler counts it, of those that still run: for a single request."""
    return sum(_scheduled(p) for p in tree(process))


def _scheduled(process: int) -> int:
    total = 0
    for file in _tasks(process, "schedstat"):
        with suppress(OSError):
            total += int(file.read_text().split()[0])
    return total


def _ticks(process: int) -> int:
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])


def memory(process: int) -> int:
    """Bytes of a whole tree: its proportional set size (PSS), where what is shared counts once."""
    return sum(_pss(p) for p in tree(process))


@contextmanager
def watched(process: int) -> Iterator[list[int]]:
    """The most memory of a whole tree meanwhile, as the one item of the list: looked at five times a second."""
    most, over = [memory(process)], threading.Event()

    def look() -> None:
        while not over.wait(0.2):
            most[0] = max(most[0], memory(process))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield most
    finally:
        over.set()
        looking.join()


def _pss(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
