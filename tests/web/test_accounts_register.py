# SPDX-License-Identifier: Apache-2.0
"""Registering: form, mail, code, names, passwords, and what strangers can't learn from it."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.utils import timezone
from tests.infra.accounts import PASSWORD, Browser, forget_limits, last_code, make_user

from packhouse.catalogue.models import JournalEntry, User


def test_register_confirm_and_be_signed_in(browser: Browser):
    assert browser.register()["Location"] == "/account/confirm/"
    assert len(mail.outbox) == 1
    assert mail.outbox[0].to == ["alice@example.org"]
    answer = browser.confirm()
    assert answer.status_code == 302
    assert browser.signed_in
    user = User.objects.get(username="alice")
    assert user.password != PASSWORD
    assert EmailAddress.objects.get(user=user).verified
    assert JournalEntry.objects.filter(kind="user created", actor="alice").count() == 1


def test_one_mail_with_the_code_alone_on_its_line(browser: Browser):
    browser.register()
    assert last_code() in str(mail.outbox[0].body).splitlines()
    assert "testserver" not in str(mail.outbox[0].body)


def test_a_wrong_code_does_not_confirm_and_five_end_it(browser: Browser):
    browser.register()
    for _ in range(4):
        assert browser.post("/account/confirm/", action="verify", code="AAAA-AAAA").status_code == 400
    assert browser.post("/account/confirm/", action="verify", code="AAAA-AAAA").status_code == 302
    assert browser.confirm().status_code == 302
    assert not browser.signed_in
    assert not EmailAddress.objects.filter(verified=True).exists()


def test_without_the_code_nobody_is_signed_in(browser: Browser):
    browser.register()
    assert not browser.signed_in
    answer = Browser().sign_in()
    assert answer["Location"] == "/account/confirm/"


@pytest.mark.parametrize(
    "name",
    ["__token__", "..", "con", "a" * 300, "ali\u202ece", "аlice", "ali ce", "-alice", "alice-", "", "support", "a\nb"],
)
def test_hostile_199_names_that_nobody_gets(browser: Browser, name: str):
    assert browser.register(name=name).status_code == 400
    assert User.objects.count() == 0


@pytest.mark.parametrize("name", ["Alice", "a.b_c-d", "x", "7of9"])
def test_names_that_people_get(browser: Browser, name: str):
    assert browser.register(name=name).status_code == 302
    assert User.objects.get().username == name


def test_hostile_199_a_taken_name_is_said_to_be_taken_in_any_case(browser: Browser):
    make_user("Alice")
    answer = browser.register(name="aLICE", email="other@example.org")
    assert answer.status_code == 400
    assert User.objects.count() == 1


@pytest.mark.parametrize(
    "password", ["short", "password12", "1234567890123", "alice@example", "x" * 1025, "a\0bcdefghijk"]
)
def test_hostile_190_weak_and_endless_passwords(browser: Browser, password: str):
    assert browser.register(password=password).status_code == 400
    assert User.objects.count() == 0


@pytest.mark.parametrize("password", ["  leading spaces kept  ", "é" * 512, "🐍🔐" * 6, "long" * 20])
def test_hostile_190_passwords_are_taken_verbatim(browser: Browser, password: str):
    browser.register(password=password)
    browser.confirm()
    other = Browser()
    other.sign_in(password=password.strip() + "x")
    assert not other.signed_in
    other.sign_in(password=password)
    assert other.signed_in
    if password != password.strip():
        third = Browser()
        third.sign_in(password=password.strip())
        assert not third.signed_in


def test_hostile_190_no_truncation_at_72(browser: Browser):
    browser.register(password="x1" * 36 + "right end")
    browser.confirm()
    other = Browser()
    other.sign_in(password="x1" * 36 + "wrong end")
    assert not other.signed_in


@pytest.mark.parametrize(
    "email", ["alice@example.org", "ALICE@EXAMPLE.org", "alice@example.org\n", "alice+two@example.org"]
)
def test_hostile_189_198_an_address_in_use_looks_the_same_and_its_owner_hears_of_it(browser: Browser, email: str):
    make_user()
    fresh = Browser().register(name="carol", email="carol@example.org")
    mail.outbox.clear()
    twin = browser.register(name="bob", email=email)
    assert (twin.status_code, twin["Location"]) == (fresh.status_code, fresh["Location"])
    assert not User.objects.filter(username="bob").exists()
    assert len(mail.outbox) == 1
    assert mail.outbox[0].to == [email.strip().lower()]
    text = browser.get("/account/confirm/").content.decode()
    assert "exists" not in text


@pytest.mark.parametrize("email", ["alıce@example.org", "alice@exämple.org", "alice", "a@b@c.org", "alice@"])
def test_hostile_198_addresses_that_are_none_of_ours(browser: Browser, email: str):
    assert browser.register(email=email).status_code == 400


@pytest.mark.parametrize(
    ("mode", "host", "is_open"),
    [
        (None, "127.0.0.1", True),
        (None, "localhost", True),
        (None, "0.0.0.0", False),
        ("open", "0.0.0.0", True),
        ("invited", "127.0.0.1", False),
        ("closed", "127.0.0.1", False),
    ],
)
def test_registration_modes(browser: Browser, settings, mode: str | None, host: str, is_open: bool):
    settings.PACKHOUSE = replace(settings.PACKHOUSE, registration=mode, host=host)
    browser.register()
    assert User.objects.exists() is is_open


def test_hostile_189_registering_takes_as_long_for_an_address_in_use(browser: Browser, settings):
    settings.EVEN_SECONDS = 0.4
    make_user()
    for name, email in (("bob", "alice@example.org"), ("carol", "carol@example.org")):
        begun = time.monotonic()
        assert Browser().register(name=name, email=email).status_code == 302
        assert time.monotonic() - begun >= 0.4


def test_hostile_202_a_name_is_never_given_again(browser: Browser):
    user = make_user("bob")
    user.is_active, user.deleted_at = False, timezone.now()
    user.save()
    assert browser.register(name="Bob", email="new@example.org").status_code == 400


def test_a_mail_server_that_is_away_is_said_to_be(browser: Browser, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    answer = browser.register()
    assert answer.status_code == 503
    assert "could not be sent" in answer.content.decode()
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    forget_limits()
    browser.sign_in()  # the code is sent again
    browser.confirm()
    assert browser.signed_in


def test_labels(browser: Browser):
    page = browser.get("/account/register/").content.decode()
    for label in ("Username", "E-mail", "Password", "Confirm password"):
        assert len(re.findall(rf">{label}:?</label>", page)) == 1
