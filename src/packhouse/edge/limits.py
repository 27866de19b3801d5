# SPDX-License-Identifier: Apache-2.0
"""What no request may be, whatever it asks for: refused before anybody looks for an answer.

The framing of messages is judged by llhttp (`edge.heads`); here is what it lets pass. The numbers are those of the
lines of the contract on hostile input.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from packhouse.edge.http import Reply, Request, plain

MAX_TARGET = 16 * 1024
"""Characters of path and query together."""

MAX_HEADERS = 100
MAX_HEADER_BYTES = 64 * 1024
MAX_PARAMETERS = 1000
PLAIN_BYTES = MAX_HEADER_BYTES // 2
"""Bytes of header values below which the names can't make the headers too large."""

PROBES = frozenset({"/healthz", "/readyz"})
"""Asked for by addresses, whatever our name is; nothing they say is made of the Host header."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
ONCE = ("host", "authorization", "content-type", "content-length", "transfer-encoding", "expect", "cookie2")
"""Headers that stand in a request at most once."""

# Control characters, what was not UTF-8, backslashes, empty segments, and segments of dots alone, with or without
# the parameters some servers cut off: nothing of ours has such an address.
_CONFUSING = re.compile(r"[\x00-\x1f\x7f\\\ufffd]|//|/\.{1,2}(?:;[^/]*)?(?:/|\Z)")


@lru_cache(maxsize=8192)
def _is_plain_path(path: str) -> bool:
    return path.startswith("/") and len(path) < MAX_TARGET // 2 and not _CONFUSING.search(path)


CLOSE = ("connection", "close")
ALLOW = ("allow", ", ".join(sorted(METHODS)))


@dataclass(frozen=True, slots=True)
class Limits:
    """What this server takes. `is_ours` says whether a `Host` header names it; any well-formed one by default."""

    is_ours: Callable[[str], bool] = lambda _host: True

    def refusal(self, request: Request) -> Reply | None:
        """The reply to a request that is not to be looked at, or None."""
        if self._is_plain(request):
            return None
        return (
            _refused_target(request)
            or _refused_headers(request.items)
            or self._refused_host(request)
            or _refused_framing(request)
        )

    def _is_plain(self, request: Request) -> bool:
        """Whether nothing is wrong, as with nearly all requests: the same questions, asked fast."""
        headers = request.headers
        return (
            request.method in METHODS
            and request.authority is None
            and len(request.items) == len(headers) <= MAX_HEADERS
            and len(request.query) < MAX_PARAMETERS
            and _is_plain_path(request.path)
            and "transfer-encoding" not in headers
            and "upgrade" not in headers
            and "host" in headers
            and (self.is_ours(headers["host"]) or request.path in PROBES)
            and sum(map(len, headers.values())) < PLAIN_BYTES
        )

    def _refused_host(self, request: Request) -> Reply | None:
        host = request.headers.get("host")
        if host is None:
            return plain(400, "The Host header is missing; send one.\n", CLOSE)
        if not self.is_ours(host) and request.path not in PROBES:
            return plain(421, "This server is not the host the request names; see PACKHOUSE_BASE_URL.\n", CLOSE)
        return None


def _refused_target(request: Request) -> Reply | None:
    path = request.path
    if request.method not in METHODS:
        return plain(405, f"{request.method[:20]} is not a method of this server.\n", ALLOW, CLOSE)
    if request.authority is not None or not path.startswith("/"):
        return plain(400, "The request target must be a path.\n", CLOSE)
    if len(path) + len(request.query) > MAX_TARGET:
        return plain(414, f"The address has more than {MAX_TARGET} characters.\n", CLOSE)
    if request.query.count("&") >= MAX_PARAMETERS:
        return plain(400, f"The query has more than {MAX_PARAMETERS} parameters.\n")
    if _CONFUSING.search(path):
        return not_found()
    return None


def not_found() -> Reply:
    """The 404 for an address that can't be anything's."""
    return plain(404, "404 Not Found", accept=True)


def _refused_headers(items: Iterable[tuple[str, str]]) -> Reply | None:
    pairs = list(items)
    if len(pairs) > MAX_HEADERS or sum(len(name) + len(value) + 4 for name, value in pairs) > MAX_HEADER_BYTES:
        return plain(431, f"The headers are more than {MAX_HEADERS} or {MAX_HEADER_BYTES} bytes.\n", CLOSE)
    counts = Counter(name for name, _ in pairs)
    for name in ONCE:
        if counts[name] > 1:
            return plain(400, f"The header {name} was sent {counts[name]} times; send it once.\n", CLOSE)
    return None


def _refused_framing(request: Request) -> Reply | None:
    headers: Mapping[str, str] = request.headers
    coding = headers.get("transfer-encoding")
    if coding is not None and ("content-length" in headers or coding.strip().lower() != "chunked"):
        return plain(400, "Transfer-Encoding must be chunked, alone and without Content-Length.\n", CLOSE)
    if "websocket" in headers.get("upgrade", "").lower():
        return plain(400, "There are no web sockets here.\n", CLOSE)
    return None
