# SPDX-License-Identifier: Apache-2.0
"""Single sign-on, invitations and sign-in links in a real browser, without scripts: there, back, out again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.infra.browser import looked_at
from tests.infra.oidc_issuer import CLIENT, SECRET, Issuer, oidc_issuer
from tests.infra.server import Server, finish, start

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with oidc_issuer() as running:
        running.signs_in(email="ada@example.org", email_verified=True, preferred_username="ada", groups=["ops"])
        yield running


@pytest.fixture
def server(issuer: Issuer, tmp_path: Path) -> Iterator[Server]:
    """A server that takes nothing but single sign-on, until told otherwise."""
    file = tmp_path / "secret"
    file.write_text(SECRET, encoding="utf-8")
    oidc = {"ISSUER": issuer.url, "CLIENT_ID": CLIENT, "CLIENT_SECRET_FILE": str(file), "NAME": "Example Login"}
    extra = {f"PACKHOUSE_OIDC_{name}": value for name, value in oidc.items()} | {"PACKHOUSE_SSO_ONLY": "on"}
    running = start(tmp_path / "data", extra=extra)
    try:
        yield running
    finally:
        finish(running)
    assert SECRET not in running.output()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 360, "height": 800})
    yield context.new_page()
    context.close()


def test_there_and_back_and_out_again(page: Page, issuer: Issuer, server: Server) -> None:
    page.goto(f"{server.url}/account/login/")
    expect(page.get_by_label("Password")).to_have_count(0)
    looked_at(page)
    page.get_by_role("link", name="Sign in by Example Login").click()
    expect(page.get_by_role("heading", name="Welcome")).to_be_visible()
    looked_at(page)
    expect(page.get_by_label("E-mail", exact=True)).to_be_disabled()
    page.get_by_label("Username", exact=True).fill("lovelace")
    page.get_by_role("button", name="Create account").click()
    page.wait_for_url("**/manage/projects/")
    page.goto(f"{server.url}/manage/account/sso/")
    expect(page.get_by_role("row", name="ada@example.org")).to_be_visible()
    looked_at(page)
    page.goto(f"{server.url}/account/logout/")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign out at Example Login, too?")).to_be_visible()
    looked_at(page)
    page.get_by_role("button", name="Sign out there, too").click()
    link = page.get_by_role("link", name="Go on to Example Login").get_attribute("href")
    assert link
    assert link.startswith(f"{issuer.url}/end?")


def test_a_link_of_the_command_signs_in_where_the_provider_is_away(page: Page, server: Server) -> None:
    person = server.make_user("ruth")
    link = server.must("sign-in-link", person.name).strip()
    address = server.url + link[link.index("/account/") :]
    page.goto(address)
    looked_at(page)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/manage/projects/")
    page.goto(address)
    expect(page.get_by_text(re.compile("was used"))).to_be_visible()
