# SPDX-License-Identifier: Apache-2.0
"""Second factors: app, recovery codes, keys; nothing goes round them."""

from __future__ import annotations

import time

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.core import mail
from tests.infra.accounts import PASSWORD, Browser, forget_limits

from packhouse.catalogue.models import JournalEntry, User
from packhouse.services.access import identity_of_user

APP = "/account/two-factor/app/"
STEP = "/account/login/second-factor/"
PERIOD = 30


def code(secret: str, offset: int = 0) -> str:
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // PERIOD + offset)))


@pytest.fixture
def secret(signed_in: Browser) -> str:
    """Alice's app, set up; its codes used so far are forgotten."""
    signed_in.reauthenticate()
    page = signed_in.get(APP)
    key = str(page.context["form"].secret)
    assert signed_in.post(APP, code=code(key)).status_code == 302
    forget_limits()
    return key


def half_way() -> Browser:
    """A browser that gave the password and not yet the code."""
    browser = Browser()
    assert browser.sign_in()["Location"] == STEP
    return browser


def test_a_code_is_asked_for_and_taken_once(signed_in: Browser, secret: str):
    assert identity_of_user(User.objects.get()).two_factor
    first = half_way()
    assert not first.signed_in
    good = code(secret)
    assert first.post(STEP, code=good).status_code == 302
    assert first.signed_in
    second = half_way()
    assert second.post(STEP, code=good).status_code == 400  # hostile-195: a replay
    assert not second.signed_in


@pytest.mark.parametrize("wrong", ["", "12345", "1234567", "١٢٣٤٥٦", "abcdef", "000000 or true"])
def test_hostile_195_what_is_no_code(signed_in: Browser, secret: str, wrong: str):
    browser = half_way()
    assert browser.post(STEP, code=wrong).status_code == 400
    assert not browser.signed_in


def test_hostile_195_spaces_do_no_harm_and_old_codes_are_refused(signed_in: Browser, secret: str):
    browser = half_way()
    assert browser.post(STEP, code=code(secret, -4)).status_code == 400
    good = code(secret)
    assert browser.post(STEP, code=f" {good[:3]} {good[3:]}").status_code == 302


def test_hostile_188_codes_are_not_guessed(signed_in: Browser, secret: str):
    browser = half_way()
    answers = [browser.post(STEP, code=f"{guess:06}").status_code for guess in range(7)]
    assert answers == [400] * 5 + [429] * 2
    assert browser.post(STEP, code=code(secret)).status_code == 429


@pytest.mark.parametrize(
    "path", ["/manage/account/token/", "/manage/account/", "/account/two-factor/", "/manage/account/email/"]
)
def test_hostile_197_the_step_can_t_be_skipped(signed_in: Browser, secret: str, path: str):
    answer = half_way().get(path)
    assert answer["Location"].startswith("/account/login/")


def test_hostile_194_a_reset_does_not_go_round_it(signed_in: Browser, secret: str):
    import re

    Browser().post("/account/reset/", email="alice@example.org")
    link = re.findall(r"/account/reset/\S+", str(mail.outbox[-1].body))[0]
    other = Browser()
    target = other.get(link)["Location"]
    other.post(target, password1="nine loud badgers", password2="nine loud badgers")
    assert not other.signed_in
    assert other.sign_in(password="nine loud badgers")["Location"] == STEP


def test_hostile_195_recovery_codes_work_once(signed_in: Browser, secret: str):
    page = signed_in.get("/account/two-factor/codes/")
    codes = page.context["unused_codes"]
    assert len(codes) == 10
    assert half_way().post(STEP, code=codes[0]).status_code == 302
    assert half_way().post(STEP, code=codes[0]).status_code == 400
    assert half_way().post(STEP, code=codes[1]).status_code == 302


def test_hostile_187_secrets_of_factors_are_encrypted_in_the_database(signed_in: Browser, secret: str):
    signed_in.get("/account/two-factor/codes/")
    kept = str(list(Authenticator.objects.values()))
    assert secret not in kept
    assert "gAAAA" in kept  # what Fernet writes
    for one in signed_in.get("/account/two-factor/codes/").context["unused_codes"]:
        assert one not in kept


def test_hostile_191_switching_it_on_and_off_ends_other_sessions_and_tells_the_owner(
    signed_in: Browser, django_capture_on_commit_callbacks
):
    other = Browser()
    other.sign_in()
    assert other.signed_in
    signed_in.reauthenticate()
    key = str(signed_in.get(APP).context["form"].secret)
    mail.outbox.clear()
    with django_capture_on_commit_callbacks(execute=True):
        signed_in.post(APP, code=code(key))
    assert signed_in.signed_in
    assert not other.signed_in
    assert mail.outbox[0].to == ["alice@example.org"]
    forget_limits()
    third = half_way()
    third.post(STEP, code=code(key))
    assert third.signed_in
    signed_in.post(f"{APP}remove/")
    assert not third.signed_in
    assert {"second factor added", "second factor removed"} <= set(JournalEntry.objects.values_list("kind", flat=True))


def test_setting_up_needs_the_password_again(signed_in: Browser):
    assert signed_in.get(APP)["Location"].startswith("/account/reauthenticate/")
    assert signed_in.get("/account/two-factor/keys/add/")["Location"].startswith("/account/reauthenticate/")


def test_hostile_196_a_key_that_answers_nonsense_is_not_added(signed_in: Browser):
    signed_in.reauthenticate()
    signed_in.get("/account/two-factor/keys/add/")
    for credential in ("{}", "[]", "nonsense", '{"id": "x", "rawId": "x", "type": "public-key", "response": {}}'):
        answer = signed_in.post("/account/two-factor/keys/add/", name="key", credential=credential)
        assert answer.status_code == 400
    assert not Authenticator.objects.exists()


def test_hostile_196_a_key_that_answers_nonsense_signs_nobody_in(signed_in: Browser, secret: str):
    browser = half_way()
    for credential in ("{}", "[]", "nonsense", '{"id": "x", "rawId": "x", "type": "public-key", "response": {}}'):
        assert browser.post(STEP, credential=credential).status_code == 400
    assert not browser.signed_in


def test_every_page_of_second_factors_opens(signed_in: Browser, secret: str):
    signed_in.reauthenticate(PASSWORD)
    for path in ("", "codes/", "codes/new/", "codes/download/", "keys/", "keys/add/", "app/remove/"):
        assert signed_in.get(f"/account/two-factor/{path}").status_code == 200, path
