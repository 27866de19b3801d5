# SPDX-License-Identifier: Apache-2.0
"""Remembering pictures: bounded in memory, in how many are fetched at once, and in how long failures count."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from packhouse.domain.pictures import Picture
from packhouse.errors import Kind, PackhouseError
from packhouse.services.pictures import DAY, MINUTE, Album
from packhouse.upstream.errors import UnreachableError, UnusableError


class Elsewhere:
    """Gives pictures of a size; `asked` are the addresses."""

    def __init__(self, size: int = 1000) -> None:
        self.asked: list[str] = []
        self.picture = Picture("image/png", bytes(size))

    def __call__(self, url: str) -> Picture:
        self.asked.append(url)
        return self.picture


def raising(error: Exception, asked: list[str]) -> Callable[[str], Picture]:
    def fetch(url: str) -> Picture:
        asked.append(url)
        raise error

    return fetch


def test_a_picture_is_fetched_once_a_day() -> None:
    now, elsewhere = [0.0], Elsewhere()
    album = Album(clock=lambda: now[0])
    assert album.get("a", elsewhere) is album.get("a", elsewhere)
    now[0] = DAY + 1
    album.get("a", elsewhere)
    assert elsewhere.asked == ["a", "a"]


@pytest.mark.parametrize(
    ("error", "code"), [(UnusableError("svg"), "picture-unusable"), (UnreachableError("gone"), "picture-unreachable")]
)
def test_a_failure_counts_for_a_minute(error: Exception, code: str) -> None:
    now, asked = [0.0], list[str]()
    album = Album(clock=lambda: now[0])
    for _ in range(3):
        with pytest.raises(PackhouseError) as caught:
            album.get("a", raising(error, asked))
        assert (caught.value.kind, caught.value.code) == (Kind.MISSING, code)
    assert asked == ["a"]
    now[0] = MINUTE + 1
    assert album.get("a", Elsewhere())


def test_memory_is_bounded_and_the_oldest_goes_first() -> None:
    album, elsewhere = Album(largest=10_000), Elsewhere(2000)
    for name in ("a", "b", "c"):
        album.get(name, elsewhere)
    album.get("a", elsewhere)
    for number in range(100):
        album.get("a", elsewhere)
        album.get(f"more {number}", elsewhere)
        assert album.size <= 10_000
    assert elsewhere.asked.count("a") == 1
    for number in range(1000):
        with pytest.raises(PackhouseError):
            album.get(f"bad {number}", raising(UnusableError("x"), []))
    assert album.size <= 10_000


def test_few_are_fetched_at_once_few_wait_and_others_are_sent_away() -> None:
    album = Album(at_work=2, waiting=1, patience=30)
    begun, release = threading.Semaphore(0), threading.Event()

    def slow(url: str) -> Picture:
        begun.release()
        assert release.wait(30)
        return Picture("image/png", url.encode())

    with ThreadPoolExecutor(3) as pool:
        first = [pool.submit(album.get, name, slow) for name in ("a", "b")]
        assert begun.acquire(timeout=30)
        assert begun.acquire(timeout=30)
        waiting = pool.submit(album.get, "c", slow)
        while album._room._value:
            pass
        with pytest.raises(PackhouseError) as caught:
            album.get("d", slow)
        assert (caught.value.kind, caught.value.code) == (Kind.UNAVAILABLE, "pictures-busy")
        assert caught.value.retry_after
        release.set()
        assert [done.result(30).body for done in (*first, waiting)] == [b"a", b"b", b"c"]
    assert album.get("e", Elsewhere())


def test_who_waits_too_long_is_sent_away() -> None:
    album = Album(at_work=1, waiting=1, patience=0.05)
    begun, release = threading.Event(), threading.Event()

    def slow(_url: str) -> Picture:
        begun.set()
        assert release.wait(30)
        return Picture("image/png", b"")

    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(album.get, "a", slow)
        assert begun.wait(30)
        with pytest.raises(PackhouseError, match="Too many pictures"):
            album.get("b", slow)
        release.set()
        held.result(30)
