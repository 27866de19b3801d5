# SPDX-License-Identifier: Apache-2.0
"""Caches in front of this server that are told, by surrogate key, what they must not use any more.

An address without a path is a cache, asked by `PURGE /`; one with a path is an API of a CDN, asked by `POST`. Both
get the keys in the header `Surrogate-Key`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

import httpcore2

from packhouse.upstream.errors import UnreachableError

SECONDS = 5.0
"""How long one step of a purge may take."""
MOST_KEYS, MOST_CHARACTERS = 100, 4000
"""Keys, and characters of them, in one request: caches limit the length of a header."""


class Caches:
    """The caches at some addresses; `header` ("Name: value") goes along. Usable by many threads, and after a fork."""

    def __init__(self, addresses: Iterable[str], header: str | None = None) -> None:
        self._addresses = tuple(addresses)
        name, _, value = (header or "").partition(":")
        self._extra = [(name.strip().encode(), value.strip().encode())] if name else []
        self._lock = threading.Lock()
        self._owner = 0
        self._pool: httpcore2.ConnectionPool | None = None

    def purge(self, keys: Iterable[str]) -> None:
        """Have all caches drop what has one of these keys.

        Raises UnreachableError, once all were asked, when one of them did not say that it did.
        """
        failed: UnreachableError | None = None
        wanted = list(keys)
        for address in self._addresses:
            try:
                for line in lines(wanted):
                    self._ask(address, line)
            except UnreachableError as error:
                failed = error
        if failed is not None:
            raise failed

    def close(self) -> None:
        """Close the connections that are kept open."""
        with self._lock:
            if self._pool is not None and self._owner == os.getpid():
                self._pool.close()
            self._pool = None

    def _ask(self, address: str, line: str) -> None:
        parts = urlsplit(address)
        method = "PURGE" if parts.path in {"", "/"} else "POST"
        headers = [(b"Host", parts.netloc.encode()), (b"Surrogate-Key", line.encode()), *self._extra]
        waits = {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), SECONDS)}
        try:
            answer = self._open().request(
                method, address, headers=[*headers, (b"Content-Length", b"0")], extensions=waits
            )
        except (httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError) as error:
            raise UnreachableError(f"{parts.netloc}: {type(error).__name__}") from error
        if not 200 <= answer.status < 300:
            raise UnreachableError(f"{parts.netloc}: status {answer.status}")

    def _open(self) -> httpcore2.ConnectionPool:
        """The connections of this process."""
        with self._lock:
            if self._pool is None or self._owner != os.getpid():
                self._pool = httpcore2.ConnectionPool(max_connections=8, keepalive_expiry=4.0)
                self._owner = os.getpid()
            return self._pool


def lines(keys: Iterable[str]) -> Iterator[str]:
    """The keys in as many header values as it takes, each separated by spaces."""
    line: list[str] = []
    length = 0
    for key in keys:
        if line and (len(line) == MOST_KEYS or length + len(key) + 1 > MOST_CHARACTERS):
            yield " ".join(line)
            line, length = [], 0
        line.append(key)
        length += len(key) + 1
    if line:
        yield " ".join(line)
