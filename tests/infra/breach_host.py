# SPDX-License-Identifier: Apache-2.0
"""A service of leaked passwords, asked by the first five digits of a hash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

from tests.infra.running import Host, running


class BreachHost(Host):
    """Knows `leaked`; `asked` has the path and the headers of each request; `fault` is how it misbehaves, if at all."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.leaked: set[str] = set()
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.fault = ""
        self.padding = "0" * 35

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/range/"


class _Handler(BaseHTTPRequestHandler):
    server: BreachHost

    def do_GET(self) -> None:
        self.server.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        if self.server.fault == "hangs":
            self.server.release.wait(60)
            return
        status, body = {
            "fails": (503, b"later"),
            "is a page": (200, b"<!doctype html><p>Sign in to the network"),
            "is endless": (200, (b"0" * 35 + b":1\r\n") * 60_000),
            "leads away": (302, b""),
        }.get(self.server.fault, (200, self._range()))
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "http://127.0.0.2:1/range/00000")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _range(self) -> bytes:
        """The hashes that begin as asked, and one of padding."""
        digests = [
            hashlib.sha1(word.encode(), usedforsecurity=False).hexdigest().upper() for word in self.server.leaked
        ]
        told = self.path.rpartition("/")[2]
        lines = [f"{digest[5:]}:7" for digest in digests if digest.startswith(told)]
        return "\r\n".join([*lines, f"{self.server.padding}:0"]).encode()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def breach_host() -> Iterator[BreachHost]:
    """One that runs as long as the block."""
    with running(BreachHost()) as host:
        yield host
