# SPDX-License-Identifier: Apache-2.0
"""What tests of services share: a clock, and people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.infra.clock import TickingClock
from tests.infra.publishing import Press, make_resources

if TYPE_CHECKING:
    from packhouse.catalogue.models import Index, User
    from packhouse.services.resources import Resources


@pytest.fixture
def clock() -> TickingClock:
    """A clock that only moves when told."""
    return TickingClock()


def make_user(name: str, clock: TickingClock) -> User:
    """An account made by command."""
    from packhouse.services.journal import COMMAND
    from packhouse.services.people import create_user

    return create_user(COMMAND, name, f"{name}@example.org", "correct horse battery", clock=clock)


@pytest.fixture
def alice(db: None, clock: TickingClock) -> User:
    """Somebody with an account."""
    return make_user("alice", clock)


@pytest.fixture
def bob(db: None, clock: TickingClock) -> User:
    """Somebody else."""
    return make_user("bob", clock)


@pytest.fixture
def resources(clock: TickingClock) -> Resources:
    """Blobs in memory, a judge that believes what it can open."""
    return make_resources(clock)


@pytest.fixture
def main(db: None, clock: TickingClock) -> Index:
    """The index `main`."""
    from packhouse.services.indexes import ensure_main

    return ensure_main(clock)


def press_of(user: User, resources: Resources, index: str = "main") -> Press:
    """Publishing with a token of somebody."""
    from packhouse.services import access, tokens
    from packhouse.services.journal import COMMAND

    _, secret = tokens.create_token(COMMAND, user, f"press {index}", clock=resources.clock)
    return Press(resources, access.authenticate(f"Bearer {secret}", resources.clock()), index)


@pytest.fixture
def press(alice: User, main: Index, resources: Resources) -> Press:
    """Alice publishes to `main`."""
    return press_of(alice, resources)


@pytest.fixture
def bobs_press(bob: User, main: Index, resources: Resources) -> Press:
    """Bob publishes to `main`."""
    return press_of(bob, resources)
