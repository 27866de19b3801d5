# SPDX-License-Identifier: Apache-2.0
"""Signing in and out: sessions, limits, redirects, disabled accounts, forged requests."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.core import mail
from django.db import connections
from django.utils import timezone
from tests.infra.accounts import PASSWORD, Browser, make_user

from packhouse.catalogue.activity.models import Session, SignInFailure
from packhouse.catalogue.activity.sessions import STARTED, stored_key
from packhouse.catalogue.models import JournalEntry, Token, User
from packhouse.services import people
from packhouse.services.journal import COMMAND
from packhouse.services.resources import now
from packhouse.site import attempts

WRONG = "not the password"


@pytest.mark.parametrize("login", ["alice", "ALICE", "alice@example.org", "Alice@Example.ORG", " alice "])
def test_name_or_address_in_any_case(browser: Browser, login: str):
    make_user()
    assert browser.sign_in(login).status_code == 302
    assert browser.signed_in


@pytest.mark.parametrize("login", ["nobody", "nobody@example.org", "alice\0", "", "a" * 5000, "' OR 1=1--"])
def test_hostile_189_unknown_names_and_wrong_passwords_look_the_same(browser: Browser, login: str):
    make_user()
    known = browser.sign_in("alice", WRONG)
    unknown = browser.sign_in(login, WRONG)
    assert (known.status_code, unknown.status_code) == (400, 400)
    assert not browser.signed_in
    if login.isprintable() and 0 < len(login) < 100:
        assert faults(unknown) == faults(known)


def faults(answer) -> object:
    return answer.context["form"].errors.as_text()


def test_hostile_189_an_unknown_name_costs_a_hash_too(browser: Browser, settings):
    settings.PASSWORD_HASHERS = ["tests.web.hashing.Counting"]
    from tests.web.hashing import Counting

    make_user()
    costs = []
    for name in ("alice", "nobody", "nobody@example.org", "alice@example.org"):
        Counting.count = 0
        browser.sign_in(name, WRONG)
        costs.append(Counting.count)
    assert costs == [1, 1, 1, 1]


def test_hostile_190_a_password_of_a_mebibyte_is_refused_without_being_hashed_whole(browser: Browser):
    make_user()
    assert browser.sign_in("alice", "x" * 200_000).status_code == 400
    assert browser.sign_in("alice", "x" * 2**20).status_code == 413  # more than any form may bring


def test_hostile_191_the_session_is_rotated_at_sign_in_and_dead_after_sign_out(browser: Browser):
    make_user()
    browser.client.session["seen"] = 1
    session = browser.client.session
    session["planted"] = True
    session.save()
    browser.client.cookies[django_settings.SESSION_COOKIE_NAME] = str(session.session_key)
    before = str(session.session_key)
    browser.sign_in()
    after = browser.client.cookies[django_settings.SESSION_COOKIE_NAME].value
    assert after != before
    assert not Session.objects.filter(pk=stored_key(before)).exists()
    assert browser.post("/account/logout/").status_code == 302
    thief = Browser()
    thief.client.cookies[django_settings.SESSION_COOKIE_NAME] = after
    assert not thief.signed_in


def test_hostile_191_cookie_attributes(browser: Browser):
    make_user()
    cookies = browser.sign_in().cookies
    session = cookies["packhouse"]
    assert (session["httponly"], session["samesite"], session["path"], session["domain"]) == (True, "Lax", "/", "")


def test_hostile_191_over_https_cookies_are_bound_to_the_host():
    from packhouse.config import Settings
    from packhouse.site.account_settings import account_settings

    values = account_settings(Settings(base_url="https://packages.example"))
    assert values["SESSION_COOKIE_NAME"].startswith("__Host-")
    assert values["CSRF_COOKIE_NAME"].startswith("__Host-")
    assert values["SESSION_COOKIE_SECURE"]
    assert values["CSRF_COOKIE_SECURE"]
    assert values["CSRF_TRUSTED_ORIGINS"] == ["https://packages.example"]


def test_hostile_187_the_database_holds_no_live_session(browser: Browser):
    make_user()
    browser.sign_in()
    key = browser.client.cookies["packhouse"].value
    row = Session.objects.get(account_id=User.objects.get().pk)
    assert key not in row.session_key
    assert key not in row.session_data


def test_sign_out_needs_a_button(browser: Browser):
    make_user()
    browser.sign_in()
    assert browser.get("/account/logout/").status_code == 200
    assert browser.signed_in
    browser.post("/account/logout/")
    assert not browser.signed_in


def test_a_disabled_account_is_out_at_once(browser: Browser):
    user = make_user()
    browser.sign_in()
    assert browser.signed_in
    people.disable_user(COMMAND, user, clock=now)
    assert not browser.signed_in
    browser.sign_in()
    assert not browser.signed_in


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "/\\evil.example",
        "https:evil.example",
        "https://evil.example/",
        "%0d%0aX: y",
        "\t//evil.example",
        "/\n/evil.example",
        "javascript:alert(1)",
    ],
)
def test_hostile_193_redirects_stay_here(browser: Browser, target: str):
    make_user()
    assert browser.sign_in(next=target)["Location"] == "/manage/projects/"


def test_hostile_193_a_path_of_ours_is_followed(browser: Browser):
    make_user()
    assert browser.sign_in(next="/manage/account/token/?a=b")["Location"] == "/manage/account/token/?a=b"


def test_hostile_188_guessing_gets_slow_and_the_owner_still_gets_in(browser: Browser):
    make_user()
    answers = [browser.sign_in("alice", WRONG).status_code for _ in range(12)]
    assert answers == [400] * 10 + [429] * 2
    assert browser.sign_in("alice", WRONG)["Retry-After"] == "60"
    assert browser.sign_in().status_code == 302
    assert browser.signed_in


def test_hostile_188_far_too_many_failures_of_one_address_end_there_only(browser: Browser):
    make_user()
    make_user("bob")
    for _ in range(51):
        browser.sign_in("alice", WRONG)
    assert browser.sign_in().status_code == 429  # alice, from there
    other = Browser(address="192.0.2.9")
    assert other.sign_in().status_code == 302  # alice, from elsewhere
    assert Browser().sign_in("bob").status_code == 302  # somebody else, from there (decision 10)


def test_hostile_188_a_browser_the_owner_used_before_is_not_locked_out_by_its_neighbours(browser: Browser):
    make_user()
    own = Browser()
    own.sign_in()
    own.post("/account/logout/")
    for _ in range(52):
        browser.sign_in("alice", WRONG)
    assert browser.sign_in().status_code == 429
    assert own.sign_in().status_code == 302


def test_hostile_188_guessing_from_a_thousand_addresses_meets_a_limit(browser: Browser):
    make_user()
    own = Browser(address="192.0.2.1")
    own.sign_in()
    own.post("/account/logout/")
    failed(attempts.SPREAD - 1, name="alice")
    codes = [Browser(address=f"198.51.100.{i}").sign_in("alice", WRONG).status_code for i in range(3)]
    assert codes == [400, 429, 429]
    assert own.sign_in().status_code == 302


def failed(count: int, name: str = "", place: str = "") -> None:
    """As if so many sign-ins had failed just now, each of another name or from another place."""
    SignInFailure.objects.bulk_create(
        SignInFailure(
            name=attempts._short(name or f"person{number}"),
            place=attempts._short(place or f"address 192.0.2.{number}"),
            at=timezone.now(),
        )
        for number in range(count)
    )


def test_hostile_188_trying_many_names_gets_slow_but_good_credentials_of_the_address_get_in(browser: Browser):
    make_user()
    failed(attempts.SPRAY, place="address 127.0.0.1")
    begun = time.monotonic()
    assert Browser().sign_in().status_code == 302
    assert time.monotonic() - begun >= attempts.PAUSE


def test_a_success_leaves_no_count_behind(browser: Browser):
    make_user()
    browser.sign_in(password=WRONG)
    Browser().sign_in()
    assert SignInFailure.objects.count() == 1
    kept = str(SignInFailure.objects.values().get())
    assert "alice" not in kept
    assert "127.0.0.1" not in kept


def test_hostile_192_forms_of_other_sites(browser: Browser):
    make_user()
    strict = Browser(csrf=True)
    assert strict.sign_in().status_code == 403
    assert not strict.signed_in
    for site in ("cross-site", "same-site"):
        answer = browser.client.post(
            "/account/login/", {"login": "alice", "password": PASSWORD}, headers={"sec-fetch-site": site}
        )
        assert answer.status_code == 403
    assert not browser.signed_in


def test_hostile_192_json_and_text_bodies_change_nothing(browser: Browser):
    make_user()
    strict = Browser(csrf=True)
    for media_type in ("application/json", "text/plain"):
        body = '{"login": "alice", "password": "seven quiet otters"}'
        assert strict.client.post("/account/login/", body, content_type=media_type).status_code == 403
    assert not strict.signed_in


def test_a_form_with_its_secret_is_taken(browser: Browser):
    make_user()
    strict = Browser(csrf=True)
    page = strict.get("/account/login/").content.decode()
    secret = page.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
    assert strict.sign_in(csrfmiddlewaretoken=secret).status_code == 302
    assert strict.signed_in


def test_changing_the_password_ends_other_sessions_and_tells_the_owner(signed_in: Browser):
    other = Browser()
    other.sign_in()
    assert other.signed_in
    fields = {"oldpassword": PASSWORD, "password1": "nine loud badgers", "password2": "nine loud badgers"}
    mail.outbox.clear()
    assert signed_in.post("/manage/account/password/", **fields).status_code == 302
    assert signed_in.signed_in
    assert not other.signed_in
    assert [m.to for m in mail.outbox] == [["alice@example.org"]]
    assert JournalEntry.objects.filter(kind="password changed").count() == 1
    assert Browser().sign_in(password=PASSWORD).status_code == 400
    assert Browser().sign_in(password="nine loud badgers").status_code == 302


def test_changing_the_password_needs_the_one_there_is(signed_in: Browser):
    fields = {"oldpassword": WRONG, "password1": "nine loud badgers", "password2": "nine loud badgers"}
    assert signed_in.post("/manage/account/password/", **fields).status_code == 400
    assert Browser().sign_in().status_code == 302


def test_hostile_198_the_address_changes_after_the_password_and_the_code_and_the_old_one_is_told(signed_in: Browser):
    mail.outbox.clear()
    refused = signed_in.post("/manage/account/email/", email="new@example.org", action_add="")
    assert refused["Location"].startswith("/account/reauthenticate/")
    assert not mail.outbox
    signed_in.reauthenticate()
    answer = signed_in.post("/manage/account/email/", email="new@example.org", action_add="")
    assert answer["Location"] == "/account/confirm/"
    assert User.objects.get().email == "alice@example.org"
    assert [m.to for m in mail.outbox] == [["new@example.org"]]
    signed_in.confirm()
    assert User.objects.get().email == "new@example.org"
    assert [m.to for m in mail.outbox] == [["new@example.org"], ["alice@example.org"]]
    assert JournalEntry.objects.filter(kind="e-mail changed").count() == 1


def test_reauthentication_takes_only_the_password(signed_in: Browser):
    signed_in.post("/manage/account/email/", email="new@example.org", action_add="")
    assert signed_in.reauthenticate(WRONG).status_code == 400
    fields = signed_in.get("/account/reauthenticate/").context["form"].fields
    assert [field.label for field in fields.values()] == ["Password"]


def test_sessions_page_ends_others(signed_in: Browser):
    other = Browser(address="192.0.2.7")
    other.sign_in()
    assert Session.objects.filter(account_id=User.objects.get().pk).count() == 2
    signed_in.post("/manage/account/sessions/")
    assert signed_in.signed_in
    assert not other.signed_in


def test_nobody_ends_the_session_of_somebody_else(signed_in: Browser):
    make_user("bob")
    bob = Browser()
    bob.sign_in("bob")
    row = Session.objects.get(account_id=User.objects.get(username="bob").pk)
    signed_in.post("/manage/account/sessions/", session=row.pk)
    assert bob.signed_in


def test_hostile_187_a_dump_of_the_database_has_no_live_secret(signed_in: Browser):
    dump = "\n".join(rows_of_everything())
    assert "alice@example.org" in dump
    assert PASSWORD not in dump
    assert signed_in.client.cookies["packhouse"].value not in dump


def rows_of_everything() -> Iterator[str]:
    for connection in connections.all():
        for table in connection.introspection.table_names():
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")  # noqa: S608 - names of ours
                yield from (str(row) for row in cursor.fetchall())


def test_who_is_signed_in_finds_the_form_to_sign_in_as_somebody_else(signed_in: Browser):
    make_user("bob")
    page = signed_in.get("/account/login/").content.decode()
    assert "signed in as <strong" in page
    assert 'name="password"' in page
    assert signed_in.sign_in("bob")["Location"] == "/manage/projects/"
    assert ">bob<" in signed_in.get("/").content.decode()
    assert signed_in.sign_in("bob")["Location"] == "/manage/projects/"  # once more as the same person
    assert signed_in.get("/account/login/?next=/help/")["Location"] == "/help/"


def test_a_notice_says_when_in_utc(signed_in: Browser):
    fields = {"oldpassword": PASSWORD, "password1": "nine loud badgers", "password2": "nine loud badgers"}
    signed_in.post("/manage/account/password/", **fields)
    assert re.search(r"^When: +\d{1,2} \w+ \d{4}, \d\d:\d\d:\d\d UTC$", str(mail.outbox[-1].body), re.MULTILINE)


def test_the_sessions_page_says_when_a_session_was_used_last(signed_in: Browser):
    row = Session.objects.get(account_id__isnull=False)
    old = now() - timedelta(hours=3)
    Session.objects.filter(pk=row.pk).update(seen_at=old)
    signed_in.get("/manage/account/sessions/")
    assert Session.objects.filter(pk=row.pk, seen_at__gt=now() - timedelta(minutes=5)).exists()


def test_after_half_an_hour_a_token_is_made_only_after_the_password(signed_in: Browser):
    form = {"name": "ci", "scope": "account", "uses": "upload read", "expires": "90"}
    session = signed_in.client.session
    records = session["account_authentication_methods"]
    session["account_authentication_methods"] = [record | {"at": record["at"] - 1900} for record in records]
    session[STARTED] = session[STARTED] | {"at": (now() - timedelta(seconds=1900)).isoformat()}
    session.save()
    asked = signed_in.post("/manage/account/token/", **form)
    assert asked["Location"] == "/account/reauthenticate/?next=%2Fmanage%2Faccount%2Ftoken%2F"
    assert not Token.objects.exists()
    made = signed_in.post(asked["Location"], password=PASSWORD, next="/manage/account/token/")
    assert made.status_code == 200  # the form is not to be filled in again
    assert 'id="new-token"' in made.content.decode()
    assert Token.objects.get().name == "ci"
