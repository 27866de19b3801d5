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


@pytest.fixture(scope="module")
def toy() -> Iterator[Server]:
    """One worker with the toy origin for all tests of a module."""
    server = start_server()
    yield server
    server.kill()
