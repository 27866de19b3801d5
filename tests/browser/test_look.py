# SPDX-License-Identifier: Apache-2.0
"""How the pages look, in a real browser: on a phone and on a desk, light and dark, with and without scripts.

Every page of the list fits its window, pleases axe, has one search box and one first heading, and asks no other server
for anything.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.corpus import make_wheel
from tests.infra.browser import LARGEST_VISIT, WCAG_21, chromium, findings, weigh
from tests.infra.server import Person, Server, environment, finish, start

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LONG = "an-extraordinarily-long-project-name-that-somebody-published-to-see-what-happens-to-the-page"
README = (
    "# Parcels\n\nSee [below](#use) and ![a badge](https://example.org/badge.svg).\n\n"
    "## Use\n\n```python\nx = 1  # {}\n```\n"
)
LINES = (
    "Requires-Python: >=3.9",
    "Author-email: Ada <ada@example.org>",
    "Project-URL: Source, https://example.org/source",
    "Project-URL: a text of somebody, ftp://example.org/a-very-long-path-that-is-no-link-and-does-not-fit-anywhere",
    "Classifier: Not :: On :: The :: List",
    "Classifier: Topic :: Terminals",
    "Keywords: parcel,a-keyword-that-is-so-long-that-it-does-not-fit-into-the-rail-of-any-page",
    "Requires-Dist: attrs",
    "Requires-Dist: colorama; extra == 'colour'",
    "Provides-Extra: colour",
    "Description-Content-Type: text/markdown",
)
PUBLIC = {
    "home": "/",
    "search": "/search/?q=parcels",
    "nothing found": "/search/?q=zzzzzz",
    "project": "/project/parcels/",
    "files": "/project/parcels/#files",
    "history": "/project/parcels/#history",
    "dependencies": "/project/parcels/#dependencies",
    "yanked": "/project/parcels/1.0/",
    "pre-release": "/project/parcels/2.0rc1/",
    "long names": f"/project/{LONG}/",
    "right to left": "/project/arabic/",
    "person": "/user/ada/",
    "statistics": "/stats/",
    "help": "/help/",
    "missing": "/project/unknown/",
    "explained": "/project/parcels/explain/",
    "upload errors": "/help/upload-errors/",
    "inactive": "/account/inactive/",
    "reset sent": "/account/reset/sent/",
    "reset done": "/account/reset/done/",
    "reset by a dead link": "/account/reset/x/y-z/",
    "confirm": "/account/confirm/",
    "no invitation": "/account/invitation/",
    "claimed": "/admin/claim/",
    "sign in": "/account/login/",
    "register": "/account/register/",
    "reset": "/account/reset/",
}
OWN = {
    "projects": "/manage/projects/",
    "project": "/manage/project/parcels/",
    "long names": f"/manage/project/{LONG}/",
    "release": "/manage/project/parcels/release/1.0/",
    "collaborators": "/manage/project/parcels/collaborators/",
    "delete project": "/manage/project/parcels/delete/",
    "delete file": "/manage/project/parcels/release/1.0/file/parcels-1.0-py3-none-any.whl/delete/",
    "delete release": "/manage/project/parcels/release/1.0/delete/",
    "tokens": "/manage/account/token/",
    "delete token": "/manage/account/token/1/delete/",
    "account": "/manage/account/",
    "sessions": "/manage/account/sessions/",
    "e-mail": "/manage/account/email/",
    "password": "/manage/account/password/",
    "first password": "/manage/account/password/set/",
    "two-factor": "/account/two-factor/",
    "keys": "/account/two-factor/keys/",
    "again": "/account/reauthenticate/",
    "sign out": "/account/logout/",
    "indexes": "/admin/indexes/",
    "rules": "/admin/index/main/",
    "upstreams": "/admin/upstreams/",
    "snapshots": "/admin/index/main/snapshots/",
    "rollback": "/admin/index/main/rollback/?to=first",
    "this server": "/admin/",
    "invitations": "/admin/invitations/",
    "guests": "/admin/guests/",
}


@dataclass(frozen=True)
class House:
    """A server with projects of every kind, and somebody signed in."""

    server: Server
    person: Person
    state: Any  # cookies of somebody signed in
    claim: list[str]  # what is wrong with the page that makes the first administrator
    invitation: str  # a link for many people


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def house(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    server = start(tmp_path_factory.mktemp("look") / "data")
    try:
        claim = look_at_claim(browser, server)
        person = server.make_user("ada", admin=True)
        token = server.make_token(person)
        publish(
            server, token, "parcels", "1.0", summary="Parcels for the terminal", description=README.format("!" * 200)
        )
        publish(server, token, "parcels", "2.0rc1")
        publish(server, token, LONG, "2026.11.24.dev20261124", summary="long " * 60)
        publish(server, token, "arabic", "1.0", summary="مكتبة لمعالجة النصوص", description="# مكتبة\n\nهذه مكتبة")
        server.must("yank", "parcels==1.0", "--reason", "breaks on Windows")
        server.must("status", "arabic", "archived", "--reason", "Use another.")
        install(server, "parcels", LONG)
        server.must("verify", "--quick")
        note_damage(server)
        server.must("snapshot", "create", "first")
        invitation = server.must("invitation", "create", "--limit", "30", "--note", LONG[:100], "--guest", "90d")
        server.must("guest", "until", server.make_user("a-guest-with-a-name-of-the-greatest-length-allowed").name, "9d")
        backups = server.data.parent / "a-place-for-backups-with-quite-a-long-name"
        backups.mkdir()
        server.must("backup", str(backups / "house-of-parcels-2026-11-24.backup"))
        yield House(server, person, sign_in(browser, server, person), claim, invitation.split()[-1])
    finally:
        finish(server)


def look_at_claim(browser: Browser, server: Server) -> list[str]:
    """What is wrong with the page that the claim link of a new server leads to."""
    link = (server.data / "first-admin").read_text(encoding="ascii").strip()
    context = browser.new_context(viewport={"width": 360, "height": 800}, bypass_csp=True)
    found = faults(context.new_page(), link, axe=True)
    context.close()
    return found


def note_damage(server: Server) -> None:
    """Let the scrub have found something."""
    sentence = f"The file {LONG.replace('-', '_')}-2026.11.24.dev20261124-py3-none-any.whl is damaged: {'ab' * 32}."
    code = (
        "from packhouse import bootstrap, config; bootstrap.connect(config.load());"
        "from packhouse.catalogue.activity.models import Scrub, ScrubFinding; from django.utils.timezone import now;"
        "Scrub.objects.update_or_create(name='scrub', defaults=dict.fromkeys(('begun_at', 'stepped_at'), now()));"
        f"ScrubFinding.objects.create(sha256='{'ab' * 32}', code='blob-damaged', sentence={sentence!r}, found_at=now())"
    )
    extra = environment(server.extra | {"PACKHOUSE_DATA": str(server.data)})
    subprocess.run([sys.executable, "-c", code], env=extra, check=True, timeout=60)


def publish(server: Server, token: str, name: str, version: str, **facts: str) -> None:
    """Publish a wheel as tools do."""
    filename, data = make_wheel(name, version, lines=LINES, **facts)  # type: ignore[arg-type]
    fields = {":action": "file_upload", "protocol_version": "1", "metadata_version": "2.4", "name": name}
    fields |= {"version": version, "filetype": "bdist_wheel", "pyversion": "py3"}
    body = b"".join(
        f'--x\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in fields.items()
    )
    body += f'--x\r\nContent-Disposition: form-data; name="content"; filename="{filename}"\r\n\r\n'.encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "multipart/form-data; boundary=x"}
    request = urllib.request.Request(f"{server.url}/legacy/", data=body + data + b"\r\n--x--\r\n", headers=headers)
    with urllib.request.urlopen(request, timeout=30) as reply:
        assert reply.status == 200


def install(server: Server, *names: str) -> None:
    """Download every file of these projects as installers do, until the pages tell of it."""
    agents = ('pip/24.0 {"python":"3.11.7"}', 'uv/0.5.1 {"python":"3.14.0"}', "curl/8.5.0")
    for name in names:
        about = json.loads(server.get(f"/pypi/{name}/json")[2])
        paths = [urlsplit(file["url"]).path for files in about["releases"].values() for file in files]
        for path in paths:
            for agent in agents:
                assert server.get(path, {"User-Agent": agent})[0] == 200
        until = time.monotonic() + 60
        while f"{len(paths) * len(agents)}</strong> in the last 30 days" not in shown(server, name):
            assert time.monotonic() < until
            time.sleep(0.2)


def shown(server: Server, name: str) -> str:
    return server.get(f"/project/{name}/")[2].decode()


def sign_in(browser: Browser, server: Server, person: Person) -> Any:
    """Sign in by the form; the browser's state afterwards."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{server.url}/account/login/")
    page.get_by_label("Username", exact=True).fill(person.name)
    page.get_by_label("Password", exact=True).fill(person.password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/manage/projects/")
    state = context.storage_state()
    context.close()
    return state


def faults(page: Page, address: str, *, axe: bool) -> list[str]:
    """What is wrong with a page."""
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto("about:blank")
    weight = weigh(page, address)
    own = (f"http://{urlsplit(address).netloc}/", "data:", "about:")
    found = [f"asks {url}" for url in asked if not url.startswith(own)]
    found += [f"says {text}" for text in said if not re.search("status of 4(04|10)", text)]
    found += [f"weighs {weight} bytes"] if weight >= LARGEST_VISIT else []
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    found += [f"is {wide} px too wide"] if wide > 0 else []
    found += ["has not one first heading"] if page.locator("main h1:not(.readme h1)").count() != 1 else []
    labels = page.evaluate("[...document.querySelectorAll('.field > label')].map(one => one.innerText.trim())")
    found += [f"has the label {one!r} twice" for one in set(labels) if labels.count(one) > 1]
    found += ["has two search boxes"] if page.get_by_role("searchbox").count() > 1 else []
    return found + (findings(page) if axe else [])


@pytest.mark.timeout(1200)  # axe takes its time with long pages on a busy machine
@pytest.mark.parametrize(
    ("width", "scheme"),
    [(360, "light"), (768, "dark"), pytest.param(1440, "dark", marks=pytest.mark.full)],
)
@pytest.mark.parametrize("whose", ["public", "own"])
def test_every_page_fits_and_pleases(browser: Browser, house: House, whose: str, width: int, scheme: Any) -> None:
    state = house.state if whose == "own" else None
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, storage_state=state, bypass_csp=False
    )
    found = {}
    for name, path in (OWN if whose == "own" else PUBLIC).items():
        page = context.new_page()
        found[name] = faults(page, house.server.url + path, axe=width != 768)
        page.close()
    context.close()
    assert {name: what for name, what in found.items() if what} == {}


