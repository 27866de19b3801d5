# SPDX-License-Identifier: Apache-2.0
"""Accounts, their names, and the first administrator."""

from __future__ import annotations

import pytest
from allauth.account.models import EmailAddress
from tests.infra.clock import TickingClock

from packhouse.catalogue.models import Claim, Counter, JournalEntry, User
from packhouse.errors import Kind, PackhouseError
from packhouse.services import people
from packhouse.services.journal import COMMAND, Actor

pytestmark = pytest.mark.django_db


def test_an_account_made_by_command_counts_as_verified(alice: User) -> None:
    address = EmailAddress.objects.get(user=alice)
    assert (address.email, address.verified, address.primary) == ("alice@example.org", True, True)
    assert alice.check_password("correct horse battery")
    assert JournalEntry.objects.get().detail == {"user": "alice", "admin": False}


@pytest.mark.parametrize(
    "name",
    [
        "",
        "..",
        "-a",
        "a-",
        "a b",
        "a\n",
        "ａlice",
        "аlice",
        "\u212aate",
        "x" * 51,
        "a/b",
        "a@b",
        "a\x00",
        "admin",
        "Admin",
        "__token__",
        "con",
        "root",
        "\u202ealice",
    ],
)
def test_hostile_199_user_names_are_ascii_and_not_reserved(name: str, clock: TickingClock) -> None:
    with pytest.raises(PackhouseError) as caught:
        people.create_user(COMMAND, name, "x@example.org", None, clock=clock)
    assert caught.value.kind is Kind.INVALID


@pytest.mark.parametrize("name", ["a", "alice", "Alice.B-c_d", "7of9", "x" * 50])
def test_good_user_names(name: str, clock: TickingClock) -> None:
    assert people.create_user(COMMAND, name, "x@example.org", None, clock=clock).username == name


def test_an_administrator_made_by_command_may_be_called_admin(clock: TickingClock) -> None:
    assert people.create_user(COMMAND, "admin", "x@example.org", None, admin=True, clock=clock).is_admin
    with pytest.raises(PackhouseError):
        people.create_user(Actor(1, "mallory", "web"), "root", "y@example.org", None, admin=True, clock=clock)


def test_hostile_202_names_are_taken_for_ever_and_in_any_case(alice: User, bob: User, clock: TickingClock) -> None:
    people.disable_user(COMMAND, alice, clock=clock)
    with pytest.raises(PackhouseError) as caught:
        people.create_user(COMMAND, "ALICE", "other@example.org", None, clock=clock)
    assert (caught.value.kind, caught.value.code) == (Kind.CONFLICT, "username-taken")


@pytest.mark.parametrize(
    "address", ["ALICE@example.org", " alice@EXAMPLE.org ", "alıce@example.org", "nobody", "a@b@c", ""]
)
def test_hostile_198_addresses_are_sound_and_used_once(address: str, alice: User, clock: TickingClock) -> None:
    with pytest.raises(PackhouseError) as caught:
        people.create_user(COMMAND, "carol", address, None, clock=clock)
    assert caught.value.code in {"email-taken", "email-invalid"}


def test_the_last_administrator_stays(clock: TickingClock) -> None:
    first = people.create_user(COMMAND, "one", "one@example.org", None, admin=True, clock=clock)
    with pytest.raises(PackhouseError) as caught:
        people.disable_user(COMMAND, first, clock=clock)
    assert caught.value.code == "last-administrator"
    people.create_user(COMMAND, "two", "two@example.org", None, admin=True, clock=clock)
    before = Counter.objects.get(name="access").value
    people.disable_user(COMMAND, first, clock=clock)
    people.disable_user(COMMAND, first, clock=clock)
    assert Counter.objects.get(name="access").value == before + 1
    assert people.has_administrator()


def test_hostile_200_the_claim_works_once(alice: User, bob: User, clock: TickingClock) -> None:
    secret = people.offer_first_administrator(clock)
    assert secret is not None
    assert people.claim_is_open(secret)
    assert secret not in str(Claim.objects.values())
    people.claim_first_administrator(Actor(alice.pk, "alice", "web"), secret, alice, clock=clock)
    assert User.objects.get(pk=alice.pk).is_admin
    with pytest.raises(PackhouseError) as caught:
        people.claim_first_administrator(Actor(bob.pk, "bob", "web"), secret, bob, clock=clock)
    assert caught.value.kind is Kind.GONE
    assert not User.objects.get(pk=bob.pk).is_admin
    assert people.offer_first_administrator(clock) is None


def test_a_newer_claim_ends_the_older_and_an_invented_one_is_unknown(alice: User, clock: TickingClock) -> None:
    old, new = people.offer_first_administrator(clock), people.offer_first_administrator(clock)
    assert old is not None
    assert new is not None
    for secret, kind in ((old, Kind.GONE), ("invented", Kind.MISSING)):
        with pytest.raises(PackhouseError) as caught:
            people.claim_first_administrator(COMMAND, secret, alice, clock=clock)
        assert caught.value.kind is kind
    assert people.claim_is_open(new)


def test_find_user_ignores_case(alice: User) -> None:
    assert people.find_user("Alice") == alice
    with pytest.raises(PackhouseError):
        people.find_user("nobody")
