# SPDX-License-Identifier: Apache-2.0
"""Setting a password anew by mail."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from tests.infra.accounts import Browser, make_user

from packhouse.catalogue.models import User
from packhouse.site.account_settings import RESET_TIMEOUT

NEW = "nine loud badgers"
LINK = re.compile(r"https?://\S+/account/reset/\S+")


def ask(browser: Browser, email: str = "alice@example.org", **headers: Any):
    return browser.client.post("/account/reset/", {"email": email}, **headers)


def link() -> str:
    return str(LINK.findall(str(mail.outbox[-1].body))[0])


def path_of(url: str) -> str:
    return "/" + url.split("/", 3)[3]


def use(browser: Browser, url: str, password: str = NEW):
    page = browser.get(path_of(url))
    target = page["Location"] if page.status_code == 302 else path_of(url)
    return browser.post(target, password1=password, password2=password)


def test_a_new_password_by_link_ends_sessions_and_signs_nobody_in(browser: Browser):
    make_user()
    old = Browser()
    old.sign_in()
    ask(browser)
    assert use(browser, link()).status_code == 302
    assert not browser.signed_in
    assert not old.signed_in
    assert browser.sign_in().status_code == 400
    assert browser.sign_in(password=NEW).status_code == 302
    assert [one.to for one in mail.outbox] == [["alice@example.org"]] * 3  # the link, and two notices
    assert mail.outbox[-1].subject == "Signed in from a new browser"


def test_hostile_194_a_link_is_good_once(browser: Browser):
    make_user()
    ask(browser)
    ask(browser)
    first, second = (LINK.findall(str(m.body))[0] for m in mail.outbox)
    use(browser, first)
    for url in (first, second):
        use(Browser(), url, "and another one")
    assert browser.sign_in(password="and another one").status_code == 400
    assert browser.sign_in(password=NEW).status_code == 302


def test_hostile_194_a_link_of_yesterday_is_no_good(browser: Browser):
    user = make_user()
    assert RESET_TIMEOUT < 24 * 3600
    from allauth.account.forms import EmailAwarePasswordResetTokenGenerator, default_token_generator

    class Yesterday(EmailAwarePasswordResetTokenGenerator):  # type: ignore[misc]
        def _now(self) -> datetime:
            return datetime.now() - timedelta(seconds=RESET_TIMEOUT + 60)  # noqa: DTZ005 - as Django has it

    old = Yesterday().make_token(user)
    assert not default_token_generator.check_token(user, old)
    assert default_token_generator.check_token(user, default_token_generator.make_token(user))


def test_hostile_194_a_link_dies_with_the_address(browser: Browser):
    from allauth.account.models import EmailAddress

    user = make_user()
    ask(browser)
    EmailAddress.objects.filter(user=user).update(email="new@example.org")
    User.objects.update(email="new@example.org")
    use(browser, link())
    assert browser.sign_in(password=NEW).status_code == 400


def test_hostile_194_a_link_for_somebody_else(browser: Browser):
    make_user()
    bob = make_user("bob")
    ask(browser)
    parts = link().rstrip("/").split("/")
    parts[-2] = str(bob.pk)
    use(browser, "/".join(parts) + "/")
    assert browser.sign_in("bob", NEW).status_code == 400


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1@evil.example"])
def test_hostile_194_a_forged_host_never_gets_into_the_mail(browser: Browser, host: str):
    make_user()
    ask(browser, HTTP_HOST=host)
    for sent in mail.outbox:
        assert "evil" not in str(sent.body)
        assert "evil" not in sent.subject


def test_links_use_the_public_address(browser: Browser, settings):
    settings.PACKHOUSE = replace(settings.PACKHOUSE, base_url="https://packages.example/")
    make_user()
    ask(browser)
    assert link().startswith("https://packages.example/account/reset/")


def test_links_have_the_path_of_the_public_address_once(browser: Browser, settings):
    settings.PACKHOUSE = replace(settings.PACKHOUSE, base_url="https://intra.example/pkg")
    make_user()
    for prefix in ("/pkg", ""):
        ask(browser, HTTP_HOST="intra.example", HTTP_X_FORWARDED_PREFIX=prefix)
        assert link().startswith("https://intra.example/pkg/account/reset/")


def test_links_use_the_address_served(browser: Browser, settings):
    settings.PACKHOUSE = replace(settings.PACKHOUSE, host="127.0.0.1", port=8123)
    make_user()
    ask(browser)
    assert link().startswith("http://127.0.0.1:8123/account/reset/")
    ask(browser, HTTP_HOST="localhost:8123")
    assert link().startswith("http://localhost:8123/account/reset/")


def test_hostile_189_unknown_addresses_look_the_same(browser: Browser):
    make_user()
    known, unknown = ask(browser), ask(browser, "nobody@example.org")
    assert (known.status_code, known["Location"]) == (unknown.status_code, unknown["Location"])
    assert [m.to for m in mail.outbox] == [["alice@example.org"], ["nobody@example.org"]]
    assert not LINK.findall(str(mail.outbox[1].body))


def test_weak_passwords_are_refused_here_too(browser: Browser):
    make_user()
    ask(browser)
    assert use(browser, link(), "password12").status_code == 400
    assert browser.sign_in().status_code == 302


def test_a_reset_frees_the_owner_of_the_limits_of_guessers(browser: Browser):
    make_user()
    for _ in range(51):
        browser.sign_in(password="guess after guess")
    assert browser.sign_in().status_code == 429
    ask(browser)
    use(browser, link())
    assert browser.sign_in(password=NEW).status_code == 302


def test_disabled_accounts_get_no_link(browser: Browser):
    make_user()
    User.objects.update(is_active=False)
    ask(browser)
    assert not LINK.findall(str(mail.outbox[0].body))
