# SPDX-License-Identifier: Apache-2.0
"""What administrators do: accounts frozen and recovered with the steps kept, switches of the server, the journal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from django.core import mail
from tests.infra.clock import TickingClock
from tests.infra.publishing import Press

from packhouse.catalogue.models import JournalEntry, User
from packhouse.domain.permissions import Identity
from packhouse.errors import Kind, PackhouseError
from packhouse.services import access, flags, inquiring, notices, overseeing, people, tokens
from packhouse.services.inquiring import Inquiry
from packhouse.services.journal import COMMAND
from packhouse.services.resources import Resources

pytestmark = pytest.mark.django_db


def code_of(act: Callable[..., object], *given: object, **named: object) -> str:
    with pytest.raises(PackhouseError) as caught:
        act(*given, **named)
    return caught.value.code


@pytest.fixture
def root(db: None, clock: TickingClock) -> Identity:
    """An administrator."""
    made = people.create_user(COMMAND, "keeper", "keeper@example.org", "correct horse battery", admin=True, clock=clock)
    return Identity(made.pk, made.username, is_admin=True)


def test_a_frozen_account_is_shut_and_opened_again_with_reasons(
    alice: User, root: Identity, resources: Resources, clock: TickingClock
) -> None:
    _, secret = tokens.create_token(COMMAND, alice, "laptop", clock=clock)
    notices.follow(resources)
    mail.outbox.clear()
    overseeing.freeze(root, alice, "somebody else used it", clock=clock)
    assert code_of(access.authenticate, f"Bearer {secret}", clock()) == "account-disabled"
    overseeing.unfreeze(root, alice, "it was she", clock=clock)
    assert access.authenticate(f"Bearer {secret}", clock()).username == "alice"
    told = JournalEntry.objects.filter(kind__in=("user disabled", "user enabled")).order_by("serial")
    assert [(one.actor, one.detail["reason"]) for one in told] == [
        ("keeper", "somebody else used it"),
        ("keeper", "it was she"),
    ]
    while notices.follow(resources):
        pass
    assert [one.subject for one in mail.outbox] == ["Your account was frozen", "Your account is open again"]


def test_a_recovery_leaves_the_address_alone_and_keeps_its_steps(
    alice: User, root: Identity, clock: TickingClock
) -> None:
    _, secret = tokens.create_token(COMMAND, alice, "laptop", clock=clock)
    overseeing.freeze(root, alice, "lost laptop", clock=clock)
    steps = overseeing.recover(root, alice, "called back on the number we have", clock=clock)
    again = User.objects.get(pk=alice.pk)
    assert (again.is_active, again.has_usable_password(), again.email) == (True, False, "alice@example.org")
    assert code_of(access.authenticate, f"Bearer {secret}", clock()) == "token-deleted"
    entry = JournalEntry.objects.get(kind="user recovered")
    assert (entry.detail["steps"], entry.detail["reason"]) == (steps, "called back on the number we have")
    assert steps[0] == "1 token ended"


@pytest.mark.parametrize("act", [overseeing.freeze, overseeing.unfreeze, overseeing.end_all, overseeing.recover])
def test_hostile_268_nobody_else_oversees(
    act: Callable[..., object], alice: User, bob: User, root: Identity, clock: TickingClock
) -> None:
    _, secret = tokens.create_token(COMMAND, User.objects.get(username="keeper"), "all", ["manage"], clock=clock)
    for asker in (access.identity_of_user(bob), access.authenticate(f"Bearer {secret}", clock())):
        assert code_of(act, asker, alice, "because", clock=clock) == "admin-only"
    assert code_of(act, root, alice, "  ", clock=clock) == "reason-invalid"
    assert code_of(act, root, alice, "x" * 501, clock=clock) == "reason-invalid"
    assert User.objects.get(pk=alice.pk).is_active


def test_the_last_administrator_stays(alice: User, root: Identity, clock: TickingClock) -> None:
    keeper = User.objects.get(username="keeper")
    assert code_of(overseeing.set_administrator, root, keeper, "x", admin=False, clock=clock) == "last-administrator"
    assert code_of(overseeing.freeze, root, keeper, "x", clock=clock) == "last-administrator"
    overseeing.set_administrator(root, alice, "keeps it with us", admin=True, clock=clock)
    overseeing.set_administrator(root, keeper, "left", admin=False, clock=clock)
    assert code_of(overseeing.end_all, root, alice, "x", clock=clock) == "admin-only"
    kinds = JournalEntry.objects.order_by("-serial").values_list("kind", flat=True)[:2]
    assert list(kinds) == ["administrator unmade", "administrator made"]


def test_read_only_stops_publishing_and_says_why(press: Press, root: Identity, clock: TickingClock) -> None:
    press.wheel("tapes", "1.0")
    assert flags.set_flag(root, flags.READ_ONLY, "moving house", on=True, clock=clock)
    assert not flags.set_flag(root, flags.READ_ONLY, "moving house", on=True, clock=clock)
    with pytest.raises(PackhouseError) as caught:
        press.wheel("tapes", "1.1")
    assert (caught.value.kind, caught.value.code) == (Kind.UNAVAILABLE, "flag-read-only")
    assert "moving house" in caught.value.message
    flags.set_flag(COMMAND, flags.READ_ONLY, "", on=False, clock=clock)
    press.wheel("tapes", "1.1")
    told = JournalEntry.objects.filter(kind="flag set").order_by("serial")
    assert [(one.actor, one.detail["on"]) for one in told] == [("keeper", True), ("", False)]


def test_no_new_projects_stops_those_alone(press: Press, root: Identity, clock: TickingClock) -> None:
    press.wheel("tapes", "1.0")
    flags.set_flag(root, flags.NO_NEW_PROJECTS, "spam", on=True, clock=clock)
    assert code_of(press.wheel, "reels", "1.0") == "flag-no-new-projects"
    press.wheel("tapes", "1.1")


def test_a_flag_nobody_knows_and_who_may_not(alice: User, root: Identity, clock: TickingClock) -> None:
    assert code_of(flags.set_flag, root, "party", "", on=True, clock=clock) == "flag-unknown"
    asker = access.identity_of_user(alice)
    assert code_of(flags.set_flag, asker, flags.READ_ONLY, "", on=True, clock=clock) == "admin-only"
    assert not flags.is_on(flags.READ_ONLY)


def test_the_journal_is_looked_up_by_kind_person_project_and_index(
    press: Press, alice: User, bob: User, clock: TickingClock
) -> None:
    press.wheel("tapes", "1.0")
    token, _ = tokens.create_token(COMMAND, bob, "x", clock=clock)
    tokens.delete_token(COMMAND, token, clock=clock)

    def kinds(**by: str) -> list[str]:
        return [one.kind for one in inquiring.entries(replace(Inquiry(), **by))]  # type: ignore[arg-type]

    assert kinds(who="BOB") == ["token deleted", "token created", "user created"]
    assert kinds(kind="token deleted") == ["token deleted"]
    assert set(kinds(project="Tapes")) == {"project created", "role added", "release new", "file added"}
    assert set(kinds(index="main")) >= {"index created", "file added"}
    assert kinds(project="../x", who="bob") == []
    newest = inquiring.entries(Inquiry())[0].serial
    assert inquiring.entries(Inquiry(before=newest))[0].serial == newest - 1
