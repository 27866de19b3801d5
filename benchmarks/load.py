# SPDX-License-Identifier: Apache-2.0
"""Requests by wrk, and the CPU time that a server's processes spent on them."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
UNITS = {"us": 1.0, "ms": 1e3, "s": 1e6}


@dataclass(frozen=True)
class Measured:
    """One run: requests a second, 99th percentile in milliseconds, CPU microseconds a request, failed requests."""

    rate: float
    worst: float
    cpu: float
    failed: int


def measure(url: str, root: int, seconds: int, connections: int, headers: dict[str, str]) -> Measured:
    """Ask as fast as `connections` can; `root` is the first process of the server."""
    before = cpu_seconds(root)
    given = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "--latency", *given, url]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    spent = cpu_seconds(root) - before
    asked = int(found(r"(\d+) requests in", said))
    worst = re.search(r"99%\s+([\d.]+)(us|ms|s)", said)
    failed = sum(int(n) for n in re.findall(r"Non-2xx or 3xx responses: (\d+)", said))
    failed += sum(int(n) for n in re.findall(r"(?:connect|read|write|timeout) (\d+)", said))
    late = float(worst[1]) * UNITS[worst[2]] / 1000 if worst else 0.0
    return Measured(float(found(r"Requests/sec:\s+([\d.]+)", said)), late, spent / max(asked, 1) * 1e6, failed)


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise RuntimeError(f"wrk said:\n{text}")
    return match[1]


def cpu_seconds(root: int) -> float:
    """CPU time of a process and all below it that live."""
    children: dict[int, list[int]] = {}
    spent: dict[int, float] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(entry.name))
        spent[int(entry.name)] = (int(fields[11]) + int(fields[12])) / TICKS
    total, waiting = 0.0, [root]
    while waiting:
        process = waiting.pop()
        total += spent.get(process, 0.0)
        waiting.extend(children.get(process, ()))
    return total
