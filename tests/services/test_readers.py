# SPDX-License-Identifier: Apache-2.0
"""Readers of closed indexes: people, organizations, teams and tokens."""

from __future__ import annotations

import pytest
from tests.infra.clock import TickingClock
from tests.services.conftest import make_user

from packhouse.catalogue.models import Counter, User
from packhouse.domain.permissions import Action, Identity, OrganizationRole, ReadMode, may
from packhouse.errors import Kind, PackhouseError
from packhouse.services import access, indexes, members, organization_tokens, organizations, readers, teams, tokens
from packhouse.services.journal import COMMAND

pytestmark = pytest.mark.django_db


@pytest.fixture
def vault(alice: User, bob: User, clock: TickingClock) -> str:
    """A closed index; alice owns the organization acme, bob is in its team core."""
    indexes.create_index(COMMAND, "vault", ReadMode.CLOSED, clock=clock)
    organizations.create_organization(COMMAND, "acme", alice, clock=clock)
    teams.create_team(COMMAND, "acme", "core", clock=clock)
    members.set_member(COMMAND, "acme", bob, OrganizationRole.MEMBER, clock=clock)
    teams.set_team_member(COMMAND, "acme", "core", bob, inside=True, clock=clock)
    return "vault"


def grant(text: str, clock: TickingClock) -> None:
    before = Counter.objects.get(name="access").value
    indexes.grant_read(COMMAND, "vault", readers.find_reader(text), clock=clock)
    assert Counter.objects.get(name="access").value == before + 1


def end(text: str, clock: TickingClock) -> None:
    indexes.end_grant(COMMAND, "vault", readers.find_reader(text), clock=clock)


def reads(identity: Identity) -> bool:
    return may(identity, Action.READ, index=access.index_right(identity, "vault")).allowed


def person(user: User) -> Identity:
    return access.identity_of_user(user)


def speaking(secret: str, clock: TickingClock) -> Identity:
    return access.authenticate(f"Bearer {secret}", clock())


def test_a_team_reads_and_only_while_one_is_in_it(vault: str, alice: User, bob: User, clock: TickingClock) -> None:
    _, secret = tokens.create_token(COMMAND, bob, "laptop", ["read"], clock=clock)
    assert not reads(person(bob))
    grant("ACME/Core", clock)
    assert [reads(person(bob)), reads(speaking(secret, clock)), reads(person(alice))] == [True, True, False]
    teams.set_team_member(COMMAND, "acme", "core", bob, inside=False, clock=clock)
    assert [reads(person(bob)), reads(speaking(secret, clock))] == [False, False]
    teams.set_team_member(COMMAND, "acme", "core", bob, inside=True, clock=clock)
    teams.delete_team(COMMAND, "acme", "core", clock=clock)
    assert not reads(person(bob))
    assert readers.readers_of("vault") == []


def test_an_organization_reads_with_all_its_members_and_tokens(
    vault: str, alice: User, bob: User, clock: TickingClock
) -> None:
    stranger = make_user("carol", clock)
    _, secret = organization_tokens.create(COMMAND, "acme", "ci", ["read"], clock=clock)
    _, upload = organization_tokens.create(COMMAND, "acme", "up", ["upload"], clock=clock)
    assert not reads(speaking(secret, clock))
    grant("acme", clock)
    asked = [person(alice), person(bob), speaking(secret, clock), person(stranger), speaking(upload, clock)]
    assert [reads(one) for one in asked] == [True, True, True, False, False]
    end("acme", clock)
    assert not any(reads(one) for one in asked)


def test_a_token_reads_by_itself_and_its_owner_does_not(vault: str, bob: User, clock: TickingClock) -> None:
    token, secret = tokens.create_token(COMMAND, bob, "laptop", ["read"], clock=clock)
    _, other = tokens.create_token(COMMAND, bob, "desk", ["read"], clock=clock)
    grant(f"token:{token.pk}", clock)
    assert [reads(one) for one in (speaking(secret, clock), speaking(other, clock), person(bob))] == [
        True,
        False,
        False,
    ]
    tokens.delete_token(COMMAND, token, clock=clock)
    assert readers.readers_of("vault") == []


def test_readers_are_told_as_they_are_typed(vault: str, bob: User, clock: TickingClock) -> None:
    token, _ = tokens.create_token(COMMAND, bob, "laptop", clock=clock)
    spelled = ["alice", "bob", "acme", "acme/core", f"token:{token.pk}"]
    for one in reversed(spelled):
        grant(one, clock)
        indexes.grant_read(COMMAND, "vault", readers.find_reader(one), clock=clock)  # once is enough
    assert readers.readers_of("vault") == spelled
    assert [readers.spelled(readers.find_reader(one)) for one in spelled] == spelled
    for one in spelled:
        end(one, clock)
    assert readers.readers_of("vault") == []


@pytest.mark.parametrize(
    "text", ["nobody", "acme/none", "none/core", "token:9", "token:x", "token:" + "9" * 30, "", "/"]
)
def test_who_is_not_there_is_no_reader(vault: str, text: str) -> None:
    with pytest.raises(PackhouseError) as caught:
        readers.find_reader(text)
    assert caught.value.kind is Kind.MISSING
