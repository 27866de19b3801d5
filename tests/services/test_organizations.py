# SPDX-License-Identifier: Apache-2.0
"""Organizations: members, teams, their projects and tokens; projects that move."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core import mail
from tests.infra.clock import TickingClock
from tests.infra.publishing import Press
from tests.services.conftest import make_user

from packhouse.catalogue import queries
from packhouse.catalogue.models import Counter, JournalEntry, Membership, Project, Role, TeamRole, Token, User
from packhouse.domain.listing import Status
from packhouse.domain.permissions import Identity, OrganizationRole, ProjectRole
from packhouse.errors import PackhouseError
from packhouse.services import (
    access,
    collaborators,
    members,
    notices,
    organization_tokens,
    organizations,
    people,
    projects,
    releases,
    teams,
    tokens,
    transfers,
)
from packhouse.services.journal import COMMAND, Actor
from packhouse.services.resources import Resources

pytestmark = pytest.mark.django_db

OWNER, MANAGER, MEMBER = OrganizationRole


def as_person(user: User) -> Identity:
    return access.identity_of_user(User.objects.get(pk=user.pk))


def code_of(act: Callable[..., object], *given: object, **named: object) -> str:
    with pytest.raises(PackhouseError) as caught:
        act(*given, **named)
    return caught.value.code


@pytest.fixture
def carol(db: None, clock: TickingClock) -> User:
    return make_user("carol", clock)


@pytest.fixture
def acme(alice: User, clock: TickingClock) -> str:
    """An organization of alice's."""
    return organizations.create_organization(as_person(alice), "Acme", alice, "Acme Tapes Ltd", clock=clock).name


def join(name: str, user: User, role: OrganizationRole, clock: TickingClock) -> None:
    members.set_member(COMMAND, name, user, role, clock=clock)


def access_generation() -> int:
    return Counter.objects.get(name="access").value


def rights(user: User, project: str) -> str | None:
    return access.project_right(as_person(user), project).role


# --- names


@pytest.mark.parametrize("name", ["alice", "ALICE", "acme", "aCME"])
def test_people_and_organizations_share_one_namespace(acme: str, bob: User, clock: TickingClock, name: str) -> None:
    make = lambda: organizations.create_organization(COMMAND, name, bob, clock=clock)  # noqa: E731
    assert code_of(make) == "username-taken"
    assert code_of(people.check_username, name) == "username-taken"


@pytest.mark.parametrize("name", ["", "-a", "a b", "x" * 51, "admin", "ac/me", "é"])
def test_a_name_that_does_not_go(alice: User, clock: TickingClock, name: str) -> None:
    make = lambda: organizations.create_organization(COMMAND, name, alice, clock=clock)  # noqa: E731
    assert code_of(make) in {"username-invalid", "username-reserved"}


def test_hostile_202_the_name_of_a_deleted_organization_is_never_given_again(
    acme: str, alice: User, bob: User, clock: TickingClock
) -> None:
    _, secret = organization_tokens.create(as_person(alice), acme, "ci", clock=clock)
    organizations.delete_organization(as_person(alice), acme, clock=clock)
    assert code_of(access.authenticate, f"Bearer {secret}", clock()) == "token-deleted"
    assert code_of(organizations.create_organization, COMMAND, acme, bob, clock=clock) == "username-taken"
    assert code_of(people.check_username, acme) == "username-taken"
    assert code_of(organizations.find_organization, acme) == "organization-unknown"


def test_one_becomes_the_owner_oneself(alice: User, bob: User, clock: TickingClock) -> None:
    assert code_of(organizations.create_organization, as_person(alice), "x1", bob, clock=clock) == "forbidden"


# --- members


def test_an_invitation_is_accepted_by_the_invited_alone(
    acme: str, alice: User, bob: User, carol: User, clock: TickingClock
) -> None:
    invitation = members.invite(as_person(alice), acme, bob, MEMBER, clock=clock)
    assert code_of(members.invite, as_person(alice), acme, bob, MEMBER, clock=clock) == "invitation-open"

    def take(who: User) -> object:
        return members.answer(as_person(who), invitation.pk, accept=True, clock=clock)

    assert code_of(take, carol) == "invitation-missing"
    before = access_generation()
    take(bob)
    assert access_generation() == before + 1
    assert code_of(take, bob) == "invitation-missing"
    assert [(m.organization.name, m.role) for m in organizations.organizations_of(bob)] == [("Acme", "member")]
    kinds = [entry.kind for entry in JournalEntry.objects.filter(detail__user="bob").order_by("serial")][1:]
    assert kinds == ["member invited", "member invitation ended", "member added"]


