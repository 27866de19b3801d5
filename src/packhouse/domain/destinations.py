# SPDX-License-Identifier: Apache-2.0
"""Where this server may connect to by itself when a stranger chose the address (hostile-217).

A URL is judged by its shape, and each address its host resolves to by its number, whatever spelling led there. Only
addresses of the public internet are permitted, and those an administrator allows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple
from urllib.parse import quote, urlsplit, urlunsplit

from packhouse.domain.links import ascii_host

LONGEST_URL = 2000  # characters
_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9._-]{1,253}\Z|[0-9a-f:.]{2,45}\Z", re.IGNORECASE | re.ASCII)
_TRANSLATED = ip_network("64:ff9b::/96")  # IPv4 behind a translator: the last 32 bits
_NEVER = tuple(ip_network(text) for text in ("64:ff9b:1::/48", "2001::/32", "fec0::/10", "100::/64", "240.0.0.0/4"))

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class Destination(NamedTuple):
    """A URL of http or https in parts: `host` in ASCII without brackets, `target` path and query, percent-encoded."""

    scheme: str
    host: str
    port: int
    target: str


def read_destination(url: str) -> Destination | None:
    """The parts of a URL that may be asked; None for another scheme, credentials, or what makes no sense."""
    if len(url) > LONGEST_URL or any(character <= " " or character in "\\\x7f" for character in url):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    host = ascii_host(url)
    if parts.scheme not in _PORTS or "@" in parts.netloc or not _HOST.match(host) or port == 0:
        return None
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    target = urlunsplit(("", "", path, quote(parts.query, safe="/%:@!$&'()*+,;=~-._?"), ""))
    return Destination(parts.scheme, host, port or _PORTS[parts.scheme], target or "/")


def read_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """The networks of their spellings."""
    return tuple(ip_network(text, strict=False) for text in texts)


def is_permitted(address: str, allowed: Iterable[Network] = ()) -> bool:
    """Whether this server may connect to an address: a public one, or one in a network that is allowed."""
    try:
        found = _bare(ip_address(address.partition("%")[0]))
    except ValueError:
        return False
    if any(found.version == network.version and found in network for network in allowed):
        return True
    return _is_public(found)


def _bare(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, where it does."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address.sixtofour is not None:
            return address.sixtofour
        if address in _TRANSLATED or (int(address) >> 32 == 0 and int(address) > 1):
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _is_public(address: Address) -> bool:
    if any(address.version == network.version and address in network for network in _NEVER):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)
