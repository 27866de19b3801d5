# SPDX-License-Identifier: Apache-2.0
"""The pages on which administrators look after people, the journal and the switches of the server."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.infra.accounts import PASSWORD, Browser, make_user
from tests.infra.clock import TickingClock
from tests.infra.publishing import make_resources

from packhouse.catalogue.models import User
from packhouse.services import access, flags, tokens
from packhouse.services.indexes import ensure_main
from packhouse.services.journal import COMMAND
from packhouse.services.resources import now

PAGES = ("people/", "person/bob/", "organizations/", "journal/", "flags/")


@pytest.fixture
def admin(browser: Browser) -> Browser:
    """The browser of alice, an administrator, who gave her password just now; bob is there."""
    from packhouse.web.resources import hold

    ensure_main()
    hold(make_resources(TickingClock()))
    make_user(admin=True)
    make_user("bob")
    browser.sign_in()
    browser.reauthenticate()
    return browser


def text(browser: Browser, path: str) -> str:
    answer = browser.get(path)
    assert answer.status_code == 200, path
    return str(answer.content.decode())


def test_hostile_268_others_see_none_of_it(admin: Browser):
    bob = Browser()
    bob.sign_in("bob")
    bob.reauthenticate()
    for path in PAGES:
        for method in ("get", "post"):
            assert getattr(bob, method)(f"/admin/{path}").status_code in {403, 405}, path
    assert User.objects.get(username="bob").is_active


def test_people_are_found_and_narrowed(admin: Browser):
    assert "bob@example.org" in text(admin, "/admin/people/")
    assert "bob@example.org" not in text(admin, "/admin/people/?q=ali")
    assert "Nobody is found." in text(admin, "/admin/people/?show=frozen")
    assert "alice@example.org" in text(admin, "/admin/people/?show=alone&q=example&page=99")
    for odd in ("?q=%00", "?show=x", "?q=%25", "?page=-1"):
        text(admin, f"/admin/people/{odd}")


def test_freezing_opening_and_ending_with_a_reason(admin: Browser):
    bob = User.objects.get(username="bob")
    _, secret = tokens.create_token(COMMAND, bob, "laptop", clock=now)
    other = Browser()
    other.sign_in("bob")
    assert admin.post("/admin/person/bob/", action="freeze", reason="").status_code == 400
    admin.post("/admin/person/bob/", action="freeze", reason="stolen")
    assert not other.signed_in
    assert not Browser().sign_in("bob").url.endswith("/manage/projects/")
    page = text(admin, "/admin/person/bob/")
    assert "frozen" in page
    assert "stolen" in page
    admin.post("/admin/person/bob/", action="unfreeze", reason="found")
    assert access.authenticate(f"Bearer {secret}", now()).username == "bob"
    admin.post("/admin/person/bob/", action="end", reason="to be sure")
    with pytest.raises(Exception, match="was deleted"):
        access.authenticate(f"Bearer {secret}", now())


def test_recovering_takes_the_password_and_promoting_gives_rights(admin: Browser):
    admin.post("/admin/person/bob/", action="recover", reason="came with a passport")
    assert not User.objects.get(username="bob").check_password(PASSWORD)
    assert "came with a passport" in text(admin, "/admin/person/bob/")
    admin.post("/admin/person/bob/", action="promote", reason="helps")
    assert User.objects.get(username="bob").is_admin
    admin.post("/admin/person/bob/", action="demote", reason="left")
    assert not User.objects.get(username="bob").is_admin
    assert admin.post("/admin/person/alice/", action="demote", reason="x").status_code == 400
    assert admin.post("/admin/person/bob/", action="explode", reason="x").status_code == 400
    assert admin.get("/admin/person/nobody/").status_code == 404


def test_the_journal_is_filtered_and_paged(admin: Browser):
    assert "user created" in text(admin, "/admin/journal/")
    body = re.findall(r"<tbody>.*?</tbody>", text(admin, "/admin/journal/?who=bob"), re.DOTALL)[0]
    assert body.count("<tr>") == 1
    for nothing in ("?kind=x", "?project=..%2F", "?before=1", "?who=nobody", "?index=%27"):
        assert "There is no such entry." in text(admin, f"/admin/journal/{nothing}")
    for odd in ("?before=x", "?before=" + "9" * 30, "?who=%00"):
        assert "user created" in text(admin, f"/admin/journal/{odd}")


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/manage/organizations/", {"action": "create", "name": "acme"}),
        ("/manage/account/token/", {"name": "x", "scope": "account", "uses": "read", "expires": "7"}),
    ],
)
def test_read_only_stops_people_and_not_administrators(admin: Browser, path: str, fields: dict[str, Any]):
    admin.post("/admin/flags/", action="on", flag=flags.READ_ONLY, reason="moving house")
    assert "moving house" in text(admin, "/admin/flags/")
    bob = Browser()
    assert bob.sign_in("bob").status_code == 302
    refused = bob.post(path, **fields)
    assert refused.status_code == 503
    assert "moving house" in refused.content.decode()
    assert bob.get(path).status_code == 200
    assert admin.post(path, **fields).status_code in {200, 302}
    admin.post("/admin/flags/", action="off", flag=flags.READ_ONLY)
    assert bob.post(path, **{**fields, "name": "other"}).status_code in {200, 302}
    assert admin.post("/admin/flags/", action="on", flag="party").status_code == 400


def test_no_new_users(admin: Browser):
    admin.post("/admin/flags/", action="on", flag=flags.NO_NEW_USERS, reason="")
    Browser().register("carol", "carol@example.org")
    assert not User.objects.filter(username="carol").exists()
    admin.post("/admin/flags/", action="off", flag=flags.NO_NEW_USERS)
    Browser().register("carol", "carol@example.org")
    assert User.objects.filter(username="carol").exists()
