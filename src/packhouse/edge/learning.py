# SPDX-License-Identifier: Apache-2.0
"""What the edge learns from the origin's answers: who is let through, what nobody has, which files it may send."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from packhouse.domain.headers import Headers
from packhouse.edge.files import read_hand_off
from packhouse.edge.http import AWAY, Reply, Request
from packhouse.edge.responses import is_for_all
from packhouse.edge.routes import FileTarget, PageTarget
from packhouse.storage.pages import Mark

if TYPE_CHECKING:
    from packhouse.edge.reading import Reading


class Unknown(NamedTuple):
    """A name an index did not have when the set of its names was that of `names`; known `until` then (unix seconds).

    An index with upstreams is asked again after that, since they may have come to know the name.
    """

    names: int
    access: int
    until: float | None = None


class Allowed(NamedTuple):
    """A credential that was seen to be let through to an audience; `until` (unix seconds) is its end, if it has one."""

    access: int
    until: float | None


class PageWatch:
    """Learns from the origin's answer to a page we did not have."""

    takes_files = False

    def __init__(self, reading: Reading, request: Request, target: PageTarget, names: int | None, access: int) -> None:
        self._reading = reading
        self._request = request
        self._target = target
        self._names = names
        self._access = access

    def replaced(self, status: int, headers: Headers) -> Reply | None:
        """See `Watch.replaced`."""
        given = dict(headers)
        if status in {200, 304}:
            self._reading.keep_allowed(self._request, given, self._access)
        elif status == 404 and self._names is not None and is_for_all(given):
            self._reading.keep_unknown(self._target, Unknown(self._names, self._access, until(given)))
        # The page is there now: the first to ask gets to the letter what all others will get.
        found = self._reading.answer(self._request) if status in {200, 304, 404} else None
        return found if isinstance(found, Reply) else None

    def done(self) -> None:
        """See `Watch.done`."""


class FileWatch:
    """Turns the origin's word that a file may be sent into the file."""

    takes_files = True

    def __init__(
        self,
        reading: Reading,
        request: Request,
        target: FileTarget,
        marks: tuple[str, str, Mark] | None,
        access: int,
    ) -> None:
        self._reading = reading
        self._request = request
        self._target = target
        self._marks = marks
        self._access = access

    def replaced(self, status: int, headers: Headers) -> Reply | None:
        """See `Watch.replaced`."""
        if status != 200:
            return None
        project, kind, mark = self._marks or ("", "", None)
        kept = read_hand_off(headers, project, kind)
        if kept is None:
            return None
        self._reading.keep_allowed(self._request, dict(headers), self._access)
        reply = self._reading.send_file(kept, self._request, self._target)
        if reply.status == 502:  # it is on the origin's machine and not on ours, or damaged
            return AWAY
        if mark is not None:
            self._reading.keep_file(self._target, kept, mark)
        return reply

    def done(self) -> None:
        """See `Watch.done`."""


def right_of(credential: str, audience: str) -> Hashable:
    """The key of a right; the credential itself is kept nowhere."""
    return hashlib.sha256(credential.encode("utf-8", "surrogateescape")).digest(), audience


def until(told: Mapping[str, str]) -> float | None:
    """Until when (unix seconds) what the origin told may be kept; None: as long as nothing changes."""
    try:
        return float(told["x-packhouse-until"]) if "x-packhouse-until" in told else None
    except ValueError:
        return 0.0
