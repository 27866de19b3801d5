# SPDX-License-Identifier: Apache-2.0
"""`packhouse verify` as it is typed: beside a server, without one, on a folder that can't be written to."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.corpus import make_wheel
from tests.infra.disks import fill, small_disk
from tests.infra.server import Server, run_packhouse

__all__ = ["small_disk"]

pytestmark = pytest.mark.slow


def blobs(data: Path) -> list[Path]:
    return sorted((data / "blobs" / "sha256").glob("??/??/*"))


def test_I6_a_sound_server_is_said_to_be_sound_while_it_publishes_and_collects(start_server: Callable[..., Server]):
    server = start_server()
    token = server.make_token(server.make_user("ann"))
    assert server.publish(token, *make_wheel("tapes", "1.0"))[0] == 200
    stop = threading.Event()

    def publish(lane: int) -> None:
        number = 0
        while not stop.is_set() and number < 200:
            number += 1
            name, version = f"lane{lane}", f"1.{number}"
            server.publish(token, *make_wheel(name, version))
            server.get(f"/simple/{name}/")

    lanes = [threading.Thread(target=publish, args=(lane,)) for lane in range(2)]
    for lane in lanes:
        lane.start()
    try:
        for options in ([], ["--quick"], ["--json"]):
            done = server.command("verify", *options)
            assert (done.returncode, done.stderr) == (0, ""), done.stdout
    finally:
        stop.set()
        for lane in lanes:
            lane.join()
    assert server.stop() == 0
    done = server.command("verify")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "All is right."
    told = json.loads(server.must("verify", "--json"))
    assert (told["problems"], told["problem_count"]) == ([], 0)
    assert told["files"] * 2 == told["blobs"]
    assert told["entries"] == told["serial"]


def test_fault_12_damage_is_named_and_the_exit_status_is_1(start_server: Callable[..., Server]):
    server = start_server()
    token = server.make_token(server.make_user("ann"))
    for version in ("1.0", "2.0"):
        assert server.publish(token, *make_wheel("tapes", version))[0] == 200
    server.stop()
    first, second, third, _ = blobs(server.data)
    data = first.read_bytes()
    first.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    second.unlink()
    third.write_bytes(b"")
    done = server.command("verify")
    assert (done.returncode, done.stderr) == (1, "")
    lines = [line for line in done.stdout.splitlines() if line.startswith("FAIL  ")]
    assert len(lines) == 3
    for file, word in ((first, "blob-damaged"), (second, "blob-missing"), (third, "blob-damaged")):
        assert any(file.name in line and word in line and "Upload the same file again" in line for line in lines)
    assert done.stdout.splitlines()[-1] == "3 problems."
    told = json.loads(server.command("verify", "--json").stdout)
    assert {problem["subject"] for problem in told["problems"]} == {first.name, second.name, third.name}
    assert told["problem_count"] == 3


def test_changes_nothing_in_the_folder(start_server: Callable[..., Server]):
    server = start_server()
    server.stop()
    before = {path: path.stat().st_mtime_ns for path in server.data.rglob("*") if path.is_file()}
    server.must("verify")
    after = {
        path: path.stat().st_mtime_ns
        for path in server.data.rglob("*")
        if path.suffix not in {".db-wal", ".db-shm"} and path.name != "last-verify"
    }
    assert before == {path: when for path, when in after.items() if path.is_file()}


def test_a_damaged_database_is_a_finding(start_server: Callable[..., Server]):
    server = start_server()
    server.stop()
    if "PACKHOUSE_DATABASE" in server.extra:
        pytest.skip("PostgreSQL looks after its own files")
    file = server.data / "catalogue.db"
    with file.open("r+b") as out:
        for page in range(8, file.stat().st_size // 4096, 2):
            out.seek(page * 4096)
            out.write(b"\xff" * 4096)
    done = server.command("verify")
    assert done.returncode in {1, 2}
    assert "database" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def read_only(folder: Path) -> bool:
    return subprocess.run(["mount", "-o", "remount,ro", str(folder)], capture_output=True, check=False).returncode == 0


def test_on_a_full_disk_and_on_a_read_only_one(small_disk: Path, start_server: Callable[..., Server]):
    server = start_server(data=small_disk / "data")
    token = server.make_token(server.make_user("ann"))
    assert server.publish(token, *make_wheel("tapes", "1.0"))[0] == 200
    assert server.stop() == 0
    fill(small_disk)
    assert server.must("verify").splitlines()[-1] == "All is right."
    assert read_only(small_disk)
    assert server.must("verify").splitlines()[-1] == "All is right."


def test_no_folder(tmp_path: Path):
    done = run_packhouse("verify", "--data", str(tmp_path / "absent"))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
