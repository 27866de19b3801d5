# SPDX-License-Identifier: Apache-2.0
"""Asking an upstream: pages and files of other indexes, whatever they answer, bounded in bytes, time and hops.

Connections are kept and shared by threads. Credentials go to the upstream's own host alone, redirects are followed
only where the upstream's list of hosts leads, proxies of the environment are not heeded. What goes wrong leaves as
one of two errors.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin

import httpcore2

from packhouse.domain.destinations import Destination, Network, is_permitted
from packhouse.domain.reach import Reach
from packhouse.upstream.dialling import Deadline, Dialler, Resolve, resolve_by_system
from packhouse.upstream.errors import UnreachableError, UnusableError

FIRST_BYTE = 10.0
"""Seconds until the head of an answer is there, redirects included."""
IDLE = 10.0
"""Seconds in which a body must bring something."""
MOST_REDIRECTS = 5
CONNECTIONS = 32
KEPT_SECONDS = 30.0
REDIRECTS = frozenset({301, 302, 303, 307, 308})
_LONGEST_WAIT = 3600  # seconds of a Retry-After that are heeded
_FAILURES = (httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError)


@dataclass(frozen=True, slots=True)
class Answered:
    """The head of an answer: `headers` with lower-case names, `url` after redirects, `body` the bytes as sent."""

    status: int
    headers: Mapping[str, str]
    url: str
    body: Iterator[bytes]


class Asker:
    """Asks one upstream. For any number of threads; `close` ends its connections.

    `allowed` are private networks that may be connected to besides the public internet; all are where the upstream
    itself is at a private address, which its administrator chose.
    """

    def __init__(
        self,
        reach: Reach,
        *,
        allowed: tuple[Network, ...] = (),
        resolve: Resolve = resolve_by_system,
        first_byte: float = FIRST_BYTE,
        idle: float = IDLE,
    ) -> None:
        self.reach = reach
        self._first_byte = first_byte
        self._idle = idle
        self._deadline = Deadline()
        self._pool = httpcore2.ConnectionPool(
            ssl_context=_trust(),
            network_backend=_Doorkeeper(reach, allowed, resolve, self._deadline),
            max_connections=CONNECTIONS,
            keepalive_expiry=KEPT_SECONDS,
        )

    def close(self) -> None:
        """End the connections."""
        self._pool.close()

    @contextmanager
    def ask(
        self, url: str, headers: Mapping[str, str], *, method: str = "GET", seconds: float | None = None
    ) -> Iterator[Answered]:
        """Ask for an address, following redirects; all of it takes at most `seconds`, when given.

        Raises UnreachableError for what may be better later (a 429 or 5xx, no answer, a body that breaks off),
        UnusableError for an address that may not be asked. Other statuses are the asker's to judge.
        """
        start = time.monotonic()
        end = start + seconds if seconds is not None else float("inf")
        first = min(start + self._first_byte, end)
        try:
            with self._follow(method, url, headers, first) as (response, at):
                said = {name.lower().decode("latin-1"): value.decode("latin-1") for name, value in response.headers}
                if response.status == 429 or response.status >= 500:
                    raise UnreachableError(f"status {response.status}", retry_after(said.get("retry-after", "")))
                yield Answered(response.status, said, at, self._body(response, end))
        except _FAILURES as error:
            raise UnreachableError(_words(error)) from error

    @contextmanager
    def _follow(
        self, method: str, url: str, headers: Mapping[str, str], first: float
    ) -> Iterator[tuple[httpcore2.Response, str]]:
        for _ in range(1 + MOST_REDIRECTS):
            destination = self.reach.allows(url)
            if destination is None:
                raise UnusableError("an address that this upstream may not lead to")
            self._deadline.at = first
            with self._send(method, destination, headers, first) as response:
                if response.status not in REDIRECTS:
                    yield response, url
                    return
                said = {name.lower(): value for name, value in response.headers}
                url = urljoin(url, said.get(b"location", b"").decode("latin-1"))
        raise UnusableError("redirected too often")

    @contextmanager
    def _send(
        self, method: str, destination: Destination, headers: Mapping[str, str], first: float
    ) -> Iterator[httpcore2.Response]:
        host = f"[{destination.host}]" if ":" in destination.host else destination.host
        usual = destination.port == {"http": 80, "https": 443}[destination.scheme]
        sent: dict[bytes | str, bytes | str] = {
            "Host": host if usual else f"{host}:{destination.port}",
            "User-Agent": "Packhouse",
        }
        sent.update(headers)
        if self.reach.authorization and self.reach.is_own(destination):
            sent["Authorization"] = self.reach.authorization
        url = httpcore2.URL(
            scheme=destination.scheme, host=host.encode(), port=destination.port, target=destination.target.encode()
        )
        wait = max(0.001, first - time.monotonic())
        extensions = {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), wait)}
        opened = self._open(httpcore2.Request(method, url, headers=sent, extensions=extensions))
        try:
            yield opened
        finally:
            self._deadline.at = time.monotonic() + self._idle  # closing may write, never long
            opened.close()
            self._deadline.at = float("inf")

    def _open(self, request: httpcore2.Request) -> httpcore2.Response:
        """Send a request, once more when a kept connection turned out to be closed."""
        try:
            return self._pool.handle_request(request)
        except httpcore2.RemoteProtocolError:
            return self._pool.handle_request(request)

    def _body(self, response: httpcore2.Response, end: float) -> Iterator[bytes]:
        """The pieces of a body, each of which comes in time."""
        try:
            pieces = response.iter_stream()
            while True:
                self._deadline.at = min(end, time.monotonic() + self._idle)
                piece = next(pieces, None)
                if piece is None:
                    return
                yield piece
        except _FAILURES as error:
            raise UnreachableError(_words(error)) from error


class _Doorkeeper(Dialler):
    """Connects to the upstream wherever it is, to others where they may be."""

    def __init__(self, reach: Reach, allowed: tuple[Network, ...], resolve: Resolve, deadline: Deadline) -> None:
        super().__init__(lambda address: is_permitted(address, allowed), resolve, deadline)
        self._reach = reach

    def are_permitted(self, host: str, port: int, addresses: list[str]) -> bool:
        """See `Dialler.are_permitted`: an upstream at a private address may lead to others."""
        own = self._reach.origin
        if (host.lower(), port) == (own.host, own.port) or super().are_permitted(host, port, addresses):
            return True
        try:
            found = [own.host] if ":" in own.host else self._resolve(own.host, own.port)
        except (OSError, UnicodeError):
            return False
        return not all(is_permitted(address) for address in found)


def _trust() -> ssl.SSLContext:
    """The authorities that this system trusts, or those of SSL_CERT_FILE and SSL_CERT_DIR."""
    context = httpcore2.default_ssl_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def retry_after(value: str) -> int | None:
    """The seconds of a Retry-After header, at most an hour; None when it says nothing."""
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:6]), _LONGEST_WAIT)
    try:
        until = parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, IndexError):
        return None
    return max(0, min(round(until - time.time()), _LONGEST_WAIT))


def _words(error: Exception) -> str:
    """What happened, without anything the other side said."""
    name = type(error).__name__
    if isinstance(error, httpcore2.TimeoutException):
        return "no answer in time"
    if isinstance(error, httpcore2.ConnectError):
        return "no connection"
    return "the connection broke off" if isinstance(error, httpcore2.NetworkError) else f"no HTTP ({name})"
