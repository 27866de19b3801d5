# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks.pages`: the weight of pages for people, and how soon they are seen; writes docs/pages.md."""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page
from tests.infra.browser import chromium, weigh
from tests.infra.showroom import showroom

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "pages.md"
KINDS = (
    ("", "/", "first page"),
    ("", "/search/?q=tapes", "search"),
    ("", "/project/tapes/", "a project"),
    ("", "/stats/", "what everybody installs"),
    ("", "/help/", "help"),
    ("", "/help/upload-errors/", "every upload error"),
    ("", "/simple/tapes/", "a project as installers see it"),
    ("", "/account/login/", "sign in"),
    ("ada", "/manage/projects/", "one's projects"),
    ("ada", "/manage/project/tapes/", "a project one looks after"),
    ("ada", "/manage/account/token/", "API tokens"),
    ("ada", "/account/two-factor/", "second factors"),
    ("ada", "/manage/organization/acme/people/", "people of an organization"),
    ("root", "/admin/", "state of the server"),
    ("root", "/admin/index/main/", "an index and its rules"),
    ("root", "/admin/people/", "all people"),
    ("root", "/admin/registration/", "who may register"),
    ("root", "/admin/journal/", "the journal, 100 entries"),
)
_PAINT = """async () => {
    const painted = () => performance.getEntriesByName('first-contentful-paint')[0];
    for (let tries = 0; tries < 600 && !painted(); tries++) await new Promise(done => setTimeout(done, 10));
    return [performance.getEntriesByType('navigation')[0].responseStart, painted()?.startTime ?? -1];
}"""
HEAD = """# The weight and speed of pages

What somebody's browser gets for a page, and when they see it. *Bytes* are all of a first visit, with nothing kept from
before: the page and what it asks for, compressed, with headers; `make test` refuses 100,000 for any page
(`tests/browser/test_every_page.py` says which test looks at which). *First byte* and *first render* are the medians of
{rounds} visits with empty caches, from the click on, as Chromium's `responseStart` and `first-contentful-paint` say.

Measured on {day} on {cores} cores, server and browser both, with {version}, by `python -m benchmarks.pages`.

| page | bytes | first byte, ms | first render, ms | slowest of {rounds}, ms |
|---|--:|--:|--:|--:|
"""


def measure(browser: Browser, state: Any, address: str, rounds: int) -> tuple[int, float, list[float]]:
    """Bytes, median first byte and every first render (milliseconds) of a page."""
    first: list[float] = []
    seen: list[float] = []
    weight = 0
    for _ in range(rounds + 1):
        context = browser.new_context(storage_state=state, viewport={"width": 1280, "height": 800})
        page: Page = context.new_page()
        weight = weigh(page, address)
        begun, painted = page.evaluate(_PAINT)
        first.append(begun)
        seen.append(painted)
        context.close()
    return weight, statistics.median(first[1:]), seen[1:]  # the very first fills the server's memory


def main() -> None:
    """Measure every kind of page, print a line each, write the document."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="visits of each page [%(default)s]")
    parser.add_argument("--document", type=Path, default=DOCUMENT, help="where the document goes [%(default)s]")
    chosen = parser.parse_args()
    rows = []
    with chromium() as browser, tempfile.TemporaryDirectory() as folder, showroom(browser, Path(folder)) as room:
        for who, path, what in KINDS:
            weight, first, seen = measure(browser, room.states.get(who), room.server.url + path, chosen.rounds)
            rows.append(f"| {what} | {weight:,} | {first:.0f} | {statistics.median(seen):.0f} | {max(seen):.0f} |")
            print(rows[-1])
        version = f"Chromium {browser.version}"
    facts = {"rounds": chosen.rounds, "day": f"{datetime.now(UTC):%d %B %Y}", "cores": os.cpu_count()}
    chosen.document.write_text(HEAD.format(**facts, version=version) + "\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
