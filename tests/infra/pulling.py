# SPDX-License-Identifier: Apache-2.0
"""Fixtures of tests that pull through services: resources with the network, and an index above the simulated upstream.

A test module has a fixture `source` of its own, the upstream.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.infra.clock import TickingClock
from tests.infra.publishing import make_resources
from tests.infra.upstreams import Upstream

if TYPE_CHECKING:
    from packhouse.catalogue.models import Index
    from packhouse.services.resources import Resources


@pytest.fixture
def resources(clock: TickingClock, tmp_path: Any) -> Iterator[Resources]:
    made = make_resources(clock, data=tmp_path)
    yield made
    made.doors.close()


@pytest.fixture
def main(db: None, clock: TickingClock, source: Upstream) -> Index:
    """The index `main` with the upstream below it."""
    from packhouse.catalogue.models import Index
    from packhouse.services.indexes import ensure_main
    from packhouse.services.journal import COMMAND
    from packhouse.services.upstreams import ensure_default

    ensure_main(clock)
    ensure_default(COMMAND, source.url, learns=False, clock=clock)
    return Index.objects.get(name="main")


@pytest.fixture
def committed(transactional_db: None) -> None:
    """Files are fetched by a thread of its own, which sees what is committed."""
