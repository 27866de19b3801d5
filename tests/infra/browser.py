# SPDX-License-Identifier: Apache-2.0
"""The system's Chromium, driven by Playwright, with axe for accessibility."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

FLAGS = (
    "--no-sandbox",  # Chromium refuses to run as root with one
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",  # it would look for its maker's hosts
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
AXE_RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
}


def program() -> str | None:
    """Where Chromium is; None without one."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser for as long as the block runs."""
    found = program()
    if found is None:
        raise RuntimeError("Chromium is not installed; `make test` installs it.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


def findings(page: Page) -> list[str]:
    """What axe finds on a page, a line each: rule, impact, and the first element it concerns.

    The page's own Content-Security-Policy would keep axe out, so make its context with `bypass_csp=True`.
    """
    found: dict[str, Any] = Axe().run(page, options=AXE_RULES).response
    return [
        f"{rule['id']} ({rule['impact']}): {rule['help']} -- {rule['nodes'][0]['html'][:200]}"
        for rule in found["violations"]
    ]
