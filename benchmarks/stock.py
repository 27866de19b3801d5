# SPDX-License-Identifier: Apache-2.0
"""The projects that are asked for, published the ordinary way."""

from __future__ import annotations

import http.client
import random
import time
from dataclasses import dataclass

from tests.corpus import make_wheel
from tests.infra.server import Server, multipart

SMALL, MANY, LARGE, TREE = "small-project", "many-files", "large-file", "tree-{}"
LARGE_BYTES = 5_000_000


@dataclass(frozen=True)
class Stock:
    """What was published; `uploads` is small wheels a second over one connection, each durable when answered."""

    uploads: float
    tree: tuple[str, ...]

    @property
    def projects(self) -> tuple[str, ...]:
        return (SMALL, MANY, LARGE, *self.tree)


def fill(server: Server, token: str, files: int, depth: int) -> Stock:
    """Publish everything; `files` is the size of the large project, `depth` the number of projects to install."""
    publish(server, token, [make_wheel(SMALL, f"1.{n}") for n in range(10)])
    wheels = [make_wheel(MANY, f"{n}.0", summary="One of many", lines=["Requires-Python: >=3.8"]) for n in range(files)]
    seconds = publish(server, token, wheels)
    noise = random.Random(1).randbytes(LARGE_BYTES)
    publish(server, token, [make_wheel(LARGE, "1.0", files={"large_file/data.bin": noise})])
    tree = tuple(TREE.format(n) for n in range(depth))
    publish(server, token, [make_wheel(name, "1.0", lines=needs(tree, n)) for n, name in enumerate(tree)])
    return Stock(files / seconds, tree)


def needs(tree: tuple[str, ...], number: int) -> list[str]:
    """Each project needs the next two of a binary tree."""
    return [f"Requires-Dist: {tree[n]}" for n in (2 * number + 1, 2 * number + 2) if n < len(tree)]


def publish(server: Server, token: str, wheels: list[tuple[str, bytes]]) -> float:
    """Publish over one connection; seconds it took, without making the forms."""
    forms = [multipart(filename, data) for filename, data in wheels]
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=120)
    began = time.perf_counter()
    for kind, body in forms:
        connection.request("POST", "/legacy/", body, {"Authorization": f"Bearer {token}", "Content-Type": kind})
        reply = connection.getresponse()
        text = reply.read()
        if reply.status != 200:
            raise RuntimeError(f"{reply.status} {text.decode()}")
    seconds = time.perf_counter() - began
    connection.close()
    return seconds
