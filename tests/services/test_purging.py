# SPDX-License-Identifier: Apache-2.0
"""Purging caches in front: which keys, when, and that none is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.infra.cache_host import CacheHost, cache_host
from tests.infra.clock import TickingClock
from tests.infra.publishing import Press, make_resources

from packhouse.catalogue.activity.models import JobPosition
from packhouse.catalogue.models import User
from packhouse.config import Settings
from packhouse.domain.permissions import ReadMode
from packhouse.jobs.worker import purger
from packhouse.services import indexes, journal, purging
from packhouse.services.indexes import LayerSpec
from packhouse.services.journal import COMMAND
from packhouse.upstream.errors import UnreachableError

pytestmark = pytest.mark.django_db(transaction=True)

TAPES = ["project/main/tapes", "root/main"]


@pytest.fixture
def cache() -> Iterator[CacheHost]:
    with cache_host() as running:
        yield running


@pytest.fixture
def purge(cache: CacheHost, transactional_db: None, clock: TickingClock) -> Iterator[purging.Purging]:
    """What is told of each commit, having seen all there was."""
    indexes.ensure_main(clock)
    made = purging.Purging(Settings(purge=(cache.url,)))
    while made.follow():
        pass
    cache.asked.clear()
    journal.tell_changes(made.tell)
    yield made
    journal.tell_changes()
    made.close()


def names(keys: list[str]) -> list[str]:
    return sorted(set(keys))


def test_an_upload_is_purged_when_it_is_answered(purge: purging.Purging, cache: CacheHost, press: Press) -> None:
    cache.asked.clear()
    press.wheel("Tapes", "1.0")
    assert cache.keys == TAPES


def test_the_follower_purges_once_more_and_then_rests(purge: purging.Purging, cache: CacheHost, press: Press) -> None:
    press.wheel("tapes", "1.0")
    cache.asked.clear()
    while purge.follow():
        pass
    assert cache.keys == TAPES
    assert purge.follow() == 0
    assert cache.keys == TAPES


def test_every_index_that_shows_it_is_purged(
    purge: purging.Purging, cache: CacheHost, press: Press, clock: TickingClock
) -> None:
    indexes.create_index(COMMAND, "team", layers=[LayerSpec("own"), LayerSpec("index", "main")], clock=clock)
    indexes.create_index(COMMAND, "house", layers=[LayerSpec("index", "team")], clock=clock)
    indexes.create_index(COMMAND, "other", clock=clock)
    cache.asked.clear()
    press.wheel("tapes", "1.0")
    shown = ("main", "team", "house")
    assert names(cache.keys) == sorted([f"project/{i}/tapes" for i in shown] + [f"root/{i}" for i in shown])


def test_an_index_that_is_closed_is_purged_whole(purge: purging.Purging, cache: CacheHost, clock: TickingClock) -> None:
    indexes.set_read(COMMAND, "main", ReadMode.CLOSED, clock=clock)
    assert cache.keys == ["index/main"]


def test_what_concerns_no_page_purges_nothing(purge: purging.Purging, cache: CacheHost, alice: User) -> None:
    assert cache.asked == []
    assert purge.follow() == 1
    assert cache.asked == []


def test_what_is_rolled_back_purges_nothing(purge: purging.Purging, cache: CacheHost, clock: TickingClock) -> None:
    def fail() -> None:
        with journal.write():
            indexes.set_read(COMMAND, "main", ReadMode.CLOSED, clock=clock)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with journal.write():
        pass
    assert cache.asked == []


def test_a_cache_that_is_away_holds_up_and_loses_nothing(
    purge: purging.Purging, cache: CacheHost, press: Press
) -> None:
    """The upload is answered; nobody waits again for a while; the follower stays where it is until it is done."""
    cache.status = 503
    cache.asked.clear()
    press.wheel("tapes", "1.0")
    press.wheel("reels", "1.0")
    assert cache.keys == TAPES
    before = JobPosition.objects.get(name=purging.FOLLOWER).serial
    with pytest.raises(UnreachableError):
        purge.follow()
    assert JobPosition.objects.get(name=purging.FOLLOWER).serial == before
    cache.status = 200
    cache.asked.clear()
    while purge.follow():
        pass
    assert names(cache.keys) == ["project/main/reels", "project/main/tapes", "root/main"]
    assert JobPosition.objects.get(name=purging.FOLLOWER).serial == journal.last_serial()


def test_who_begins_to_follow_and_who_is_far_behind_purges_everything(
    purge: purging.Purging, cache: CacheHost, press: Press, clock: TickingClock
) -> None:
    indexes.create_index(COMMAND, "team", clock=clock)
    position = JobPosition.objects.filter(name=purging.FOLLOWER)
    for forget in (position.delete, lambda: position.update(serial=10_000)):
        forget()
        cache.asked.clear()
        while purge.follow():
            pass
        assert cache.keys == ["index/main", "index/team"]
        assert position.get().serial == journal.last_serial()


def test_the_worker_follows(purge: purging.Purging, cache: CacheHost, press: Press, tmp_path: Path) -> None:
    press.wheel("tapes", "1.0")
    cache.asked.clear()
    stock = make_resources(TickingClock(), data=tmp_path)
    worker = purger(stock, purge)
    assert worker.turn(threading.Event())
    worker.release()
    assert cache.keys == TAPES
