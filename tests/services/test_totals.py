# SPDX-License-Identifier: Apache-2.0
"""What the first page says of how much there is."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from tests.infra.clock import TickingClock
from tests.infra.publishing import Press

from packhouse.catalogue.queries import Counts, Held
from packhouse.services import search, totals

pytestmark = pytest.mark.django_db


def test_a_small_server_counts_for_each_who_asks(press: Press, clock: TickingClock) -> None:
    press.wheel("foo", "1.0")
    assert totals.totals(clock()) == Counts(1, 1, 1)
    press.wheel("foo", "2.0")
    assert totals.totals(clock()) == Counts(1, 2, 2)


def test_a_large_server_counts_when_its_worker_does(press: Press, clock: TickingClock) -> None:
    cache.clear()
    press.wheel("foo", "1.0")
    search.follow()
    assert totals.totals(clock(), quick=0) == Counts(1, 1, 1)
    press.wheel("foo", "2.0")
    assert totals.totals(clock(), quick=0) == Counts(1, 1, 1)
    totals.count_again(quick=0)
    assert totals.totals(clock(), quick=0) == Counts(1, 2, 2)


def test_what_a_large_server_holds_is_counted_when_its_worker_does(press: Press, clock: TickingClock) -> None:
    cache.clear()
    press.wheel("foo", "1.0")
    before, size = totals.held(), totals.held().size
    assert before == Held(1, 1, size, 1)
    assert size > 0
    assert totals.held(quick=0) == before
    press.wheel("foo", "2.0")
    assert totals.held(quick=0) == before
    totals.count_again(quick=0)
    assert totals.held(quick=0) == totals.held() == Held(1, 2, totals.held().size, 1)
    assert totals.held().size > size
