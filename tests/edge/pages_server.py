# SPDX-License-Identifier: Apache-2.0
"""A live worker with a page table and blobs in a folder: `python pages_server.py PIPE folder=PATH`."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from packhouse.edge import server
from packhouse.edge.bridge import Bridge
from packhouse.edge.edge import Edge
from packhouse.edge.files import Blobs, PathOf
from packhouse.edge.limits import Limits
from packhouse.edge.proxies import Proxies
from packhouse.edge.reading import Reading
from packhouse.storage.pages import SqlitePages


def origin(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    start("404 Not Found", [("Content-Length", "13"), ("Vary", "Accept, Accept-Encoding"), ("X-From", "origin")])
    return [b"404 Not Found"]


class Worker:
    """Reading over a real page table, and an origin that knows nothing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.edge: Edge

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        reading = Reading(SqlitePages(self._folder / "catalogue.db"), Blobs(PathOf(self._folder / "blobs")))
        self.edge = Edge(Bridge(origin, Proxies(("127.0.0.1",))), Limits(), reading)
        self.edge.start(loop)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.edge, name)


def main() -> None:
    options = dict(option.split("=") for option in sys.argv[2:])
    listener = socket.create_server(("127.0.0.1", int(options.get("port", 0))), backlog=1024)
    print(listener.getsockname()[1], flush=True)  # noqa: T201 - a program for tests
    server.run(Worker(Path(options["folder"])), number=0, listener=listener.fileno(), pipe=int(sys.argv[1]))


if __name__ == "__main__":
    main()