def test_hostile_201_withdrawn_run_out_and_ended_invitations(
    acme: str, alice: User, bob: User, clock: TickingClock
) -> None:
    first = members.invite(as_person(alice), acme, bob, MEMBER, clock=clock)
    members.withdraw(as_person(alice), acme, first.pk, clock=clock)
    second = members.invite(as_person(alice), acme, bob, MEMBER, clock=clock)
    clock.move(days=31)
    third = members.invite(as_person(alice), acme, bob, MEMBER, clock=clock)
    organizations.delete_organization(as_person(alice), acme, clock=clock)
    for one in (first, second, third):
        taken = code_of(members.answer, as_person(bob), one.pk, accept=True, clock=clock)
        assert taken == "invitation-missing"


def test_hostile_201_a_manager_deals_with_members_alone(
    acme: str, alice: User, bob: User, carol: User, clock: TickingClock
) -> None:
    join(acme, bob, MANAGER, clock)
    manager = as_person(bob)
    for role in (OWNER, MANAGER):
        assert code_of(members.invite, manager, acme, carol, role, clock=clock) == ("organization-forbidden")
    join(acme, carol, MEMBER, clock)
    for role in (OWNER, MANAGER):
        assert code_of(members.set_member, manager, acme, carol, role, clock=clock) == ("organization-forbidden")
    for user in (alice, bob):
        done = code_of(members.set_member, manager, acme, user, MEMBER, clock=clock)
        assert done == "organization-forbidden"
    assert code_of(members.remove_member, manager, acme, alice, clock=clock) == "organization-forbidden"
    assert code_of(organizations.delete_organization, manager, acme, clock=clock) == "organization-forbidden"
    members.remove_member(manager, acme, carol, clock=clock)
    assert not Membership.objects.filter(user=carol).exists()


def test_a_member_and_a_stranger_run_nothing(
    acme: str, alice: User, bob: User, carol: User, clock: TickingClock
) -> None:
    join(acme, bob, MEMBER, clock)
    for who in (as_person(bob), as_person(carol)):
        assert code_of(members.invite, who, acme, carol, MEMBER, clock=clock) == "organization-forbidden"
        assert code_of(teams.create_team, who, acme, "core", clock=clock) == "organization-forbidden"
        assert code_of(organizations.set_title, who, acme, "x", clock=clock) == "organization-forbidden"
        assert code_of(organization_tokens.create, who, acme, "x", clock=clock) == "organization-forbidden"
        assert code_of(members.set_member, who, acme, carol, MEMBER, clock=clock) == "organization-forbidden"
    assert code_of(members.leave, as_person(carol), acme, clock=clock) == "organization-forbidden"


def test_the_last_owner_stays(acme: str, alice: User, bob: User, clock: TickingClock) -> None:
    join(acme, bob, OWNER, clock)
    people.disable_user(COMMAND, bob, clock=clock)
    for act in (
        lambda: members.leave(as_person(alice), acme, clock=clock),
        lambda: members.remove_member(COMMAND, acme, alice, clock=clock),
        lambda: members.set_member(COMMAND, acme, alice, MEMBER, clock=clock),
    ):
        assert code_of(act) == "last-owner"
    people.enable_user(COMMAND, bob, clock=clock)
    members.leave(as_person(alice), acme, clock=clock)
    assert [m.user.username for m in Membership.objects.select_related("user")] == ["bob"]


def test_a_disabled_account_acts_no_more(acme: str, alice: User, bob: User, clock: TickingClock) -> None:
    begun = as_person(alice)
    people.disable_user(COMMAND, alice, clock=clock)
    assert code_of(organizations.set_title, begun, acme, "x", clock=clock) == "token-unknown"


def test_no_token_runs_an_organization(acme: str, alice: User, clock: TickingClock) -> None:
    _, secret = tokens.create_token(COMMAND, alice, "all", ["manage", "read", "upload"], clock=clock)
    speaking = access.authenticate(f"Bearer {secret}", clock())
    assert code_of(organizations.set_title, speaking, acme, "x", clock=clock) == "session-only"
    assert code_of(organizations.create_organization, speaking, "x1", alice, clock=clock) == "session-only"


# --- projects and teams


