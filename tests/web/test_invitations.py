# SPDX-License-Identifier: Apache-2.0
"""Registering by invitation and by domain, guests at the door, and the pages on which administrators see to it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings as django_settings
from django.core import mail
from tests.infra.clock import TickingClock

from packhouse.services.inviting import Terms
from packhouse.services.journal import COMMAND
from packhouse.services.resources import now

if TYPE_CHECKING:
    from tests.infra.accounts import Browser

LIST = "/admin/invitations/"


@pytest.fixture
def invited_only(settings: Any) -> Any:
    settings.PACKHOUSE = replace(settings.PACKHOUSE, registration="invited")
    return settings


def link_of(**terms: Any) -> str:
    """The path of a new invitation."""
    from packhouse.services import inviting

    wanted = Terms(**({"expires_at": now() + timedelta(days=1)} | terms))
    _, link = inviting.invite(COMMAND, wanted, django_settings.PACKHOUSE, clock=now)
    return "/account/invitation/" + link.partition("/account/invitation/")[2]


@pytest.fixture
def admin(browser: Browser, invited_only: Any) -> Browser:
    """The browser of root, an administrator, who gave the password just now."""
    from tests.infra.accounts import make_user
    from tests.infra.publishing import make_resources

    from packhouse.web.resources import hold

    hold(replace(make_resources(TickingClock()), settings=invited_only.PACKHOUSE, clock=now))
    make_user("root", admin=True)
    browser.sign_in("root")
    browser.reauthenticate()
    return browser


def users() -> list[str]:
    from packhouse.catalogue.models import User

    return list(User.objects.order_by("pk").values_list("username", flat=True))


def test_the_link_lets_one_person_register(browser: Browser, invited_only: Any) -> None:
    from tests.infra.accounts import Browser

    link = link_of()
    browser.register()
    assert users() == []
    assert browser.get(link)["Location"] == "/account/invitation/"  # the secret is not in the page's address
    page = browser.get("/account/invitation/").content.decode()
    assert link not in page
    for label in ("Username", "E-mail", "Password", "Confirm password"):
        assert len(re.findall(rf">{label}:?</label>", page)) == 1
    browser.register()
    browser.confirm()
    assert browser.signed_in
    late = Browser()
    assert late.get(link).status_code == 410
    late.register("eve", "eve@example.org")
    assert users() == ["alice"]


def test_two_browsers_one_use(browser: Browser, invited_only: Any) -> None:
    from tests.infra.accounts import Browser

    link, other = link_of(), Browser()
    browser.get(link)
    other.get(link)
    browser.register()
    said = other.register("eve", "eve@example.org").content.decode()
    assert "by invitation" in said
    assert other.get("/account/invitation/").status_code == 410
    assert users() == ["alice"]


def test_a_personal_invitation_is_for_its_address(browser: Browser, invited_only: Any) -> None:
    browser.get(link_of(email="alice@example.org"))
    assert 'value="alice@example.org"' in browser.get("/account/invitation/").content.decode()
    answer = browser.register("eve", "eve@example.org")
    assert answer.status_code == 400
    assert "another e-mail address" in answer.content.decode()
    assert browser.register("alice", "ALICE@example.org").status_code == 302
    assert users() == ["alice"]


def test_where_registration_is_closed_no_invitation_helps(browser: Browser, invited_only: Any) -> None:
    link = link_of()
    browser.get(link)
    invited_only.PACKHOUSE = replace(invited_only.PACKHOUSE, registration="closed")
    assert browser.get(link).status_code == 403
    assert browser.get("/account/invitation/").status_code == 403
    browser.register()
    assert users() == []


@pytest.mark.parametrize("secret", ["x", "a" * 3000, "%00", "é", "..", "<b>"])
def test_links_that_are_none_of_ours(browser: Browser, invited_only: Any, secret: str) -> None:
    assert browser.get(f"/account/invitation/{secret}/").status_code == 404
    assert browser.get("/account/invitation/").status_code == 410


def test_only_addresses_of_the_domains_register_uninvited(browser: Browser, settings: Any) -> None:
    from tests.infra.accounts import Browser

    settings.PACKHOUSE = replace(settings.PACKHOUSE, registration_domains=("example.org",), host="0.0.0.0")
    assert "addresses at example.org" in browser.get("/account/register/").content.decode()
    answer = browser.register("eve", "eve@example.com")
    assert answer.status_code == 400
    assert "only addresses at example.org" in answer.content.decode()
    assert browser.register().status_code == 302
    other = Browser()
    other.get(link_of())
    assert other.register("eve", "eve@example.com").status_code == 302
    assert users() == ["alice", "eve"]


def test_a_guest_is_told_the_end_and_turned_away_after_it(browser: Browser, invited_only: Any) -> None:
    from packhouse.catalogue.models import User

    browser.get(link_of(limit=30, guest_until=now() + timedelta(days=90)))
    assert "account for a guest" in browser.get("/account/invitation/").content.decode()
    browser.register()
    browser.confirm()
    assert browser.signed_in
    assert "ends" in browser.get("/manage/account/").content.decode()
    User.objects.update(guest_until=now() - timedelta(seconds=1))
    assert not browser.signed_in  # the session that was open
    answer = browser.sign_in()
    assert answer.status_code == 403
    assert "The guest account &#x27;alice&#x27; ended at" in answer.content.decode()
    assert not browser.signed_in


def test_somebody_signed_in_keeps_the_invitation_for_another(signed_in: Browser, invited_only: Any) -> None:
    signed_in.get(link_of())
    assert "you have an account already" in signed_in.get("/account/invitation/").content.decode()


# -- the pages of administrators


def test_an_invitation_is_made_mailed_listed_and_withdrawn(admin: Browser) -> None:
    from packhouse.catalogue.models import AccountInvitation

    page = admin.post(LIST, action="invite", email="bob@example.org", limit="1", expires="7", note="").content.decode()
    link = re.search(r'id="new-invitation">([^<]+)<', page)
    assert link
    assert link[1] in str(mail.outbox[-1].body)
    assert mail.outbox[-1].to == ["bob@example.org"]
    listed = admin.get(LIST).content.decode()
    assert "bob@example.org" in listed
    assert link[1] not in listed
    row = AccountInvitation.objects.get()
    assert admin.post(LIST, action="withdraw", invitation=str(row.pk))["Location"] == LIST
    assert "withdrawn" in admin.get(LIST).content.decode()
    assert admin.post(LIST, action="withdraw", invitation=str(row.pk)).status_code == 302
    assert "no such open invitation" in admin.get(LIST).content.decode()


def test_a_link_for_a_class(admin: Browser) -> None:
    from packhouse.catalogue.models import AccountInvitation

    day = (now() + timedelta(days=60)).date().isoformat()
    sent = {"action": "invite", "email": "", "limit": "30", "expires": "14", "guest_until": day, "note": "Python 101"}
    assert admin.post(LIST, **sent).status_code == 200
    row = AccountInvitation.objects.get()
    assert (row.limit, row.note, row.invited_by and row.invited_by.username) == (30, "Python 101", "root")
    assert row.guest_until is not None
    assert len(mail.outbox) == 0
    assert "0 of 30" in admin.get(LIST).content.decode()


@pytest.mark.parametrize(
    "fields",
    [
        {"email": "nobody", "limit": "1", "expires": "7"},
        {"email": "", "limit": "0", "expires": "7"},
        {"email": "", "limit": "1", "expires": "7000"},
        {"email": "", "limit": "1", "expires": "7", "guest_until": "2001-01-01"},
        {"email": "root@example.org", "limit": "1", "expires": "7"},
        {"email": "", "limit": "x" * 500, "expires": "7", "guest_until": "9999-12-32"},
    ],
)
def test_forms_that_make_no_sense(admin: Browser, fields: dict[str, str]) -> None:
    from packhouse.catalogue.models import AccountInvitation

    assert admin.post(LIST, action="invite", **fields).status_code == 400
    assert not AccountInvitation.objects.exists()


@pytest.mark.parametrize("number", ["", "x", "9" * 40, "-1", "1' OR 1=1"])
def test_withdrawing_what_is_not_there(admin: Browser, number: str) -> None:
    assert admin.post(LIST, action="withdraw", invitation=number).status_code == 302


def test_the_end_of_an_account_is_set(admin: Browser) -> None:
    from tests.infra.accounts import make_user

    from packhouse.catalogue.models import User

    make_user("gus")
    page = "/admin/guests/"
    assert "No guests" in admin.get(page).content.decode()
    day = (now() + timedelta(days=60)).date().isoformat()
    assert admin.post(page, username="Gus", until=day)["Location"] == page
    assert "gus@example.org" in admin.get(page).content.decode()
    assert admin.post(page, username="gus", until="")["Location"] == page
    assert User.objects.get(username="gus").guest_until is None
    for name, until in (("nobody", day), ("gus", "2001-01-01"), ("root", day)):
        assert admin.post(page, username=name, until=until).status_code == 400


@pytest.mark.parametrize("page", [LIST, "/admin/guests/"])
def test_others_are_kept_away(signed_in: Browser, page: str) -> None:
    assert signed_in.get(page).status_code == 403
    assert signed_in.post(page, action="invite", limit="1", expires="7").status_code == 403
