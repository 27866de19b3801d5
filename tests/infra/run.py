# SPDX-License-Identifier: Apache-2.0
"""Run the whole suite: everything on SQLite, then what touches a database again on PostgreSQL.

    python -m tests.infra.run [--full]

Prints pytest's own output, and one closing line for both runs together; exits 0 only when nothing failed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from defusedxml import ElementTree

ON_BOTH = ("tests/catalogue", "tests/services", "tests/jobs", "tests/cli/test_backup.py")
SQLITE_ALONE = ("--ignore=tests/catalogue/test_sqlite.py",)
ROOT = Path(__file__).resolve().parents[2]


def pytest(database: str, report: Path, *arguments: str) -> int:
    """Run pytest on one database; returns its exit code, with "no tests" counting as success."""
    print(f"--- tests on {database}", flush=True)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", f"--junitxml={report}", *arguments]
    code = subprocess.run(command, cwd=ROOT, env={**os.environ, "PACKHOUSE_TEST_DATABASE": database}, check=False)
    return 0 if code.returncode == 5 else code.returncode


def count(report: Path) -> Counter[str]:
    """The totals of a JUnit report; a run that died before it wrote one counts as an error."""
    if not report.exists():
        return Counter(errors=1)
    totals: Counter[str] = Counter()
    for suite in ElementTree.fromstring(report.read_bytes()).iter("testsuite"):
        totals.update({key: int(suite.get(key, 0)) for key in ("tests", "failures", "errors", "skipped")})
    return totals


def main(arguments: list[str]) -> int:
    """Run both, add them up, say so."""
    chosen = [] if "--full" in arguments else ["-m", "not full"]
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        reports = Path(folder, "sqlite.xml"), Path(folder, "postgresql.xml")
        both = [path for path in ON_BOTH if (ROOT / path).exists()]
        codes = [pytest("sqlite", reports[0], *chosen)]
        if both:
            codes.append(pytest("postgresql", reports[1], *chosen, *both, *SQLITE_ALONE))
        totals = sum((count(report) for report in reports[: len(codes)]), Counter())
    failed = totals["failures"] + totals["errors"]
    passed = totals["tests"] - failed - totals["skipped"]
    print(f"--- both databases together, {time.monotonic() - began:.0f} s")
    print(f"{passed} passed, {failed} failed, {totals['skipped']} skipped")
    return max(codes) or (1 if failed else 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
