# SPDX-License-Identifier: Apache-2.0
"""What use cases are given besides their input: one bundle per process, made by `bootstrap`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from packhouse.config import Settings
from packhouse.domain.pictures import Picture
from packhouse.services.page_memory import PageMemory
from packhouse.storage.growing import Nursery
from packhouse.storage.incoming import Hook, no_hook
from packhouse.storage.tally import Tally

if TYPE_CHECKING:
    from packhouse.services.doors import Doors
    from packhouse.services.judging import Judge
    from packhouse.services.pictures import Album
    from packhouse.storage.blobs import Blobs


def now() -> datetime:
    """The clock of the real world (UTC)."""
    return datetime.now(UTC)


def _fetch_picture(url: str, permits: Callable[[str], bool]) -> Picture:
    """The network side of it is imported by those who need it."""
    from packhouse.upstream.pictures import fetch_picture

    return fetch_picture(url, permits)


def _album() -> Album:
    from packhouse.services.pictures import Album

    return Album()


def _doors() -> Doors:
    from packhouse.services.doors import Doors

    return Doors()


@dataclass(frozen=True, slots=True)
class Resources:
    """What there is one of in a process.

    `hook` is called at each step of an upload; `doors` lead to upstreams, `nursery` has the files being fetched,
    `past` the pages of past states used lately.
    """

    settings: Settings
    blobs: Blobs
    judge: Judge
    clock: Callable[[], datetime] = now
    hook: Hook = no_hook
    fetch_picture: Callable[..., Picture] = _fetch_picture
    album: Album = field(default_factory=_album)
    tally: Tally = field(default_factory=Tally)
    doors: Doors = field(default_factory=_doors)
    nursery: Nursery = field(default_factory=Nursery)
    past: PageMemory = field(default_factory=PageMemory)
