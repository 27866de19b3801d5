# SPDX-License-Identifier: Apache-2.0
"""Where a request to the edge really comes from (`domain.forwarding`)."""

from __future__ import annotations

from packhouse.domain import forwarding
from packhouse.domain.forwarding import Source
from packhouse.edge.http import Request


class Proxies:
    """The proxies we believe, as addresses or networks."""

    def __init__(self, trusted: tuple[str, ...]) -> None:
        self._proxies = forwarding.Proxies(trusted)

    def trusts(self, address: str) -> bool:
        """Whether this peer's word counts."""
        return self._proxies.trusts(address)

    def source(self, request: Request) -> Source:
        """The source of a request."""
        address, _, port = request.peer.client.rpartition(":")
        peer = Source(address.strip("[]"), port, request.peer.scheme, request.headers.get("host", ""), "")
        return self._proxies.source(peer, request.headers)


ANYBODY = Proxies(("0.0.0.0/0", "::/0"))
"""Believes whoever speaks: for those who have proved that they are ours."""
