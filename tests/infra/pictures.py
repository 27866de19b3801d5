# SPDX-License-Identifier: Apache-2.0
"""`make pictures`: take the pictures of the documentation anew, of a furnished server, into docs/images."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser

from tests.infra.browser import chromium
from tests.infra.showroom import Showroom, showroom

ROOT = Path(__file__).resolve().parents[2]
LARGEST = 120_000
"""Bytes of a picture."""


@dataclass(frozen=True)
class Picture:
    """A page as somebody sees it; `height` in pixels cuts it off."""

    name: str
    who: str
    path: str
    height: int = 800
    scheme: str = "light"
    width: int = 1280


PICTURES = (
    Picture("home", "", "/", 760),
    Picture("project", "", "/project/tapes/", 880),
    Picture("project-dark", "", "/project/tapes/", 880, "dark"),
    Picture("tokens", "ada", "/manage/account/token/", 780),
    Picture("two-factor", "ada", "/account/two-factor/", 620),
    Picture("manage-project", "ada", "/manage/project/tapes/", 760),
    Picture("organization-people", "ada", "/manage/organization/acme/people/", 720),
    Picture("organization-team", "ada", "/manage/organization/acme/team/release/", 760),
    Picture("registration", "root", "/admin/registration/", 800),
    Picture("index-rules", "root", "/admin/index/company/", 860),
    Picture("journal", "root", "/admin/journal/", 700),
)


def take(browser: Browser, room: Showroom, one: Picture) -> int:
    """Take a picture; its bytes."""
    context = browser.new_context(
        storage_state=room.states.get(one.who),
        viewport={"width": one.width, "height": one.height},
        color_scheme="dark" if one.scheme == "dark" else "light",
    )
    page = context.new_page()
    page.goto(room.server.url + one.path)
    file = ROOT / "docs" / "images" / f"{one.name}.png"
    page.evaluate("document.body.innerHTML = document.body.innerHTML.replaceAll(location.host, '127.0.0.1:8000')")
    page.screenshot(path=file)
    context.close()
    return file.stat().st_size


def main() -> int:
    """Take them all; 1 when one is too large."""
    too_large = False
    with chromium() as browser, tempfile.TemporaryDirectory() as folder, showroom(browser, Path(folder)) as room:
        for one in PICTURES:
            size = take(browser, room, one)
            too_large |= size > LARGEST
            print(f"docs/images/{one.name}.png\t{size} bytes")
    return int(too_large)


if __name__ == "__main__":
    sys.exit(main())
