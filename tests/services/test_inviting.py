# SPDX-License-Identifier: Apache-2.0
"""Invitations to make an account, guests whose accounts end, and the mails about both."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from django.conf import settings
from django.core import mail
from tests.infra.clock import TickingClock
from tests.services.conftest import make_user

from packhouse.catalogue.models import AccountInvitation, JournalEntry, User
from packhouse.config import Settings
from packhouse.domain.registration import settle
from packhouse.errors import Kind, PackhouseError
from packhouse.services import access, guests, inviting, tokens
from packhouse.services.inviting import Terms
from packhouse.services.journal import COMMAND, write

WEEK = timedelta(days=7)


def house(mode: str = "invited") -> Settings:
    return replace(settings.PACKHOUSE, registration=mode)


def secret_of(link: str) -> str:
    return link.rstrip("/").rpartition("/")[2]


def invite(clock: TickingClock, **terms: object) -> tuple[AccountInvitation, str]:
    wanted = Terms(**({"expires_at": clock() + WEEK} | terms))  # type: ignore[arg-type]
    return inviting.invite(COMMAND, wanted, house(), clock=clock)


def accept(row: AccountInvitation, name: str, clock: TickingClock) -> User:
    """What registering does with an invitation."""
    with write():
        held = inviting.hold(row.digest, clock())
        user = User.objects.create_user(name, f"{name}@example.org")
        inviting.use(held, user, clock=clock)
    return user


def test_of_the_link_only_a_hash_is_kept(db: None, clock: TickingClock) -> None:
    row, link = invite(clock)
    secret = secret_of(link)
    assert len(secret) >= 40
    assert row.digest == hashlib.sha256(secret.encode()).hexdigest()
    kept = [str(value) for table in (AccountInvitation, JournalEntry) for value in table.objects.values_list()]
    assert not [text for text in kept if secret in text]


def test_a_personal_invitation_is_used_once(db: None, clock: TickingClock) -> None:
    row, link = invite(clock, email="Bob@Example.org", limit=50)
    assert (row.email, row.limit) == ("bob@example.org", 1)
    accept(row, "bob", clock)
    with pytest.raises(PackhouseError) as caught:
        inviting.demand_open(secret_of(link), clock())
    assert (caught.value.kind, caught.value.code) == (Kind.GONE, "invitation-ended")
    with pytest.raises(PackhouseError):
        accept(row, "eve", clock)
    kinds = list(JournalEntry.objects.filter(kind__startswith="account inv").values_list("kind", flat=True))
    assert kinds == ["account invitation made", "account invitation used"]
    assert not User.objects.filter(username="eve").exists()


def test_a_link_for_a_class_is_used_as_often_as_it_may_and_makes_guests(db: None, clock: TickingClock) -> None:
    row, _ = invite(clock, limit=2, note="Python 101", guest_until=clock() + timedelta(days=90))
    made = [accept(row, name, clock) for name in ("ann", "ben")]
    assert {user.guest_until for user in made} == {row.guest_until}
    with pytest.raises(PackhouseError):
        accept(row, "cem", clock)
    assert inviting.state_of(AccountInvitation.objects.get(), clock()) == "used up"


def test_an_invitation_ends_when_it_runs_out_and_when_it_is_withdrawn(db: None, clock: TickingClock) -> None:
    row, link = invite(clock)
    other, other_link = invite(clock)
    inviting.withdraw(COMMAND, other.pk, clock=clock)
    with pytest.raises(PackhouseError, match="withdrawn"):
        inviting.demand_open(secret_of(other_link), clock())
    with pytest.raises(PackhouseError, match="no such open"):
        inviting.withdraw(COMMAND, other.pk, clock=clock)
    inviting.demand_open(secret_of(link), clock())
    clock.move(days=7)
    with pytest.raises(PackhouseError, match="run out"):
        inviting.demand_open(secret_of(link), clock())
    with pytest.raises(PackhouseError):
        accept(row, "bob", clock)
    assert [inviting.state_of(one, clock()) for one in inviting.listed(clock())] == ["withdrawn", "expired"]
    clock.move(days=30)
    assert inviting.listed(clock()) == []


def test_an_invitation_never_outlives_the_guests_it_makes(db: None, clock: TickingClock) -> None:
    row, _ = invite(clock, guest_until=clock() + timedelta(hours=5))
    assert row.expires_at == row.guest_until


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        ({"limit": 0}, "invitation-limit"),
        ({"limit": 10_001}, "invitation-limit"),
        ({"email": "nobody"}, "email-invalid"),
        ({"email": "alice@example.org"}, "email-taken"),
        ({"note": "x" * 101}, "invitation-note"),
        ({"note": "a\u202eb"}, "invitation-note"),
    ],
)
def test_terms_that_make_no_sense(alice: User, clock: TickingClock, terms: dict[str, object], code: str) -> None:
    with pytest.raises(PackhouseError) as caught:
        invite(clock, **terms)
    assert caught.value.code == code
    assert not AccountInvitation.objects.exists()


@pytest.mark.parametrize("days", [-1, 0, 367])
def test_an_end_that_makes_no_sense(db: None, clock: TickingClock, days: int) -> None:
    with pytest.raises(PackhouseError) as caught:
        invite(clock, expires_at=clock() + timedelta(days=days))
    assert caught.value.code == "invitation-expiry"
    with pytest.raises(PackhouseError) as caught:
        invite(clock, guest_until=clock())
    assert caught.value.code == "guest-end-past"


def test_nobody_but_administrators_invites_and_nobody_where_registration_is_closed(
    alice: User, clock: TickingClock
) -> None:
    terms = Terms(clock() + WEEK)
    with pytest.raises(PackhouseError) as caught:
        inviting.invite(access.identity_of_user(alice), terms, house(), clock=clock)
    assert caught.value.kind is Kind.FORBIDDEN
    with pytest.raises(PackhouseError) as caught:
        inviting.invite(COMMAND, terms, house("closed"), clock=clock)
    assert caught.value.code == "registration-closed"


def test_the_mail_has_the_link_and_a_mail_server_that_is_away_stops_nothing(db: None, clock: TickingClock) -> None:
    row, link = invite(clock, email="bob@example.org", guest_until=clock() + timedelta(days=90))
    assert inviting.send(row, link)
    assert mail.outbox[0].to == ["bob@example.org"]
    assert link in str(mail.outbox[0].body).splitlines()
    assert "guest" in str(mail.outbox[0].body)


@pytest.mark.parametrize(
    ("mode", "domains", "host", "email", "is_open"),
    [
        (None, ("example.org",), "0.0.0.0", "a@example.org", True),
        (None, ("example.org",), "0.0.0.0", "a@EXAMPLE.ORG", True),
        (None, ("example.org",), "127.0.0.1", "a@other.org", False),
        ("open", ("example.org",), "0.0.0.0", "a@sub.example.org", False),
        ("open", ("example.org",), "0.0.0.0", "example.org@other.org", False),
        ("invited", ("example.org",), "127.0.0.1", "a@example.org", False),
        ("closed", ("example.org",), "127.0.0.1", "a@example.org", False),
        ("open", (), "0.0.0.0", "a@other.org", True),
    ],
)
def test_registration_by_domain(
    mode: str | None, domains: tuple[str, ...], host: str, email: str, is_open: bool
) -> None:
    values = Settings(registration=mode, registration_domains=domains, host=host)
    found = settle(values)
    assert (found.mode == "open" and found.admits(email)) is is_open


# -- guests


def guest(clock: TickingClock, lasts: timedelta, name: str = "gus") -> User:
    user = make_user(name, clock)
    User.objects.filter(pk=user.pk).update(date_joined=clock())
    guests.set_end(COMMAND, user, clock() + lasts, clock=clock)
    return User.objects.get(pk=user.pk)


def test_the_tokens_of_a_guest_are_refused_at_once(db: None, clock: TickingClock) -> None:
    user = guest(clock, timedelta(hours=2))
    _, secret = tokens.create_token(COMMAND, user, "t", clock=clock)
    living = access.authenticate(f"Bearer {secret}", clock())
    assert living.until == user.guest_until
    clock.move(hours=2)
    with pytest.raises(PackhouseError) as caught:
        access.authenticate(f"Bearer {secret}", clock())
    assert (caught.value.kind, caught.value.code) == (Kind.UNAUTHENTICATED, "account-ended")
    assert "ended at" in caught.value.message
    for identity in (living, replace(living, token_id=None, scope=None)):
        with pytest.raises(PackhouseError) as caught:
            access.still_valid(identity, clock())
        assert caught.value.code == "account-ended"
    with pytest.raises(PackhouseError) as caught:
        tokens.create_token(COMMAND, user, "another", clock=clock)
    assert caught.value.code == "account-ended"


def test_a_token_with_an_earlier_end_keeps_it(db: None, clock: TickingClock) -> None:
    user = guest(clock, timedelta(days=2))
    soon = clock() + timedelta(hours=1)
    _, secret = tokens.create_token(COMMAND, user, "t", expires_at=soon, clock=clock)
    assert access.authenticate(f"Bearer {secret}", clock()).until == soon


def test_extending_a_guest_lets_the_same_tokens_in_again(db: None, clock: TickingClock) -> None:
    user = guest(clock, timedelta(hours=2))
    _, secret = tokens.create_token(COMMAND, user, "t", clock=clock)
    clock.move(hours=3)
    guests.set_end(COMMAND, user, None, clock=clock)
    assert access.authenticate(f"Bearer {secret}", clock()).until is None
    entries = JournalEntry.objects.filter(kind="guest end set").order_by("serial")
    assert [bool(entry.detail["until"]) for entry in entries] == [True, False]


def test_ends_that_are_refused(alice: User, clock: TickingClock) -> None:
    with pytest.raises(PackhouseError) as caught:
        guests.set_end(COMMAND, alice, clock(), clock=clock)
    assert caught.value.code == "guest-end-past"
    with pytest.raises(PackhouseError) as caught:
        guests.set_end(access.identity_of_user(alice), alice, clock() + WEEK, clock=clock)
    assert caught.value.kind is Kind.FORBIDDEN
    alice.is_admin = True
    alice.save()
    with pytest.raises(PackhouseError) as caught:
        guests.set_end(COMMAND, alice, clock() + WEEK, clock=clock)
    assert caught.value.code == "guest-administrator"


def test_guests_are_reminded_once_and_in_time(db: None, clock: TickingClock) -> None:
    guest(clock, timedelta(days=30), "long")
    guest(clock, timedelta(days=3), "short")
    guest(clock, timedelta(hours=20), "hours")
    make_user("alice", clock)
    reminded: list[list[str]] = []
    for _ in range(30):
        mail.outbox.clear()
        guests.remind(clock)
        guests.remind(clock)
        reminded.append([to for one in mail.outbox for to in one.to])
        clock.move(days=1)
    assert {day: to for day, to in enumerate(reminded) if to} == {2: ["short@example.org"], 23: ["long@example.org"]}


def test_of_many_at_once_no_more_register_than_may(transactional_db: None, clock: TickingClock) -> None:
    """Whoever holds the row counts; the others find it used up."""
    from django.db import connections

    row, _ = invite(clock, limit=3)

    def come(number: int) -> str:
        try:
            accept(row, f"person{number}", clock)
        except PackhouseError as error:
            return error.code
        finally:
            connections.close_all()
        return ""

    with ThreadPoolExecutor(8) as crowd:
        assert sorted(crowd.map(come, range(8))) == [""] * 3 + ["invitation-ended"] * 5
    assert User.objects.count() == 3
    assert AccountInvitation.objects.get().used == 3
