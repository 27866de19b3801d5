# SPDX-License-Identifier: Apache-2.0
"""A disk that is full, fails or can't be written to (fault table, rows 4 to 7): refused clearly, reads go on, and
nothing needs a restart when it is over."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from packhouse.storage import sqlite
from tests.corpus import make_wheel
from tests.crash.client import Client
from tests.crash.disk import read_log
from tests.crash.powercut import build, compiler
from tests.infra.disks import few_inodes, fill, small_disk, use_up_inodes
from tests.infra.server import Server, run_packhouse

__all__ = ["few_inodes", "small_disk"]

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(600)]

StartServer = Callable[..., Server]


def is_served(server: Server, name: str) -> bool:
    """Whether a project's page and its file can be read."""
    status, _, page = server.get(f"/simple/{name}/")
    found = page.partition(b'href="../..')[2].partition(b"#")[0].decode()
    return status == 200 and server.get(found)[0] == 200


def temporary(server: Server) -> list[Path]:
    return list((server.data / "blobs" / "tmp").glob("*"))


STATUS = {"enospc": 507, "eio": 503, "erofs": 503, "exception": 500}
STEPS = ("s2", "s3", "s6", "s8", "s10", "s11", "s12")


def test_faults_4_5_6_a_failing_disk_refuses_an_upload_and_is_forgotten(tmp_path: Path, start_server: StartServer):
    arm = tmp_path / "fault"
    server = start_server(extra={"PACKHOUSE_FAULT": f"@{arm}"})
    token = server.make_token(server.make_user())
    assert server.publish(token, *make_wheel("before", "1"))[0] == 200
    for step in STEPS:
        for fault, expected in STATUS.items():
            name = f"{fault}-{step}"
            arm.write_text(f"{step}:{fault}@1-")
            status, sentence = server.publish(token, *make_wheel(name, "1"))
            assert (status, sentence.count("\n")) == (expected, 1), (name, sentence)
            assert server.get(f"/simple/{name}/")[0] == 404
            assert is_served(server, "before")
            assert temporary(server) == []
            arm.unlink()
            assert server.publish(token, *make_wheel(name, "1"))[0] == 200
            assert is_served(server, name)


