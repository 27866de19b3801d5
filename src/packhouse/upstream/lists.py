# SPDX-License-Identifier: Apache-2.0
"""Fetching a list that an administrator named by its address, into a temporary file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import IO

from packhouse.domain.destinations import Network
from packhouse.domain.reach import Reach
from packhouse.upstream.asking import Asker
from packhouse.upstream.errors import UnusableError

SECONDS = 600.0
"""Seconds that all of it may take."""


@contextmanager
def fetched(url: str, most: int, *, allowed: tuple[Network, ...] = ()) -> Iterator[IO[bytes]]:
    """The list at an address, at its beginning; at most so many bytes of it.

    Raises UnreachableError, or UnusableError for another status than 200, a redirect to elsewhere, or too much.
    """
    asker = Asker(Reach(url), allowed=allowed)
    try:
        with TemporaryFile() as file:
            with asker.ask(url, {"Accept": "*/*", "Accept-Encoding": "identity"}, seconds=SECONDS) as answered:
                if answered.status != 200:
                    raise UnusableError(f"status {answered.status}")
                for piece in answered.body:
                    file.write(piece)
                    if file.tell() > most:
                        raise UnusableError(f"more than {most} bytes")
            file.seek(0)
            yield file
    finally:
        asker.close()
