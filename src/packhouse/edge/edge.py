# SPDX-License-Identifier: Apache-2.0
"""The edge of one worker: limits first, then what it may answer itself, then the origin."""

from __future__ import annotations

import asyncio

from packhouse.edge.bridge import Bridge
from packhouse.edge.http import Exchange, plain
from packhouse.edge.limits import CLOSE, Limits


class Edge:
    """Answers each exchange, or hands it over to the origin behind the bridge."""

    def __init__(self, bridge: Bridge, limits: Limits) -> None:
        self._bridge = bridge
        self._limits = limits
        self._draining = False

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """See `server.Application.start`."""
        self._bridge.start(loop)

    def handle(self, exchange: Exchange) -> None:
        """See `server.Application.handle`."""
        refusal = self._limits.refusal(exchange.request)
        if refusal is not None:
            exchange.reply(refusal)
        elif self._draining:
            exchange.reply(plain(503, "The server is stopping; try again.\n", ("retry-after", "5"), CLOSE))
        else:
            self._bridge.hand_over(exchange)

    def drain(self) -> None:
        """See `server.Application.drain`."""
        self._draining = True

    def stop(self) -> None:
        """See `server.Application.stop`."""
        self._bridge.stop()
