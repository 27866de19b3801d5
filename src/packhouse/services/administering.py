# SPDX-License-Identifier: Apache-2.0
"""What an administrator does in the browser: the right is asked again in the transaction that does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from packhouse.domain.permissions import Action, Identity, may
from packhouse.services import access
from packhouse.services.journal import COMMAND, Actor, Clock, write

Done = TypeVar("Done")


def as_administrator(asker: Identity | Actor, act: Callable[[Actor], Done], *, clock: Clock) -> Done:
    """Do something as an administrator, or as the command line, in one transaction.

    Raises FORBIDDEN for anybody else, and whatever `act` raises.
    """
    with write():
        if isinstance(asker, Actor):
            return act(COMMAND)
        current = access.still_valid(asker, clock())
        may(current, Action.ADMINISTER).demand()
        return act(Actor.of(current))
