# SPDX-License-Identifier: Apache-2.0
"""Where the links and redirects of an upstream may lead (decisions 23): its own host, and the hosts on its list."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit

from packhouse.domain.destinations import Destination, read_destination
from packhouse.errors import Kind, refuse

_USUAL = {"http": 80, "https": 443}
MOST_HOSTS = 50


class Origin(NamedTuple):
    """Scheme, host (ASCII, lower case, no brackets) and port."""

    scheme: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Reach:
    """The address of an upstream (with a slash at its end), what it is given to sign in, and the hosts on its list.

    A host of the list is `host` or `host:port`; without a port it is the usual one of the upstream's scheme.
    """

    url: str
    authorization: str = ""
    hosts: tuple[str, ...] = ()

    @property
    def origin(self) -> Origin:
        """Where the upstream itself is."""
        return _origin(_demand(self.url))

    def page_url(self, name: str) -> str:
        """The address of a project's page; `name` is normalized."""
        return f"{self.url}{name}/"

    def allows(self, url: str) -> Destination | None:
        """The parts of an address that may be asked; None for one that may not."""
        found = read_destination(url)
        if found is None or found.scheme not in self._schemes():
            return None
        own = self.origin
        if _origin(found) == own:
            return found
        listed = {read_host(text, found.scheme) for text in self.hosts}
        return found if (found.host, found.port) in listed else None

    def leads_to(self, url: str) -> bool:
        """Whether a link to this address is believed."""
        return self.allows(url) is not None

    def _schemes(self) -> tuple[str, ...]:
        """An https upstream leads nowhere by http."""
        return ("https",) if self.url.startswith("https:") else ("http", "https")

    def is_own(self, destination: Destination) -> bool:
        """Whether this is the very host the credentials are for."""
        return _origin(destination) == self.origin


def _origin(destination: Destination) -> Origin:
    return Origin(destination.scheme, destination.host.lower(), destination.port)


def read_host(text: str, scheme: str) -> tuple[str, int]:
    """Host and port of an entry of a list; ("", 0) for what is none."""
    found = read_destination(f"{scheme}://{text}/")
    return ("", 0) if found is None or found.target != "/" else (found.host.lower(), found.port)


def host_of(url: str) -> str:
    """An address's host as an entry of the list: with its port where that is not the usual one; "" for none."""
    found = read_destination(url)
    if found is None:
        return ""
    host = f"[{found.host}]" if ":" in found.host else found.host.lower()
    return host if found.port == _USUAL[found.scheme] else f"{host}:{found.port}"


def read_hosts(texts: Iterable[str]) -> tuple[str, ...]:
    """The entries of a list, sorted; raises INVALID for one that is no host."""
    hosts = sorted({text.strip().lower() for text in texts if text.strip()})
    for host in hosts:
        if not read_host(host, "https")[0]:
            message = f"{host[:200]!r} is no host; expected a name or address, and :PORT where it is not the usual one."
            raise refuse(Kind.INVALID, "upstream-host-invalid", message, "host")
    if len(hosts) > MOST_HOSTS:
        message = f"{len(hosts)} hosts are too many for one upstream; name at most {MOST_HOSTS}."
        raise refuse(Kind.INVALID, "upstream-host-invalid", message, "host")
    return tuple(hosts)


def split_credentials(url: str) -> tuple[str, str]:
    """An upstream's address without credentials and with a slash at its end, and the Authorization they make ("").

    Raises INVALID for what is no address of http or https.
    """
    parts = urlsplit(url)
    userinfo, at, host = parts.netloc.rpartition("@")
    bare = urlunsplit((parts.scheme, host, parts.path.rstrip("/") + "/", "", ""))
    _demand(bare)
    if not at:
        return bare, ""
    user, _, password = userinfo.partition(":")
    pair = f"{unquote(user)}:{unquote(password)}".encode()
    return bare, f"Basic {b64encode(pair).decode()}"


def _demand(url: str) -> Destination:
    found = read_destination(url)
    if found is None:
        message = f"{url[:200]!r} is no address of an index; expected http(s)://HOST/PATH/."
        raise refuse(Kind.INVALID, "upstream-url-invalid", message, "url")
    return found
