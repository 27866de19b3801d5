# SPDX-License-Identifier: Apache-2.0
"""A security key in a real browser: added, asked for when signing in, bound to this server's name."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, CDPSession, Page, expect
from tests.infra.browser import chromium, looked_at
from tests.infra.server import Person, Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def page(browser: Browser, live: Server) -> Iterator[Page]:
    """A page of a browser that finds every fault of its console worth failing."""
    # Keys know names, not addresses.
    context = browser.new_context(base_url=live.url.replace("127.0.0.1", "localhost"))
    page = context.new_page()
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield page
    context.close()
    assert [fault for fault in faults if "(Bad Request)" not in fault] == []  # refusals are asked for here


@pytest.fixture
def person(live: Server) -> Person:
    return live.make_user()


AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "usb",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


def plug_in_key(page: Page, *, passkeys: bool = False) -> tuple[CDPSession, str]:
    """A key that answers by itself; with room for passkeys or without."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = AUTHENTICATOR | {"hasResidentKey": passkeys}
    answer = session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return session, str(answer["authenticatorId"])


def sign_in(page: Page, person: Person) -> None:
    page.goto("/account/login/?next=/manage/account/")
    page.get_by_label("Username", exact=True).fill(person.name)
    page.get_by_label("Password", exact=True).fill(person.password)
    page.get_by_role("button", name="Sign in", exact=True).click()


def add_key(page: Page, person: Person, *, passkey: bool = False) -> None:
    page.goto("/account/two-factor/keys/add/")
    page.get_by_label("Password", exact=True).fill(person.password)
    page.get_by_role("button", name="Confirm").click()
    page.get_by_label("Passkey").set_checked(passkey)
    page.get_by_role("button", name="Add the key").click()
    page.wait_for_url("**/codes/**")  # the recovery codes that come with a first factor


def test_hostile_196_a_key_is_added_and_asked_for(page: Page, person: Person):
    sign_in(page, person)
    session, key = plug_in_key(page)
    add_key(page, person)
    page.goto("/account/logout/")
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, person)
    expect(page).to_have_url(re.compile("/account/login/second-factor/"))
    page.goto("/manage/account/")
    expect(page).to_have_url(re.compile("/account/login/second-factor/"))  # and no further
    page.get_by_role("button", name="Use a security key").click()
    page.wait_for_url("**/manage/account/")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Account")
    counts = session.send("WebAuthn.getCredentials", {"authenticatorId": key})["credentials"]
    assert [one["rpId"] for one in counts] == ["localhost"]


def test_hostile_196_an_answer_for_another_challenge_or_origin_is_refused(page: Page, person: Person):
    sign_in(page, person)
    plug_in_key(page)
    add_key(page, person)
    page.goto("/account/logout/")
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, person)
    old = answer_of_key(page)
    page.reload()  # a new challenge
    send(page, old)
    assert "second-factor" in page.url
    forged = answer_of_key(page)
    forged["response"]["clientDataJSON"] = other_origin(forged["response"]["clientDataJSON"])
    send(page, forged)
    assert "second-factor" in page.url


def sign_out(page: Page) -> None:
    page.goto("/account/logout/")
    page.get_by_role("button", name="Sign out").click()


def test_a_passkey_signs_in_alone_and_is_listed_and_deleted(page: Page, person: Person):
    sign_in(page, person)
    plug_in_key(page, passkeys=True)
    add_key(page, person, passkey=True)
    sign_out(page)
    page.goto("/account/login/?next=/manage/account/sessions/")
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(
        re.compile(r"\d/manage/account/sessions/")
    )  # no password, no code: the key made sure of the person
    page.goto("/account/two-factor/keys/")
    row = page.get_by_role("row").filter(has_text="passkey")
    expect(row).to_have_count(1)
    expect(row).not_to_contain_text("never")
    row.get_by_role("link", name="Rename").click()
    looked_at(page)
    page.get_by_role("link", name="Use a security key").click()  # once more, before something that matters
    page.get_by_role("button", name="Use a security key").wait_for()
    looked_at(page)
    page.reload()  # each look gets a challenge of its own
    page.get_by_role("button", name="Use a security key").click()
    looked_at(page)
    page.get_by_label("Name", exact=True).fill("the blue one")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("row").filter(has_text="the blue one").get_by_role("link", name="Remove").click()
    page.get_by_role("button", name="Remove the key").wait_for()
    looked_at(page)
    page.get_by_role("button", name="Remove the key").click()
    expect(page.get_by_text("You have added no key.")).to_be_visible()
    sign_out(page)
    page.goto("/account/login/")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_text("Incorrect code.")).to_be_visible()
    page.goto("/manage/account/")
    expect(page).to_have_url(re.compile("/account/login/"))


