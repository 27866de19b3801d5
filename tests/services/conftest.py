# SPDX-License-Identifier: Apache-2.0
"""What tests of services share: a clock, and people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.infra.clock import TickingClock

if TYPE_CHECKING:
    from packhouse.catalogue.models import User


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
