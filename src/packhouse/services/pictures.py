# SPDX-License-Identifier: Apache-2.0
"""Pictures from elsewhere, fetched for readers of descriptions so that those who keep them don't see who reads.

No transaction is open while one is fetched. Few are fetched at a time, few wait, and what came is remembered for a
day in memory of a fixed size; that nothing came, for a minute.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from packhouse.domain.destinations import is_permitted, read_networks
from packhouse.domain.pictures import Picture
from packhouse.errors import Fault, Kind, PackhouseError, refuse
from packhouse.services.indexes import MAIN, profile_of
from packhouse.upstream.errors import UnreachableError, UnusableError

if TYPE_CHECKING:
    from packhouse.services.resources import Resources

DAY, MINUTE = 86_400.0, 60.0
_OVERHEAD = 500  # bytes that remembering one address takes


class _Kept(NamedTuple):
    picture: Picture | Fault
    until: float

    def size(self, url: str) -> int:
        """About how many bytes of memory this takes."""
        body = len(self.picture.body) if isinstance(self.picture, Picture) else 0
        return body + len(url) + _OVERHEAD


class Album:
    """The pictures this process remembers; the one asked for longest ago goes first."""

    def __init__(
        self,
        *,
        largest: int = 32 * 1024 * 1024,
        at_work: int = 4,
        waiting: int = 2,
        patience: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`largest`: bytes in all. `at_work` are fetched at once, `waiting` wait for so many seconds of `patience`."""
        self._largest = largest
        self._patience = patience
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()
        self._room = threading.BoundedSemaphore(at_work + waiting)
        self._at_work = threading.BoundedSemaphore(at_work)

    @property
    def size(self) -> int:
        """Bytes remembered now."""
        return self._size

    def get(self, url: str, fetch: Callable[[str], Picture]) -> Picture:
        """The picture at an address; raises MISSING when there is none, UNAVAILABLE when too many are asked for."""
        found = self._remembered(url)
        if found is None:
            if not self._room.acquire(blocking=False):
                raise _busy()
            try:
                found = self._fetched(url, fetch)
            finally:
                self._room.release()
        if isinstance(found, Fault):
            raise PackhouseError(Kind.MISSING, found)
        return found

    def _fetched(self, url: str, fetch: Callable[[str], Picture]) -> Picture | Fault:
        if not self._at_work.acquire(timeout=self._patience):
            raise _busy()
        try:
            found = self._remembered(url)  # somebody may have fetched it while we waited
            if found is not None:
                return found
            try:
                picture: Picture | Fault = fetch(url)
            except UnusableError as error:
                picture = Fault("picture-unusable", f"There is no picture to show at this address: {error}.")
            except UnreachableError as error:
                picture = Fault("picture-unreachable", f"The picture could not be fetched: {error}; try again later.")
            self._remember(url, picture)
            return picture
        finally:
            self._at_work.release()

    def _remembered(self, url: str) -> Picture | Fault | None:
        with self._lock:
            kept = self._kept.get(url)
            if kept is None:
                return None
            if kept.until <= self._clock():
                self._forget(url)
                return None
            self._kept.move_to_end(url)
            return kept.picture

    def _remember(self, url: str, picture: Picture | Fault) -> None:
        kept = _Kept(picture, self._clock() + (DAY if isinstance(picture, Picture) else MINUTE))
        with self._lock:
            self._forget(url)
            self._kept[url] = kept
            self._size += kept.size(url)
            while self._size > self._largest:
                self._forget(next(iter(self._kept)))

    def _forget(self, url: str) -> None:
        kept = self._kept.pop(url, None)
        if kept is not None:
            self._size -= kept.size(url)


def _busy() -> PackhouseError:
    message = "Too many pictures are being fetched at the moment; reload the page in a few seconds."
    return PackhouseError(Kind.UNAVAILABLE, Fault("pictures-busy", message), retry_after=2)


def picture(url: str, resources: Resources) -> Picture:
    """A picture that a description on this server shows, where the rule `images` of `main` is `proxy`.

    Raises MISSING when it is another, or there is no such picture; UNAVAILABLE when too many are asked for.
    """
    if profile_of(MAIN).images != "proxy":
        raise refuse(Kind.MISSING, "pictures-off", "This index shows no pictures from elsewhere; open its address.")
    permits = partial(is_permitted, allowed=read_networks(resources.settings.outbound_allow))
    return resources.album.get(url, partial(resources.fetch_picture, permits=permits))
