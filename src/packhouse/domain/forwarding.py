# SPDX-License-Identifier: Apache-2.0
"""Where a request really comes from: `X-Forwarded-*`, believed when a trusted proxy says it, and only then."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass

MAX_FORWARDED = 1024
"""Characters of a forwarding header above which it is ignored."""

_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?\Z")
_PREFIX = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+)+/?\Z")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Source:
    """Who asks and under which address: `host` is a Host header's value, `prefix` "" or "/like/this"."""

    address: str
    port: str
    scheme: str
    host: str
    prefix: str


class Proxies:
    """The proxies we believe, as addresses or networks."""

    def __init__(self, trusted: tuple[str, ...]) -> None:
        self._trusted: tuple[Network, ...] = tuple(ipaddress.ip_network(item, strict=False) for item in trusted)

    def trusts(self, address: str) -> bool:
        """Whether this peer's word counts."""
        try:
            peer = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(peer, ipaddress.IPv6Address) and peer.ipv4_mapped:
            peer = peer.ipv4_mapped
        return any(peer in network for network in self._trusted)

    def source(self, peer: Source, headers: Mapping[str, str]) -> Source:
        """The source of a request that `peer` handed to us; `headers` by name in lower case."""
        if not self.trusts(peer.address):
            return peer
        return Source(
            self._client(_header(headers, "x-forwarded-for"), peer.address),
            peer.port,
            _scheme(_header(headers, "x-forwarded-proto"), peer.scheme),
            _matching(_HOST, _header(headers, "x-forwarded-host"), peer.host),
            _matching(_PREFIX, _header(headers, "x-forwarded-prefix"), "").rstrip("/"),
        )

    def _client(self, forwarded: str, peer: str) -> str:
        """The last address of the list that is no proxy of ours; the peer's when the list makes no sense."""
        for item in reversed(forwarded.split(",")):
            address = _address(item)
            if address is None:
                return peer
            if not self.trusts(address):
                return address
            peer = address
        return peer


def below(prefix: str, path: str) -> str:
    """A path without the prefix, whether or not the proxy has taken it away."""
    return path[len(prefix) :] or "/" if prefix and f"{path}/".startswith(f"{prefix}/") else path


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "")
    return value if len(value) <= MAX_FORWARDED else ""


def _address(item: str) -> str | None:
    """An address without port, brackets or zone; None when it is none."""
    text = item.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return None if "%" in text else str(ipaddress.ip_address(text))
    except ValueError:
        return None


def _scheme(value: str, otherwise: str) -> str:
    value = value.strip().lower()
    return value if value in {"http", "https"} else otherwise


def _matching(pattern: re.Pattern[str], value: str, otherwise: str) -> str:
    value = value.strip()
    return value if pattern.match(value) else otherwise
