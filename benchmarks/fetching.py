# SPDX-License-Identifier: Apache-2.0
"""One GET, with the bytes as they came over the wire."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit


class Fetched(NamedTuple):
    """An answer; header names are lower-case, the body is not decoded."""

    status: int
    headers: dict[str, str]
    body: bytes


def fetch(url: str, headers: Mapping[str, str] | None = None) -> Fetched:
    """Ask once on a connection of its own."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    try:
        connection.request(
            "GET",
            urlunsplit(("", "", parts.path, parts.query, "")),
            headers={"Accept-Encoding": "identity", **(headers or {})},
        )
        reply = connection.getresponse()
        return Fetched(reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read())
    finally:
        connection.close()
