# SPDX-License-Identifier: Apache-2.0
"""`serve --edge nginx`: as current as without it, and started, watched and ended with the server."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.corpus import make_wheel
from tests.infra import databases
from tests.infra.server import Server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(databases.wanted() == "postgresql", reason="nginx in front is for database files"),
]

StartServer = Callable[..., Server]
PAIRS = 100


def nginx_of(server: Server) -> int:
    """The process of nginx; 0 while it is starting and has not written its number yet."""
    return int((server.data / "front" / "pid").read_text() or "0")


def test_a_page_is_current_the_moment_an_upload_is_answered(start_server: StartServer):
    """While others ask for it all the time, so that nginx always has something to keep."""
    server = start_server("--edge", "nginx", "--workers", "2")
    token = server.make_token(server.make_user())
    over = threading.Event()
    asked = [0]

    def ask() -> None:
        while not over.is_set():
            server.get("/simple/pair/", {"Accept-Encoding": "gzip"})
            server.get("/simple/pair/")
            asked[0] += 2

    askers = [threading.Thread(target=ask) for _ in range(2)]
    for asker in askers:
        asker.start()
    stale = []
    for number in range(PAIRS):
        filename, data = make_wheel("pair", f"1.{number}")
        assert server.publish(token, filename, data)[0] == 200
        if filename.encode() not in server.get("/simple/pair/")[2]:
            stale.append(filename)
    over.set()
    for asker in askers:
        asker.join()
    assert stale == []
    assert asked[0] > PAIRS


def test_what_was_kept_is_not_used_after_a_change_by_a_command(start_server: StartServer):
    server = start_server("--edge", "nginx")
    token = server.make_token(server.make_user())
    filename, data = make_wheel("kept-thing", "1.0")
    server.publish(token, filename, data)
    for mark in (server.data / "front" / "marks").iterdir():
        mark.unlink()  # as after a minute
    digest = hashlib.sha256(data).hexdigest()
    addresses = ["/simple/kept-thing/", f"/files/{digest}/{filename}.metadata"]
    for _ in range(3):
        assert [server.get(address)[0] for address in addresses] == [200, 200]
    assert len([file for file in (server.data / "front-cache").rglob("*") if file.is_file()]) == 2
    server.must("status", "kept-thing", "quarantined")
    assert filename.encode() not in server.get(addresses[0])[2]
    assert server.get(addresses[1])[0] in {403, 404}


def test_an_index_that_is_closed_is_closed_at_once(start_server: StartServer):
    server = start_server("--edge", "nginx")
    token = server.make_token(server.make_user())
    server.publish(token, *make_wheel("open-once", "1.0"))
    for mark in (server.data / "front" / "marks").iterdir():
        mark.unlink()
    for _ in range(3):
        assert server.get("/simple/open-once/")[0] == 200
    server.must("index", "read", "main", "closed")
    assert server.get("/simple/open-once/")[0] == 401


def test_large_files_are_sent_by_nginx_whole_and_in_part(start_server: StartServer):
    server = start_server("--edge", "nginx")
    token = server.make_token(server.make_user())
    filename, data = make_wheel("large", "1.0", files={"large/x": os.urandom(1_000_000)})
    server.publish(token, filename, data)
    address = f"/files/{hashlib.sha256(data).hexdigest()}/{filename}"
    status, headers, body = server.get(address)
    assert (status, body) == (200, data)
    assert headers["etag"] == f'"{hashlib.sha256(data).hexdigest()}"'
    assert headers["content-length"] == str(len(data))
    status, headers, body = server.get(address, {"Range": "bytes=10-19", "If-Range": headers["etag"]})
    assert (status, body, headers["content-range"]) == (206, data[10:20], f"bytes 10-19/{len(data)}")


def test_nginx_is_started_again_and_ends_with_the_server(start_server: StartServer):
    server = start_server("--edge", "nginx")
    first = nginx_of(server)
    os.kill(first, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if nginx_of(server) not in (0, first) and server.get("/healthz")[0] == 200:
                break
        except OSError:
            pass
        time.sleep(0.05)
    second = nginx_of(server)
    assert second not in (0, first)
    assert server.stop() == 0
    assert not Path(f"/proc/{second}").exists()
    assert not (server.data / "front").is_symlink()


def test_nginx_ends_when_the_server_is_killed(start_server: StartServer):
    server = start_server("--edge", "nginx")
    nginx = nginx_of(server)
    os.killpg(server.process.pid, signal.SIGKILL)
    server.process.wait(60)
    deadline = time.monotonic() + 60
    while Path(f"/proc/{nginx}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{nginx}").exists()
    again = start_server("--edge", "nginx")
    assert again.get("/simple/")[0] == 200


def test_who_comes_past_nginx_is_sent_away(start_server: StartServer):
    server = start_server("--edge", "nginx")
    text = (server.data / "front" / "nginx.conf").read_text()
    inner = text.partition("upstream packhouse { server ")[2].partition(";")[0]
    past = Server(server.data, server.process, server.log, f"http://{inner}")
    assert past.get("/simple/")[0] == 421
