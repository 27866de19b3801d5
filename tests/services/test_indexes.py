# SPDX-License-Identifier: Apache-2.0
"""Indexes: names, layers, rules, readers."""

from __future__ import annotations

import pytest
from tests.infra.clock import TickingClock

from packhouse.catalogue.models import Counter, Index, IndexRule, JournalEntry, Page, User
from packhouse.domain.permissions import ReadMode
from packhouse.errors import Kind, PackhouseError
from packhouse.services import indexes, readers
from packhouse.services.indexes import LayerSpec
from packhouse.services.journal import COMMAND

pytestmark = pytest.mark.django_db


def test_main_is_made_once(clock: TickingClock) -> None:
    first = indexes.ensure_main(clock)
    assert indexes.ensure_main(clock) == first
    assert (first.read, first.audience, first.serial) == ("public", "", 1)
    assert indexes.layers_of("main") == [LayerSpec("own")]
    assert JournalEntry.objects.get().kind == "index created"


@pytest.mark.parametrize("name", ["", "Main", "a_b", "-a", "a-", "a/b", "a.b", "é", "a\n", "x" * 65])
def test_index_names(name: str, clock: TickingClock) -> None:
    with pytest.raises(PackhouseError) as caught:
        indexes.create_index(COMMAND, name, clock=clock)
    assert caught.value.kind is Kind.INVALID


def test_a_name_once(clock: TickingClock) -> None:
    indexes.create_index(COMMAND, "dev", clock=clock)
    with pytest.raises(PackhouseError) as caught:
        indexes.create_index(COMMAND, "dev", clock=clock)
    assert caught.value.kind is Kind.CONFLICT


def test_layers_and_what_stands_above(clock: TickingClock) -> None:
    indexes.create_index(COMMAND, "low", clock=clock)
    indexes.create_index(COMMAND, "mid", layers=[LayerSpec("own"), LayerSpec("index", "low")], clock=clock)
    indexes.create_index(COMMAND, "top", layers=[LayerSpec.parse("index:mid")], clock=clock)
    assert indexes.indexes_above("low") == ["mid", "top"]
    assert indexes.indexes_above("top") == []
    assert indexes.indexes_below_all(["top"]) == {"low", "mid", "top"}
    for wrong in (["index:nowhere"], ["own:x"], ["index:"], ["cloud:x"], ["own", "own"]):
        with pytest.raises(PackhouseError):
            indexes.create_index(COMMAND, "x", layers=[LayerSpec.parse(text) for text in wrong], clock=clock)
    assert not Index.objects.filter(name="x").exists()


def test_closing_an_index_takes_its_pages_and_moves_access(clock: TickingClock) -> None:
    indexes.ensure_main(clock)
    Page.objects.create(index_name="main", project="x", kind="html", serial=1, modified=1, etag="e", body=b"x")
    before = Counter.objects.get(name="access").value
    indexes.set_read(COMMAND, "main", ReadMode.CLOSED, clock=clock)
    indexes.set_read(COMMAND, "main", ReadMode.CLOSED, clock=clock)
    assert not Page.objects.exists()
    assert Counter.objects.get(name="access").value == before + 1
    index = indexes.find_index("main")
    assert index.serial == 2
    assert index.audience


def test_grants_come_and_go(alice: User, bob: User, clock: TickingClock) -> None:
    indexes.create_index(COMMAND, "team", ReadMode.CLOSED, clock=clock)
    for user in (alice, alice, bob):
        indexes.grant_read(COMMAND, "team", user, clock=clock)
    assert readers.readers_of("team") == ["alice", "bob"]
    indexes.end_grant(COMMAND, "team", alice, clock=clock)
    indexes.end_grant(COMMAND, "team", alice, clock=clock)
    assert readers.readers_of("team") == ["bob"]
    kinds = list(JournalEntry.objects.filter(index_name="team").order_by("serial").values_list("kind", flat=True))
    assert kinds == ["index created", "index granted", "index granted", "index grant ended"]


def test_rules_keep_their_past(clock: TickingClock) -> None:
    indexes.ensure_main(clock)
    for value in ("strict", "strict", "private", None, None):
        indexes.set_rule(COMMAND, "main", "profile", value, clock=clock)
    assert indexes.rules_of("main") == {}
    past = list(IndexRule.objects.order_by("from_serial").values_list("value", "from_serial", "to_serial"))
    assert past == [("strict", 2, 3), ("private", 3, 4)]
