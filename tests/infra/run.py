# SPDX-License-Identifier: Apache-2.0
"""Run the whole suite: everything on SQLite, then what touches a database again on PostgreSQL.

    python -m tests.infra.run [--full]

Prints pytest's own output, and one closing line for both runs together; exits 0 only when nothing failed.

A few failed tests of live processes (servers, browsers, clients: `LIVE`) are tried once more, alone, because the
machine that runs thousands of them side by side is part of what they test. Who passes then is named above the closing
line as unstable, for somebody to mend. All other tests, and those of crashes and faults, have one try.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from defusedxml import ElementTree

ON_BOTH = ("tests/catalogue", "tests/services", "tests/jobs", "tests/cli/test_backup.py")
SQLITE_ALONE = ("--ignore=tests/catalogue/test_sqlite.py",)
LIVE = ("tests.browser.", "tests.cli.", "tests.clients.", "tests.http.")
MOST_UNSTABLE = 3
"""More failures than this are no accident: they get no second try."""
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Run:
    """One run of pytest: `code` is 0 when nothing failed, `unstable` are the tests that passed when alone."""

    code: int
    totals: Counter[str]
    unstable: list[str] = field(default_factory=list)


def pytest(database: str, report: Path, *arguments: str) -> int:
    """Run pytest on one database; returns its exit code, with "no tests" counting as success."""
    command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *arguments]
    code = subprocess.run(command, cwd=ROOT, env={**os.environ, "PACKHOUSE_TEST_DATABASE": database}, check=False)
    return 0 if code.returncode == 5 else code.returncode


def run(database: str, folder: Path, *arguments: str, live: tuple[str, ...] = LIVE) -> Run:
    """Run everything once, and what may have a second try again."""
    print(f"--- tests on {database}", flush=True)
    report, again = folder / "first.xml", folder / "again.xml"
    cache = ("-o", f"cache_dir={folder / 'cache'}")
    done = Run(pytest(database, report, "-n", "2", *cache, *arguments), count(report))
    names = failures(report)
    if done.code != 1 or not may_try_again(names, live):
        return done
    print(f"--- once more, alone: {', '.join(names)}", flush=True)
    alone = (*cache, "-n", "0", "--last-failed", "--last-failed-no-failures=none", *arguments)
    done.code = pytest(database, again, *alone)
    found = count(again)
    done.unstable = sorted(set(names) - set(failures(again))) if found["tests"] == len(names) else []
    done.totals["failures"], done.totals["errors"] = len(names) - len(done.unstable), 0
    return done


def may_try_again(names: list[str], live: tuple[str, ...]) -> bool:
    """Whether these failures are few, and all of tests that work with live processes."""
    return 0 < len(names) <= MOST_UNSTABLE and all(name.startswith(live) for name in names)


def failures(report: Path) -> list[str]:
    """The tests that failed, as `tests.http.test_files::test_range[local]`."""
    if not report.exists():
        return []
    cases = ElementTree.fromstring(report.read_bytes()).iter("testcase")
    bad = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    return sorted({f"{case.get('classname')}::{case.get('name')}" for case in bad})


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
    both = [path for path in ON_BOTH if (ROOT / path).exists()]
    runs = []
    for database, paths in (("sqlite", ()), ("postgresql", (*both, *SQLITE_ALONE))):
        with tempfile.TemporaryDirectory() as folder:
            runs.append(run(database, Path(folder), *chosen, *paths))
    totals = sum((done.totals for done in runs), Counter())
    failed = totals["failures"] + totals["errors"]
    passed = totals["tests"] - failed - totals["skipped"]
    for name in [name for done in runs for name in done.unstable]:
        print(f"UNSTABLE, failed beside others and passed alone: {name}")
    print(f"--- both databases together, {time.monotonic() - began:.0f} s")
    print(f"{passed} passed, {failed} failed, {totals['skipped']} skipped")
    return max(done.code for done in runs) or (1 if failed else 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
