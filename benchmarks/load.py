# SPDX-License-Identifier: Apache-2.0
"""Load: one run of wrk against one address."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.processes import LOAD_CPU, pinned

SCRIPT = Path(__file__).with_name("report.lua")


def load(url: str, headers: Mapping[str, str], *, connections: int, seconds: float) -> dict[str, Any]:
    """Ask again and again; requests, seconds, bytes, p50_ms, p99_ms, refused (status 400 and above), broken.

    Raises RuntimeError without wrk or with its words when it fails.
    """
    program = shutil.which("wrk")
    if program is None:
        raise RuntimeError("wrk is not installed; `make bench` installs it.")
    asked = [option for name, value in headers.items() for option in ("-H", f"{name}: {value}")]
    command = [program, "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "30s"]
    with pinned(LOAD_CPU):
        done = subprocess.run(
            [*command, "-s", str(SCRIPT), *asked, url],
            capture_output=True,
            text=True,
            timeout=seconds + 60,
            check=False,
        )
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            found: dict[str, Any] = json.loads(line)
            return found
    raise RuntimeError(f"wrk failed: {done.stdout} {done.stderr}")
