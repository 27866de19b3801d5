# SPDX-License-Identifier: Apache-2.0
"""Making, finding and deleting tokens."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.infra.clock import TickingClock

from packhouse.catalogue.models import Counter, JournalEntry, Token, User
from packhouse.errors import Kind, PackhouseError
from packhouse.services import indexes, tokens
from packhouse.services.journal import COMMAND, Actor
from packhouse.services.people import disable_user

pytestmark = pytest.mark.django_db


def access_generation() -> int:
    return Counter.objects.get(name="access").value


def test_making_and_deleting_are_journalled_and_move_the_access_generation(alice: User, clock: TickingClock) -> None:
    before = access_generation()
    token, secret = tokens.create_token(Actor(alice.pk, "alice", "web"), alice, " my  laptop ", clock=clock)
    assert token.name == "my laptop"
    assert access_generation() == before + 1
    tokens.delete_token(Actor(alice.pk, "alice", "web"), token, clock=clock)
    tokens.delete_token(Actor(alice.pk, "alice", "web"), token, clock=clock)
    assert access_generation() == before + 2
    made, ended = JournalEntry.objects.order_by("serial")[1:3]
    assert (made.kind, ended.kind, made.actor, made.detail["hint"]) == (
        "token created",
        "token deleted",
        "alice",
        secret[:9],
    )
    assert secret not in str(made.detail)


def test_a_name_is_free_again_after_deletion(alice: User, clock: TickingClock) -> None:
    token, _ = tokens.create_token(COMMAND, alice, "ci", clock=clock)
    with pytest.raises(PackhouseError) as caught:
        tokens.create_token(COMMAND, alice, "ci", clock=clock)
    assert (caught.value.kind, caught.value.code) == (Kind.CONFLICT, "token-name-taken")
    tokens.delete_token(COMMAND, token, clock=clock)
    tokens.create_token(COMMAND, alice, "ci", clock=clock)


def test_scope_indexes_and_projects_are_judged(alice: User, clock: TickingClock) -> None:
    indexes.ensure_main(clock)
    token, _ = tokens.create_token(
        COMMAND, alice, "ci", ["upload"], ["main"], ["My_Project", "my.project"], clock=clock
    )
    assert (token.scopes, token.indexes, token.projects) == (["upload"], ["main"], ["my-project"])
    wrongs: tuple[dict[str, Any], ...] = (
        {"scopes": ["root"]},
        {"scopes": []},
        {"indexes": ["nowhere"]},
        {"projects": ["-x"]},
        {"expires_at": clock() - timedelta(seconds=1)},
    )
    for wrong in wrongs:
        with pytest.raises(PackhouseError) as caught:
            tokens.create_token(COMMAND, alice, "other", clock=clock, **wrong)
        assert caught.value.kind is Kind.INVALID


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "a\x00b"])
def test_labels_are_short_and_printable(name: str, alice: User, clock: TickingClock) -> None:
    with pytest.raises(PackhouseError) as caught:
        tokens.create_token(COMMAND, alice, name, clock=clock)
    assert caught.value.code == "token-name-invalid"


def test_nobody_makes_or_deletes_tokens_of_another(alice: User, bob: User, clock: TickingClock) -> None:
    token, _ = tokens.create_token(COMMAND, alice, "ci", clock=clock)
    for attempt in (
        lambda: tokens.create_token(Actor(bob.pk, "bob", "web"), alice, "x", clock=clock),
        lambda: tokens.delete_token(Actor(bob.pk, "bob", "web"), token, clock=clock),
    ):
        with pytest.raises(PackhouseError) as caught:
            attempt()
        assert caught.value.kind is Kind.FORBIDDEN
    assert Token.objects.filter(deleted_at=None).count() == 1


def test_no_token_for_a_disabled_account(alice: User, clock: TickingClock) -> None:
    disable_user(COMMAND, alice, clock=clock)
    with pytest.raises(PackhouseError) as caught:
        tokens.create_token(COMMAND, alice, "x", clock=clock)
    assert caught.value.kind is Kind.FORBIDDEN


def test_tokens_are_found_by_id_beginning_and_whole(alice: User, clock: TickingClock) -> None:
    token, secret = tokens.create_token(COMMAND, alice, "ci", clock=clock)
    for text in (str(token.pk), secret[:9], secret[:7], f" {secret}\n"):
        assert tokens.find_token(text) == token
    for text in ("", "pkh_u", "999999", secret[:9].swapcase(), "%%%%%%%"):
        with pytest.raises(PackhouseError) as caught:
            tokens.find_token(text)
        assert caught.value.kind is Kind.MISSING


def test_an_ambiguous_beginning_names_none(alice: User, clock: TickingClock) -> None:
    for name in "ab":
        token, _ = tokens.create_token(COMMAND, alice, name, clock=clock)
        Token.objects.filter(pk=token.pk).update(hint="pkh_uSAME")
    with pytest.raises(PackhouseError) as caught:
        tokens.find_token("pkh_uSAME")
    assert caught.value.kind is Kind.CONFLICT