@pytest.fixture
def tapes(press: Press, acme: str, alice: User, clock: TickingClock) -> str:
    """A project that alice gave to her organization."""
    press.wheel("tapes", "1.0")
    organization = organizations.find_organization(acme)
    assert transfers.offer(as_person(alice), "tapes", organization, clock=clock) is None
    return "tapes"


def test_owners_and_managers_own_its_projects_members_nothing(
    tapes: str, acme: str, alice: User, bob: User, carol: User, clock: TickingClock
) -> None:
    assert not Role.objects.filter(project__name=tapes).exists()
    assert queries.project_people(tapes) == [("owner", "Acme")]
    assert rights(alice, tapes) is ProjectRole.OWNER
    join(acme, bob, MANAGER, clock)
    join(acme, carol, MEMBER, clock)
    assert (rights(bob, tapes), rights(carol, tapes)) == (ProjectRole.OWNER, None)
    members.remove_member(COMMAND, acme, bob, clock=clock)
    assert rights(bob, tapes) is None


def test_a_team_gives_what_it_was_given_until_it_ends(
    tapes: str, acme: str, alice: User, bob: User, clock: TickingClock
) -> None:
    me = as_person(alice)
    teams.create_team(me, acme, "Core", clock=clock)
    teams.set_team_role(me, acme, "core", tapes, ProjectRole.MAINTAINER, clock=clock)

    def put(inside: bool) -> None:
        teams.set_team_member(me, acme, "core", bob, inside=inside, clock=clock)

    assert code_of(put, True) == "member-missing"
    join(acme, bob, MEMBER, clock)
    before = access_generation()
    put(True)
    assert access_generation() == before + 1
    assert rights(bob, tapes) is ProjectRole.MAINTAINER
    teams.set_team_role(me, acme, "core", tapes, ProjectRole.OWNER, clock=clock)
    assert rights(bob, tapes) is ProjectRole.OWNER
    put(False)
    assert rights(bob, tapes) is None
    put(True)
    teams.set_team_role(me, acme, "core", tapes, None, clock=clock)
    assert rights(bob, tapes) is None
    teams.set_team_role(me, acme, "core", tapes, ProjectRole.OWNER, clock=clock)
    teams.delete_team(me, acme, "core", clock=clock)
    assert rights(bob, tapes) is None
    assert code_of(put, True) == "team-unknown"


def test_leaving_the_organization_is_leaving_its_teams(
    tapes: str, acme: str, alice: User, bob: User, clock: TickingClock
) -> None:
    me = as_person(alice)
    teams.create_team(me, acme, "core", clock=clock)
    teams.set_team_role(me, acme, "core", tapes, ProjectRole.OWNER, clock=clock)
    join(acme, bob, MEMBER, clock)
    teams.set_team_member(me, acme, "core", bob, inside=True, clock=clock)
    members.leave(as_person(bob), acme, clock=clock)
    join(acme, bob, MEMBER, clock)
    assert rights(bob, tapes) is None


def test_a_team_has_no_part_in_projects_of_others(
    acme: str, alice: User, bobs_press: Press, press: Press, clock: TickingClock
) -> None:
    bobs_press.wheel("reels", "1.0")
    press.wheel("spools", "1.0")
    teams.create_team(as_person(alice), acme, "core", clock=clock)
    for name in ("reels", "spools", "nowhere"):
        args = (as_person(alice), acme, "core", name, ProjectRole.OWNER)
        assert code_of(teams.set_team_role, *args, clock=clock) == "project-unknown"


@pytest.mark.parametrize("team", ["", "a b", "../x", "x" * 51])
def test_a_team_name_that_does_not_go(acme: str, alice: User, clock: TickingClock, team: str) -> None:
    assert code_of(teams.create_team, as_person(alice), acme, team, clock=clock) == "team-name-invalid"


def test_a_team_member_publishes_and_yanks_and_no_more(
    tapes: str, acme: str, alice: User, bob: User, bobs_press: Press, clock: TickingClock
) -> None:
    me = as_person(alice)
    teams.create_team(me, acme, "core", clock=clock)
    join(acme, bob, MEMBER, clock)
    teams.set_team_member(me, acme, "core", bob, inside=True, clock=clock)
    assert code_of(bobs_press.wheel, tapes, "1.1") == "project-forbidden"
    teams.set_team_role(me, acme, "core", tapes, ProjectRole.MAINTAINER, clock=clock)
    bobs_press.wheel(tapes, "1.1")
    releases.yank(as_person(bob), tapes, "1.1", clock=clock)
    done = code_of(projects.set_status, as_person(bob), tapes, Status.ARCHIVED, clock=clock)
    assert done == "project-forbidden"
    assert not Role.objects.filter(project__name=tapes).exists()


