# SPDX-License-Identifier: Apache-2.0
"""Live workers for the tests of the edge."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.edge.raw import Server

HERE = Path(__file__).parent
SOURCES = HERE.parents[1] / "src"

Start = Callable[..., Server]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long is not asked of a node as well: it is the same server."""
    again = [item for item in items if "[node" in item.name and item.get_closest_marker("slow")]
    items[:] = [item for item in items if item not in again]


def start_server(*options: str, script: str = "toy_server.py", limit: int | None = None) -> Server:
    """Start a worker as a process of its own, with at most `limit` descriptors, and wait until it listens."""
    limited = [] if limit is None else ["bash", "-c", f'ulimit -n {limit}; exec "$@"', "limited"]
    ours, theirs = os.pipe()
    process = subprocess.Popen(
        [*limited, sys.executable, str(HERE / script), str(ours), *options],
        pass_fds=[ours],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SOURCES), "PYTHONWARNINGS": ""},
    )
    os.close(ours)
    assert process.stdout is not None
    return Server(int(process.stdout.readline()), process, theirs)


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts workers that end with the test."""
    started: list[Server] = []

    def begin(*options: str, **more: Any) -> Server:
        started.append(start_server(*options, **more))
        return started[-1]

    yield begin
    for server in started:
        server.kill()


@pytest.fixture(scope="module", params=("worker", "node"))
def toy(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A worker with the toy origin, and one that reads for another, for all tests of a module."""
    servers = [start_server()]
    if request.param == "node":
        servers.append(start_server(f"origin=http://127.0.0.1:{servers[0].port}"))
    yield servers[-1]
    for server in servers:
        server.kill()
