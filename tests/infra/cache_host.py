# SPDX-License-Identifier: Apache-2.0
"""A cache in front, simulated: it writes down what it was asked to purge, and answers as it is told to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class CacheHost:
    """`asked` holds method, path and headers (lower case) of each request, `status` is what is answered."""

    url: str = ""
    status: int = 200
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    @property
    def keys(self) -> list[str]:
        """All the keys it was asked to purge, in order."""
        return [key for _, _, headers in self.asked for key in headers["surrogate-key"].split()]


@contextmanager
def cache_host() -> Iterator[CacheHost]:
    """A cache on a free port of the loopback."""
    host = CacheHost()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            host.asked.append((self.command, self.path, headers))
            self.send_response_only(host.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_PURGE = do_POST  # noqa: N815 - the name is http.server's

        def log_message(self, *_: object) -> None:
            """Not."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    host.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield host
    finally:
        server.shutdown()
        server.server_close()