def test_an_organization_with_projects_is_not_deleted(tapes: str, acme: str, alice: User, clock: TickingClock) -> None:
    me = as_person(alice)
    assert code_of(organizations.delete_organization, me, acme, clock=clock) == "organization-has-projects"
    projects.delete_project(me, tapes, clock=clock)
    organizations.delete_organization(me, acme, clock=clock)


def test_of_an_organizations_project_every_single_owner_may_leave(
    tapes: str, acme: str, alice: User, bob: User, clock: TickingClock
) -> None:
    invitation = collaborators.invite(as_person(alice), tapes, bob, ProjectRole.OWNER, clock=clock)
    collaborators.answer(as_person(bob), invitation.pk, accept=True, clock=clock)
    collaborators.leave(as_person(bob), tapes, clock=clock)
    assert rights(bob, tapes) is None


# --- moving


def test_a_project_goes_to_another_person_when_they_accept(
    press: Press, alice: User, bob: User, carol: User, clock: TickingClock
) -> None:
    press.wheel("tapes", "1.0")
    offer = transfers.offer(as_person(alice), "tapes", bob, clock=clock)
    assert offer is not None
    assert code_of(transfers.offer, as_person(alice), "tapes", carol, clock=clock) == "transfer-open"

    def answer(who: User) -> object:
        return transfers.answer(as_person(who), offer.pk, accept=True, clock=clock)

    for who in (alice, carol):
        assert code_of(answer, who) == "transfer-missing"
    assert [one.pk for one in transfers.offers_to(bob, clock)] == [offer.pk]
    before, serial = access_generation(), Project.objects.get().serial
    answer(bob)
    assert (rights(alice, "tapes"), rights(bob, "tapes")) == (None, ProjectRole.OWNER)
    assert access_generation() > before
    assert Project.objects.get().serial > serial
    assert code_of(answer, bob) == "transfer-missing"
    kinds = [entry.kind for entry in JournalEntry.objects.order_by("serial")][-5:]
    assert kinds == ["transfer offered", "transfer ended", "project moved", "role removed", "role added"]


def test_from_an_organization_to_a_person_and_its_teams_have_no_part_any_more(
    tapes: str, acme: str, alice: User, bob: User, carol: User, clock: TickingClock
) -> None:
    me = as_person(alice)
    teams.create_team(me, acme, "core", clock=clock)
    teams.set_team_role(me, acme, "core", tapes, ProjectRole.OWNER, clock=clock)
    join(acme, carol, MEMBER, clock)
    teams.set_team_member(me, acme, "core", carol, inside=True, clock=clock)
    offer = transfers.offer(me, tapes, bob, clock=clock)
    assert offer is not None
    transfers.answer(as_person(bob), offer.pk, accept=True, clock=clock)
    assert [rights(one, tapes) for one in (alice, bob, carol)] == [None, ProjectRole.OWNER, None]
    assert not TeamRole.objects.exists()


def test_an_organization_accepts_by_who_runs_it(
    acme: str, alice: User, bob: User, carol: User, bobs_press: Press, clock: TickingClock
) -> None:
    bobs_press.wheel("reels", "1.0")
    offer = transfers.offer(as_person(bob), "reels", organizations.find_organization(acme), clock=clock)
    assert offer is not None
    join(acme, carol, MEMBER, clock)
    assert transfers.offers_to(carol, clock) == []
    assert code_of(transfers.answer, as_person(carol), offer.pk, accept=True, clock=clock) == "transfer-missing"
    transfers.answer(as_person(alice), offer.pk, accept=True, clock=clock)
    assert (rights(alice, "reels"), rights(bob, "reels")) == (ProjectRole.OWNER, None)


