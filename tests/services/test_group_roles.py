# SPDX-License-Identifier: Apache-2.0
"""Groups of single sign-on as roles in organizations and places in teams."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.infra.clock import TickingClock
from tests.services.conftest import make_user

from packhouse.catalogue.models import GroupRole, JournalEntry, Membership, TeamMember
from packhouse.domain.permissions import OrganizationRole, ProjectRole
from packhouse.errors import PackhouseError
from packhouse.services import access, group_roles, members, organizations, teams
from packhouse.services.journal import COMMAND

if TYPE_CHECKING:
    from packhouse.catalogue.models import User

OWNER, MANAGER, MEMBER = OrganizationRole.OWNER, OrganizationRole.MANAGER, OrganizationRole.MEMBER


@pytest.fixture
def acme(alice: User, clock: TickingClock) -> str:
    """An organization of alice's with two teams; groups are mapped to it, and to one of the teams."""
    organizations.create_organization(COMMAND, "Acme", alice, clock=clock)
    for team in ("core", "spare"):
        teams.create_team(COMMAND, "Acme", team, clock=clock)
    for group, role in (("leads", OWNER), ("devs", MEMBER), ("heads", MANAGER)):
        assert group_roles.map_group(COMMAND, group, "acme", role, clock=clock)
    assert group_roles.map_group(COMMAND, "release", "acme", team="CORE", clock=clock)
    return "Acme"


def signs_in(user: User, *groups: str, clock: TickingClock) -> None:
    group_roles.apply(user, frozenset(groups), clock=clock)


def role_of(user: User) -> str | None:
    return Membership.objects.filter(user=user).values_list("role", flat=True).first()


def teams_of(user: User) -> list[str]:
    return sorted(TeamMember.objects.filter(user=user).values_list("team__name", flat=True))


def facts(user: User) -> list[tuple[str, str]]:
    told = JournalEntry.objects.filter(detail__user=user.username, kind__contains="member").order_by("serial")
    return [(one.kind, one.via) for one in told]


def test_groups_add_raise_lower_and_remove(acme: str, bob: User, clock: TickingClock) -> None:
    signs_in(bob, "other", clock=clock)
    assert role_of(bob) is None
    signs_in(bob, "devs", "release", clock=clock)
    assert (role_of(bob), teams_of(bob)) == ("member", ["core"])
    signs_in(bob, "devs", "heads", clock=clock)
    assert (role_of(bob), teams_of(bob)) == ("manager", [])
    signs_in(bob, "leads", "devs", clock=clock)
    assert role_of(bob) == "owner"
    signs_in(bob, "devs", "release", clock=clock)
    signs_in(bob, "release", clock=clock)  # of a team alone: nobody is in the organization by that
    assert (role_of(bob), teams_of(bob)) == (None, [])
    assert facts(bob) == [
        (kind, "single sign-on")
        for kind in (
            *("member added", "team member added", "member changed", "team member removed"),
            *("member changed", "member changed", "team member added", "member removed"),
        )
    ]


def test_the_same_groups_again_are_no_fact(acme: str, bob: User, clock: TickingClock) -> None:
    signs_in(bob, "devs", "release", clock=clock)
    before = JournalEntry.objects.count()
    signs_in(bob, "devs", "release", clock=clock)
    assert JournalEntry.objects.count() == before


def test_hostile_201_the_last_owner_stays_and_a_second_one_goes(
    acme: str, alice: User, bob: User, clock: TickingClock
) -> None:
    signs_in(alice, clock=clock)
    assert role_of(alice) == "owner"
    signs_in(alice, "devs", clock=clock)
    assert role_of(alice) == "owner"
    signs_in(bob, "leads", clock=clock)
    signs_in(alice, "devs", clock=clock)
    assert (role_of(alice), role_of(bob)) == ("member", "owner")
    signs_in(bob, clock=clock)
    assert role_of(bob) == "owner"


def test_what_a_person_gave_is_decided_by_groups_too(acme: str, bob: User, clock: TickingClock) -> None:
    members.set_member(COMMAND, acme, bob, MANAGER, clock=clock)
    teams.set_team_member(COMMAND, acme, "spare", bob, inside=True, clock=clock)
    signs_in(bob, "devs", clock=clock)
    assert (role_of(bob), teams_of(bob)) == ("member", ["spare"])  # a team without a group is nobody's but people's
    signs_in(bob, clock=clock)
    assert (role_of(bob), teams_of(bob)) == (None, [])


