# SPDX-License-Identifier: Apache-2.0
"""A second factor that is demanded: of whom, what waits for it, what does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.core import mail
from tests.infra.accounts import PASSWORD, Browser, make_user
from tests.infra.clock import TickingClock
from tests.infra.publishing import make_resources
from tests.web.test_accounts_second_factor import APP, STEP, code
from tests.web.test_routes import ROUTES, SESSION_ROUTES, example

from packhouse.catalogue.models import (
    JournalEntry,
    Membership,
    Organization,
    Project,
    Role,
    Team,
    TeamMember,
    TeamRole,
    User,
)
from packhouse.domain.permissions import Action, IndexRight, ReadMode, may
from packhouse.services import access, tokens
from packhouse.services.journal import COMMAND
from packhouse.services.resources import now
from packhouse.services.second_factors import reset_factors
from packhouse.web.resources import hold

SET_UP = "/account/two-factor/"


@pytest.fixture
def demand(settings: Any) -> Any:
    """Sets of whom a second factor is demanded."""
    hold(make_resources(TickingClock(), data=settings.PACKHOUSE.data))

    def set_to(whom: str | None, **more: Any) -> None:
        settings.PACKHOUSE = replace(settings.PACKHOUSE, two_factor=whom, **more)

    return set_to


def set_up(browser: Browser) -> str:
    """Set up an app; its secret."""
    browser.reauthenticate()
    secret = str(browser.get(APP).context["form"].secret)
    assert browser.post(APP, code=code(secret)).status_code == 302
    return secret


def own(user: User, name: str = "tapes") -> None:
    project = Project.objects.create(name=name, display_name=name, created_at=now(), created_serial=1)
    Role.objects.create(project=project, user=user, role="owner", since=now())


def test_an_administrator_goes_on_like_anybody_else_until_the_factor_is_there(browser: Browser, demand: Any):
    make_user(admin=True)
    demand("administrators")
    assert browser.sign_in()["Location"] == SET_UP
    assert "asks its administrators for a second factor" in browser.get(SET_UP).content.decode()
    for path in ("/admin/", "/admin/indexes/", "/admin/index/main/"):
        assert browser.get(path)["Location"] == SET_UP
    assert browser.get("/manage/account/token/").status_code == 200
    assert browser.get("/manage/projects/").status_code == 200
    assert not access.identity_of_user(User.objects.get()).is_admin
    set_up(browser)
    assert browser.get("/admin/").status_code == 200
    assert access.identity_of_user(User.objects.get()).is_admin
    assert "asks its administrators" not in browser.get(SET_UP).content.decode()


def test_an_administrator_without_it_has_no_rights_on_what_is_others(browser: Browser, demand: Any):
    make_user("root", admin=True)
    own(make_user("bob"))
    browser.sign_in("root")
    assert browser.get("/manage/project/tapes/").status_code == 200
    demand("administrators")
    assert browser.get("/manage/project/tapes/").status_code == 404  # as for any stranger


def test_what_was_begun_before_is_asked_again_in_the_transaction(db: None, demand: Any):
    user = make_user(admin=True)
    before = access.identity_of_user(user)
    demand("administrators")
    assert before.is_admin
    assert not access.still_valid(before, now()).is_admin


def test_a_token_has_no_more_rights_than_a_session_of_its_owner(browser: Browser, demand: Any):
    root, bob = make_user("root", admin=True), make_user("bob")
    own(bob)
    browser.sign_in("root")
    _, secret = tokens.create_token(COMMAND, root, "made before", frozenset({"manage", "read"}), clock=now)
    before = access.authenticate(f"Bearer {secret}", now())
    yanked: Any = {"action": Action.YANK, "project": access.project_right(before, "tapes")}
    closed = IndexRight("vault", ReadMode.CLOSED)
    assert may(before, **yanked).allowed
    demand("administrators")
    for one in (access.authenticate(f"Bearer {secret}", now()), access.still_valid(before, now())):
        assert not one.is_admin
        assert not may(one, **yanked).allowed
        assert not may(one, Action.READ, index=closed).allowed
    set_up(browser)
    again = access.authenticate(f"Bearer {secret}", now())
    assert may(again, **yanked).allowed
    assert may(again, Action.READ, index=closed).allowed


@pytest.mark.parametrize(
    ("host", "base_url", "wanted"),
    [
        ("127.0.0.1", None, False),
        ("127.0.0.1", "http://localhost:8000", False),
        ("127.0.0.1", "https://packages.example.org", True),  # behind a proxy of this machine
        ("0.0.0.0", None, True),
    ],
)
def test_by_default_it_is_demanded_of_administrators_outside_loopback(
    browser: Browser, demand: Any, host: str, base_url: str | None, wanted: bool
):
    make_user(admin=True)
    demand(None, host=host, base_url=base_url)
    browser.client.defaults["HTTP_HOST"] = "localhost:8000"
    browser.sign_in()
    assert (browser.get("/admin/").status_code == 302) is wanted


def test_nobody_else_is_asked_then(browser: Browser, demand: Any):
    own(make_user())
    demand("administrators")
    assert browser.sign_in()["Location"] == "/manage/projects/"
    assert browser.get("/manage/project/tapes/").status_code == 200


def test_owners_are_held_back_and_others_are_not(browser: Browser, demand: Any):
    own(make_user())
    make_user("bob")
    demand("owners")
    assert browser.sign_in()["Location"] == SET_UP
    for path in ("/manage/project/tapes/", "/manage/account/token/", "/manage/projects/"):
        assert browser.get(path)["Location"] == SET_UP
    set_up(browser)
    assert browser.get("/manage/project/tapes/").status_code == 200
    other = Browser()
    assert other.sign_in("bob")["Location"] == "/manage/projects/"
    assert other.get("/manage/account/token/").status_code == 200


@pytest.mark.parametrize(("role", "held"), [("owner", True), ("manager", True), ("member", False)])
def test_who_runs_an_organization_owns_what_it_owns(browser: Browser, demand: Any, role: str, held: bool):
    user = make_user()
    organization = Organization.objects.create(name="acme", name_key="acme", created_at=now())
    Membership.objects.create(organization=organization, user=user, role=role, since=now())
    demand("owners")
    browser.sign_in()
    assert (browser.get("/manage/account/token/").status_code == 302) is held


def test_an_owner_by_a_team_is_one(browser: Browser, demand: Any):
    user = make_user()
    organization = Organization.objects.create(name="acme", name_key="acme", created_at=now())
    project = Project.objects.create(name="tapes", display_name="tapes", created_at=now(), created_serial=1)
    team = Team.objects.create(organization=organization, name="core", created_at=now())
    TeamMember.objects.create(team=team, user=user)
    right = TeamRole.objects.create(team=team, project=project, role="maintainer")
    demand("owners")
    browser.sign_in()
    assert browser.get("/manage/account/token/").status_code == 200
    right.role = "owner"
    right.save()
    assert browser.get("/manage/account/token/")["Location"] == SET_UP


OPEN = {route.name for route in ROUTES if getattr(route.callback, "setting_up", False)}


@pytest.mark.parametrize("route", SESSION_ROUTES, ids=lambda route: str(route.pattern))
def test_everyone_is_held_back_on_every_page_that_does_not_say_otherwise(browser: Browser, demand: Any, route: Any):
    make_user()
    browser.sign_in()
    demand("everyone")
    address = example(route)
    assert address is not None
    answer = browser.get(address)
    if route.callback.action is Action.ADMINISTER:
        assert answer.status_code in {403, 405}
    elif route.name in OPEN:
        assert not (answer.status_code == 302 and answer["Location"] == SET_UP and address != SET_UP)
    else:
        assert answer["Location"] == SET_UP


def test_what_stays_open_changes_nothing_but_oneself():
    assert OPEN - {name for name in OPEN if str(name).startswith("mfa_")} == {
        "account_reauthenticate",
        "manage-account",
        "account_email",
        "account_change_password",
        "account_set_password",
        "manage-sessions",
    }


def test_everyone_is_led_there_from_registering_on(browser: Browser, demand: Any):
    demand("everyone")
    browser.register()
    assert browser.confirm()["Location"] == SET_UP
    secret = set_up(browser)
    browser.post("/account/logout/")
    assert browser.sign_in()["Location"] == STEP
    assert secret


def test_api_tokens_go_on_working(db: None, demand: Any):
    user = make_user(admin=True)
    _, secret = tokens.create_token(COMMAND, user, "ci", ["upload", "read"], [], [], None, clock=now)
    demand("everyone")
    identity = access.authenticate(f"Bearer {secret}", now())
    assert identity.user_id == user.pk
    assert not identity.two_factor


def test_a_reset_takes_all_away_signs_out_and_is_told_and_journalled(signed_in: Browser):
    set_up(signed_in)
    signed_in.get("/account/two-factor/codes/")
    mail.outbox.clear()
    user = User.objects.get()
    assert reset_factors(COMMAND, user, "called back, ticket 4711", clock=now) == ["recovery_codes", "totp"]
    assert not signed_in.signed_in
    assert Browser().sign_in(password=PASSWORD)["Location"] == "/manage/projects/"
    entry = JournalEntry.objects.get(kind="second factor reset")
    assert (entry.detail["reason"], entry.via) == ("called back, ticket 4711", "command")
    [told] = [one for one in mail.outbox if one.subject == "Your second factors were reset"]
    assert told.to == ["alice@example.org"]
    assert "ticket 4711" in told.body
