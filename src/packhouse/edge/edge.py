# SPDX-License-Identifier: Apache-2.0
"""The edge of one worker: limits first, then what it may answer itself, then the origin."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import lru_cache, partial

from packhouse.config import Settings
from packhouse.domain.addresses import is_own_host, takes_uploads
from packhouse.domain.headers import CacheRules
from packhouse.edge.bridge import Application, Bridge
from packhouse.edge.files import Blobs, PathOf
from packhouse.edge.flights import Flights, Leading
from packhouse.edge.http import Exchange, Reply, plain
from packhouse.edge.limits import CLOSE, Limits
from packhouse.edge.nginx import Front
from packhouse.edge.nodes import Nodes, NodeWatch
from packhouse.edge.past import PastPages
from packhouse.edge.proxies import Proxies
from packhouse.edge.reading import Miss, Reading
from packhouse.storage.growing import Nursery
from packhouse.storage.pages import open_pages
from packhouse.storage.roots import RootShelf
from packhouse.storage.tally import Tally

READY = "/readyz"


def make_edge(
    settings: Settings,
    application: Application,
    secret: str,
    front: Front | None = None,
    tally: Tally | None = None,
    *,
    is_node: bool = False,
    nursery: Nursery | None = None,
    past: PastPages | None = None,
) -> Edge:
    """The edge of a worker, to be made after the fork: it opens a connection of its own to the page table.

    `application` is the origin, `secret` what proves to it that an edge asks which sends blobs itself, `front` is
    given where nginx stands before us, `tally` counts downloads; `is_node`: the origin is another server; `nursery` has
    the files being fetched here, `past` what the origin made of past states. Raises PackhouseError (UNAVAILABLE) when
    the page table can't be read.
    """
    rules = CacheRules(settings.page_max_age, settings.kept_in_front)
    shelf = RootShelf(settings.data)
    blobs = Blobs(PathOf(settings.blobs_folder), nursery=nursery)
    reading = Reading(open_pages(settings), blobs, rules=rules, shelf=shelf, tally=tally, past=past)
    bridge = Bridge(application, Proxies(settings.trusted_proxies), streams=takes_uploads, secret=secret)
    limits = Limits(lru_cache(256)(partial(is_own_host, settings)))
    # Behind nginx there are none: what it keeps for others must not be what a node is told.
    nodes = Nodes(secret, is_node=is_node) if front is None else None
    return Edge(bridge, limits, reading, front, nodes)


def make_gate(settings: Settings, application: Application) -> Edge:
    """The edge of a process that has nothing to hand out: its limits, then the origin for whatever is asked."""
    bridge = Bridge(application, Proxies(settings.trusted_proxies), streams=takes_uploads)
    return Edge(bridge, Limits(lru_cache(256)(partial(is_own_host, settings))))


class Edge:
    """Answers each exchange, or hands it over to the origin behind the bridge.

    `answered` counts by status what it answered itself; the origin counts its own.
    """

    def __init__(
        self,
        bridge: Bridge,
        limits: Limits,
        reading: Reading | None = None,
        front: Front | None = None,
        nodes: Nodes | None = None,
    ) -> None:
        self._bridge = bridge
        self._limits = limits
        self._reading = reading
        self._front = front
        self._nodes = nodes
        self._flights = Flights()
        self._draining = False
        self._leaving = False
        self.answered: Counter[int] = Counter()

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """See `server.Application.start`."""
        self._bridge.start(loop)

    def handle(self, exchange: Exchange) -> None:
        """See `server.Application.handle`."""
        if self._front is not None:
            admitted = self._front.admit(exchange)
            if isinstance(admitted, Reply):
                self._reply(exchange, admitted)
                return
            exchange = admitted
        if exchange.request.known is not None and not self._draining and self._reading is not None:
            again = self._reading.again(exchange.request)  # what was within the limits then is so now
            if again is not None:
                self._reply(exchange, again)
                return
        refusal = self._limits.refusal(exchange.request)
        if refusal is not None:
            self._reply(exchange, refusal)
        elif self._draining:
            self._reply(exchange, plain(503, "The server is stopping; try again.\n", ("retry-after", "5"), CLOSE))
        elif self._leaving and exchange.request.path == READY:
            self._reply(exchange, plain(503, "stop: near\n", ("cache-control", "no-store")))
        elif "x-packhouse-node" in exchange.request.headers and self._nodes is not None:
            self._answer_node(exchange, self._nodes)
        else:
            self._answer(exchange)

    def _answer_node(self, exchange: Exchange, nodes: Nodes) -> None:
        """Answer one who says to be a node of ours; what it can't prove is not heard."""
        if not nodes.prove(exchange.request):
            self._answer(exchange)
            return
        reply = nodes.own_reply(exchange.request)
        if reply is not None:
            self._reply(exchange, reply)
        else:
            self._bridge.hand_over(exchange, NodeWatch(exchange))

    def _answer(self, exchange: Exchange) -> None:
        # A file that isn't here, whoever said so, is the origin's to send: a copy of a bucket's file may have gone just
        # now, or the origin of a reading node is on another machine.
        own = self._reading is not None and not exchange.request.again
        found = self._reading.answer(exchange.request) if own and self._reading is not None else None
        if found is None:
            self._bridge.hand_over(exchange)
        elif isinstance(found, Reply):
            self._reply(exchange, found)
        elif not self._flights.join(found.key, partial(self._again, exchange)):
            self._bridge.hand_over(exchange, Leading(self._flights, found.key, found.watch))

    def _reply(self, exchange: Exchange, reply: Reply) -> None:
        self.answered[reply.status] += 1
        exchange.reply(reply)

    def _again(self, exchange: Exchange) -> None:
        """Answer one who waited; what the leader's answer did not teach us is asked for once more, without waiting."""
        found = None if self._reading is None else self._reading.answer(exchange.request)
        if isinstance(found, Reply):
            self._reply(exchange, found)
        elif isinstance(found, Miss):
            self._bridge.hand_over(exchange, found.watch)
        else:
            self._bridge.hand_over(exchange)

    def leave(self) -> None:
        """See `server.Application.leave`: `/readyz` says so, all else goes on."""
        self._leaving = True

    def drain(self) -> None:
        """See `server.Application.drain`."""
        self._draining = True

    def stop(self) -> None:
        """See `server.Application.stop`."""
        self._bridge.stop()
        if self._reading is not None:
            self._reading.stop()
