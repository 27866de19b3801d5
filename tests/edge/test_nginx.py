# SPDX-License-Identifier: Apache-2.0
"""What our replies say to an nginx in front, and the marks."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from tests.infra.nginx import free_port, program

from packhouse.domain.headers import file_headers
from packhouse.edge.files import DAMAGED
from packhouse.edge.http import FileRange, Reply
from packhouse.edge.nginx import FILL_SECONDS, KEPT_SECONDS, Place, configuration, for_nginx
from packhouse.storage.marks import LASTING, ROOT, Marks, names_of

PUBLIC = (("etag", '"x"'), ("surrogate-key", "index/main"))


@pytest.mark.parametrize("path", ["/simple/", "/simple/a/", "/index/dev/simple/a/", "/files/00/a-1.0.tar.gz.metadata"])
@pytest.mark.parametrize("status", [200, 304])
def test_public_pages_and_metadata_may_be_kept_for_a_while(path: str, status: int) -> None:
    kept = dict(for_nginx(Reply(status, PUBLIC, b"x"), path, "/blobs/sha256/").headers)
    assert kept["x-accel-expires"] == str(KEPT_SECONDS)


@pytest.mark.parametrize(
    ("status", "headers", "path"),
    [
        (200, (("cache-control", "private"),), "/simple/a/"),
        (404, PUBLIC, "/simple/a/"),
        (401, PUBLIC, "/simple/a/"),
        (200, PUBLIC, "/pypi/a/json"),
        (200, PUBLIC, "/files/00/a-1.0.tar.gz"),
    ],
)
def test_nothing_else_may(status: int, headers: tuple[tuple[str, str], ...], path: str) -> None:
    assert for_nginx(Reply(status, headers, b"x"), path, "/blobs/sha256/") == Reply(status, headers, b"x")


def test_a_whole_blob_is_named_and_a_part_of_one_is_sent() -> None:
    kind = ("content-type", "application/octet-stream")
    headers = (kind, ("etag", '"x"'), ("cache-control", "public"), ("content-length", "5"))
    whole = Reply(200, headers, FileRange("/blobs/sha256/ab/cd/abcd", 0, 5))
    assert for_nginx(whole, "/files/x", "/blobs/sha256/") == Reply(
        200, (("etag", '"x"'), ("x-kept-cache-control", "public"), ("x-accel-redirect", "/_blob/ab/cd/abcd")), None
    )
    text = Reply(200, (("content-type", "text/plain"),), FileRange("/blobs/sha256/ab/cd/abcd", 0, 5))
    assert for_nginx(text, "/files/x", "/blobs/sha256/") == text
    part = Reply(206, headers, FileRange("/blobs/sha256/ab/cd/abcd", 1, 5))
    assert for_nginx(part, "/files/x", "/blobs/sha256/") == part
    other = Reply(200, headers, FileRange("/proc/self/fd/9", 0, 5))
    assert for_nginx(other, "/files/x", "/blobs/sha256/") == other


def test_marks_outlast_whatever_may_be_kept() -> None:
    assert LASTING >= KEPT_SECONDS + 3 * FILL_SECONDS


def test_marks_are_made_new_and_end(tmp_path: Path) -> None:
    marks = Marks(tmp_path)
    marks.mark(names_of("a-b"))
    assert {path.name for path in tmp_path.iterdir()} == {"a-b", "a_b", ROOT}
    for path in tmp_path.iterdir():
        os.utime(path, (1, 1))
    marks.mark(["a-b"])
    assert marks.sweep() == 2
    assert [path.name for path in tmp_path.iterdir()] == ["a-b"]


def test_without_a_folder_nothing_is_marked(tmp_path: Path) -> None:
    marks = Marks(tmp_path / "none")
    marks.mark(["a"])
    assert marks.sweep() == 0
    assert not (tmp_path / "none").exists()


def test_the_secret_and_the_addresses_are_in_the_configuration(tmp_path: Path) -> None:
    place = Place(
        tmp_path, tmp_path, tmp_path, tmp_path, "127.0.0.1:1", "127.0.0.1:2", "s3cret", 3, ("10.0.0.0/8",), as_root=True
    )
    text = configuration(place)
    assert "proxy_set_header x-packhouse-front s3cret;" in text
    assert "listen 127.0.0.1:1;" in text
    assert "server 127.0.0.1:2;" in text
    assert "10.0.0.0/8 1;" in text
    assert "worker_processes 3;" in text


class Inner(BaseHTTPRequestHandler):
    """A server that has nginx send a blob, as an edge does that still saw it a moment ago."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        size = int(self.path.rpartition("/")[2])
        headers = (("content-length", str(size)), *HEADERS)
        status, sent, _ = for_nginx(Reply(200, headers, FileRange("/b/sha256/ab/cd/abcd", 0, size)), "", "/b/sha256/")
        self.send_response_only(status)
        for name, value in (*sent, ("content-length", "0")):
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


HEADERS = file_headers(filename="a-1.tar.gz", sha256="ab" * 32, modified=1_700_000_000, keys="index/main", public=True)


@pytest.fixture
def front(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of an nginx with our configuration, and the folder of its blobs."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Inner) as inner:
        threading.Thread(target=inner.serve_forever, daemon=True).start()
        listen, blobs = f"127.0.0.1:{free_port()}", tmp_path / "blobs"
        place = Place(
            tmp_path, tmp_path / "cache", tmp_path / "marks", blobs, listen, f"127.0.0.1:{inner.server_port}",
            "s3cret", 1, (), as_root=os.geteuid() == 0,
        )  # fmt: skip
        config = tmp_path / "nginx.conf"
        config.write_text(configuration(place).replace("{ worker_connections 16384; }", "{ worker_connections 64; }"))
        found = program()
        assert found, "nginx is not installed; `make test` installs it."
        process = subprocess.Popen([found, "-p", tmp_path, "-c", config, "-e", "stderr"], stderr=subprocess.DEVNULL)
        try:
            await_listening(listen)
            yield f"http://{listen}", blobs / "sha256" / "ab" / "cd" / "abcd"
        finally:
            process.terminate()
            process.wait(60)
            inner.shutdown()


def await_listening(address: str) -> None:
    host, _, port = address.partition(":")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection((host, int(port)), 1):
            return
        time.sleep(0.05)
    raise AssertionError("nginx did not start")


def get(address: str) -> tuple[int, Message, bytes]:
    try:
        with urlopen(address, timeout=30) as reply:
            return reply.status, reply.headers, reply.read()
    except HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.headers, refusal.read()


@pytest.mark.slow
def test_fault_12_a_blob_that_went_away_before_nginx_opened_it_is_502_with_our_sentence(front: tuple[str, Path]):
    address, blob = front
    for broken in ("no folder", "no file", "a folder"):
        if broken == "no file":
            blob.parent.mkdir(parents=True)
        elif broken == "a folder":
            blob.mkdir()
        status, headers, body = get(f"{address}/files/x/200000")
        assert (status, body.decode()) == (502, f"{DAMAGED}\n"), broken
        assert headers.get_all("cache-control") == ["no-store"]
        assert headers.get_all("content-type") == ["text/plain; charset=utf-8"]
        assert not {"etag", "content-disposition", "accept-ranges", "surrogate-key"} & {
            name.lower() for name in headers
        }
    blob.rmdir()
    blob.write_bytes(b"x" * 200_000)
    status, headers, body = get(f"{address}/files/x/200000")
    assert (status, len(body)) == (200, 200_000)
    for name, value in HEADERS:
        assert headers.get_all(name) == [value], name