def test_faults_1_a_stall_at_a_step_holds_up_nobody_else(tmp_path: Path, start_server: StartServer):
    """Of two uploads at once one stalls, whichever comes first; the other is answered while it does."""
    arm = tmp_path / "fault"
    server = start_server(extra={"PACKHOUSE_FAULT": f"@{arm}"})
    token = server.make_token(server.make_user())
    for step in ("s1", "s3", "s5", "s9", "s13"):
        arm.write_text(f"{step}:stall=3")
        ends: list[tuple[int, float]] = []

        def send(name: str, ends: list[tuple[int, float]] = ends) -> None:
            status = server.publish(token, *make_wheel(name, "1"))[0]
            ends.append((status, time.monotonic()))

        senders = [threading.Thread(target=send, args=(f"{step}-{number}",)) for number in range(2)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join(120)
        assert [status for status, _ in ends] == [200, 200]
        assert ends[1][1] - ends[0][1] > 1, f"{step}: both waited"
        assert is_served(server, f"{step}-0")
        assert is_served(server, f"{step}-1")


def test_faults_5_decision_11_a_disk_that_fills_up_and_is_cleared(small_disk: Path, start_server: StartServer):
    server = start_server(data=small_disk / "data")
    token = server.make_token(server.make_user())
    assert server.publish(token, *make_wheel("before", "1"))[0] == 200
    fill(small_disk)
    for number in range(3):
        big = make_wheel("big", f"1.{number}", files={"big/x": os.urandom(3_000_000)})
        status, sentence = server.publish(token, *big)
        assert (status, sentence.count("\n")) == (507, 1), sentence
        assert "space" in sentence
        assert temporary(server) == []
    assert is_served(server, "before")
    assert server.get("/simple/big/")[0] == 404
    (small_disk / "ballast").unlink()
    assert server.publish(token, *make_wheel("after", "1"))[0] == 200
    assert is_served(server, "after")
    assert server.get("/readyz")[0] == 200


def test_hostile_274_a_disk_without_inodes_is_as_one_that_is_full(few_inodes: Path, start_server: StartServer):
    server = start_server(data=few_inodes / "data")
    token = server.make_token(server.make_user())
    assert server.publish(token, *make_wheel("before", "1"))[0] == 200
    made = use_up_inodes(few_inodes)
    assert made
    for number in range(3):
        status, sentence = server.publish(token, *make_wheel("more", f"1.{number}"))
        assert (status, sentence.count("\n")) == (507, 1), sentence
    assert is_served(server, "before")
    assert server.get("/simple/more/")[0] == 404
    for file in made:
        file.unlink()
    assert server.publish(token, *make_wheel("after", "1"))[0] == 200
    assert is_served(server, "after")


def test_faults_7_a_database_locked_by_another_process_is_busy(start_server: StartServer):
    server = start_server()
    token = server.make_token(server.make_user())
    assert server.publish(token, *make_wheel("before", "1"))[0] == 200
    client = Client(int(server.url.rpartition(":")[2]), seconds=90)
    with contextlib.closing(sqlite.library.connect(server.data / "catalogue.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = client.publish(token, *make_wheel("during", "1"))
        assert answer.status == 503, answer.text
        assert int(answer.headers["retry-after"]) > 0
        assert is_served(server, "before")
        other.execute("ROLLBACK")
    assert server.publish(token, *make_wheel("during", "1"))[0] == 200


@pytest.mark.parametrize("name", ["catalogue.db", "activity.db"])
def test_faults_7_a_start_on_a_damaged_database_says_so(start_server: StartServer, name: str):
    server = start_server()
    assert server.stop() == 0
    file = server.data / name
    with file.open("r+b") as damaged:
        for page in range(4, file.stat().st_size // 4096, 3):
            damaged.seek(page * 4096)
            damaged.write(os.urandom(2048))
    done = run_packhouse("serve", "--port", "0", "--upstream", "none", "--data", str(server.data))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert name in done.stderr
    assert "restore it from a backup" in done.stderr


no_compiler = pytest.mark.skipif(compiler() is None, reason="there is no C compiler for the shim that makes fsync fail")


@no_compiler
@pytest.mark.parametrize("where", ["/blobs/tmp/", "/blobs/sha256/", "catalogue.db-wal"])
def test_faults_4_an_fsync_that_fails_is_never_tried_again(tmp_path: Path, start_server: StartServer, where: str):
    """The real thing: the C library says EIO, once."""
    log, data, arm = tmp_path / "log", tmp_path / "data", tmp_path / "eio"
    shim = {"LD_PRELOAD": str(build(tmp_path)), "PACKHOUSE_SHIM_ROOT": str(data), "PACKHOUSE_SHIM_LOG": str(log)}
    server = start_server(data=data, extra=shim | {"PACKHOUSE_SHIM_EIO": str(arm)})
    token = server.make_token(server.make_user())
    arm.write_text(where)
    status, sentence = server.publish(token, *make_wheel("unlucky", "1"))
    assert not arm.exists()
    assert (status, sentence.count("\n")) == (503, 1), sentence
    assert temporary(server) == []
    assert server.get("/simple/unlucky/")[0] == 404
    assert server.publish(token, *make_wheel("unlucky", "1"))[0] == 200
    assert is_served(server, "unlucky")
    if where == "/blobs/tmp/":
        records = list(read_log(log))
        failed = [(n, entry.inode) for n, entry in enumerate(records) if entry.kind == "f"]
        assert len(failed) == 1
        later = records[failed[0][0] :]
        inode = failed[0][1]  # its number goes to another file or folder afterwards
        made_anew = next(
            (n for n, entry in enumerate(later) if entry.kind in {"C", "D"} and entry.inode == inode), None
        )
        assert [e for e in later[:made_anew] if (e.kind, e.inode) == ("b", inode)] == []


def test_a_client_that_breaks_off_leaves_no_temporary_file(start_server: StartServer):
    import socket
    import time
    from urllib.parse import urlsplit

    from tests.infra.server import multipart

    server = start_server()
    token = server.make_token(server.make_user())
    kind, body = multipart(*make_wheel("broken", "1", files={"broken/x": os.urandom(2_000_000)}))
    head = (
        f"POST /legacy/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    address = urlsplit(server.url)
    with socket.create_connection((str(address.hostname), address.port or 80)) as connection:
        connection.sendall(head.encode() + body[:1_000_000])
        deadline = time.monotonic() + 30
        while not temporary(server) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert temporary(server) != []
    while temporary(server) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert temporary(server) == []
    assert server.get("/simple/broken/")[0] == 404
