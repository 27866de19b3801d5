# SPDX-License-Identifier: Apache-2.0
"""Single flight at the edge."""

from __future__ import annotations

from typing import Any, cast

from packhouse.edge.edge import Edge
from packhouse.edge.flights import Flights, Leading
from packhouse.edge.http import Exchange, Reply, Request
from packhouse.edge.limits import Limits
from packhouse.edge.reading import Miss
from packhouse.edge.responses import NO_WATCH, Watch


def test_one_leads_and_the_others_wait_until_it_landed() -> None:
    flights, called = Flights(), []
    assert not flights.join("a", lambda: called.append("leader"))
    assert flights.join("a", lambda: called.append("second"))
    assert flights.join("a", lambda: called.append("third"))
    assert not flights.join("b", lambda: None)
    assert called == []
    Leading(flights, "a", NO_WATCH).done()
    assert called == ["second", "third"]
    assert not flights.join("a", lambda: None)


def test_who_waited_may_ask_again_at_once() -> None:
    flights, joined = Flights(), []
    flights.join("a", lambda: None)
    flights.join("a", lambda: joined.append(flights.join("a", lambda: None)))
    flights.land("a")
    assert joined == [False]


class Origin:
    """A bridge's part: keeps what was handed over until the test lets it answer."""

    def __init__(self) -> None:
        self.asked: list[tuple[Exchange, Watch]] = []

    def hand_over(self, exchange: Exchange, watch: Watch = NO_WATCH) -> None:
        self.asked.append((exchange, watch))


class Pages:
    """A reading's part: a miss until somebody stored the page."""

    def __init__(self) -> None:
        self.page: Reply | None = None

    def answer(self, request: Request) -> Reply | Miss | None:
        return self.page or Miss(request.path, NO_WATCH)


class Asker:
    def __init__(self, path: str) -> None:
        self.request = Request("GET", path, "", [("host", "x")])
        self.replies: list[Reply] = []

    def reply(self, reply: Reply) -> None:
        self.replies.append(reply)


def test_a_thousand_who_ask_for_a_cold_page_cost_one_request_to_the_origin() -> None:
    origin, pages = Origin(), Pages()
    edge = Edge(cast("Any", origin), Limits(), cast("Any", pages))
    askers = [Asker("/simple/foo/") for _ in range(1000)]
    for asker in askers:
        edge.handle(cast("Any", asker))
    assert len(origin.asked) == 1
    pages.page = Reply(200, (), b"page")
    leader, watch = origin.asked[0]
    leader.reply(pages.page)
    watch.done()
    assert len(origin.asked) == 1
    assert all(asker.replies == [pages.page] for asker in askers)


def test_when_the_leader_learnt_nothing_each_asks_for_itself() -> None:
    origin = Origin()
    edge = Edge(cast("Any", origin), Limits(), cast("Any", Pages()))
    for _ in range(3):
        edge.handle(cast("Any", Asker("/simple/foo/")))
    origin.asked[0][1].done()
    assert len(origin.asked) == 3
