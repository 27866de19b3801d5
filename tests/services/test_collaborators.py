# SPDX-License-Identifier: Apache-2.0
"""The people of a project."""

from __future__ import annotations

from typing import Any

import pytest
from tests.infra.clock import TickingClock
from tests.infra.publishing import Press

from packhouse.catalogue.models import Invitation, JournalEntry, Project, Role, User
from packhouse.domain.permissions import Identity, ProjectRole
from packhouse.errors import Kind, PackhouseError
from packhouse.services import access, collaborators, projects
from packhouse.services.journal import COMMAND
from packhouse.services.people import disable_user

pytestmark = pytest.mark.django_db

OWNER, MAINTAINER = ProjectRole.OWNER, ProjectRole.MAINTAINER


@pytest.fixture
def owner(press: Press, alice: User) -> Identity:
    press.wheel("foo", "1.0")
    return access.identity_of_user(alice)


@pytest.fixture
def other(bob: User) -> Identity:
    return access.identity_of_user(bob)


def roles() -> dict[str, str]:
    return dict(Role.objects.values_list("user__username", "role"))


def refused(kind: Kind, code: str, attempt: Any, *args: Any, **options: Any) -> None:
    with pytest.raises(PackhouseError) as caught:
        attempt(*args, **options)
    assert (caught.value.kind, caught.value.code) == (kind, code)


def test_invite_and_accept(owner: Identity, other: Identity, bob: User, press: Press, clock: TickingClock) -> None:
    invitation = collaborators.invite(owner, "foo", bob, MAINTAINER, clock=clock)
    assert roles() == {"alice": "owner"}
    refused(Kind.FORBIDDEN, "project-forbidden", Press(press.resources, other).wheel, "foo", "2.0")
    collaborators.answer(other, invitation.pk, accept=True, clock=clock)
    assert roles() == {"alice": "owner", "bob": "maintainer"}
    assert Press(press.resources, other).wheel("foo", "2.0").created
    last = JournalEntry.objects.filter(kind="role added").latest("serial")
    assert last.detail == {"user": "bob", "role": "maintainer"}
    assert Project.objects.get().serial >= last.serial


def test_decline_and_withdraw(owner: Identity, other: Identity, bob: User, clock: TickingClock) -> None:
    first = collaborators.invite(owner, "foo", bob, OWNER, clock=clock)
    collaborators.answer(other, first.pk, accept=False, clock=clock)
    second = collaborators.invite(owner, "foo", bob, OWNER, clock=clock)
    collaborators.withdraw(owner, "foo", second.pk, clock=clock)
    for invitation in (first, second):
        refused(
            Kind.MISSING, "invitation-missing", collaborators.answer, other, invitation.pk, accept=True, clock=clock
        )
    assert roles() == {"alice": "owner"}
    assert [i.state for i in Invitation.objects.order_by("pk")] == ["declined", "withdrawn"]


def test_hostile_201_an_invitation_is_for_one_person_and_not_for_ever(
    owner: Identity, other: Identity, bob: User, clock: TickingClock
) -> None:
    invitation = collaborators.invite(owner, "foo", bob, MAINTAINER, clock=clock)
    for number in (invitation.pk, 12345):
        refused(Kind.MISSING, "invitation-missing", collaborators.answer, owner, number, accept=True, clock=clock)
    clock.move(days=31)
    refused(Kind.MISSING, "invitation-missing", collaborators.answer, other, invitation.pk, accept=True, clock=clock)
    again = collaborators.invite(owner, "foo", bob, MAINTAINER, clock=clock)
    projects.delete_project(COMMAND, "foo", clock=clock)
    refused(Kind.MISSING, "invitation-missing", collaborators.answer, other, again.pk, accept=True, clock=clock)


def test_only_owners_invite_change_and_remove(
    owner: Identity, other: Identity, alice: User, bob: User, clock: TickingClock
) -> None:
    Role.objects.create(project=Project.objects.get(), user=bob, role="maintainer", since=clock())
    for attempt, args in (
        (collaborators.invite, (bob, OWNER)),
        (collaborators.change_role, (bob, OWNER)),
        (collaborators.remove, (alice,)),
        (collaborators.withdraw, (1,)),
    ):
        refused(Kind.FORBIDDEN, "project-forbidden", attempt, other, "foo", *args, clock=clock)


def test_hostile_267_an_invitation_of_another_project(
    owner: Identity, press: Press, bob: User, clock: TickingClock
) -> None:
    press.wheel("bar", "1.0")
    invitation = collaborators.invite(owner, "foo", bob, MAINTAINER, clock=clock)
    refused(Kind.MISSING, "invitation-missing", collaborators.withdraw, owner, "bar", invitation.pk, clock=clock)


def test_who_cannot_be_invited(owner: Identity, alice: User, bob: User, clock: TickingClock) -> None:
    refused(Kind.CONFLICT, "role-exists", collaborators.invite, owner, "foo", alice, MAINTAINER, clock=clock)
    collaborators.invite(owner, "foo", bob, MAINTAINER, clock=clock)
    refused(Kind.CONFLICT, "invitation-open", collaborators.invite, owner, "foo", bob, OWNER, clock=clock)
    disable_user(COMMAND, bob, clock=clock)
    bob.refresh_from_db()
    Invitation.objects.all().delete()
    refused(Kind.CONFLICT, "user-disabled", collaborators.invite, owner, "foo", bob, OWNER, clock=clock)


def test_hostile_201_the_last_owner_stays(owner: Identity, alice: User, bob: User, clock: TickingClock) -> None:
    for attempt, args in ((collaborators.remove, (alice,)), (collaborators.change_role, (alice, MAINTAINER))):
        refused(Kind.CONFLICT, "last-owner", attempt, owner, "foo", *args, clock=clock)
    refused(Kind.CONFLICT, "last-owner", collaborators.leave, owner, "foo", clock=clock)
    Role.objects.create(project=Project.objects.get(), user=bob, role="owner", since=clock())
    disable_user(COMMAND, bob, clock=clock)
    refused(Kind.CONFLICT, "last-owner", collaborators.leave, owner, "foo", clock=clock)
    User.objects.update(is_active=True)
    collaborators.leave(owner, "foo", clock=clock)
    assert roles() == {"bob": "owner"}


def test_roles_change(owner: Identity, bob: User, clock: TickingClock) -> None:
    Role.objects.create(project=Project.objects.get(), user=bob, role="maintainer", since=clock())
    collaborators.change_role(owner, "foo", bob, OWNER, clock=clock)
    collaborators.change_role(owner, "foo", bob, OWNER, clock=clock)
    assert roles()["bob"] == "owner"
    collaborators.remove(owner, "foo", bob, clock=clock)
    refused(Kind.MISSING, "role-missing", collaborators.remove, owner, "foo", bob, clock=clock)
    kinds = list(JournalEntry.objects.order_by("-serial").values_list("kind", flat=True)[:2])
    assert kinds == ["role removed", "role changed"]
