# SPDX-License-Identifier: Apache-2.0
"""The pages on which administrators see and change who may register, and wipe a sandbox."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.infra.accounts import Browser, make_user
from tests.infra.clock import TickingClock
from tests.infra.publishing import make_resources

from packhouse.catalogue.models import JournalEntry, User
from packhouse.services import flags, guests, registering
from packhouse.services.indexes import ensure_main
from packhouse.services.journal import COMMAND
from packhouse.services.registering import Choice
from packhouse.services.resources import now
from packhouse.web.resources import hold

PAGE, SANDBOX = "/admin/registration/", "/admin/sandbox/"


@pytest.fixture
def admin(browser: Browser, settings: Any) -> Any:
    """Gives the browser of root, an administrator who gave the password just now, on a server with these settings."""

    def signed_in(**more: Any) -> Browser:
        settings.PACKHOUSE = replace(settings.PACKHOUSE, **more)
        hold(replace(make_resources(TickingClock()), settings=settings.PACKHOUSE, clock=now))
        ensure_main()
        make_user("root", admin=True)
        browser.sign_in("root")
        browser.reauthenticate()
        return browser

    return signed_in


def page(browser: Browser, path: str = PAGE) -> str:
    answer = browser.get(path)
    assert answer.status_code == 200
    return " ".join(str(answer.content.decode()).split())


def test_registration_is_closed_and_opened_in_the_browser(admin: Any) -> None:
    root, eve = admin(), Browser()
    assert "nobody; it follows from the address" in page(root)
    assert root.post(PAGE, mode="closed", domains="", reason="full")["Location"] == PAGE
    assert "by nobody" in page(root)
    assert "nobody can register" in eve.get("/account/register/").content.decode()
    eve.register()
    assert ">Register</a>" not in eve.get("/").content.decode()
    root.post(PAGE, mode="open", domains="Example.org", reason="")
    assert "by anybody with an address at the domains" in page(root)
    assert eve.register("eve", "eve@example.com").status_code == 400
    assert eve.register("eve", "eve@example.org").status_code == 302
    told = JournalEntry.objects.filter(kind="registration set").order_by("serial")
    assert [(one.actor, one.detail["mode"], one.detail["reason"]) for one in told] == [
        ("root", "closed", "full"),
        ("root", "open", ""),
    ]


def test_what_a_setting_decides_is_shown_and_stays(admin: Any) -> None:
    root = admin(registration="invited")
    assert "the setting <code>PACKHOUSE_REGISTRATION</code>" in page(root)
    assert "disabled" in page(root)
    root.post(PAGE, mode="open", domains="example.org", reason="")
    assert "by invitation" in page(root)
    assert JournalEntry.objects.get(kind="registration set").detail["domains"] == ["example.org"]
    held = registering.in_force(replace(make_resources(TickingClock()).settings, registration="invited"))
    assert (held.mode, held.domains_by) == ("invited", "chosen")


def test_where_both_are_decided_no_form_is_shown(admin: Any) -> None:
    root = admin(registration="open", registration_domains=("example.org",))
    assert "which nothing here overrules" in page(root)
    assert "<form class=" not in page(root).partition("Change it")[2]


@pytest.mark.parametrize(
    "fields", [{"mode": "ajar"}, {"mode": "open", "domains": "@x"}, {"mode": "open", "reason": "x" * 501}]
)
def test_forms_that_make_no_sense(admin: Any, fields: dict[str, str]) -> None:
    root = admin()
    assert root.post(PAGE, **fields).status_code == 400
    assert not JournalEntry.objects.filter(kind="registration set").exists()


def test_who_fills_in_the_form_while_it_is_closed_is_refused(admin: Any, settings: Any) -> None:
    admin()
    eve = Browser()
    assert eve.get("/account/register/").status_code == 200
    registering.choose(COMMAND, Choice("closed"), "", settings.PACKHOUSE, clock=now)
    eve.register("eve", "eve@example.org")
    assert not User.objects.filter(username="eve").exists()


def test_the_page_says_that_a_switch_stops_it(admin: Any) -> None:
    root = admin()
    flags.set_flag(COMMAND, flags.NO_NEW_USERS, "", on=True, clock=now)
    assert "the switch" in page(root)


def test_it_is_asked_again_where_the_account_is_made(admin: Any, settings: Any) -> None:
    from types import SimpleNamespace

    from allauth.core import context
    from django.contrib.sessions.backends.signed_cookies import SessionStore
    from django.test import RequestFactory

    from packhouse.errors import PackhouseError
    from packhouse.site.accounts import Adapter

    admin()
    request = RequestFactory().post("/account/register/")
    request.session = SessionStore()
    registering.choose(COMMAND, Choice("closed"), "", settings.PACKHOUSE, clock=now)
    form = SimpleNamespace(
        cleaned_data={"username": "eve", "email": "eve@example.org", "password1": "seven quiet otters"}
    )
    with context.request_context(request), pytest.raises(PackhouseError) as caught:
        Adapter(request).save_user(request, User(), form)
    assert caught.value.code == "registration-closed"
    assert not User.objects.filter(username="eve").exists()
    assert not JournalEntry.objects.filter(kind="user created", detail__user="eve").exists()


@pytest.mark.parametrize("path", [PAGE, SANDBOX])
def test_others_are_kept_away(browser: Browser, path: str) -> None:
    make_user()
    browser.sign_in()
    assert browser.get(path).status_code == 403
    assert browser.post(path, action="wipe", name="everything").status_code == 403


def test_a_sandbox_is_worded_and_wiped(admin: Any) -> None:
    root = admin(sandbox="on", sandbox_wipe="0 3 * * 1")
    guests.set_end(COMMAND, make_user("gus"), now().replace(year=2999), clock=now)
    assert "<code>0 3 * * 1</code>" in page(root, SANDBOX)
    assert "1 guest" in page(root, SANDBOX)
    root.post(SANDBOX, **{"action": "banner", "banner-words": "Course <7>"})
    assert "Course &lt;7&gt;" in page(root, "/")
    refused = root.post(SANDBOX, action="wipe", name="Everything", reason="")
    assert refused.status_code == 400
    assert User.objects.filter(username="gus").exists()
    assert root.post(SANDBOX, action="wipe", name="everything", reason="next class")["Location"] == SANDBOX
    assert not User.objects.filter(username="gus").exists()
    entry = JournalEntry.objects.get(kind="sandbox wiped")
    assert (entry.actor, entry.detail["reason"], entry.detail["guests"]) == ("root", "next class", 1)
    assert "next class" in page(root, SANDBOX)


def test_a_server_that_is_no_sandbox_offers_nothing_and_wipes_nothing(admin: Any) -> None:
    root = admin()
    assert "nothing here is ever wiped" in page(root, SANDBOX)
    assert "Wipe everything" not in page(root, SANDBOX)
    answer = root.post(SANDBOX, action="wipe", name="everything", reason="")
    assert answer.status_code == 400
    assert not JournalEntry.objects.filter(kind="sandbox wiped").exists()
