# SPDX-License-Identifier: Apache-2.0
"""Second factors: app, recovery codes, keys; nothing goes round them."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.core import mail
from django.core.cache import cache
from django.db import connections
from tests.infra.accounts import PASSWORD, Browser, forget_limits, make_user

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


def test_hostile_195_a_code_is_taken_once_as_long_as_it_could_be(signed_in: Browser, secret: str):
    good = code(secret, 1)  # of the next half minute: good for longest
    assert half_way().post(STEP, code=good).status_code == 302
    user = User.objects.get()
    assert cache.delete(f"allauth.mfa.totp.used?user={user.pk}&code={good}")  # which allauth does after 30 seconds
    for again in (good, f"{good[:3]} {good[3:]}"):
        assert half_way().post(STEP, code=again).status_code == 400


@pytest.mark.django_db(transaction=True, databases=["default", "activity"])
def test_hostile_195_of_twenty_at_once_one_gets_in(signed_in: Browser, secret: str):
    good, browsers = code(secret), [half_way() for _ in range(20)]

    def step(browser: Browser) -> int:
        try:
            return int(browser.post(STEP, code=good).status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(step, browsers))
    assert answers.count(302) == 1
    assert sum(browser.signed_in for browser in browsers) == 1


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
    mail.outbox.clear()
    assert half_way().post(STEP, code=codes[0]).status_code == 302
    assert half_way().post(STEP, code=codes[0]).status_code == 400
    assert "9 are left" in mail.outbox[0].body
    grouped = "-".join(codes[1][at : at + 4] for at in range(0, 16, 4))
    assert half_way().post(STEP, code=f" {grouped} ").status_code == 302
    used = JournalEntry.objects.filter(kind="recovery code used").values_list("detail", flat=True)
    assert [entry["left"] for entry in used] == [9, 8]


def test_recovery_codes_are_shown_once_and_can_t_be_read_again(signed_in: Browser, secret: str):
    first = signed_in.get("/account/two-factor/codes/")
    shown = [format_code(code) for code in first.context["unused_codes"]]
    assert all(code in first.content.decode() for code in shown)
    again = signed_in.get("/account/two-factor/codes/")
    assert not any(code in again.content.decode() for code in shown)
    assert not again.context["can_view_codes"]
    kept = Authenticator.objects.get(type="recovery_codes")
    assert "seed" not in kept.data
    readable = kept.wrap().get_unused_codes()
    assert not set(readable) & set(first.context["unused_codes"])  # what the server itself can read are not codes
    assert half_way().post(STEP, code=readable[0]).status_code == 400


def format_code(code: str) -> str:
    return "-".join(code[at : at + 4] for at in range(0, 16, 4))


def test_recovery_codes_work_before_they_were_shown(signed_in: Browser, secret: str):
    codes = Authenticator.objects.get(type="recovery_codes").wrap().get_unused_codes()
    assert half_way().post(STEP, code=format_code(codes[3])).status_code == 302
    shown = signed_in.get("/account/two-factor/codes/").context["unused_codes"]
    assert len(shown) == 9
    assert codes[3] not in shown
    assert half_way().post(STEP, code=codes[4]).status_code == 302


def test_new_recovery_codes_end_the_old_ones(signed_in: Browser, secret: str, django_capture_on_commit_callbacks):
    old = signed_in.get("/account/two-factor/codes/").context["unused_codes"]
    mail.outbox.clear()
    with django_capture_on_commit_callbacks(execute=True):
        signed_in.post("/account/two-factor/codes/new/")
    assert [one.subject for one in mail.outbox] == ["New recovery codes"]
    new = signed_in.get("/account/two-factor/codes/").context["unused_codes"]
    assert len(new) == 10
    assert half_way().post(STEP, code=old[0]).status_code == 400
    assert half_way().post(STEP, code=new[0]).status_code == 302
    assert JournalEntry.objects.filter(kind="recovery codes made").count() == 1


def test_a_code_is_good_for_re_authentication_once(signed_in: Browser, secret: str):
    codes = signed_in.get("/account/two-factor/codes/").context["unused_codes"]
    browser = half_way()
    browser.post(STEP, code=codes[0])
    assert browser.post("/account/two-factor/confirm/", code=codes[0]).status_code == 400
    assert browser.get(f"{APP}remove/").status_code == 302
    assert browser.post("/account/two-factor/confirm/", code=codes[1]).status_code == 302
    assert browser.get(f"{APP}remove/").status_code == 200


@pytest.mark.parametrize("empty", ["", "null"])
def test_the_field_of_a_key_that_did_not_answer_is_in_no_code_s_way(signed_in: Browser, secret: str, empty: str):
    browser = half_way()
    field = browser.get(STEP).context["webauthn_form"]["credential"]
    assert 'value="null"' in str(field)
    assert browser.post(STEP, code=code(secret), credential=empty).status_code == 302
    assert browser.signed_in


def test_a_trusted_browser_is_not_asked_again(signed_in: Browser, secret: str):
    browser = half_way()
    assert browser.post(STEP, code=code(secret), trust="on").status_code == 302
    browser.post("/account/logout/")
    assert not browser.signed_in
    assert browser.sign_in()["Location"] == "/manage/projects/"
    assert browser.signed_in
    assert half_way().get(STEP).status_code == 200  # another browser is


def test_hostile_197_trust_is_that_of_one_person_and_ends_with_a_new_password(signed_in: Browser, secret: str):
    browser = half_way()
    browser.post(STEP, code=code(secret), trust="on")
    trusted = browser.client.cookies["packhouse-trusted"].value
    make_user("bob")
    other = Browser()
    other.sign_in("bob")
    other.reauthenticate()
    key = str(other.get(APP).context["form"].secret)
    other.post(APP, code=code(key))
    thief = Browser()
    thief.client.cookies["packhouse-trusted"] = trusted
    assert thief.sign_in("bob")["Location"] == STEP
    browser.post(
        "/manage/account/password/", oldpassword=PASSWORD, password1="nine loud badgers", password2="nine loud badgers"
    )
    again = Browser()
    again.client.cookies["packhouse-trusted"] = trusted
    assert again.sign_in(password="nine loud badgers")["Location"] == STEP


def test_what_is_not_asked_for_is_not_trusted(signed_in: Browser, secret: str):
    browser = half_way()
    browser.post(STEP, code=code(secret))
    assert "packhouse-trusted" not in browser.client.cookies


def test_hostile_196_a_passkey_that_answers_nonsense_signs_nobody_in(browser: Browser):
    asked = browser.client.get("/account/login/passkey/", headers={"accept": "application/json"})
    assert asked.json()["request_options"]["publicKey"]["userVerification"] == "required"
    for credential in ("", "{}", "[]", "nonsense", '{"id": "x", "rawId": "x", "type": "public-key", "response": {}}'):
        assert browser.post("/account/login/passkey/", credential=credential)["Location"] == "/account/login/"
    assert not browser.signed_in
    assert browser.get("/account/login/passkey/")["Location"] == "/account/login/"  # a page is not to be had there


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
    for path in ("", "codes/", "codes/new/", "keys/", "keys/add/", "app/remove/"):
        assert signed_in.get(f"/account/two-factor/{path}").status_code == 200, path
