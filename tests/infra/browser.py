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
WCAG_21 = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa")
ALL_RULES = (*WCAG_21, "wcag22aa", "best-practice")


LARGEST_VISIT = 100_000
"""Bytes of a first visit to a page: all that comes over the wire, with headers, as it is compressed."""


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


def findings(page: Page, tags: tuple[str, ...] = ALL_RULES) -> list[str]:
    """What axe finds on a page, a line each: rule, impact, and the first element it concerns.

    The page's own Content-Security-Policy would keep axe out, so make its context with `bypass_csp=True`.
    """
    found: dict[str, Any] = Axe().run(page, options={"runOnly": {"type": "tag", "values": list(tags)}}).response
    return [
        f"{rule['id']} ({rule['impact']}): {rule['help']} -- {rule['nodes'][0]['html'][:200]}"
        for rule in found["violations"]
    ]


def weigh(page: Page, address: str) -> int:
    """Visit an address as somebody who was never here does; the bytes that came, of the page and all it asks for."""
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    came: list[float] = []
    session.on("Network.loadingFinished", lambda event: came.append(event["encodedDataLength"]))
    page.goto(address)
    session.send("Network.setCacheDisabled", {"cacheDisabled": False})
    session.detach()
    return int(sum(came))


def looked_at(page: Page, width: int = 360) -> None:
    """The page fits, is light and pleases axe: a script, so it looks in a context of its own with the same cookies."""
    browser = page.context.browser
    assert browser is not None
    context = browser.new_context(
        storage_state=page.context.storage_state(), bypass_csp=True, viewport={"width": width, "height": 800}
    )
    other = context.new_page()
    assert weigh(other, page.url) < LARGEST_VISIT
    assert findings(other) == []
    assert other.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()
