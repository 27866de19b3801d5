# SPDX-License-Identifier: Apache-2.0
"""The two ends of the hand-over between a reading node and its origin, where the edges of both meet (docs/adr/0015)."""

from __future__ import annotations

import hmac

from packhouse.domain.headers import Headers
from packhouse.edge.http import Exchange, Reply, Request, plain
from packhouse.edge.limits import CLOSE

NODE = "X-Packhouse-Node"
"""The request header by which a node shows that it shares our signing key."""

GREETING = "/_/node"
"""Asked by a node at its start: 204 from the origin of its own data folder."""


class Nodes:
    """What a server does with requests of nodes: an origin believes them, a node itself takes none."""

    def __init__(self, secret: str, *, is_node: bool = False) -> None:
        self._secret = secret.encode()
        self._is_node = is_node

    def prove(self, request: Request) -> bool:
        """Whether a request comes from a node of ours."""
        given = request.headers.get("x-packhouse-node")
        return given is not None and bool(self._secret) and hmac.compare_digest(given.encode(), self._secret)

    def own_reply(self, request: Request) -> Reply | None:
        """What is answered to a node without the origin."""
        if self._is_node:
            return plain(508, "This is a reading node; --origin has to name the origin.\n", CLOSE)
        return Reply(204, (("cache-control", "no-store"),)) if request.path == GREETING else None


class NodeWatch:
    """The watch of a request that a node handed over: it wants to hear all the origin says."""

    def __init__(self, exchange: Exchange) -> None:
        self.takes_files = "x-packhouse-edge" in exchange.request.headers

    def replaced(self, _status: int, _headers: Headers) -> Reply | None:
        """See `Watch.replaced`."""
        return None

    def done(self) -> None:
        """See `Watch.done`."""
