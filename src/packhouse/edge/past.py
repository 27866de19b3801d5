# SPDX-License-Identifier: Apache-2.0
"""Pages of past states at the edge: the origin makes them, in this very process, and the edge sends them after that.

Such a page never changes but by what is purged, or closed; so it hangs on the mark of the project's page of now, which
moves with either.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Protocol

from packhouse.domain.headers import Headers, of_the_past
from packhouse.domain.negotiation import Representation
from packhouse.domain.page import Page, answer_page
from packhouse.edge.http import Reply, Request
from packhouse.edge.routes import PastTarget
from packhouse.storage.pages import Mark

if TYPE_CHECKING:
    from packhouse.edge.reading import Reading


class PastPages(Protocol):
    """Where the origin leaves the pages it made of past states that are over."""

    def named(self, name: Hashable) -> Page | None:
        """The page made last for (index, project, kind, moment as it is spelled)."""


class PastWatch:
    """Takes the page that the origin answered with, if it is that page and there is a mark to hang it on."""

    takes_files = False

    def __init__(
        self,
        reading: Reading,
        made: PastPages | None,
        request: Request,
        asked: tuple[PastTarget, str],
        mark: Mark | None,
    ) -> None:
        """`asked`: the page and its kind; `mark` as it is before the origin is asked."""
        self._reading = reading
        self._request = request
        self._made = made
        self._target, self._kind = asked
        self._mark = mark

    def replaced(self, status: int, headers: Headers) -> Reply | None:
        """See `Watch.replaced`: who asks first gets to the letter what all others will get."""
        target = self._target
        if self._made is None or self._mark is None or status not in {200, 304}:
            return None
        page = self._made.named((target.index, target.project, self._kind, target.moment))
        etag = dict(headers).get("etag", "")
        if page is not None and etag.startswith(f'"{page.etag}'):  # else another was made meanwhile
            self._reading.keep_past(target, self._kind, page, self._mark)
            found = self._reading.answer(self._request)
            return found if isinstance(found, Reply) else None
        return None

    def done(self) -> None:
        """See `Watch.done`."""


def past_reply(page: Page, request: Request, representation: Representation, now: float) -> Reply:
    """The reply with a page of a past state that is over."""
    status, headers, body = answer_page(page, request.method, request.headers, representation, now=now)
    return Reply(status, of_the_past(headers, settled=True), body or None)
