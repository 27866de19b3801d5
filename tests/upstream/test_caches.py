# SPDX-License-Identifier: Apache-2.0
"""Purging caches in front, against simulated ones."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.infra.cache_host import CacheHost, cache_host
from tests.infra.nginx import free_port

from packhouse.upstream.caches import MOST_CHARACTERS, MOST_KEYS, Caches, lines
from packhouse.upstream.errors import UnreachableError


@pytest.fixture
def host() -> Iterator[CacheHost]:
    with cache_host() as running:
        yield running


def purge(addresses: list[str], keys: list[str], header: str | None = None) -> None:
    caches = Caches(addresses, header)
    try:
        caches.purge(keys)
    finally:
        caches.close()


def test_a_cache_is_asked_by_PURGE_and_an_API_by_POST(host: CacheHost) -> None:
    purge([host.url, f"{host.url}/service/7/purge"], ["index/main", "root/main"], "Fastly-Key: abc")
    assert [(method, path) for method, path, _ in host.asked] == [("PURGE", "/"), ("POST", "/service/7/purge")]
    for _, _, headers in host.asked:
        assert headers["surrogate-key"] == "index/main root/main"
        assert headers["fastly-key"] == "abc"


def test_many_keys_are_several_requests(host: CacheHost) -> None:
    keys = [f"project/main/name-{number}" for number in range(250)]
    purge([host.url], keys)
    assert len(host.asked) == 3
    assert host.keys == keys


def test_without_keys_nobody_is_asked(host: CacheHost) -> None:
    purge([host.url], [])
    assert host.asked == []


@pytest.mark.parametrize("status", [301, 403, 500])
def test_a_cache_that_does_not_say_yes_is_a_failure(host: CacheHost, status: int) -> None:
    host.status = status
    with pytest.raises(UnreachableError, match=f"status {status}"):
        purge([host.url], ["index/main"])


def test_one_that_is_away_keeps_nothing_from_the_others(host: CacheHost) -> None:
    with pytest.raises(UnreachableError):
        purge([f"http://127.0.0.1:{free_port()}", host.url], ["index/main"])
    assert host.keys == ["index/main"]


@given(st.lists(st.text("abcdefgh/", min_size=1, max_size=300), max_size=400))
def test_lines_hold_all_keys_and_are_short(keys: list[str]) -> None:
    made = list(lines(keys))
    assert [key for line in made for key in line.split(" ")] == keys
    assert all(len(line) <= MOST_CHARACTERS and len(line.split(" ")) <= MOST_KEYS for line in made)
