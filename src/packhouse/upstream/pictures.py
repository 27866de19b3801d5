# SPDX-License-Identifier: Apache-2.0
"""Fetching a picture from elsewhere (hostile-149, 217): no credentials, no cookies, bounded in bytes, time and hops."""

from __future__ import annotations

import time
from collections.abc import Mapping
from urllib.parse import urljoin

import httpcore2

from packhouse.domain.destinations import Destination, read_destination
from packhouse.domain.pictures import ENOUGH, LARGEST, Picture, media_type_of
from packhouse.upstream.dialling import Deadline, Dialler, Permits, Resolve, resolve_by_system
from packhouse.upstream.errors import UnreachableError, UnusableError

SECONDS = 10.0
MOST_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_FAILURES = (httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError)


def fetch_picture(
    url: str, permits: Permits, *, resolve: Resolve = resolve_by_system, seconds: float = SECONDS
) -> Picture:
    """Fetch a picture by http or https from an address that `permits` allows, within so many seconds in all.

    Raises UnreachableError when nothing usable came now, UnusableError when the address may not be asked or what
    came is no picture, or too large.
    """
    deadline = time.monotonic() + seconds
    for _ in range(1 + MOST_REDIRECTS):
        destination = read_destination(url)
        if destination is None:
            raise UnusableError("not an address of http or https")
        found = _ask(destination, Dialler(permits, resolve, Deadline(deadline)), seconds)
        if isinstance(found, Picture):
            return found
        url = urljoin(url, found)
    raise UnusableError("redirected too often")


def _ask(destination: Destination, dialler: Dialler, seconds: float) -> Picture | str:
    """One request: the picture, or the Location of a redirect."""
    headers: dict[bytes | str, bytes | str] = {
        "Host": _authority(destination),
        "User-Agent": "Packhouse-picture-proxy",
        "Accept": "image/avif,image/webp,image/png,image/jpeg,image/gif",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    host = f"[{destination.host}]" if ":" in destination.host else destination.host
    url = httpcore2.URL(
        scheme=destination.scheme, host=host.encode(), port=destination.port, target=destination.target.encode()
    )
    waits = {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), seconds)}
    try:
        with (
            httpcore2.ConnectionPool(network_backend=dialler, max_connections=1) as pool,
            pool.stream("GET", url, headers=headers, extensions=waits) as response,
        ):
            said = {name.lower().decode("latin-1"): value.decode("latin-1") for name, value in response.headers}
            if response.status in _REDIRECTS:
                return said.get("location", "")
            return _read(response, said)
    except _FAILURES as error:
        raise UnreachableError(f"{destination.host}: {type(error).__name__}") from error


def _authority(destination: Destination) -> str:
    host = f"[{destination.host}]" if ":" in destination.host else destination.host
    usual = destination.port == {"http": 80, "https": 443}[destination.scheme]
    return host if usual else f"{host}:{destination.port}"


def _read(response: httpcore2.Response, said: Mapping[str, str]) -> Picture:
    """The body of a 200, given up as soon as it is too large or no picture."""
    if response.status >= 500 or response.status == 429:
        raise UnreachableError(f"status {response.status}")
    if response.status != 200:
        raise UnusableError(f"status {response.status}")
    length = said.get("content-length", "")
    if said.get("content-encoding", "identity") != "identity" or (length.isdecimal() and int(length) > LARGEST):
        raise UnusableError("larger than 5 MiB, or compressed")
    body = bytearray()
    for piece in response.iter_stream():
        body += piece
        if len(body) > LARGEST:
            raise UnusableError("larger than 5 MiB")
        if len(body) >= ENOUGH and media_type_of(bytes(body[:ENOUGH])) is None:
            raise UnusableError("no picture")
    media_type = media_type_of(bytes(body[:ENOUGH]))
    if media_type is None:
        raise UnusableError("no picture")
    return Picture(media_type, bytes(body))
