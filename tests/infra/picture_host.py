# SPDX-License-Identifier: Apache-2.0
"""A host of pictures, good and bad, on this machine: what a proxy of pictures may meet."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

from tests.infra.running import Host, running

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
BODIES = {
    "/a.png": PNG,
    "/called.svg": PNG,
    "/a.svg": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
    "/a.html": b"<!doctype html><script>alert(1)</script>",
    "/empty": b"",
    "/large": PNG + bytes(5 * 1024 * 1024),
}


class PictureHost(Host):
    """Remembers what it was asked; `port` of 127.0.0.1."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.asked: list[tuple[str, dict[str, str]]] = []

    def address(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"


class _Handler(BaseHTTPRequestHandler):
    server: PictureHost
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        kind, _, rest = self.path.removeprefix("/").partition("/")
        getattr(self, f"_{kind}", self._plain)(rest)

    def _plain(self, _rest: str) -> None:
        body = BODIES.get(self.path)
        if body is None:
            self._answer(404, b"no")
        else:
            self._answer(200, body, ("Content-Type", "image/svg+xml"), ("Set-Cookie", "a=b"))

    def _status(self, rest: str) -> None:
        self._answer(int(rest), PNG)

    def _hops(self, rest: str) -> None:
        """Redirect so many times, then give a picture."""
        left = int(rest)
        self._to(f"/hops/{left - 1}" if left > 1 else "/a.png")

    def _away(self, rest: str) -> None:
        """Redirect to the host named."""
        self._to(f"http://{rest}/a.png")

    def _scheme(self, rest: str) -> None:
        self._to(f"{rest}:///etc/passwd")

    def _nowhere(self, _rest: str) -> None:
        self._answer(302, b"")

    def _zipped(self, _rest: str) -> None:
        self._answer(200, PNG, ("Content-Encoding", "gzip"))

    def _endless(self, _rest: str) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(PNG)
        while True:
            try:
                self.wfile.write(bytes(65536))
            except OSError:
                return

    def _short(self, _rest: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "5000")
        self.end_headers()
        self.wfile.write(PNG)
        self.close_connection = True

    def _drip(self, _rest: str) -> None:
        """A header that never ends, a byte at a time."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        for _ in range(600):
            try:
                self.wfile.write(b"x")
            except OSError:
                return
            time.sleep(0.05)

    def _held(self, _rest: str) -> None:
        """A picture that comes when the test lets it."""
        self.server.release.wait(20)
        self._answer(200, PNG)

    def _to(self, location: str) -> None:
        self._answer(302, b"", ("Location", location))

    def _answer(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@contextmanager
def picture_host() -> Iterator[PictureHost]:
    """A host that runs as long as the block."""
    with running(PictureHost()) as host:
        yield host
