# SPDX-License-Identifier: Apache-2.0
"""Connections to hosts that strangers name: resolved once, judged by number, and made to that very address.

The check sits where the connection is made, so that no redirect, spelling or second look-up passes it by (DNS
rebinding), and every wait is cut at one deadline, so that no drip of bytes holds a thread longer.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpcore2

from packhouse.upstream.errors import UnusableError

Resolve = Callable[[str, int], list[str]]
"""From host and port to addresses, as numbers; raises OSError."""
Permits = Callable[[str], bool]
"""Whether an address, as a number, may be connected to."""

_MOST_TRIED = 3  # addresses of one host
_LONGEST = 3600.0  # seconds of one wait
_resolving = ThreadPoolExecutor(max_workers=4, thread_name_prefix="resolve")
"""Where the system's resolver is asked, which knows no deadline."""


def resolve_by_system(host: str, port: int) -> list[str]:
    """The addresses of a host, by the system's resolver."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Deadline(threading.local):
    """A moment (`time.monotonic`) at which waiting ends, of each thread its own, so that connections may be kept."""

    def __init__(self, at: float = float("inf")) -> None:
        self.at = at


class Dialler(httpcore2.NetworkBackend):
    """Makes connections on which nothing is waited for beyond the deadline of the thread that waits."""

    def __init__(self, permits: Permits, resolve: Resolve, deadline: Deadline) -> None:
        self._permits = permits
        self._resolve = resolve
        self._deadline = deadline
        self._plain = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        """Connect to the first address of the host that answers; raises UnusableError when one is not permitted."""
        failure: Exception = httpcore2.ConnectError("no address")
        for address in self._addresses(host, port)[:_MOST_TRIED]:
            try:
                stream = self._plain.connect_tcp(address, port, left(self._deadline.at), local_address, socket_options)
                return _Bounded(stream, self._deadline)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore2.NetworkStream:
        """Never: no URL names one."""
        raise UnusableError("no socket of this machine")

    def _addresses(self, host: str, port: int) -> list[str]:
        """The addresses of a host; one that is not permitted speaks against them all."""
        try:
            asked = None if ":" in host else _resolving.submit(self._resolve, host, port)
            found = [host] if asked is None else asked.result(left(self._deadline.at))
        except (OSError, UnicodeError) as error:  # TimeoutError is an OSError
            raise httpcore2.ConnectError(f"{host} has no address") from error
        if not self.are_permitted(host, port, found):
            raise UnusableError(f"{host} is at an address this server does not connect to")
        return found

    def are_permitted(self, host: str, port: int, addresses: list[str]) -> bool:
        """Whether the addresses of a host may be connected to."""
        return all(self._permits(address) for address in addresses)


class _Bounded(httpcore2.NetworkStream):
    """A connection on which nothing is waited for beyond the deadline."""

    def __init__(self, stream: httpcore2.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what is there, up to so many bytes."""
        return self._stream.read(max_bytes, left(self._deadline.at))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of it."""
        self._stream.write(buffer, left(self._deadline.at))

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        """Go on with TLS; the certificate is that of the host asked for, not of the address."""
        return _Bounded(self._stream.start_tls(ssl_context, server_hostname, left(self._deadline.at)), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        """What the library asks of its own streams."""
        return self._stream.get_extra_info(info)


def left(deadline: float) -> float:
    """Seconds until a deadline; raises the library's timeout when it has passed."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise httpcore2.ReadTimeout("the time is up")
    return min(seconds, _LONGEST)
