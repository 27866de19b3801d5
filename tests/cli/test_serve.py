# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import signal
import socket
import sqlite3
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.infra.server import Server, run_packhouse

pytestmark = pytest.mark.slow

StartServer = Callable[..., Server]


def refusal(*arguments: str, **rest: str) -> str:
    """Run a command that is refused: exit status 2, one sentence on standard error, no traceback."""
    done = run_packhouse(*arguments, **rest)  # type: ignore[arg-type]
    assert done.returncode == 2, done.stdout + done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("packhouse: ")
    return lines[0]


def test_port_taken(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        sentence = refusal("serve", "--port", port, "--data", str(tmp_path / "data"))
    assert f"Port {port} on 127.0.0.1 is taken" in sentence


def test_folder_of_other_things(tmp_path: Path):
    (tmp_path / "thesis.tex").touch()
    assert "holds other things" in refusal("serve", "--port", "0", "--data", str(tmp_path))


def test_data_is_a_file(tmp_path: Path):
    (tmp_path / "data").touch()
    assert "is not a folder" in refusal("serve", "--port", "0", "--data", str(tmp_path / "data"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_in_the_middle_of_a_start_is_clean(start_server: StartServer, number: int):
    server = start_server(fresh=True, ready=False)
    while not (server.data / "secret-key").exists():
        assert server.process.poll() is None, server.output()
    os.killpg(server.process.pid, number)
    assert server.process.wait(60) == 0
    assert server.left_behind() == []


def test_folder_of_a_newer_version(start_server: StartServer):
    server = start_server()
    server.stop()
    with sqlite3.connect(server.data / "catalogue.db") as catalogue:
        row = ("catalogue", "9999_contract_from_the_future", "2030-01-01")
        catalogue.execute("INSERT INTO django_migrations (app, name, applied) VALUES (?, ?, ?)", row)
    sentence = refusal("serve", "--port", "0", "--data", str(server.data))
    assert "was written by a newer version of Packhouse" in sentence
    assert "newer version" in refusal("index", "list", "--data", str(server.data))


def test_folder_that_can_not_be_written_to(tmp_path: Path):
    mount = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a file system needs more rights")
    try:
        for folder in (tmp_path, tmp_path / "data"):
            assert "can't be written to" in refusal("serve", "--port", "0", "--data", str(folder))
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_second_server_on_the_folder(start_server: StartServer):
    server = start_server()
    sentence = refusal("serve", "--port", "0", "--data", str(server.data))
    assert f"Another server (process {server.process.pid}) already runs" in sentence


def test_corrupted_database(tmp_path: Path):
    (tmp_path / "lock").touch()
    (tmp_path / "catalogue.db").write_bytes(b"no database at all" * 400)
    assert "can't be read" in refusal("serve", "--port", "0", "--data", str(tmp_path))


def test_everything_written_is_private(start_server: StartServer):
    server = start_server(fresh=True)
    server.get("/readyz")
    assert stat.S_IMODE(server.data.stat().st_mode) == 0o700
    for file in server.data.rglob("*"):
        wanted = 0o700 if file.is_dir() else 0o600
        assert stat.S_IMODE(file.stat().st_mode) == wanted, file


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stops_with_exit_status_0_whatever_process_of_the_group_is_told(start_server: StartServer, number: int):
    server = start_server("--workers", "2")
    os.killpg(server.process.pid, number)
    assert server.process.wait(60) == 0
    assert server.left_behind() == []


def test_a_killed_worker_is_replaced(start_server: StartServer):
    server = start_server()
    process = server.process.pid
    children = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii").split()
    os.kill(int(children[-1]), signal.SIGKILL)
    server.wait()
    assert server.get("/healthz")[0] == 200


def test_restart_after_a_kill_finds_the_folder_free(start_server: StartServer):
    first = start_server()
    first.process.kill()
    first.process.wait(60)
    second = start_server()
    assert second.get("/healthz")[0] == 200


def test_a_folder_made_by_hand_becomes_private(tmp_path: Path, start_server: StartServer):
    folder = tmp_path / "made"
    folder.mkdir(mode=0o755)
    start_server(data=folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_database_server_that_is_not_there(tmp_path: Path):
    extra = {"PACKHOUSE_DATABASE": "postgresql://me:cAnArY@127.0.0.1:1/packhouse"}
    done = run_packhouse("serve", "--port", "0", "--data", str(tmp_path / "data"), extra=extra)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "The PostgreSQL database can't be read" in done.stderr
    assert "cAnArY" not in done.stderr


def test_decision_10_temporary_files_of_an_earlier_server_go_at_the_start(start_server: StartServer):
    server = start_server()
    server.stop()
    left = server.data / "blobs" / "tmp" / "left-by-a-crash"
    left.parent.mkdir(parents=True, exist_ok=True)
    left.write_bytes(b"half a wheel")
    start_server()
    assert not left.exists()
