# SPDX-License-Identifier: Apache-2.0
"""The look of the pages of organizations and of those on which administrators look after people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser
from tests.browser.test_look import faults
from tests.corpus import make_wheel
from tests.infra.browser import chromium
from tests.infra.server import Server, finish, start

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PAGES = (
    "/manage/account/token/1/rotate/",
    "/manage/account/token/delete/",
    "/manage/organizations/",
    "/manage/organization/acme/",
    "/manage/organization/acme/people/",
    "/manage/organization/acme/teams/",
    "/manage/organization/acme/team/release/",
    "/manage/organization/acme/tokens/",
    "/manage/organization/acme/delete/",
    "/org/acme/",
    "/manage/project/parcels/transfer/",
    "/admin/people/",
    "/admin/person/ada/",
    "/admin/organizations/",
    "/admin/journal/",
    "/admin/flags/",
    "/admin/groups/",
    "/admin/registration/",
    "/admin/sandbox/",
    "/admin/index/vault/",
)


def people_of(server: Server, owner: str) -> None:
    """An organization with a team, a token and a project, and an index that its team reads."""
    server.must("organization", "create", "acme", "--owner", owner, "--title", "Acme Recorders, Tapes & Spools " * 4)
    other = server.make_user("a-person-with-a-name-of-the-greatest-length").name
    server.must("organization", "member", "acme", other, "--role", "manager")
    server.must("organization", "transfer", "arabic", "--to", "acme")
    server.must("organization", "team", "acme", "release", "--add", other, "--project", "arabic", "--role", "owner")
    server.must("token", "create", "acme", "--name", "release job", "--from", "192.0.2.0/24", "--from", "2001:db8::/32")
    server.must("user", "account", other, "freeze", "--reason", "a reason in very many words " * 10)
    server.must("flag", "no-new-users", "on", "--reason", "until Monday")
    server.must("index", "create", "vault", "--read", "closed")
    server.must("index", "grant", "vault", "acme/release")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def signed_in(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Any]]:
    """A server with an organization, and the cookies of its administrator."""
    server = start(tmp_path_factory.mktemp("look") / "data")
    try:
        person = server.make_user("ada", admin=True)
        token = server.make_token(person)
        for name in ("parcels", "arabic"):
            assert server.publish(token, *make_wheel(name, "1.0"))[0] == 200
        people_of(server, person.name)
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"{server.url}/account/login/")
        page.get_by_label("Username", exact=True).fill(person.name)
        page.get_by_label("Password", exact=True).fill(person.password)
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.wait_for_url("**/manage/projects/")
        yield server, context.storage_state()
    finally:
        finish(server)


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (1280, "dark")])
def test_pages_about_people_fit_and_please(
    browser: Browser, signed_in: tuple[Server, Any], width: int, scheme: Any
) -> None:
    server, state = signed_in
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, storage_state=state, bypass_csp=False
    )
    found = {}
    for path in PAGES:
        page = context.new_page()
        found[path] = faults(page, server.url + path, axe=True)
        page.close()
    context.close()
    assert {path: what for path, what in found.items() if what} == {}