def test_a_team_alone_decides_nothing_about_the_organization(
    acme: str, alice: User, bob: User, clock: TickingClock
) -> None:
    GroupRole.objects.filter(team=None).delete()
    members.set_member(COMMAND, acme, bob, MEMBER, clock=clock)
    signs_in(bob, "release", clock=clock)
    assert (role_of(bob), teams_of(bob)) == ("member", ["core"])
    signs_in(bob, clock=clock)
    assert (role_of(bob), teams_of(bob)) == ("member", [])
    carol = make_user("carol", clock)
    signs_in(carol, "release", clock=clock)
    assert (role_of(carol), teams_of(carol)) == (None, [])


def test_rights_follow_at_once(acme: str, bob: User, press: object, clock: TickingClock) -> None:
    from packhouse.services import transfers

    press.wheel("tapes", "1.0")  # type: ignore[attr-defined]
    transfers.offer(COMMAND, "tapes", organizations.find_organization(acme), clock=clock)
    teams.set_team_role(COMMAND, acme, "core", "tapes", ProjectRole.MAINTAINER, clock=clock)
    who = access.identity_of_user(bob)
    assert access.project_right(who, "tapes").role is None
    signs_in(bob, "devs", "release", clock=clock)
    assert access.project_right(who, "tapes").role is ProjectRole.MAINTAINER
    signs_in(bob, clock=clock)
    assert access.project_right(who, "tapes").role is None


def test_an_open_invitation_ends_when_somebody_comes_by_another_way(
    acme: str, alice: User, bob: User, clock: TickingClock
) -> None:
    invited = members.invite(access.identity_of_user(alice), acme, bob, MEMBER, clock=clock)
    signs_in(bob, "devs", clock=clock)
    carol = make_user("carol", clock)
    other = members.invite(access.identity_of_user(alice), acme, carol, MEMBER, clock=clock)
    members.set_member(COMMAND, acme, carol, MANAGER, clock=clock)
    for user, invitation in ((bob, invited), (carol, other)):
        with pytest.raises(PackhouseError, match="no such open invitation"):
            members.answer(access.identity_of_user(user), invitation.pk, accept=True, clock=clock)
    assert (role_of(bob), role_of(carol)) == ("member", "manager")


def test_mapping_changing_and_ending_is_journalled(acme: str, clock: TickingClock) -> None:
    assert not group_roles.map_group(COMMAND, "devs", "Acme", MEMBER, clock=clock)
    assert group_roles.map_group(COMMAND, "devs", "Acme", MANAGER, clock=clock)
    group_roles.unmap_named(COMMAND, "release", "acme", "core", clock=clock)
    told = JournalEntry.objects.filter(kind__startswith="group ").order_by("serial")
    assert [(one.kind, one.detail) for one in told][-2:] == [
        ("group mapped", {"organization": "Acme", "group": "devs", "role": "manager"}),
        ("group unmapped", {"organization": "Acme", "group": "release", "team": "core"}),
    ]
    assert group_roles.mapped_groups() == {"leads", "devs", "heads"}
    teams.delete_team(COMMAND, "Acme", "core", clock=clock)
    organizations.delete_organization(COMMAND, "Acme", clock=clock)
    assert group_roles.list_mapped() == []
    assert group_roles.mapped_groups() == frozenset()


@pytest.mark.parametrize(
    ("group", "name", "role", "team", "code"),
    [
        ("", "acme", MEMBER, "", "group-invalid"),
        ("x" * 201, "acme", MEMBER, "", "group-invalid"),
        ("a\x00b", "acme", MEMBER, "", "group-invalid"),
        ("x", "acme", MEMBER, "core", "group-target"),
        ("x", "acme", None, "", "group-target"),
        ("x", "nobody", MEMBER, "", "organization-unknown"),
        ("x", "acme", None, "nothing", "team-unknown"),
    ],
)
def test_mappings_that_make_no_sense(
    acme: str, clock: TickingClock, group: str, name: str, role: OrganizationRole | None, team: str, code: str
) -> None:
    with pytest.raises(PackhouseError) as caught:
        group_roles.map_group(COMMAND, group, name, role, team, clock=clock)
    assert caught.value.code == code


def test_others_map_nothing(acme: str, alice: User, clock: TickingClock) -> None:
    me, number = access.identity_of_user(alice), GroupRole.objects.values_list("pk", flat=True)[0]
    with pytest.raises(PackhouseError, match="Only an administrator"):
        group_roles.map_group(me, "x", acme, OWNER, clock=clock)
    with pytest.raises(PackhouseError, match="Only an administrator"):
        group_roles.unmap(me, number, clock=clock)
    assert GroupRole.objects.count() == 4
