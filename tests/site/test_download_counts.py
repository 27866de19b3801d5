# SPDX-License-Identifier: Apache-2.0
"""Counts are written down soon, kept while the database takes none, and written once more at the end."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping

from packhouse.site.download_counts import AT_ONCE, DownloadCounts
from packhouse.storage.tally import Key, Tally


class Book:
    """Takes batches, unless `failing`."""

    def __init__(self) -> None:
        self.failing = 0
        self.written: Counter[Key] = Counter()
        self.batches = 0
        self.came = threading.Event()

    def keep(self, counts: Mapping[Key, int]) -> None:
        self.batches += 1
        if self.failing:
            self.failing -= 1
            raise OSError("no space left")
        self.written.update(counts)
        self.came.set()


def made(tally: Tally, book: Book) -> DownloadCounts:
    return DownloadCounts(tally, book.keep, lambda: None)


def test_the_first_is_written_at_once() -> None:
    tally, book = Tally(), Book()
    counts = made(tally, book)
    counts.start()
    tally.count("main", "a", "pip")
    assert book.came.wait(60)
    counts.finish()
    assert book.written.total() == 1


def test_what_fails_is_kept_for_the_next_time() -> None:
    tally, book = Tally(), Book()
    counts = made(tally, book)
    for place in range(AT_ONCE + 1):
        tally.count("main", f"{place}", "pip")
    book.failing = 1
    assert not counts.flush()
    assert (len(tally), book.written.total()) == (AT_ONCE + 1, 0)
    tally.count("main", "0", "pip")
    assert counts.flush()
    assert (len(tally), book.written.total(), book.batches) == (0, AT_ONCE + 2, 3)


def test_the_end_tries_more_than_once() -> None:
    tally, book = Tally(), Book()
    tally.count("main", "a", "pip")
    book.failing = 2
    made(tally, book).finish()
    assert book.written.total() == 1
