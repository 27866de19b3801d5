# SPDX-License-Identifier: Apache-2.0
"""Pulling a large file through, cold, beside fetching it from the upstream itself; and a crowd that wants one file.

The upstream is the simulated one, in a process of its own, and sends no faster than a link of `rate` bytes a second:
without that, what is compared would be how fast two programs copy memory.
"""

from __future__ import annotations

import http.client
import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from urllib.parse import urljoin, urlsplit

import orjson
from tests.infra.crowds import ask_at_once
from tests.infra.server import Server, finish
from tests.infra.upstreams import UpFile, upstream

from benchmarks.fetching import fetch
from benchmarks.processes import LOAD_CPU, pinned
from benchmarks.scene import OURS, Scene, start_pinned

UPSTREAM = "the upstream itself"
JSON = {"Accept": "application/vnd.pypi.simple.v1+json"}
CHUNK = 256 * 1024
CROWD = "crowd"


class Link:
    """The upstream at the other end: its address, and how often it was asked for something."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self.url: str = pipe.recv()

    def asked(self, path: str) -> int:
        """How many GETs there were of addresses that begin so."""
        self._pipe.send(path)
        return int(self._pipe.recv())


def pull(scene: Scene) -> None:
    """Measure seconds of each round, from the upstream and then through us, and the fetches for a crowd."""
    sizes = scene.sizes
    with _upstream(sizes.pulled, sizes.pulls, sizes.link) as link:
        server = start_pinned(scene.folder / "pulling", "--upstream", link.url)
        try:
            for number in range(sizes.pulls):
                _pull_once(scene, server, link, number)
            _pull_together(scene, server, link)
        finally:
            finish(server)


def _pull_once(scene: Scene, server: Server, link: Link, number: int) -> None:
    name = f"pulled{number}"
    for who, index in ((UPSTREAM, link.url), (OURS, f"{server.url}/simple/")):
        url = _file_of(f"{index}{name}/")
        with pinned(LOAD_CPU):
            first, seconds = _timed(url, scene.sizes.pulled)
        share = round(first / seconds, 4)
        scene.note("pull", who, round=number, seconds=round(seconds, 4), first_share=share)


def _pull_together(scene: Scene, server: Server, link: Link) -> None:
    url = _file_of(f"{server.url}/simple/{CROWD}/")
    began = time.perf_counter()
    with pinned(LOAD_CPU):
        got = ask_at_once(url, scene.sizes.crowd)
    seconds = round(time.perf_counter() - began, 3)
    if len(set(got)) != 1 or got[0].status != 200:
        raise RuntimeError(f"The crowd got {len(set(got))} different answers.")
    scene.note("pull-crowd", OURS, seconds=seconds, clients=len(got), fetches=link.asked(f"/files/{CROWD}/"))


def _file_of(page: str) -> str:
    """The address of the one file of a page."""
    files = orjson.loads(fetch(page, JSON).body)["files"]
    return urljoin(page, str(files[0]["url"]))


def _timed(url: str, size: int) -> tuple[float, float]:
    """Seconds until the first byte of a file, and until the last; raises RuntimeError when it does not come whole."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    began = time.perf_counter()
    connection.request("GET", parts.path)
    reply = connection.getresponse()
    got = len(reply.read(1))
    first = time.perf_counter() - began
    while piece := reply.read(CHUNK):
        got += len(piece)
    seconds = time.perf_counter() - began
    connection.close()
    if (reply.status, got) != (200, size):
        raise RuntimeError(f"{url} came with status {reply.status} and {got} of {size} bytes.")
    return first, seconds


@contextmanager
def _upstream(size: int, rounds: int, rate: int) -> Iterator[Link]:
    """The upstream, on the load's processor, as long as the block."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(there, size, rounds, rate))
    with pinned(LOAD_CPU):
        process.start()
    try:
        yield Link(here)
    finally:
        here.send(None)
        process.join(30)


def _serve(pipe: Connection, size: int, rounds: int, rate: int) -> None:
    """The process of the upstream: says its address, then how often what it is told was asked for."""
    with upstream() as host:
        host.chunk, host.pace = CHUNK, CHUNK / rate
        for name in [*(f"pulled{number}" for number in range(rounds)), CROWD]:
            host.add(name, UpFile(f"{name}-1.0.tar.gz", os.urandom(min(size, 2_000_000) if name == CROWD else size)))
        pipe.send(host.url)
        while (path := pipe.recv()) is not None:
            pipe.send(len(host.paths(path, "GET")))
