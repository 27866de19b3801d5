# SPDX-License-Identifier: Apache-2.0
"""What is measured: our server, filled, and an nginx with the same bytes; and where findings are written."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.infra.nginx import process_of
from tests.infra.server import Server, start, start_node

from benchmarks.corpus import Names, choose_names, corpus
from benchmarks.processes import LOAD_CPU, SERVER_CPU, pinned
from benchmarks.publishing import Form, Publisher, form_of
from benchmarks.sizes import Sizes
from benchmarks.static import serve_tree, write_tree

OURS = "packhouse"
NGINX = "nginx"
NODE = "packhouse-node"
TWO = "packhouse, two workers"


@dataclass
class Scene:
    """The servers side by side; addresses have no slash at the end."""

    sizes: Sizes
    names: Names
    folder: Path
    ours: Server
    token: str
    nginx: str
    nginx_process: int
    node: Server | None = None
    """A reading node of ours."""

    peers: tuple[str, ...] = ()
    """The other indexes to measure; all of them when empty."""
    plenty: Path | None = None
    """A data folder filled by `load_catalogue`, if one was given."""
    me: str = OURS
    """What our server is called in findings: it may run with two workers."""

    def servers(self) -> dict[str, tuple[str, int]]:
        """The address and the first process of each; ours alone while it runs with two workers."""
        ours = {self.me: (self.ours.url, self.ours.process.pid)}
        if self.me == TWO:
            return ours
        found = {NGINX: (self.nginx, self.nginx_process), **ours}
        return found if self.node is None else found | {NODE: (self.node.url, self.node.process.pid)}

    def note(self, case: str, server: str, **found: Any) -> None:
        """Write a finding to the run's file of JSON lines, and say it."""
        line = json.dumps({"case": case, "server": server, "time": round(time.time(), 3), **found})
        with (self.folder / "results.jsonl").open("a", encoding="utf-8") as out:
            out.write(line + "\n")
        print(line, flush=True)

    def publish(self, forms: list[Form]) -> float:
        """Upload forms one after another over one connection; returns the seconds it took."""
        with pinned(LOAD_CPU), Publisher(f"{self.ours.url}/legacy/", self.token) as publisher:
            began = time.perf_counter()
            for form in forms:
                publisher.publish(form)
            return time.perf_counter() - began

    @contextmanager
    def reading_node(self) -> Iterator[None]:
        """Have a reading node beside our server meanwhile."""
        with pinned(SERVER_CPU):
            self.node = start_node(self.ours, "--workers", "1")
        try:
            yield
        finally:
            self.node.stop()
            self.node = None

    def stop_ours(self) -> None:
        """Stop our server; it may be started again on its folder."""
        self.ours.stop()
        with suppress(ProcessLookupError):
            os.killpg(self.ours.process.pid, 9)

    def start_ours(self, *options: str, ready: bool = True) -> None:
        """Start our server on its folder, on the servers' processor."""
        self.ours = start_pinned(self.ours.data, *options, ready=ready)

    @contextmanager
    def two_workers(self) -> Iterator[None]:
        """Meanwhile our server runs with two workers, on all processors."""
        self.stop_ours()
        self.me, self.ours = TWO, start(self.ours.data, "--workers", "2", fresh=True)
        try:
            yield
        finally:
            self.me = OURS
            self.stop_ours()
            self.start_ours()


def start_pinned(data: Path, *options: str, ready: bool = True) -> Server:
    """Our server with one worker on the servers' processor."""
    with pinned(SERVER_CPU):
        return start(data, "--workers", "1", *options, ready=ready, fresh=True)


@contextmanager
def set_up(
    sizes: Sizes, folder: Path, table: Path | None, peers: tuple[str, ...] = (), plenty: Path | None = None
) -> Iterator[Scene]:
    """Start and fill our server, copy what it serves into a tree, start nginx on that; stop both in the end."""
    names = choose_names(sizes, table)
    ours = start_pinned(folder / "data")
    scene = Scene(sizes, names, folder, ours, "", "", 0, peers=peers, plenty=plenty)
    try:
        scene.token = ours.make_token(ours.make_user(admin=True))
        fill(scene)
        write_tree(ours.url, [*names.small, names.big, names.fat, *names.tree], folder / "www")
        with serve_tree(folder / "www") as scene.nginx:
            scene.nginx_process = process_of(scene.nginx)
            yield scene
    finally:
        scene.stop_ours()


def fill(scene: Scene) -> None:
    """Upload the corpus."""
    forms = [form_of(wheel) for wheel in corpus(scene.names, scene.sizes)]
    scene.note("filling", OURS, uploads=len(forms), seconds=round(scene.publish(forms), 2))