def test_hostile_196_a_passkey_that_did_not_make_sure_of_the_person_is_no_sign_in(page: Page, person: Person):
    sign_in(page, person)
    session, key = plug_in_key(page, passkeys=True)
    add_key(page, person, passkey=True)
    sign_out(page)
    passkey = session.send("WebAuthn.getCredentials", {"authenticatorId": key})["credentials"][0]
    session.send("WebAuthn.setUserVerified", {"authenticatorId": key, "isUserVerified": False})
    page.goto("/account/login/")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("alert")).to_be_visible()  # the browser itself refuses
    session.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": key})
    touch = session.send(
        "WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR | {"hasUserVerification": False}}
    )
    session.send("WebAuthn.addCredential", {"authenticatorId": touch["authenticatorId"], "credential": passkey})
    weak = """async (id) => {
        const asked = await (await fetch('/account/login/passkey/', {headers: {Accept: 'application/json'}})).json()
        asked.request_options.publicKey.userVerification = 'discouraged'
        asked.request_options.publicKey.allowCredentials = [{type: 'public-key', id}]
        const form = document.getElementById('mfa_login')
        const body = new FormData(form)
        body.set('credential', JSON.stringify(await window.webauthnJSON.get(asked.request_options)))
        const reply = await fetch(form.action, {method: 'POST', body, redirect: 'manual'})
        return reply.type
    }"""
    known = base64.urlsafe_b64encode(base64.b64decode(passkey["credentialId"])).decode().rstrip("=")
    assert page.evaluate(weak, known) == "opaqueredirect"
    page.goto("/manage/account/")
    expect(page).to_have_url(re.compile("/account/login/"))


def test_hostile_196_a_key_whose_counter_goes_back_is_refused(page: Page, person: Person):
    sign_in(page, person)
    session, key = plug_in_key(page)
    add_key(page, person)
    copied = session.send("WebAuthn.getCredentials", {"authenticatorId": key})["credentials"][0]
    sign_out(page)
    sign_in(page, person)
    page.get_by_role("button", name="Use a security key").click()
    page.wait_for_url("**/manage/account/")
    sign_out(page)
    session.send("WebAuthn.removeCredential", {"authenticatorId": key, "credentialId": copied["credentialId"]})
    session.send("WebAuthn.addCredential", {"authenticatorId": key, "credential": copied})
    sign_in(page, person)
    send(page, answer_of_key(page))
    assert "second-factor" in page.url


def answer_of_key(page: Page) -> dict[str, Any]:
    """What the key says to the challenge of the page at hand."""
    script = """async () => {
        const options = JSON.parse(document.getElementById('js_data').textContent).request_options
        return JSON.stringify(await window.webauthnJSON.get(options))
    }"""
    return dict(json.loads(page.evaluate(script)))


def other_origin(client_data: str) -> str:
    text = base64.urlsafe_b64decode(client_data + "=" * (-len(client_data) % 4)).decode()
    changed = {**json.loads(text), "origin": "https://evil.example"}
    return base64.urlsafe_b64encode(json.dumps(changed).encode()).decode().rstrip("=")


def send(page: Page, credential: dict[str, Any]) -> None:
    """Send the page's form with this answer, which has to be refused."""
    script = """async (credential) => {
        const form = document.getElementById('second-factor')
        const body = new FormData(form)
        body.set('credential', credential)
        const reply = await fetch(form.action, {method: 'POST', body, redirect: 'manual'})
        return reply.status
    }"""
    assert page.evaluate(script, json.dumps(credential)) in {400, 429}
