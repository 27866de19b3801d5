# SPDX-License-Identifier: Apache-2.0
"""A token's life: where it may be used from, a new secret, its end with all others, and who is told."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail
from tests.infra.clock import TickingClock

from packhouse.catalogue.models import JournalEntry, Token, User
from packhouse.domain.permissions import Identity
from packhouse.errors import Kind, PackhouseError
from packhouse.services import access, notices, reminding, tokens
from packhouse.services.journal import COMMAND, Actor
from packhouse.services.resources import Resources

pytestmark = pytest.mark.django_db


def speak(secret: str, clock: TickingClock, address: str = "") -> Identity:
    return access.authenticate(f"Bearer {secret}", clock(), address)


def refusal(secret: str, clock: TickingClock, address: str = "") -> PackhouseError:
    with pytest.raises(PackhouseError) as caught:
        speak(secret, clock, address)
    return caught.value


@pytest.mark.parametrize("address", ["192.0.2.7", "::ffff:192.0.2.7", "2001:db8::1", "198.51.100.9"])
def test_a_token_for_some_addresses_is_taken_from_them(alice: User, clock: TickingClock, address: str) -> None:
    where = ["192.0.2.0/24 2001:db8::/32", "198.51.100.9"]
    token, secret = tokens.create_token(COMMAND, alice, "ci", networks=where, clock=clock)
    assert token.networks == ["192.0.2.0/24", "2001:db8::/32", "198.51.100.9/32"]
    identity = speak(secret, clock, address)
    assert (identity.username, identity.local) == ("alice", True)


@pytest.mark.parametrize("address", ["192.0.3.7", "::ffff:192.0.3.7", "2001:db9::1", "", "unix", "192.0.2.7, 10.0.0.1"])
def test_a_token_for_some_addresses_is_refused_from_others(alice: User, clock: TickingClock, address: str) -> None:
    _, secret = tokens.create_token(COMMAND, alice, "ci", networks=["192.0.2.0/24", "2001:db8::/32"], clock=clock)
    error = refusal(secret, clock, address)
    assert (error.kind, error.code) == (Kind.FORBIDDEN, "token-address")
    assert secret not in error.message


@pytest.mark.parametrize("network", ["192.0.2.1/24", "example.org", "1.2.3.4/33", "0x7f.1", "2130706433/8/8"])
def test_a_range_that_is_none_is_refused(alice: User, clock: TickingClock, network: str) -> None:
    with pytest.raises(PackhouseError) as caught:
        tokens.create_token(COMMAND, alice, "ci", networks=[network], clock=clock)
    assert (caught.value.kind, caught.value.code) == (Kind.INVALID, "network-invalid")
    assert not Token.objects.exists()


def test_a_new_secret_and_the_old_one_for_a_grace(alice: User, clock: TickingClock) -> None:
    token, old = tokens.create_token(COMMAND, alice, "ci", ["read"], clock=clock)
    row, new = tokens.rotate_token(Actor(alice.pk, "alice", "web"), token, timedelta(hours=1), clock=clock)
    assert (row.pk, row.scopes, row.name) == (token.pk, ["read"], "ci")
    assert speak(new, clock).token_id == speak(old, clock).token_id == token.pk
    assert speak(old, clock).until == row.old_until
    assert speak(new, clock).until is None
    assert tokens.find_token(old) == tokens.find_token(new) == token
    clock.move(hours=1)
    error = refusal(old, clock)
    assert (error.kind, error.code) == (Kind.UNAUTHENTICATED, "token-rotated")
    assert old[:9] in error.message
    speak(new, clock)
    entry = JournalEntry.objects.get(kind="token rotated")
    assert (entry.actor, entry.detail["hint"], entry.detail["old_hint"]) == ("alice", new[:9], old[:9])
    assert old not in str(entry.detail)
    assert new not in str(entry.detail)


def test_without_a_grace_the_old_secret_ends_at_once_also_where_it_commits(alice: User, clock: TickingClock) -> None:
    token, old = tokens.create_token(COMMAND, alice, "ci", clock=clock)
    begun = speak(old, clock)
    _, new = tokens.rotate_token(COMMAND, token, timedelta(), clock=clock)
    assert refusal(old, clock).code == "token-rotated"
    with pytest.raises(PackhouseError) as caught:
        access.still_valid(begun, clock())
    assert caught.value.code == "token-rotated"
    assert access.still_valid(speak(new, clock), clock()).username == "alice"


def test_rotating_twice_ends_the_first_secret(alice: User, clock: TickingClock) -> None:
    token, first = tokens.create_token(COMMAND, alice, "ci", clock=clock)
    _, second = tokens.rotate_token(COMMAND, token, clock=clock)
    _, third = tokens.rotate_token(COMMAND, token, clock=clock)
    assert refusal(first, clock).code == "token-unknown"
    assert {speak(one, clock).token_id for one in (second, third)} == {token.pk}


def test_deleting_ends_both_secrets(alice: User, clock: TickingClock) -> None:
    token, old = tokens.create_token(COMMAND, alice, "ci", clock=clock)
    _, new = tokens.rotate_token(COMMAND, token, clock=clock)
    tokens.delete_token(COMMAND, token, clock=clock)
    assert {refusal(one, clock).code for one in (old, new)} == {"token-deleted"}
    with pytest.raises(PackhouseError) as caught:
        tokens.rotate_token(COMMAND, token, clock=clock)
    assert caught.value.code == "token-missing"


@pytest.mark.parametrize("grace", [timedelta(seconds=-1), timedelta(days=31)])
def test_a_grace_that_makes_no_sense(alice: User, clock: TickingClock, grace: timedelta) -> None:
    token, _ = tokens.create_token(COMMAND, alice, "ci", clock=clock)
    with pytest.raises(PackhouseError) as caught:
        tokens.rotate_token(COMMAND, token, grace, clock=clock)
    assert caught.value.code == "token-grace-invalid"


def test_all_of_a_person_end_at_once_and_nobody_elses(alice: User, bob: User, clock: TickingClock) -> None:
    mine = [tokens.create_token(COMMAND, alice, name, clock=clock)[1] for name in "abc"]
    _, his = tokens.create_token(COMMAND, bob, "a", clock=clock)
    with pytest.raises(PackhouseError) as caught:
        tokens.delete_tokens_of(Actor(bob.pk, "bob", "web"), alice, clock=clock)
    assert caught.value.kind is Kind.FORBIDDEN
    assert tokens.delete_tokens_of(Actor(alice.pk, "alice", "web"), alice, clock=clock) == 3
    assert {refusal(one, clock).code for one in mine} == {"token-deleted"}
    assert speak(his, clock).username == "bob"
    assert JournalEntry.objects.filter(kind="token deleted").count() == 3
    assert tokens.delete_tokens_of(COMMAND, alice, clock=clock) == 0


def test_everybodys_end_by_command_alone(alice: User, bob: User, clock: TickingClock) -> None:
    for person in (alice, bob):
        tokens.create_token(COMMAND, person, "a", clock=clock)
    with pytest.raises(PackhouseError) as caught:
        tokens.delete_every_token(Actor(alice.pk, "alice", "web"), clock=clock)
    assert caught.value.kind is Kind.FORBIDDEN
    assert tokens.delete_every_token(COMMAND, clock=clock) == 2
    assert not Token.objects.filter(deleted_at=None).exists()


def told(resources: Resources) -> list[tuple[str, str]]:
    """Whom the mails went to, and their subjects, of what happened since the last look."""
    mail.outbox.clear()
    while notices.follow(resources):
        pass
    return [(one.to[0], str(one.subject)) for one in mail.outbox]


def test_who_lost_a_token_by_another_hand_is_told(alice: User, resources: Resources, clock: TickingClock) -> None:
    lost, _ = tokens.create_token(COMMAND, alice, "lost", clock=clock)
    own, _ = tokens.create_token(COMMAND, alice, "own", clock=clock)
    tokens.rotate_token(COMMAND, own, clock=clock)
    assert told(resources) == []  # of before it first looked
    tokens.delete_token(COMMAND, lost, clock=clock)
    tokens.delete_token(Actor(alice.pk, "alice", "web"), own, clock=clock)
    assert told(resources) == [("alice@example.org", "Your API token 'lost' was revoked")]
    assert "by an administrator of this server" in str(mail.outbox[0].body)
    assert "/manage/account/token/" in str(mail.outbox[0].body)
    assert told(resources) == []


def test_old_news_is_not_told(alice: User, resources: Resources, clock: TickingClock) -> None:
    token, _ = tokens.create_token(COMMAND, alice, "lost", clock=clock)
    assert told(resources) == []
    tokens.delete_token(COMMAND, token, clock=clock)
    clock.move(days=2)
    assert told(resources) == []


def reminded(resources: Resources) -> list[str]:
    mail.outbox.clear()
    reminding.remind(resources)
    return [f"{one.to[0].partition('@')[0]}: {one.subject}" for one in mail.outbox]


def test_a_week_and_a_day_before_the_end_there_is_a_reminder(
    alice: User, bob: User, resources: Resources, clock: TickingClock
) -> None:
    for person, name, days in ((alice, "month", 30), (bob, "week", 8), (bob, "day", 1)):
        tokens.create_token(COMMAND, person, name, expires_at=clock() + timedelta(days=days), clock=clock)
    gone, _ = tokens.create_token(COMMAND, alice, "gone", expires_at=clock() + timedelta(days=30), clock=clock)
    tokens.delete_token(COMMAND, gone, clock=clock)
    assert reminded(resources) == []
    clock.move(days=7, hours=1)
    assert reminded(resources) == ["bob: Your API token 'week' ends soon"]
    clock.move(days=16)
    assert reminded(resources) == ["alice: Your API token 'month' ends soon"]
    assert "'month'" in str(mail.outbox[0].body)
    assert reminded(resources) == []
    clock.move(days=6)
    assert reminded(resources) == ["alice: Your API token 'month' ends soon"]
    clock.move(days=1)
    assert reminded(resources) == []


def test_tokens_that_end_together_are_one_mail(alice: User, resources: Resources, clock: TickingClock) -> None:
    for name in ("one", "two"):
        tokens.create_token(COMMAND, alice, name, expires_at=clock() + timedelta(days=20), clock=clock)
    clock.move(days=15)
    assert reminded(resources) == ["alice: 2 API tokens end soon"]


def test_the_end_of_an_organizations_token_is_told_with_the_page_of_its_tokens(
    alice: User, bob: User, resources: Resources, clock: TickingClock
) -> None:
    from packhouse.domain.permissions import OrganizationRole
    from packhouse.services import members, organization_tokens, organizations

    organizations.create_organization(COMMAND, "Acme", alice, clock=clock)
    members.set_member(COMMAND, "Acme", bob, OrganizationRole.MEMBER, clock=clock)
    end = clock() + timedelta(days=20)
    organization_tokens.create(COMMAND, "Acme", "ci", expires_at=end, clock=clock)
    clock.move(days=15)
    assert reminded(resources) == ["alice: The API token 'ci' of Acme ends soon"]
    assert "/manage/organization/Acme/tokens/" in str(mail.outbox[0].body)
    assert "/manage/account/token/" not in str(mail.outbox[0].body)
