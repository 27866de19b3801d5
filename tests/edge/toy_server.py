# SPDX-License-Identifier: Apache-2.0
"""A live worker around a toy origin, as a process of its own: `python toy_server.py PIPE [OPTION=VALUE...]`.

Prints the port it listens at. PIPE is the descriptor of the supervisor's pipe.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from typing import Any

from packhouse.config import Settings
from packhouse.domain.addresses import is_own_host
from packhouse.edge import server
from packhouse.edge.bridge import AHEAD, Bridge
from packhouse.edge.edge import Edge
from packhouse.edge.limits import Limits
from packhouse.edge.nodes import Nodes
from packhouse.edge.proxies import Proxies
from packhouse.edge.remote import RemoteOrigin
from packhouse.edge.server import MOST_CONNECTIONS

Start = Callable[..., Any]

SECRET = "between node and origin"


def origin(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    """Answers by what the path says."""
    name = environ["PATH_INFO"].split("/")[1]
    answer = ROUTES.get(name, echo)
    return answer(environ, start)


def echo(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    wanted = ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "REMOTE_ADDR", "wsgi.url_scheme", "SCRIPT_NAME")
    shown = {k: v for k, v in environ.items() if k in wanted or k.startswith(("HTTP_", "CONTENT_", "SERVER_"))}
    body = "".join(f"{k}={v}\n" for k, v in sorted(shown.items())).encode("utf-8", "replace")
    start("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def upload(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    digest, size = hashlib.sha256(), 0
    while chunk := environ["wsgi.input"].read(256 * 1024):
        digest.update(chunk)
        size += len(chunk)
    body = f"{size} {digest.hexdigest()}\n".encode()
    start("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def refuse(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    start("401 Unauthorized", [("Content-Length", "3")])
    return [b"no\n"]


def big(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    size = int(environ["QUERY_STRING"])
    start("200 OK", [("Content-Length", str(size))])
    return (b"x" * min(65536, size - at) for at in range(0, size, 65536))


def lengthless(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    start("200 OK", [])
    return (b"y" * 65536 for _ in range(int(environ["QUERY_STRING"])))


def broken(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    start("200 OK", [("Content-Length", "2000000")] if environ["QUERY_STRING"] else [])
    yield b"z" * 1_000_000
    raise RuntimeError("the toy breaks")


def short(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    start("200 OK", [("Content-Length", "2000000")])
    return [b"z" * 10]


def crash(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    raise RuntimeError("the toy crashes")


def silent(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    return [b"no status"]


def odd(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    start("99 Odd", [])
    return []


def file(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    start("200 OK", [("Content-Length", "500000")])
    opened = tempfile.NamedTemporaryFile()  # noqa: SIM115 - the server closes it
    opened.write(os.urandom(1) * 500_000)
    opened.seek(0)
    return environ["wsgi.file_wrapper"](opened)  # type: ignore[no-any-return]


def slow(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    time.sleep(float(environ["QUERY_STRING"]))
    start("200 OK", [("Content-Length", "5")])
    return [b"slow\n"]


def hoard(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    """Holds all descriptors there are for so many seconds; answers how many."""
    kept = []
    with contextlib.suppress(OSError):
        while True:
            kept.append(os.open("/dev/null", os.O_RDONLY))
    time.sleep(float(environ["QUERY_STRING"]))
    for descriptor in kept:
        os.close(descriptor)
    body = str(len(kept)).encode()
    start("200 OK", [("Content-Length", str(len(body)))])
    return [body]


ROUTES: dict[str, Callable[[dict[str, Any], Start], Iterable[bytes]]] = {
    "upload": upload,
    "refuse": refuse,
    "big": big,
    "lengthless": lengthless,
    "broken": broken,
    "short": short,
    "crash": crash,
    "file": file,
    "silent": silent,
    "odd": odd,
    "slow": slow,
    "hoard": hoard,
}


class Toy:
    """An application without pages: everything goes to the origin."""

    def __init__(self, options: dict[str, str]) -> None:
        settings = Settings(base_url=options.get("base"))
        proxies = Proxies(tuple(options.get("proxies", "127.0.0.1").split(",")))
        application = RemoteOrigin(options["origin"], SECRET) if "origin" in options else origin
        self.bridge = Bridge(
            application,
            proxies,
            threads=int(options.get("threads", 4)),
            form_threads=int(options.get("forms", 4)),
            upload_threads=int(options.get("uploads", 8)),
            ahead=int(options.get("ahead", AHEAD)),
            streams=lambda path: path.startswith(options.get("streams", "/")),
            progress_seconds=float(options.get("progress", 30)),
        )
        limits = Limits(lambda host: is_own_host(settings, host))
        self.edge = Edge(self.bridge, limits, nodes=Nodes(SECRET, is_node="origin" in options))

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self.edge.start(loop)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.edge, name)


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(listener.getsockname()[1], flush=True)  # noqa: T201 - a program for tests
    options = dict(option.split("=", 1) for option in sys.argv[2:])
    server.run(
        Toy(options),
        connections=int(options.get("connections", MOST_CONNECTIONS)),
        number=0,
        listener=listener.fileno(),
        pipe=int(sys.argv[1]),
    )


if __name__ == "__main__":
    main()
