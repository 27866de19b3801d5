# SPDX-License-Identifier: Apache-2.0
"""Tokens that only stage: where they publish, and that nothing turns them into tokens that publish elsewhere."""

from __future__ import annotations

import pytest
from tests.infra.clock import TickingClock
from tests.infra.publishing import Press, make_resources

from packhouse.catalogue.models import User
from packhouse.errors import PackhouseError
from packhouse.services import access, index_rules, indexes, promoting, tokens
from packhouse.services.indexes import LayerSpec
from packhouse.services.journal import COMMAND

pytestmark = pytest.mark.django_db


class House:
    """Indexes `trial` (marked) and `prod`, and a token that only stages."""

    def __init__(self, alice: User, clock: TickingClock) -> None:
        self.alice, self.clock, self.resources = alice, clock, make_resources(clock)
        indexes.ensure_main()
        for name in ("trial", "prod"):
            indexes.create_index(COMMAND, name, clock=clock)
        self.mark("trial")
        self.secret = self.token("stage", "read")

    def token(self, *scopes: str) -> str:
        return tokens.create_token(COMMAND, self.alice, "-".join(scopes), scopes, clock=self.clock)[1]

    def mark(self, index: str, value: str = "yes") -> None:
        index_rules.change_rule(COMMAND, index, "staging", value, clock=self.clock)

    def publish(self, index: str, version: str = "1.0", secret: str = "") -> str:
        """The code of the refusal, "" when it is published."""
        identity = access.authenticate(f"Bearer {secret or self.secret}", self.clock())
        try:
            Press(self.resources, identity, index).wheel("tapes", version)
        except PackhouseError as refused:
            return refused.code
        return ""


@pytest.fixture
def house(alice: User, clock: TickingClock) -> House:
    return House(alice, clock)


def test_it_publishes_to_marked_indexes_alone(house: House) -> None:
    assert house.publish("main") == "token-stage"
    assert house.publish("prod") == "token-stage"
    assert house.publish("trial") == ""
    house.mark("trial", "no")
    assert house.publish("trial", "2.0") == "token-stage"


def test_a_token_that_uploads_publishes_there_too(house: House) -> None:
    secret = house.token("upload")
    assert [house.publish(name, "1.0", secret) for name in ("main", "trial")] == ["", ""]


def test_an_index_that_one_shows_to_others_is_none_unless_they_are_marked_too(house: House) -> None:
    """Whoever puts the index below another one would let the tokens publish there."""
    own, trial = LayerSpec("own"), LayerSpec("index", "trial")
    indexes.set_layers(COMMAND, "prod", [own, trial], clock=house.clock)
    assert house.publish("trial") == "token-stage"
    house.mark("prod")
    assert house.publish("trial") == ""
    indexes.create_index(COMMAND, "top", layers=[LayerSpec("index", "prod")], clock=house.clock)
    assert house.publish("trial", "2.0") == "token-stage"


def test_it_promotes_nothing_even_with_the_scope_that_manages(house: House) -> None:
    assert house.publish("trial") == ""
    identity = access.authenticate(f"Bearer {house.token('stage', 'read', 'manage')}", house.clock())
    with pytest.raises(PackhouseError) as refused:
        promoting.promote(identity, "tapes", "1.0", "trial", "prod", clock=house.clock)
    assert refused.value.code == "token-stage"
    person = access.identity_of_user(house.alice)
    assert promoting.promote(person, "tapes", "1.0", "trial", "prod", clock=house.clock).serial > 0


def test_the_mark_is_asked_again_where_it_commits(house: House) -> None:
    """A layer added while an upload is under way counts."""
    from packhouse.catalogue.upload_facts import index_facts

    identity = access.authenticate(f"Bearer {house.secret}", house.clock())
    before = index_facts("trial", identity)
    house.mark("trial", "no")
    after = index_facts("trial", access.still_valid(identity, house.clock()))
    assert before is not None
    assert after is not None
    assert (before.right.staging, after.right.staging) == (True, False)