def test_the_pages_of_a_claim_and_an_invitation(browser: Browser, house: House) -> None:
    assert house.claim == []
    context = browser.new_context(viewport={"width": 360, "height": 800}, color_scheme="dark", bypass_csp=True)
    link = house.server.url + house.invitation[house.invitation.index("/account/") :]
    assert faults(context.new_page(), link, axe=True) == []
    context.close()


def test_the_pages_of_installers(browser: Browser, house: House) -> None:
    """Their policy allows no script, so axe goes round it, and no style: WCAG 2.1, since 2.2 wants links 24 px high."""
    context = browser.new_context(viewport={"width": 360, "height": 800}, bypass_csp=True)
    page = context.new_page()
    for path in ("/simple/", "/simple/parcels/"):
        assert weigh(page, house.server.url + path) < LARGEST_VISIT
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert findings(page, WCAG_21) == []
    context.close()


def test_sections_and_tools_are_chosen_without_script(browser: Browser, house: House) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{house.server.url}/project/parcels/1.0/")
    use = page.get_by_role("heading", name="Use", exact=True)
    expect(use).to_be_visible()
    page.get_by_role("link", name="below").click()
    expect(use).to_be_visible()
    page.get_by_role("link", name="Files", exact=False).first.click()
    expect(page.get_by_role("link", name="parcels-1.0-py3-none-any.whl")).to_be_visible()
    expect(use).to_be_hidden()
    expect(page.get_by_text("uv pip install")).to_be_visible()
    page.get_by_text("Poetry", exact=True).click()
    expect(page.get_by_text("poetry add")).to_be_visible()
    expect(page.get_by_text("uv pip install")).to_be_hidden()
    expect(page.get_by_role("button", name="Copy").first).to_be_hidden()
    context.close()


def test_the_line_is_copied_and_the_theme_remembered(browser: Browser, house: House) -> None:
    context = browser.new_context(color_scheme="light", permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{house.server.url}/project/parcels/")
    page.get_by_role("button", name="Copy").first.click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("uv pip install --default-index http://")
    light = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    page.get_by_role("button", name="Switch between light and dark").click()
    page.reload()
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") != light
    context.close()


def test_results_follow_the_typing(browser: Browser, house: House) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{house.server.url}/search/")
    page.get_by_role("searchbox").press_sequentially("parcels", delay=20)
    expect(page.locator("#results").get_by_role("link", name="parcels")).to_be_visible()
    expect(page.locator("#results").get_by_role("link", name="arabic")).to_have_count(0)
    assert page.url.endswith("q=parcels")
    context.close()
