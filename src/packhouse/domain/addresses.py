# SPDX-License-Identifier: Apache-2.0
"""Which addresses are this server's own: the origin that links in mails are built from, the hosts it answers to.

And which of its paths take large bodies.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from packhouse.config import Settings

_HOST = re.compile(r"[a-z0-9_.-]+|[0-9a-f:.]+(%[a-z0-9]+)?")
_WILDCARDS = {"", "0.0.0.0", "::", "[::]"}  # noqa: S104 - compared with, not bound to


MAX_FORM = 256 * 1024
"""Bytes of the largest body that is taken where no file is uploaded."""


def takes_uploads(path: str) -> bool:
    """Whether bodies larger than `MAX_FORM` may be sent to this path: that of an index's upload API."""
    return path.removesuffix("/").endswith("/legacy")


def is_loopback(host: str) -> bool:
    """Whether a host name or address (without port) means this very machine."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def place_of(address: str) -> str:
    """The one place a client's address stands for where things are counted: of IPv6, the /64 that one line has."""
    try:
        found = ipaddress.ip_address(address.strip())
    except ValueError:
        return address[:64]
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))
    return str(found)


def split_host(authority: str) -> str:
    """The host of `host[:port]`, lower case, brackets of an IPv6 address kept; "" when it can't be one."""
    try:
        parts = urlsplit(f"//{authority}")
        _ = parts.port
    except ValueError:
        return ""
    if parts.hostname is None or parts.username is not None or parts.path or parts.query or parts.fragment:
        return ""
    name = parts.hostname.rstrip(".")
    if not _HOST.fullmatch(name):
        return ""
    return f"[{name}]" if ":" in name else name


def is_own_host(settings: Settings, authority: str) -> bool:
    """Whether a Host header may be ours. Without a `base_url` any well-formed one may."""
    host = split_host(authority)
    if not host:
        return False
    if settings.base_url is None:
        return True
    return host == split_host(urlsplit(settings.base_url).netloc) or is_loopback(host)


def own_origin(settings: Settings, authority: str = "") -> str:
    """The origin (`https://packages.example`, no slash at the end) for links that leave the server.

    `base_url` if set; else the address served. `authority` (a Host header) is used only where it names this
    machine by the port served, so that a forged one never gets into a mail.
    """
    if settings.base_url:
        return settings.base_url.rstrip("/")
    served = f"{_served_host(settings.host)}:{settings.port}"
    host, _, port = authority.rpartition(":")
    if authority and is_loopback(host) and port == str(settings.port):
        served = authority
    return f"http://{served}"


def _served_host(host: str) -> str:
    if host in _WILDCARDS:
        return "localhost"
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
