# SPDX-License-Identifier: Apache-2.0
"""The worker: one at a time, following the journal, keeping the schedule, getting over failures."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.infra.clock import TickingClock
from tests.infra.publishing import make_resources

from packhouse.jobs.worker import Follower, Job, Schedule, Worker, scrubber, standard
from packhouse.services import turns
from packhouse.storage.memory_blobs import MemoryBlobs

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def make(tmp_path: Path, clock: TickingClock) -> Iterator[Callable[..., Worker]]:
    made = []

    def worker(*followers: Follower, jobs: tuple[Job, ...] = ()) -> Worker:
        made.append(Worker(make_resources(clock), tmp_path / "jobs.lock", followers, jobs))
        return made[-1]

    yield worker
    for one in made:
        one.release()


@pytest.fixture
def clock() -> TickingClock:
    return TickingClock()


class Book:
    """A journal of numbers, read two at a time."""

    def __init__(self, last: int) -> None:
        self.last, self.read, self.looks = last, 0, 0

    def newest(self) -> int:
        return self.last

    def follow(self) -> int:
        self.looks += 1
        step = min(2, self.last - self.read)
        self.read += step
        return step


def test_a_follower_catches_up_and_then_only_looks_at_the_end(make: Any) -> None:
    book = Book(5)
    worker = make(Follower(book.newest, book.follow))
    stop = threading.Event()
    assert worker.turn(stop)
    assert (book.read, book.looks) == (5, 4)
    worker.turn(stop)
    assert book.looks == 4
    book.last = 6
    worker.turn(stop)
    assert book.read == 6


def test_a_follower_rests_after_it_has_read(make: Any) -> None:
    book, stop = Book(1), threading.Event()
    worker = make(Follower(book.newest, book.follow, rest=3600))
    worker.turn(stop)
    assert book.read == 1
    book.last = 2
    worker.turn(stop)
    assert book.read == 1


def test_one_works_and_another_takes_over(make: Any) -> None:
    book, stop = Book(1), threading.Event()
    first, second = (make(Follower(book.newest, book.follow)) for _ in range(2))
    assert first.turn(stop)
    assert not second.turn(stop)
    assert book.looks == 2
    first.release()
    assert second.turn(stop)


def test_jobs_run_when_they_are_due_and_once(make: Any, clock: TickingClock) -> None:
    done: list[datetime] = []
    worker = make(jobs=(Job("hourly", "0 * * * *", lambda stock: done.append(stock.clock())),))
    stop = threading.Event()
    worker.turn(stop)
    assert not done
    clock.move(hours=3)
    worker.turn(stop)
    worker.turn(stop)
    assert len(done) == 1
    clock.move(hours=1)
    worker.turn(stop)
    assert len(done) == 2


def test_a_job_is_begun_once_for_each_time_whoever_works(make: Any, clock: TickingClock) -> None:
    done: list[str] = []
    first = make(jobs=(Job("hourly", "0 * * * *", lambda _stock: done.append("first")),))
    second = make(jobs=(Job("hourly", "0 * * * *", lambda _stock: done.append("second")),))
    stop = threading.Event()
    assert first.turn(stop)
    clock.move(hours=1)
    assert first.turn(stop)
    assert not second.turn(stop)  # it has stood by all the time
    first.release()
    assert second.turn(stop)
    assert done == ["first"]
    clock.move(hours=1)
    second.turn(stop)
    second.turn(stop)
    assert done == ["first", "second"]


def test_what_was_due_when_one_died_is_done_by_the_next(make: Any, clock: TickingClock) -> None:
    done: list[int] = []
    hourly = Job("hourly", "0 * * * *", lambda _stock: done.append(1))
    first, stop = make(jobs=(hourly,)), threading.Event()
    assert first.turn(stop)
    first.release()
    clock.move(hours=5)
    assert make(jobs=(hourly,)).turn(stop)
    assert done == [1]


def test_a_job_that_may_not_come_late_waits_for_its_next_time(make: Any, clock: TickingClock) -> None:
    done: list[int] = []
    daily = Job("daily", "0 3 * * *", lambda _stock: done.append(1), late=timedelta(hours=1))
    worker, stop = make(jobs=(daily,)), threading.Event()
    worker.turn(stop)
    worker.release()
    clock.at = clock.at.replace(hour=9) + timedelta(days=1)
    again = make(jobs=(daily,))
    again.turn(stop)
    assert done == []
    clock.at = clock.at.replace(hour=3) + timedelta(days=1)
    again.turn(stop)
    assert done == [1]


def test_of_two_that_believe_to_have_the_lock_one_begins_a_job(clock: TickingClock) -> None:
    done: list[int] = []
    hourly = Job("hourly", "0 * * * *", lambda _stock: done.append(1))
    both, stop = [Schedule((hourly,), turns, clock()) for _ in range(2)], threading.Event()
    for schedule in both:
        assert list(schedule.due(clock, stop)) == []
    clock.move(hours=1)
    assert [len(list(schedule.due(clock, stop))) for schedule in both] == [1, 0]
    clock.move(hours=1)
    assert sum(len(list(schedule.due(clock, stop))) for schedule in reversed(both)) == 1


def test_times_are_cron_expressions() -> None:
    job = Job("daily", "17 3 * * *", print)
    assert job.next_after(datetime(2026, 11, 24, 4, tzinfo=UTC)) == datetime(2026, 11, 25, 3, 17, tzinfo=UTC)


def test_a_failure_is_logged_and_the_worker_goes_on(
    make: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("packhouse.jobs.worker.PAUSE", 0.01)
    stop, tries = threading.Event(), []

    def follow() -> int:
        tries.append(1)
        if len(tries) == 1:
            raise OSError("no")
        stop.set()
        return 0

    thread = threading.Thread(target=make(Follower(lambda: 1, follow)).run, args=(stop,))
    thread.start()
    thread.join(timeout=20)
    assert not thread.is_alive()
    assert len(tries) == 2
    assert "a job failed" in caplog.text


def test_the_standard_worker_has_search_up_to_date(tmp_path: Path, clock: TickingClock, transactional_db: None) -> None:
    from tests.services.conftest import make_user, press_of

    from packhouse.catalogue.activity.models import SearchDocument
    from packhouse.services.indexes import ensure_main

    ensure_main(clock)
    resources = make_resources(clock, data=tmp_path)
    press_of(make_user("alice", clock), resources).wheel("numpy", "1.0")
    worker = standard(resources)
    worker.turn(threading.Event())
    assert SearchDocument.objects.get().project == "numpy"
    clock.at += timedelta(days=2)
    worker.turn(threading.Event())
    worker.release()
    assert resources.blobs.stat(next(sha256 for sha256, _ in resources.blobs.kept())) is not None


class SlowBlobs(MemoryBlobs):
    """Blobs on a disk that takes its time."""

    def __init__(self) -> None:
        super().__init__()
        self.read_on, self.reading = threading.Event(), threading.Event()

    def open(self, sha256: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        self.reading.set()
        assert self.read_on.wait(60)
        return super().open(sha256, start, end)


def test_a_large_file_that_is_read_again_holds_up_nothing_else(
    tmp_path: Path, clock: TickingClock, transactional_db: None
) -> None:
    from tests.services.conftest import make_user, press_of

    from packhouse.catalogue.activity.models import Scrub, SearchDocument
    from packhouse.services.indexes import ensure_main

    ensure_main(clock)
    blobs = SlowBlobs()
    resources = replace(make_resources(clock, data=tmp_path), blobs=blobs)
    alice = make_user("alice", clock)
    press_of(alice, resources).wheel("numpy", "1.0")
    scrub, others, stop = scrubber(resources), standard(resources), threading.Event()

    def read() -> None:
        for _ in range(2):
            clock.move(minutes=2)
            scrub.turn(stop)
        scrub.release()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert blobs.reading.wait(60)
        assert others.turn(stop)
        assert SearchDocument.objects.get().project == "numpy"
        assert reader.is_alive()
    finally:
        blobs.read_on.set()
        reader.join(60)
    others.release()
    assert Scrub.objects.get().resting
