# SPDX-License-Identifier: Apache-2.0
"""What upstreams leave out is filled in, one file after the other: digests first, then core metadata."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from packhouse.services import glimpsing, hashing

if TYPE_CHECKING:
    from packhouse.services.resources import Resources

POLL = 1.0
"""Seconds between two looks at whether there is anything to do."""


class Completing:
    """Fills in what is missing as long as there is anything."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def catch_up(self, stop: threading.Event) -> None:
        """Do what there is to do; each kind has its turn, so that a large file holds up none of the others long."""
        while not stop.is_set() and step(self._resources):
            pass


def step(resources: Resources) -> bool:
    """Do one of each; False when there was nothing to do."""
    done = [todo(resources) for todo in (hashing.hash_next, glimpsing.fill_next, glimpsing.prove_next)]
    return any(done)
