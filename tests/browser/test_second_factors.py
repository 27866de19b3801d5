# SPDX-License-Identifier: Apache-2.0
"""The pages of second factors in a real browser: without script where no key is asked, and as axe wants them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from playwright.sync_api import Browser, Page, expect
from tests.infra.browser import chromium, findings
from tests.infra.server import Person, Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LARGEST_PAGE = 100_000  # bytes


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def person(live: Server) -> Person:
    return live.make_user()


def code_of(secret: str) -> str:
    """What the app shows now; it is taken for half a minute longer."""
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30)))


def sign_in(page: Page, person: Person) -> None:
    page.goto("/account/login/")
    page.get_by_label("Username", exact=True).fill(person.name)
    page.get_by_label("Password", exact=True).fill(person.password)
    page.get_by_role("button", name="Sign in").click()


def sign_out(page: Page) -> None:
    page.goto("/account/logout/")
    page.get_by_role("button", name="Sign out").click()


def test_an_app_is_set_up_and_asked_for_and_the_browser_trusted_without_script(
    browser: Browser, live: Server, person: Person
):
    context = browser.new_context(base_url=live.url, java_script_enabled=False)
    page = context.new_page()
    sign_in(page, person)
    page.goto("/account/two-factor/")
    page.get_by_role("link", name="Set up an app").click()
    page.get_by_label("Password", exact=True).fill(person.password)
    page.get_by_role("button", name="Confirm").click()
    picture = page.get_by_role("img", name="QR code")
    assert str(picture.get_attribute("src")).startswith("data:image/svg+xml")
    secret = page.locator(".line code").inner_text()
    page.get_by_label("Code").fill(code_of(secret))
    page.get_by_role("button", name="Switch on").click()
    expect(page.locator("#recovery_codes li")).to_have_count(10)
    with page.expect_download() as waited:
        page.get_by_role("link", name="Download codes").click()
    kept = waited.value.path().read_text().split()
    assert len(kept) == 10
    assert all(re.fullmatch(r"\d{16}", one) for one in kept)
    page.reload()
    expect(page.locator("#recovery_codes")).to_have_count(0)
    sign_out(page)
    sign_in(page, person)
    expect(page.get_by_role("button", name="Use a security key")).to_be_hidden()  # it would do nothing
    page.get_by_label("Code").fill(kept[0])
    page.get_by_label("Don't ask again").check()
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/manage/projects/")
    sign_out(page)
    sign_in(page, person)
    page.wait_for_url("**/manage/projects/")  # not asked again
    context.close()


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1280, "light")])
def test_every_page_of_second_factors_fits_and_pleases(
    browser: Browser, live: Server, person: Person, width: int, scheme: str
):
    size = {"width": width, "height": 800}
    context = browser.new_context(base_url=live.url, viewport=size, color_scheme=scheme, bypass_csp=True)  # type: ignore[arg-type]
    page = context.new_page()
    found: dict[str, list[str]] = {}

    def look(name: str) -> None:
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        faults = [f"{wide} px too wide"] if wide > 0 else []
        faults += ["too large"] if len(page.content().encode()) > LARGEST_PAGE else []
        found[name] = faults + findings(page)

    sign_in(page, person)
    page.goto("/account/two-factor/app/")
    look("once more")
    page.get_by_label("Password", exact=True).fill(person.password)
    page.keyboard.press("Enter")
    page.get_by_label("Code").wait_for()
    look("app")
    secret = page.locator(".line code").inner_text()
    page.get_by_label("Code").fill(code_of(secret))
    page.keyboard.press("Enter")
    page.locator("#recovery_codes").wait_for()
    look("codes shown")
    recovery = page.locator("#recovery_codes li").first.inner_text()
    for path in ("codes/", "codes/new/", "keys/", "keys/add/", "app/remove/"):
        page.goto(f"/account/two-factor/{path}")
        look(path)
    sign_out(page)
    sign_in(page, person)
    page.get_by_label("Code").wait_for()
    look("second step")
    page.get_by_label("Code").fill("000000")
    page.keyboard.press("Enter")
    page.get_by_text("Incorrect code").wait_for()
    look("second step refused")
    page.get_by_label("Code").fill(recovery)
    page.keyboard.press("Enter")
    page.wait_for_url("**/manage/projects/")
    context.close()
    assert {name: faults for name, faults in found.items() if faults} == {}
