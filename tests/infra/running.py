# SPDX-License-Identifier: Apache-2.0
"""A simulated host: a real HTTP server that runs in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeVar


class Host(ThreadingHTTPServer):
    """On a free `port` of 127.0.0.1; answers that are held wait for `release`."""

    daemon_threads = True

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.release = threading.Event()

    @property
    def port(self) -> int:
        return int(self.server_address[1])


AnyHost = TypeVar("AnyHost", bound=Host)


@contextmanager
def running(host: AnyHost) -> Iterator[AnyHost]:
    """Let a host run as long as the block."""
    with host:
        thread = threading.Thread(target=host.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield host
        finally:
            host.release.set()
            host.shutdown()
            thread.join()
