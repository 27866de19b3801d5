# SPDX-License-Identifier: Apache-2.0
"""Whatever changes who gets into an account is told to its owner by mail; no mail that fails undoes it."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import mail
from tests.infra.accounts import PASSWORD, Browser, forget_limits, make_user
from tests.web.test_accounts_second_factor import APP, STEP, code

from packhouse.catalogue.models import Token, User

NEW = "nine loud badgers"
TOKEN = {"name": "laptop", "scope": "account", "uses": "upload read", "expires": "90"}


def subjects() -> list[str]:
    return [str(one.subject) for one in mail.outbox]


@pytest.fixture
def again(signed_in: Browser) -> Browser:
    """Alice's browser, in a session after her first; no mails so far."""
    signed_in.post("/account/logout/")
    signed_in.sign_in()
    signed_in.reauthenticate()
    mail.outbox.clear()
    return signed_in


def test_a_sign_in_from_a_browser_not_used_before_is_told(again: Browser):
    other = Browser(address="192.0.2.7")
    other.sign_in()
    assert subjects() == ["Signed in from a new browser"]
    assert mail.outbox[0].to == ["alice@example.org"]
    assert "192.0.2.7" in mail.outbox[0].body
    other.post("/account/logout/")
    other.sign_in("ALICE@example.org")
    assert len(mail.outbox) == 1  # it is known now


def test_the_first_sign_in_of_an_account_is_no_news(browser: Browser):
    browser.register()
    browser.confirm()
    assert browser.signed_in
    make_user("bob")
    Browser().sign_in("bob")
    assert not [subject for subject in subjects() if "browser" in subject]


def test_a_sign_in_that_failed_is_told_nobody(again: Browser):
    Browser().sign_in(password="wrong and wrong")
    assert subjects() == []


def test_a_browser_known_to_somebody_else_is_new(again: Browser):
    make_user("bob")
    shared = Browser()
    shared.sign_in("bob")
    shared.post("/account/logout/")
    shared.sign_in()
    assert [(one.subject, one.to) for one in mail.outbox] == [("Signed in from a new browser", ["alice@example.org"])]


def change_password(browser: Browser, _commits: Any) -> None:
    browser.post("/manage/account/password/", oldpassword=PASSWORD, password1=NEW, password2=NEW)


def set_up_app(browser: Browser, commits: Any) -> None:
    secret = str(browser.get(APP).context["form"].secret)
    with commits(execute=True):
        browser.post(APP, code=code(secret))


def make_token(browser: Browser, _commits: Any) -> None:
    browser.post("/manage/account/token/", **TOKEN)


def change_email(browser: Browser, _commits: Any) -> None:
    browser.post("/manage/account/email/", email="new@example.org", action_add="")
    browser.confirm()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (change_password, ["Your password was changed"]),
        (set_up_app, ["Authenticator app switched on"]),
        (make_token, ["API token made: laptop"]),
    ],
)
def test_each_change_is_told(again: Browser, django_capture_on_commit_callbacks: Any, change: Any, told: list[str]):
    change(again, django_capture_on_commit_callbacks)
    assert [subject for subject in subjects() if subject in told] == told
    assert all(one.to == ["alice@example.org"] for one in mail.outbox)
    assert PASSWORD not in str([one.body for one in mail.outbox])


def test_hostile_198_both_addresses_hear_of_a_change(again: Browser):
    change_email(again, None)
    assert User.objects.get().email == "new@example.org"
    assert {address for one in mail.outbox for address in one.to} == {"alice@example.org", "new@example.org"}


def test_the_session_in_which_the_account_was_made_is_told_nothing_of_its_token(browser: Browser):
    browser.register()
    browser.confirm()
    browser.post("/manage/account/token/", **TOKEN)
    assert Token.objects.count() == 1
    assert len(mail.outbox) == 1  # the code


def test_wrong_codes_after_the_right_password_are_told_once(again: Browser, django_capture_on_commit_callbacks: Any):
    set_up_app(again, django_capture_on_commit_callbacks)
    forget_limits()
    mail.outbox.clear()
    thief = Browser()
    thief.sign_in()
    for guess in range(7):
        thief.post(STEP, code=f"{guess:06}")
    assert subjects() == ["Wrong codes for your account"]
    assert not thief.signed_in


def test_a_notice_that_can_t_be_sent_undoes_nothing(again: Browser, settings: Any):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", 1, 1
    assert (
        again.post("/manage/account/password/", oldpassword=PASSWORD, password1=NEW, password2=NEW).status_code == 302
    )
    other = Browser()
    assert other.sign_in(password=NEW)["Location"] == "/manage/projects/"
    assert other.signed_in


@pytest.mark.parametrize("address", ["alice@example.org", "nobody@example.org"])
def test_hostile_189_a_reset_of_an_unknown_address_looks_and_lasts_as_one_that_is_known(
    browser: Browser, settings: Any, address: str
):
    import time

    make_user()
    settings.EVEN_SECONDS = 0.6
    mail.outbox.clear()
    before = time.monotonic()
    answer = browser.post("/account/reset/", email=address)
    assert time.monotonic() - before >= 0.6
    assert answer["Location"] == "/account/reset/sent/"
    assert len(mail.outbox) == 1  # a stranger's mail says that there is no account; the browser learns nothing


def test_hostile_189_a_passkey_is_asked_the_same_whoever_comes(browser: Browser):
    asked = browser.client.get("/account/login/passkey/", headers={"accept": "application/json"}).json()
    options = asked["request_options"]["publicKey"]
    assert not options.get("allowCredentials")
    assert set(options) <= {
        "challenge",
        "timeout",
        "rpId",
        "userVerification",
        "allowCredentials",
        "extensions",
        "hints",
    }
