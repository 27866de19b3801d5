# SPDX-License-Identifier: Apache-2.0
"""A worker at its limits: no room for connections, descriptors run out, the supervisor gone."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections import Counter

import pytest
from tests.edge.raw import Server, read

from packhouse.edge.server import MOST_CONNECTIONS, limit_silence, most_connections


@pytest.mark.parametrize(
    ("descriptors", "connections"), [(256, 128), (1024, 512), (4096, 3072), (10**6, MOST_CONNECTIONS)]
)
def test_descriptors_are_left_for_everything_else(descriptors: int, connections: int) -> None:
    assert most_connections(descriptors) == connections


def _outcome(connection: socket.socket, found: list[tuple[int, float]]) -> None:
    connection.settimeout(10)
    try:
        connection.sendall(b"GET /echo HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = read(connection)
        found.append((answer.status, answer.seconds))
    except OSError:
        found.append((0, 0.0))


@pytest.mark.slow
def test_without_descriptors_connections_are_answered_503_and_none_hangs(start: type) -> None:
    server: Server = start(limit=256)
    assert server.get("/echo").status == 200
    connections = [server.connect(5) for _ in range(300)]
    found: list[tuple[int, float]] = []
    threads = [threading.Thread(target=_outcome, args=(connection, found)) for connection in connections]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = Counter(status for status, _ in found)
    assert counts[200] == 128
    assert counts[200] + counts[503] + counts[0] == 300
    assert max(seconds for _, seconds in found) < 6  # 3 s on a machine that does nothing else
    for connection in connections:
        connection.close()
    assert server.get("/echo").status in {200, 503}


def test_a_thousand_connections_of_one_address_are_no_reason_to_refuse(start: type) -> None:
    server: Server = start()
    connections = [server.connect(10) for _ in range(1000)]
    for connection in connections[::100]:
        connection.sendall(b"GET /echo HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read(connection).status == 200
    for connection in connections:
        connection.close()


def test_a_worker_obeys_its_supervisor_alone_and_ends_with_it(start: type) -> None:
    server: Server = start()
    assert server.get("/echo").status == 200
    for number in (signal.SIGTERM, signal.SIGINT):
        server.process.send_signal(number)
    assert server.get("/slow?0.3").status == 200
    os.close(server.pipe)
    assert server.process.wait(60) == 1


def send_for_ever(connection: socket.socket) -> None:
    connection.settimeout(10)
    while True:
        connection.sendall(b"x" * 100_000)


@pytest.mark.slow
def test_hostile_173_a_client_that_takes_nothing_is_given_up() -> None:
    began = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        limit_silence(listener.fileno(), 1)
        with socket.create_connection(listener.getsockname()):
            accepted, _ = listener.accept()
            with accepted, pytest.raises(TimeoutError, match="timed out"):
                send_for_ever(accepted)
    assert time.monotonic() - began < 60
