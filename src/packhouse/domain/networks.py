# SPDX-License-Identifier: Apache-2.0
"""The addresses a token may be used from: networks in CIDR form, IPv4 and IPv6."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from packhouse.errors import Kind, refuse

MOST = 50
"""Networks of one token."""


def read_networks(texts: Iterable[str]) -> list[str]:
    """The networks in their normal form, each once, in the order given.

    Raises INVALID for what is neither an address nor a network, for one with bits beyond its prefix, and for too many.
    """
    found: dict[str, None] = {}
    for text in (part for one in texts for part in one.replace(",", " ").split()):
        try:
            found[str(ip_network(text))] = None
        except ValueError as error:
            message = (
                f"The address range {text[:60]!r} is none; expected an address or a network such as 192.0.2.0/24,"
                " with nothing set beyond its prefix; correct it."
            )
            raise refuse(Kind.INVALID, "network-invalid", message, "networks") from error
    if len(found) > MOST:
        message = f"There are {len(found)} address ranges, expected {MOST} at most; join some of them."
        raise refuse(Kind.INVALID, "network-invalid", message, "networks")
    return list(found)


def is_within(address: str, networks: Iterable[str]) -> bool:
    """Whether the address is in one of the networks; one that can't be read is in none.

    An IPv4 address that comes in IPv6's clothes (`::ffff:192.0.2.1`) counts as the IPv4 address.
    """
    asker = _plain(address)
    return asker is not None and any(asker in ip_network(network) for network in networks)


def _plain(address: str) -> IPv4Address | IPv6Address | None:
    try:
        read = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    mapped = read.ipv4_mapped if isinstance(read, IPv6Address) else None
    return mapped or read