def test_declined_withdrawn_and_run_out_offers_move_nothing(
    press: Press, alice: User, bob: User, clock: TickingClock
) -> None:
    press.wheel("tapes", "1.0")
    first = transfers.offer(as_person(alice), "tapes", bob, clock=clock)
    assert first is not None
    transfers.answer(as_person(bob), first.pk, accept=False, clock=clock)
    second = transfers.offer(as_person(alice), "tapes", bob, clock=clock)
    transfers.withdraw(as_person(alice), "tapes", clock=clock)
    third = transfers.offer(as_person(alice), "tapes", bob, clock=clock)
    clock.move(days=15)
    for one in (first, second, third):
        assert one is not None
        taken = code_of(transfers.answer, as_person(bob), one.pk, accept=True, clock=clock)
        assert taken == "transfer-missing"
    assert rights(alice, "tapes") is ProjectRole.OWNER
    assert code_of(transfers.withdraw, as_person(bob), "tapes", clock=clock) == "project-forbidden"


def test_an_offer_of_who_may_not_give_it_any_more_is_void(
    press: Press, alice: User, bob: User, carol: User, clock: TickingClock
) -> None:
    press.wheel("tapes", "1.0")
    offer = transfers.offer(as_person(alice), "tapes", bob, clock=clock)
    assert offer is not None
    assert transfers.find_receiver("CAROL") == carol
    Role.objects.create(project=Project.objects.get(), user=carol, role="owner", since=clock())
    collaborators.leave(as_person(alice), "tapes", clock=clock)
    assert code_of(transfers.answer, as_person(bob), offer.pk, accept=True, clock=clock) == "transfer-missing"
    assert rights(bob, "tapes") is None


def test_only_owners_offer_and_not_to_whom_it_belongs(
    tapes: str, acme: str, alice: User, bob: User, press: Press, clock: TickingClock
) -> None:
    organization = organizations.find_organization(acme)
    assert code_of(transfers.offer, as_person(bob), tapes, bob, clock=clock) == "project-forbidden"
    assert code_of(transfers.offer, as_person(alice), tapes, organization, clock=clock) == "transfer-pointless"
    press.wheel("own", "1.0")
    assert code_of(transfers.offer, as_person(alice), "own", alice, clock=clock) == "transfer-pointless"
    assert code_of(transfers.find_receiver, "nobody") == "receiver-missing"


# --- tokens


def press_with(secret: str, resources: Resources) -> Press:
    return Press(resources, access.authenticate(f"Bearer {secret}", resources.clock()), "main")


def test_a_token_of_an_organization_speaks_for_it_whoever_leaves(
    tapes: str, acme: str, alice: User, bob: User, resources: Resources, clock: TickingClock
) -> None:
    join(acme, bob, MANAGER, clock)
    token, secret = organization_tokens.create(as_person(bob), acme, "ci", clock=clock)
    assert secret.startswith("pkh_o")
    members.remove_member(COMMAND, acme, bob, clock=clock)
    people.disable_user(COMMAND, bob, clock=clock)
    ci = press_with(secret, resources)
    assert (ci.identity.username, ci.identity.user_id, ci.identity.anonymous) == ("Acme", None, False)
    ci.wheel(tapes, "2.0")
    ci.wheel("cassettes", "1.0")
    made = Project.objects.get(name="cassettes")
    assert made.organization is not None
    assert (made.organization.name, made.roles.count()) == ("Acme", 0)
    assert rights(alice, "cassettes") is ProjectRole.OWNER
    entry = JournalEntry.objects.filter(kind="project created").latest("serial")
    assert (entry.actor, entry.actor_id, entry.via) == ("Acme", None, f"token {token.pk}")


def test_hostile_184_a_token_of_an_organization_on_other_projects(
    acme: str, alice: User, bobs_press: Press, press: Press, resources: Resources, clock: TickingClock
) -> None:
    bobs_press.wheel("reels", "1.0")
    press.wheel("own", "1.0")
    _, secret = organization_tokens.create(as_person(alice), acme, "ci", clock=clock)
    ci = press_with(secret, resources)
    for name in ("reels", "own"):
        assert code_of(ci.wheel, name, "2.0") == "project-forbidden"
    assert code_of(transfers.withdraw, ci.identity, "own", clock=clock) == "token-action"


def test_a_token_for_the_projects_of_an_organization(
    tapes: str, acme: str, alice: User, bob: User, resources: Resources, press: Press, clock: TickingClock
) -> None:
    press.wheel("own", "1.0")

    def mine(name: str) -> tuple[Token, str]:
        return tokens.create_token(COMMAND, alice, name, projects=["@ACME", "own"], clock=clock)

    token, secret = mine("ci")
    assert (token.projects, token.organizations) == (["own"], ["Acme"])
    ci = press_with(secret, resources)
    ci.wheel(tapes, "2.0")
    ci.wheel("own", "2.0")
    assert code_of(ci.wheel, "other", "1.0") == "token-project"
    press.wheel("third", "1.0")
    assert code_of(ci.wheel, "third", "2.0") == "token-project"
    foreign = lambda: tokens.create_token(COMMAND, bob, "ci", projects=["@acme"], clock=clock)  # noqa: E731
    assert code_of(foreign) == "organization-unknown"


