# SPDX-License-Identifier: Apache-2.0
"""Decision 15: transfers in flight finish after SIGTERM, whoever of the group it reaches."""

from __future__ import annotations

import hashlib
import os
import secrets
import signal
import socket
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from tests.corpus import make_wheel
from tests.infra.server import Server, multipart

pytestmark = pytest.mark.slow

StartServer = Callable[..., Server]
MEGABYTE = 1024 * 1024


def connect(server: Server) -> socket.socket:
    parts = urlsplit(server.url)
    assert parts.hostname is not None
    connection = socket.create_connection((parts.hostname, parts.port or 80), timeout=30)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    return connection


def read_all(connection: socket.socket, pause: float = 0) -> bytes:
    read = bytearray()
    while chunk := connection.recv(256 * 1024):
        read += chunk
        time.sleep(pause)
    return bytes(read)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_decision_15_a_download_under_way_finishes(start_server: StartServer, number: int):
    server = start_server("--workers", "2")
    token = server.make_token(server.make_user())
    filename, data = make_wheel("big", "1", files={"big/x": os.urandom(24 * MEGABYTE)})
    assert server.publish(token, filename, data)[0] == 200
    digest = hashlib.sha256(data).hexdigest()
    with connect(server) as connection:
        path = f"/files/{digest}/{filename}"
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {urlsplit(server.url).netloc}\r\n\r\n".encode())
        first = connection.recv(1024)
        os.killpg(server.process.pid, number)
        time.sleep(0.5)
        os.killpg(server.process.pid, number)
        whole = first + read_all(connection, pause=0.005)
    head, _, body = whole.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert hashlib.sha256(body).hexdigest() == digest
    assert server.process.wait(60) == 0


@pytest.mark.parametrize("edge", ["embedded", "none"])
def test_load_balancers_are_told_of_a_stop_while_all_else_goes_on(start_server: StartServer, edge: str):
    server = start_server("--edge", edge, extra={"PACKHOUSE_STOP_NOTICE": "300"})
    token = server.make_token(server.make_user())
    server.process.send_signal(signal.SIGTERM)
    wait_until(lambda: server.get("/readyz")[0] == 503, 60)
    assert server.get("/readyz")[2] == b"stop: near\n"
    assert server.get("/healthz")[0] == 200
    assert server.publish(token, *make_wheel("late", "1.0"))[0] == 200
    assert b"late-1.0" in server.get("/simple/late/")[2]
    wait_until(lambda: has_ended(server), 60)  # who asks a second time does not want to wait


def has_ended(server: Server) -> bool:
    server.process.send_signal(signal.SIGTERM)
    return server.process.poll() == 0


def begin_upload(server: Server, connection: socket.socket, token: str, name: str) -> bytes:
    """Send the head and the first megabyte of an upload; returns the rest."""
    kind, body = multipart(*make_wheel(name, "1", files={f"{name}/x": os.urandom(3 * MEGABYTE)}))
    head = (
        f"POST /legacy/ HTTP/1.1\r\nHost: {urlsplit(server.url).netloc}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    connection.sendall(head.encode() + body[:MEGABYTE])
    wait_until(lambda: any((server.data / "blobs" / "tmp").glob("*")))
    return body[MEGABYTE:]


def wait_until(happened: Callable[[], bool], seconds: float = 25) -> None:
    """Wait for something that comes soon, less long than an upload may stand still."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_decision_15_an_upload_under_way_finishes_and_is_there_after_a_restart(start_server: StartServer):
    server = start_server()
    token = server.make_token(server.make_user())
    with connect(server) as connection:
        rest = begin_upload(server, connection, token, "up")
        os.killpg(server.process.pid, signal.SIGTERM)
        time.sleep(0.5)
        connection.sendall(rest)
        answer = connection.recv(4096)
    assert answer.startswith(b"HTTP/1.1 200"), answer
    assert server.process.wait(60) == 0
    again = start_server()
    assert b"up-1-py3-none-any.whl" in again.get("/simple/up/")[2]


def test_decision_15_no_new_connections_meanwhile(start_server: StartServer):
    server = start_server()
    token = server.make_token(server.make_user())
    with connect(server) as connection:
        rest = begin_upload(server, connection, token, "held")
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not answers(server))
        connection.sendall(rest)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    assert server.process.wait(60) == 0


def answers(server: Server) -> bool:
    """Whether a new connection gets an answer."""
    try:
        with connect(server) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            connection.settimeout(2)
            return bool(connection.recv(100))
    except OSError:
        return False


def test_a_second_ctrl_c_after_two_seconds_ends_at_once(start_server: StartServer):
    server = start_server()
    head = f"POST /legacy/ HTTP/1.1\r\nHost: {urlsplit(server.url).netloc}\r\nContent-Length: 1000\r\n"
    head += f"Authorization: Bearer {server.make_token(server.make_user())}\r\n"
    head += f"Content-Type: multipart/form-data; boundary={secrets.token_hex(8)}\r\n\r\n"
    with connect(server) as held:
        held.sendall(head.encode())
        time.sleep(0.3)
        server.process.send_signal(signal.SIGINT)
        time.sleep(2.5)
        assert server.process.poll() is None
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(20) == 0  # the transfer would have 30 s
    assert server.left_behind() == []
