# SPDX-License-Identifier: Apache-2.0
"""Downloads are counted in memory: by day, index, file and installer, bounded, by several threads at once."""

from __future__ import annotations

import threading

import pytest

from packhouse.storage.tally import Key, Tally, is_download


def test_equal_downloads_are_one_key_and_a_day_ends_in_utc() -> None:
    now = [86_400.0 * 20_000 - 1]
    tally = Tally(lambda: now[0])
    for _ in range(2):
        tally.count("main", "tapes-1.0.tar.gz", 'pip/24.0 {"python":"3.12.1"}')
    now[0] += 1
    tally.count("main", "tapes-1.0.tar.gz", "")
    assert tally.take() == {
        Key(19_999, "main", "tapes-1.0.tar.gz", "pip", "3.12"): 2,
        Key(20_000, "main", "tapes-1.0.tar.gz", "other", ""): 1,
    }
    assert tally.take() == {}


def test_what_could_not_be_written_is_added_to_what_came_meanwhile() -> None:
    tally = Tally(lambda: 0)
    tally.count("main", "a", "pip")
    taken = tally.take()
    tally.count("main", "a", "pip")
    tally.put_back(taken)
    assert list(tally.take().values()) == [2]


def test_no_more_kinds_are_held_than_allowed_but_those_held_count_on() -> None:
    tally = Tally(lambda: 0, most=2)
    for name in ("a", "b", "c", "a"):
        tally.count("main", name, "pip")
    assert {key.filename: count for key, count in tally.take().items()} == {"a": 2, "b": 1}


def test_threads_lose_nothing() -> None:
    tally, taken = Tally(lambda: 0), []

    def count() -> None:
        for _ in range(2000):
            tally.count("main", "a", "pip")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        taken.append(tally.take())
    taken.append(tally.take())
    assert sum(sum(batch.values()) for batch in taken) == 8000


@pytest.mark.parametrize(
    ("method", "filename", "status", "start", "counts"),
    [
        ("GET", "a-1.whl", 200, 0, True),
        ("GET", "a-1.whl", 206, 0, True),
        ("GET", "a-1.whl", 206, 5, False),
        ("GET", "a-1.whl", 304, 0, False),
        ("GET", "a-1.whl", 416, 0, False),
        ("GET", "a-1.whl", 502, 0, False),
        ("HEAD", "a-1.whl", 200, 0, False),
        ("GET", "a-1.whl.metadata", 200, 0, False),
    ],
)
def test_what_is_a_download(method: str, filename: str, status: int, start: int, counts: bool) -> None:
    assert is_download(method, filename, status, start) is counts
