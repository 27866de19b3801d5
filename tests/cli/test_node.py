# SPDX-License-Identifier: Apache-2.0
"""`serve --role edge`: a reading node is as current as its origin, and needs it for the rest alone."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.corpus import make_wheel
from tests.edge.raw import read
from tests.infra.server import Server, finish, run_packhouse, start_node

pytestmark = pytest.mark.slow

StartServer = Callable[..., Server]
PAIRS = 100
DEADLINE = 60.0


@contextmanager
def node_of(origin: Server, *options: str) -> Iterator[Server]:
    node = start_node(origin, *options)
    try:
        yield node
    finally:
        if node.process.poll() is None:
            finish(node)


def test_a_page_is_current_the_moment_an_upload_is_answered_in_every_process(start_server: StartServer):
    origin = start_server("--workers", "2")
    token = origin.make_token(origin.make_user())
    stale = []
    with node_of(origin, "--workers", "2") as node:
        for number in range(PAIRS):
            filename, data = make_wheel("pair", f"1.{number}")
            sender = node if number % 2 else origin
            assert sender.publish(token, filename, data)[0] == 200
            stale += [filename for _ in range(2) if filename.encode() not in node.get("/simple/pair/")[2]]
    assert stale == []


def test_a_command_and_a_closed_index_hold_on_the_next_request(start_server: StartServer):
    origin = start_server()
    token = origin.make_token(origin.make_user())
    filename, data = make_wheel("kept-thing", "1.0")
    origin.publish(token, filename, data)
    address = f"/files/{hashlib.sha256(data).hexdigest()}/{filename}"
    with node_of(origin) as node:
        for path in ("/simple/kept-thing/", address, f"{address}.metadata"):
            assert [node.get(path)[0] for _ in range(3)] == [200, 200, 200]
        origin.must("index", "read", "main", "closed")
        for path in ("/simple/kept-thing/", address, f"{address}.metadata"):
            assert node.get(path)[0] == 401, path
        reader = {"Authorization": f"Bearer {token}"}
        assert node.get("/simple/kept-thing/", reader)[0] == 403 == origin.get("/simple/kept-thing/", reader)[0]


def test_large_files_are_sent_whole_and_in_part(start_server: StartServer):
    origin = start_server()
    token = origin.make_token(origin.make_user())
    filename, data = make_wheel("large", "1.0", files={"large/x": os.urandom(3_000_000)})
    with node_of(origin) as node:
        assert node.publish(token, filename, data)[0] == 200
        address = f"/files/{hashlib.sha256(data).hexdigest()}/{filename}"
        for _ in range(2):
            status, headers, body = node.get(address)
            assert (status, body, headers["content-length"]) == (200, data, str(len(data)))
        status, headers, body = node.get(address, {"Range": "bytes=1000000-1000009"})
        assert (status, body) == (206, data[1_000_000:1_000_010])


def test_without_its_origin_it_hands_out_what_is_made_and_says_so_of_the_rest(start_server: StartServer):
    origin = start_server()
    token = origin.make_token(origin.make_user())
    origin.publish(token, *make_wheel("made", "1.0"))
    assert origin.get("/simple/made/")[0] == 200
    with node_of(origin) as node:
        assert origin.stop() == 0
        status, headers, body = node.get("/simple/not-made/")
        assert (status, headers["retry-after"]) == (503, "2")
        assert f"The origin of this reading node ({origin.url}) can't be reached".encode() in body
        assert node.get("/simple/made/")[0] == 200
        again = start_server("--port", origin.url.rpartition(":")[2], data=origin.data)
        assert node.get("/simple/not-made/")[0] == 404
        assert again.url == origin.url


def test_it_drains_finishing_what_it_sends(start_server: StartServer):
    origin = start_server()
    token = origin.make_token(origin.make_user())
    filename, data = make_wheel("large", "1.0", files={"large/x": os.urandom(20_000_000)})
    origin.publish(token, filename, data)
    with node_of(origin) as node:
        host, port = node.url.removeprefix("http://").split(":")
        address = f"/files/{hashlib.sha256(data).hexdigest()}/{filename}"
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
            connection.settimeout(DEADLINE)
            connection.connect((host, int(port)))
            connection.sendall(f"GET {address} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
            first = connection.recv(100)
            node.process.send_signal(signal.SIGTERM)
            until = time.monotonic() + DEADLINE
            while "stopping" not in node.output():
                assert time.monotonic() < until
                time.sleep(0.05)
            rest = bytearray(first)
            while piece := connection.recv(1_000_000):
                rest += piece
        assert bytes(rest).partition(b"\r\n\r\n")[2] == data
        assert node.process.wait(DEADLINE) == 0


def test_the_address_of_a_client_is_told_to_the_origin(start_server: StartServer):
    origin = start_server(extra={"PACKHOUSE_LOG_FORMAT": "json"})
    with node_of(origin) as node:
        node.get("/search/?q=x", {"X-Forwarded-For": "203.0.113.7", "X-Request-Id": "told-by-the-node-1"})
        host, port = node.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=DEADLINE) as connection:
            connection.sendall(f"GET / HTTP/1.1\r\nHost: {host}:{port}\r\nX-Packhouse-Node: guess\r\n\r\n".encode())
            assert read(connection).status == 200  # what can't be proved is not heard
    line = next(line for line in origin.output().splitlines() if "told-by-the-node-1" in line)
    assert json.loads(line)["client"] == "203.0.113.7"


MISTAKES = {
    "no origin": (("--role", "edge"), "--role edge needs the address of the server"),
    "a word": (("--role", "edge", "--origin", "here"), "--origin is 'here', expected http://HOST:PORT"),
    "a path": (("--role", "edge", "--origin", "http://a/b"), "expected http://HOST:PORT without path"),
    "credentials": (("--role", "edge", "--origin", "http://a@b"), "expected http://HOST:PORT without path"),
    "no role": (("--origin", "http://127.0.0.1:8000"), "--origin is for a reading node"),
    "an nginx": (("--role", "edge", "--edge", "nginx"), "--edge nginx is for --role all and --role origin"),
    "no folder": (("--role", "edge", "--origin", "http://127.0.0.1:1"), "There is no folder"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_each_mistake_at_the_start_is_one_sentence(case: str, tmp_path: Path):
    options, sentence = MISTAKES[case]
    done = run_packhouse("serve", *options, "--port", "0", "--data", str(tmp_path / "none"))
    assert done.returncode == 2
    assert sentence in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "none").exists() or case == "no role"


def test_an_origin_of_another_folder_and_the_node_itself_are_refused(start_server: StartServer, tmp_path: Path):
    origin = start_server()
    other = start_server(data=tmp_path / "other" / "data", fresh=True)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
    for address, where, sentence in (
        (other.url, "0", f"--origin {other.url} answers, but is not the server of {origin.data}"),
        (f"http://localhost:{port}", port, f"--origin http://localhost:{port} is the address of this node itself"),
    ):
        done = origin.command("serve", "--role", "edge", "--origin", address, "--port", where)
        assert (done.returncode, len(done.stderr.strip().splitlines())) == (2, 1), done.stderr
        assert sentence in done.stderr


def test_a_node_is_no_origin_of_another(start_server: StartServer):
    origin = start_server()
    with node_of(origin) as node:
        done = origin.command("serve", "--role", "edge", "--origin", node.url, "--port", "0")
        assert done.returncode == 2
        assert "is not the server of" in done.stderr