def test_tokens_of_an_organization_are_run_by_its_owners_and_managers(
    acme: str, alice: User, bob: User, carol: User, clock: TickingClock
) -> None:
    token, _ = organization_tokens.create(as_person(alice), acme, "ci", clock=clock)
    assert tokens.tokens_of(alice) == []
    assert tokens.tokens_of_organization(organizations.find_organization(acme)) == [token]
    assert code_of(organization_tokens.create, as_person(alice), acme, "ci", clock=clock) == "token-name-taken"
    tokens.create_token(Actor(alice.pk, "alice", "web"), alice, "ci", clock=clock)
    join(acme, bob, MANAGER, clock)
    organization_tokens.rotate(as_person(bob), acme, token.pk, timedelta(), clock=clock)
    delete = lambda: organization_tokens.delete(as_person(carol), acme, token.pk, clock=clock)  # noqa: E731
    assert code_of(delete) == "organization-forbidden"
    mine, _ = tokens.create_token(COMMAND, alice, "mine", clock=clock)
    foreign = lambda: organization_tokens.delete(as_person(bob), acme, mine.pk, clock=clock)  # noqa: E731
    assert code_of(foreign) == "token-missing"
    organization_tokens.delete(as_person(bob), acme, token.pk, clock=clock)
    assert Token.objects.get(pk=token.pk).deleted_at is not None


def test_a_project_that_leaves_is_out_of_reach_of_the_organizations_token(
    tapes: str, acme: str, alice: User, bob: User, resources: Resources, clock: TickingClock
) -> None:
    _, secret = organization_tokens.create(as_person(alice), acme, "ci", clock=clock)
    ci = press_with(secret, resources)
    transfers.offer(COMMAND, tapes, bob, clock=clock)
    error_code = code_of(ci.wheel, tapes, "3.0")
    assert error_code == "project-forbidden"


def test_what_others_do_is_told_by_mail(
    acme: str, alice: User, bob: User, carol: User, press: Press, resources: Resources, clock: TickingClock
) -> None:
    notices.follow(resources)
    mail.outbox.clear()
    invitation = members.invite(as_person(alice), acme, bob, MEMBER, clock=clock)
    members.answer(as_person(bob), invitation.pk, accept=True, clock=clock)
    members.set_member(as_person(alice), acme, bob, MANAGER, clock=clock)
    press.wheel("tapes", "1.0")
    offer = transfers.offer(as_person(alice), "tapes", carol, clock=clock)
    assert offer is not None
    transfers.answer(as_person(carol), offer.pk, accept=False, clock=clock)
    token, _ = organization_tokens.create(as_person(alice), acme, "ci", clock=clock)
    organization_tokens.delete(as_person(bob), acme, token.pk, clock=clock)
    members.remove_member(as_person(alice), acme, bob, clock=clock)
    while notices.follow(resources):
        pass
    assert [(one.to[0].partition("@")[0], one.subject) for one in mail.outbox] == [
        ("bob", "An invitation to Acme"),
        ("bob", "You are manager of the organization Acme now"),
        ("carol", "The project tapes is offered to carol"),
        ("alice", "The offer of tapes was declined"),
        ("alice", "The API token 'ci' of Acme was revoked"),
        ("bob", "You were taken out of the organization Acme and its teams"),
    ]


def test_making_and_ending_are_journalled(acme: str, alice: User, clock: TickingClock) -> None:
    organizations.set_title(as_person(alice), acme, "Acme Reels", clock=clock)
    organizations.set_title(as_person(alice), acme, "Acme  Reels", clock=clock)
    teams.create_team(as_person(alice), acme, "core", clock=clock)
    organizations.delete_organization(as_person(alice), acme, clock=clock)
    told = JournalEntry.objects.filter(detail__organization="Acme").order_by("serial").values_list("kind", "actor")
    assert list(told) == [
        ("organization created", "alice"),
        ("member added", "alice"),
        ("organization title set", "alice"),
        ("team created", "alice"),
        ("organization deleted", "alice"),
    ]
