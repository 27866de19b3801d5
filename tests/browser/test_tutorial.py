# SPDX-License-Identifier: Apache-2.0
"""The tutorial's whole path: a person, a real browser, a real `uv publish`, real installs by pip and uv."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.corpus import make_wheel
from tests.infra.browser import chromium
from tests.infra.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NAME, PASSWORD = "ada", "a long walk by the sea 1843"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def newest_code(outbox: Path) -> str:
    """The confirmation code of the newest mail: alone on its line."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        mails = sorted(outbox.glob("*.txt"))
        if mails:
            found = re.findall(
                r"^\s*([A-Z0-9]{4,}-?[A-Z0-9]*)\s*$", mails[-1].read_text(encoding="utf-8"), re.MULTILINE
            )
            if found:
                return str(found[0])
        time.sleep(0.05)
    raise AssertionError("no mail with a code came")


def register(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/account/register/")
    page.get_by_label("Username", exact=True).fill(NAME)
    page.get_by_label("E-mail", exact=True).fill("ada@example.org")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Confirm password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    page.get_by_label("Code").fill(newest_code(server.data / "outbox"))
    page.get_by_role("button", name=re.compile("Confirm")).click()


def make_token(page: Page, server: Server, label: str) -> str:
    page.goto(f"{server.url}/manage/account/token/")
    page.get_by_label("Token name", exact=True).fill(label)
    page.get_by_role("button", name="Create token").click()
    token = page.locator("#new-token").inner_text().strip()
    page.goto(f"{server.url}/manage/account/token/")
    expect(page.locator("#new-token")).to_have_count(0)
    return token


def run(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("UV_", "PIP_", "TWINE_"))}
    return subprocess.run(command, env={**kept, **variables}, capture_output=True, text=True, timeout=120, check=False)


def uv_publish(server: Server, file: Path, token: str, cache: Path) -> subprocess.CompletedProcess[str]:
    uv = str(Path(sys.executable).with_name("uv"))
    return run(
        uv,
        "publish",
        "--publish-url",
        f"{server.url}/legacy/",
        "--token",
        token,
        "--trusted-publishing",
        "never",
        str(file),
        UV_CACHE_DIR=str(cache),
    )


def test_the_whole_life_of_a_project(browser: Browser, live: Server, tmp_path: Path) -> None:
    page = browser.new_context().new_page()
    register(page, live)
    token = make_token(page, live, "laptop")

    lines = ["Description-Content-Type: text/markdown"]
    filename, data = make_wheel(
        "tutorial-project", "1.0", summary="A first project", description="# Hello\n\nworld", lines=lines
    )
    wheel = tmp_path / filename
    wheel.write_bytes(data)
    published = uv_publish(live, wheel, token, tmp_path / "cache")
    assert published.returncode == 0, published.stderr

    page.goto(live.url)
    page.get_by_role("searchbox").fill("tutorial")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/search/"))
    found = page.get_by_role("link", name=re.compile("tutorial-project"))
    assert found.count(), "what was published is found by the very next request"
    found.first.click()
    expect(page).to_have_url(re.compile(r"/project/tutorial-project/$"))
    expect(page.get_by_role("heading", name="Hello")).to_be_visible()

    page.goto(f"{live.url}/simple/")
    page.get_by_role("link", name="tutorial-project").click()
    expect(page.get_by_role("link", name=filename)).to_be_visible()

    index = f"{live.url}/simple/"
    by_pip = run(
        sys.executable,
        "-m",
        "pip",
        "install",
        "--isolated",
        "--no-cache-dir",
        "--target",
        str(tmp_path / "pip"),
        "--index-url",
        index,
        "tutorial-project",
    )
    assert by_pip.returncode == 0, by_pip.stderr
    uv = str(Path(sys.executable).with_name("uv"))
    by_uv = run(
        uv,
        "pip",
        "install",
        "--target",
        str(tmp_path / "uv"),
        "--index-url",
        index,
        "tutorial-project",
        UV_CACHE_DIR=str(tmp_path / "cache"),
    )
    assert by_uv.returncode == 0, by_uv.stderr
    for target in ("pip", "uv"):
        assert list((tmp_path / target).glob("tutorial_project-1.0.dist-info/METADATA"))

    page.goto(f"{live.url}/manage/account/token/")
    page.get_by_role("link", name=re.compile("Delete")).first.click()
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Delete token").click()
    again = tmp_path / "again"
    again.mkdir()
    filename, data = make_wheel("tutorial-project", "1.1")
    (again / filename).write_bytes(data)
    refused = uv_publish(live, again / filename, token, tmp_path / "cache")
    assert refused.returncode != 0
    assert "401" in refused.stderr
    assert live.get("/simple/tutorial-project/")[2].count(b"1.1") == 0
