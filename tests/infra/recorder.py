# SPDX-License-Identifier: Apache-2.0
"""A proxy between a client and a server that writes down what the one asked and the other answered."""

from __future__ import annotations

import http.client
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Seen:
    """One request: `known` is its `If-None-Match`, `status` what it was answered."""

    method: str
    path: str
    known: str
    status: int


@dataclass
class Recorder:
    """Use it as a context; `url` is where the client is sent instead of to `target`. GET and HEAD alone."""

    target: str
    seen: list[Seen] = field(default_factory=list)
    url: str = ""

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(recorder: Recorder) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(recorder.target)
            connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=30)
            connection.request(self.command, self.path, headers=dict(self.headers.items()))
            answer = connection.getresponse()
            body = answer.read()
            connection.close()
            known = self.headers.get("If-None-Match", "")
            recorder.seen.append(Seen(self.command, self.path, known, answer.status))
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 - the standard library's name

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler
