# SPDX-License-Identifier: Apache-2.0
"""What an edge elsewhere, or nginx, asks about credentials."""

from __future__ import annotations

import pytest
from django.test import Client

from packhouse.catalogue.models import Index
from packhouse.domain.permissions import ReadMode
from packhouse.services import indexes, tokens
from packhouse.services.journal import COMMAND
from packhouse.services.resources import now

pytestmark = pytest.mark.django_db


@pytest.fixture
def audience() -> str:
    """The audience of a closed index that alice may read."""
    from tests.infra.accounts import make_user
    from tests.infra.clock import TickingClock
    from tests.infra.publishing import make_resources

    from packhouse.web.resources import hold

    hold(make_resources(TickingClock()))
    indexes.create_index(COMMAND, "vault", ReadMode.CLOSED, clock=now)
    indexes.grant_read(COMMAND, "vault", make_user(), clock=now)
    make_user("bob")
    return Index.objects.get(name="vault").audience


def ask(audience: str, secret: str = "") -> int:
    headers = {"authorization": f"Bearer {secret}"} if secret else {}
    return int(Client(headers=headers).get("/_/audience", {"id": audience}).status_code)


def secret_of(name: str) -> str:
    from packhouse.services.people import find_user

    return tokens.create_token(COMMAND, find_user(name), "t", clock=now)[1]


def test_a_reader_may_and_stops_when_the_token_ends(audience: str) -> None:
    secret = secret_of("alice")
    assert ask(audience, secret) == 204
    tokens.delete_token(COMMAND, tokens.find_token(secret), clock=now)
    assert ask(audience, secret) == 401


def test_nobody_and_others_may_not(audience: str) -> None:
    assert ask(audience) == 401
    assert ask(audience, secret_of("bob")) == 403


@pytest.mark.parametrize("audience_id", ["", "x" * 33, "0" * 24, "' OR 1=1"])
def test_an_id_that_is_none_is_404(audience: str, audience_id: str) -> None:
    assert ask(audience_id, secret_of("alice")) == 404
