# SPDX-License-Identifier: Apache-2.0
"""The pages of organizations: made, run and left by forms; who may not is refused by the page and by the service."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.infra.accounts import Browser, make_user
from tests.infra.clock import TickingClock
from tests.infra.publishing import make_resources

from packhouse.catalogue.models import Membership, Organization, Project, Role, Team, Token, Transfer, User
from packhouse.domain.permissions import OrganizationRole
from packhouse.services import access, members
from packhouse.services.indexes import ensure_main
from packhouse.services.journal import COMMAND
from packhouse.services.resources import now

MINE = "/manage/organizations/"
HOME = "/manage/organization/Acme/"


def browser_of(name: str) -> Browser:
    """Another person at their own browser."""
    make_user(name)
    other = Browser()
    other.sign_in(name)
    other.reauthenticate()
    return other


def project(name: str, owner: User) -> Project:
    row = Project.objects.create(name=name, display_name=name, created_at=now(), created_serial=1)
    Role.objects.create(project=row, user=owner, role="owner", since=now())
    return row


@pytest.fixture
def acme(signed_in: Browser) -> Browser:
    """Alice, who has just made an organization."""
    from packhouse.web.resources import hold

    ensure_main()
    hold(make_resources(TickingClock()))
    signed_in.reauthenticate()
    assert signed_in.post(MINE, action="create", name="Acme", title="Acme Tapes").status_code == 302
    return signed_in


def page(browser: Browser, path: str) -> str:
    answer = browser.get(path)
    assert answer.status_code == 200, path
    return str(answer.content.decode())


def test_making_one_makes_oneself_its_owner(acme: Browser):
    assert Membership.objects.get().role == "owner"
    text = page(acme, MINE)
    assert "Acme Tapes" in text
    for rest in ("", "people/", "teams/", "tokens/", "delete/"):
        assert "Acme" in page(acme, HOME + rest)


@pytest.mark.parametrize("name", ["alice", "acme", "admin", "a b", "x" * 60])
def test_a_name_that_is_taken_or_does_not_go_is_told_in_the_form(acme: Browser, name: str):
    answer = acme.post(MINE, action="create", name=name)
    assert answer.status_code == 400
    assert Organization.objects.count() == 1


def test_registering_the_name_of_an_organization_is_refused(acme: Browser):
    answer = Browser().register("ACME", "x@example.org")
    assert answer.status_code in {200, 400}
    assert not User.objects.filter(username_key="acme").exists()


def test_invited_accepted_promoted_removed(acme: Browser):
    bob = browser_of("bob")
    assert acme.post(f"{HOME}people/", action="invite", username="bob", role="member").status_code == 302
    found = re.search(r'name="invitation" value="(\d+)"', page(bob, MINE))
    assert found
    bob.post(MINE, invitation=found[1], answer="accept")
    assert Membership.objects.get(user__username="bob").role == "member"
    assert "Invite somebody" not in page(bob, f"{HOME}people/")
    acme.post(f"{HOME}people/", action="role", username="bob", role="manager")
    assert Membership.objects.get(user__username="bob").role == "manager"
    assert "Invite somebody" in page(bob, f"{HOME}people/")
    acme.post(f"{HOME}people/", action="remove", username="bob")
    assert not Membership.objects.filter(user__username="bob").exists()
    assert bob.get(HOME).status_code == 403


def test_declined_and_withdrawn(acme: Browser):
    bob = browser_of("bob")
    for end in ("decline", "withdraw"):
        acme.post(f"{HOME}people/", action="invite", username="bob", role="owner")
        number = re.findall(r'name="invitation" value="(\d+)"', page(acme, f"{HOME}people/"))[0]
        if end == "decline":
            bob.post(MINE, invitation=number, answer="decline")
        else:
            acme.post(f"{HOME}people/", action="withdraw", invitation=number)
        assert 'name="invitation"' not in page(bob, MINE)
    assert Membership.objects.count() == 1


def test_leaving_and_the_last_owner_stays(acme: Browser):
    acme.post(f"{HOME}people/", action="remove", username="alice")
    assert "would be left without an owner" in page(acme, f"{HOME}people/")
    members.set_member(COMMAND, "Acme", make_user("bob"), OrganizationRole.OWNER, clock=now)
    assert acme.post(f"{HOME}people/", action="remove", username="alice")["Location"] == MINE
    assert acme.get(HOME).status_code == 403


def test_a_team_is_made_filled_given_a_role_and_ended(acme: Browser):
    row = project("tapes", User.objects.get(username="alice"))
    acme.post(f"/manage/project/{row.name}/transfer/", receiver="acme", name="tapes")
    assert acme.post(f"{HOME}teams/", team="Core")["Location"] == f"{HOME}team/core/"
    here = f"{HOME}team/core/"
    members.set_member(COMMAND, "Acme", make_user("bob"), OrganizationRole.MEMBER, clock=now)
    acme.post(here, action="add", username="bob")
    acme.post(here, action="give", project="tapes", role="maintainer")
    text = page(acme, here)
    assert "Take out" in text
    assert "Take away" in text
    bob = Browser()
    bob.sign_in("bob")
    bob.reauthenticate()
    assert "tapes" in page(bob, MINE)
    assert bob.get("/manage/project/tapes/").status_code == 200
    assert bob.get("/manage/project/tapes/delete/").status_code == 404  # a name that no public index has
    assert bob.post(here, action="end").status_code == 403
    acme.post(here, action="remove", username="bob")
    assert bob.get("/manage/project/tapes/").status_code == 404
    acme.post(here, action="take", project="tapes")
    assert "Take away" not in page(acme, here)
    assert acme.post(here, action="end")["Location"] == f"{HOME}teams/"
    assert not Team.objects.exists()
    assert acme.get(here).status_code == 404


def test_its_token_is_made_shown_once_rotated_and_deleted(acme: Browser):
    sent = {"name": "ci", "scope": "account", "uses": "upload read", "expires": "90", "networks": ""}
    text = acme.post(f"{HOME}tokens/", action="create", **sent).content.decode()
    secret = str(re.findall(r'id="new-token"[^>]*>([^<]*)<', text)[0])
    assert access.authenticate(f"Bearer {secret}", now()).username == "Acme"
    assert secret not in page(acme, f"{HOME}tokens/")
    assert "ci" not in re.findall(r"<tbody>.*</tbody>", page(acme, "/manage/account/token/"), re.DOTALL)
    pk = str(Token.objects.get().pk)
    text = acme.post(f"{HOME}tokens/", action="replace", token=pk).content.decode()
    again = str(re.findall(r'id="new-token"[^>]*>([^<]*)<', text)[0])
    assert access.authenticate(f"Bearer {again}", now()).username == "Acme"
    acme.post(f"{HOME}tokens/", action="delete", token=pk)
    assert Token.objects.get().deleted_at is not None


def test_the_token_page_is_for_those_who_run_it(acme: Browser):
    members.set_member(COMMAND, "Acme", make_user("bob"), OrganizationRole.MEMBER, clock=now)
    bob = Browser()
    bob.sign_in("bob")
    bob.reauthenticate()
    assert "/tokens/" not in page(bob, HOME)
    for path in (f"{HOME}tokens/", f"{HOME}delete/"):
        assert bob.get(path).status_code == 403
        assert bob.post(path, action="create", name="Acme").status_code == 403


def test_a_project_is_offered_accepted_and_found_below_the_organization(acme: Browser):
    bob = browser_of("bob")
    project("reels", User.objects.get(username="bob"))
    form = "/manage/project/reels/transfer/"
    assert bob.post(form, receiver="Acme", name="wrong").status_code == 400
    assert bob.post(form, receiver="nobody-here", name="reels").status_code == 400
    assert bob.post(form, receiver="acme", name="reels").status_code == 302
    assert "Withdraw the offer" in page(bob, form)
    bob.post(form, action="withdraw")
    bob.post(form, receiver="acme", name="reels")
    number = str(Transfer.objects.get(state="open").pk)
    for path in (HOME, "/manage/projects/"):
        assert f'name="transfer" value="{number}"' in page(acme, path)
    acme.post(HOME, transfer=number, answer="accept")
    assert "reels" in page(acme, HOME)
    assert bob.get("/manage/project/reels/").status_code == 404
    assert acme.get("/manage/project/reels/").status_code == 200


def test_the_public_page_and_the_shared_namespace(acme: Browser):
    visitor = Browser()
    assert "Acme Tapes" in page(visitor, "/org/Acme/")
    assert "Manage it" not in page(visitor, "/org/Acme/")
    assert visitor.get("/org/acme/")["Location"] == "/org/Acme/"
    assert visitor.get("/user/acme/")["Location"] == "/org/acme/"
    assert visitor.get("/org/nobody/").status_code == 404


def test_the_end_needs_the_name_typed_and_no_projects(acme: Browser):
    row = project("tapes", User.objects.get())
    acme.post("/manage/project/tapes/transfer/", receiver="acme", name="tapes")
    assert acme.post(f"{HOME}delete/", name="Acme").status_code == 400
    Project.objects.filter(pk=row.pk).update(organization=None)
    assert acme.post(f"{HOME}delete/", name="acme").status_code == 400
    assert acme.post(f"{HOME}delete/", name="Acme").status_code == 302
    assert acme.get(HOME).status_code == 404
    assert acme.get("/org/Acme/").status_code == 404


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("people/", {"action": "role", "username": "alice", "role": "king"}),
        ("people/", {"action": "explode", "username": "alice"}),
        ("people/", {"action": "remove", "username": "nobody"}),
        ("people/", {"action": "withdraw", "invitation": "9" * 40}),
        ("teams/", {"team": "a b"}),
        ("tokens/", {"action": "rotate", "token": "x"}),
        ("tokens/", {"action": "delete", "token": "-1"}),
        ("tokens/", {"action": "create", "name": "\x00"}),
        ("", {"answer": "accept", "transfer": "1e9"}),
    ],
)
def test_what_makes_no_sense_is_refused(acme: Browser, path: str, fields: dict[str, Any]):
    assert acme.post(HOME + path, **fields).status_code in {302, 400, 404}
    assert Membership.objects.get().role == "owner"
