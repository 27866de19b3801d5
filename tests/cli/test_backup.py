# SPDX-License-Identifier: Apache-2.0
"""`packhouse backup` beside uploads, and `packhouse restore` of what it wrote."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.corpus import make_wheel
from tests.infra import databases
from tests.infra.disks import fill, small_disk
from tests.infra.server import Server, environment, run_packhouse

from packhouse.storage.backup_file import MANIFEST, Writer

__all__ = ["small_disk"]

pytestmark = pytest.mark.slow


def elsewhere(tmp_path: Path) -> dict[str, str]:
    """The environment of a restore: another database when this run is on PostgreSQL."""
    if databases.wanted() != "postgresql":
        return {}
    name = "restored_" + hashlib.sha256(str(tmp_path).encode()).hexdigest()[:16]
    cluster = databases.cluster()
    return {"PACKHOUSE_DATABASE": cluster.url(name) if cluster.has(name) else cluster.create(name)}


def restore(file: Path, data: Path, *options: str) -> tuple[int, str, str]:
    done = run_packhouse("restore", str(file), "--data", str(data), *options, extra=elsewhere(data))
    return done.returncode, done.stdout, done.stderr


def manifest(data: bytes) -> dict[str, Any]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        told: dict[str, Any] = json.load(tar.extractfile("packhouse-backup.json"))  # type: ignore[arg-type]
    return told


def of_another_version(data: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    """A backup with something else in its description."""
    out = io.BytesIO()
    writer = Writer(out)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for member in tar:
            content = tar.extractfile(member).read()  # type: ignore[union-attr]
            if member.name == MANIFEST:
                told = json.loads(content)
                change(told)
                content = json.dumps(told).encode()
            writer.add_bytes(member.name, content)
    writer.end()
    return out.getvalue()


BACK_UP_AS_BEFORE = """
import sys
from pathlib import Path
from packhouse import bootstrap, config
settings = config.load()
bootstrap.configure(settings)
from django.core.management import call_command
for alias, app, name in (("activity", "activity", "0004"), ("default", "catalogue", "0003")):
    call_command("migrate", app, name, database=alias, verbosity=0, interactive=False, skip_checks=True)
from packhouse.services.backing_up import back_up
back_up(bootstrap.resources(settings), Path(sys.argv[1]))
"""
"""A backup as the version made it that had no scrub yet."""


@dataclass(frozen=True)
class Backed:
    """A backup of a small house, its file names with their digests, and a token of it."""

    file: Path
    files: dict[str, str]
    token: str
    ended: str


@pytest.fixture(scope="module")
def backed(tmp_path_factory: pytest.TempPathFactory) -> Backed:
    from tests.infra.server import finish, start

    folder = tmp_path_factory.mktemp("backed")
    server = start(folder / "data")
    person = server.make_user("ann", admin=True)
    token, ended = server.make_token(person), server.make_token(person)
    files = {}
    for version in ("1.0", "2.0", "3.0"):
        filename, data = make_wheel("tapes", version)
        assert server.publish(token, filename, data)[0] == 200
        files[filename] = hashlib.sha256(data).hexdigest()
    server.must("yank", "tapes==1.0", "--reason", "broken")
    server.must("delete", "tapes==3.0", "--yes")
    server.must("token", "revoke", ended)
    file = folder / "house.backup"
    out = server.must("backup", str(file))
    assert "6 stored files" in out
    finish(server)
    return Backed(file, files, token, ended)


def test_fault_13_backup_while_8_upload_then_restore_to_an_empty_folder(
    start_server: Callable[..., Server], tmp_path: Path
):
    server = start_server()
    token = server.make_token(server.make_user("ann"))
    acknowledged: dict[str, str] = {}
    stop, begun = threading.Event(), threading.Event()

    def publish(lane: int) -> None:
        number = 0
        while not stop.is_set() and number < 25:
            number += 1
            filename, data = make_wheel(f"lane{lane}", f"1.{number}")
            if server.publish(token, filename, data)[0] == 200:
                acknowledged[filename] = hashlib.sha256(data).hexdigest()
            if len(acknowledged) > 5:
                begun.set()

    lanes = [threading.Thread(target=publish, args=(lane,)) for lane in range(8)]
    for lane in lanes:
        lane.start()
    try:
        assert begun.wait(60)
        before = dict(acknowledged)
        server.must("backup", str(tmp_path / "house.backup"))
    finally:
        stop.set()
        for lane in lanes:
            lane.join()
    assert (tmp_path / "house.backup").stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.glob(".house*")) == []
    assert server.stop() == 0
    status, out, wrong = restore(tmp_path / "house.backup", tmp_path / "other")
    assert (status, wrong) == (0, ""), out
    again = start_server(data=tmp_path / "other", extra=elsewhere(tmp_path / "other"))
    for filename, sha256 in before.items():
        status, _, data = again.get(f"/files/{sha256}/{filename}")
        assert (status, hashlib.sha256(data).hexdigest()) == (200, sha256)
        status, _, page = again.get(f"/simple/{filename.split('-')[0]}/")
        assert (status, f">{filename}</a>" in page.decode()) == (200, True)
    assert again.publish(token, *make_wheel("lane0", "9.0"))[0] == 200
    done = again.command("verify")
    assert done.returncode == 0, done.stdout


def test_fault_13_what_was_deleted_yanked_and_revoked_stays_so(
    backed: Backed, tmp_path: Path, start_server: Callable[..., Server]
):
    data = tmp_path / "data"
    status, out, wrong = restore(backed.file, data, "--skip", "0")
    assert (status, wrong) == (0, "")
    told = manifest(backed.file.read_bytes())
    assert f"at serial {told['serial']}" in out
    assert f"The serial is {told['serial'] + 1} now" in out
    server = start_server(data=data, extra=elsewhere(data))
    page = server.get("/simple/tapes/")[2].decode()
    assert 'data-yanked="broken"' in page
    assert "tapes-3.0" not in page
    status, answer = server.publish(backed.token, *make_wheel("tapes", "3.0", files={"tapes/other.py": b"x = 1\n"}))
    assert (status, "filename" in answer.lower()) == (400, True)
    assert server.publish(backed.ended, *make_wheel("tapes", "4.0"))[0] in {401, 403}
    assert server.publish(backed.token, *make_wheel("tapes", "4.0"))[0] == 200
    assert server.command("verify").returncode == 0
    assert server.command("doctor").returncode == 0


def test_fault_13_a_backup_of_an_older_version_is_brought_to_this_one(
    start_server: Callable[..., Server], tmp_path: Path
):
    server = start_server()
    token = server.make_token(server.make_user("ann"))
    filename, wheel = make_wheel("tapes", "1.0")
    assert server.publish(token, filename, wheel)[0] == 200
    assert server.stop() == 0
    extra = environment(server.extra | {"PACKHOUSE_DATA": str(server.data)})
    file, data = tmp_path / "older.backup", tmp_path / "other"
    subprocess.run([sys.executable, "-c", BACK_UP_AS_BEFORE, str(file)], env=extra, check=True, timeout=60)
    told = manifest(file.read_bytes())
    assert max(name for app, name in told["migrations"]["activity"] if app == "activity").startswith("0004")
    refused = server.command("verify")
    assert (refused.returncode, "older version" in refused.stderr) == (2, True)
    status, out, wrong = restore(file, data)
    assert (status, wrong) == (0, ""), out
    again = start_server(data=data, extra=elsewhere(data))
    assert again.get(f"/files/{hashlib.sha256(wheel).hexdigest()}/{filename}")[2] == wheel
    assert again.publish(token, *make_wheel("tapes", "2.0"))[0] == 200
    done = again.command("verify")
    assert done.returncode == 0, done.stdout
    again.must("backup", str(tmp_path / "newer.backup"))
    mine = manifest((tmp_path / "newer.backup").read_bytes())["migrations"]
    for alias, pairs in told["migrations"].items():
        assert {tuple(pair) for pair in pairs} < {tuple(pair) for pair in mine[alias]}


@pytest.mark.parametrize(
    "change",
    [lambda told: told.update(format=99), lambda told: told["migrations"]["default"].append(["catalogue", "0999_new"])],
    ids=["format", "migration"],
)
def test_fault_13_a_backup_of_a_newer_version_is_refused(
    backed: Backed, tmp_path: Path, change: Callable[[dict[str, Any]], object]
):
    file, data = tmp_path / "newer.backup", tmp_path / "other"
    file.write_bytes(of_another_version(backed.file.read_bytes(), change))
    status, out, wrong = restore(file, data)
    assert (status, out, wrong.count("\n")) == (2, "", 1)
    assert "was made by a newer version of Packhouse" in wrong
    assert not data.exists()


def test_hostile_276_serials_are_never_given_twice(backed: Backed, tmp_path: Path):
    data = tmp_path / "data"
    status, out, _ = restore(backed.file, data)
    assert status == 0
    told = manifest(backed.file.read_bytes())
    assert f"The serial is {told['serial'] + 1_000_001} now" in out
    done = run_packhouse("verify", "--json", "--data", str(data), extra=elsewhere(data))
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["serial"] == told["serial"] + 1_000_001


def test_hostile_271_a_backup_is_for_its_owner_and_opens_nothing(backed: Backed):
    """No page gives it away, nobody else on the machine reads it, and no token in it can be used."""
    content = backed.file.read_bytes()
    assert backed.file.stat().st_mode & 0o777 == 0o600
    for token in (backed.token, backed.ended):
        assert token.encode() not in content
        assert hashlib.sha256(token.encode()).hexdigest().encode() in content


def test_a_folder_that_holds_something_is_refused(backed: Backed, tmp_path: Path):
    (tmp_path / "something").touch()
    status, _, wrong = restore(backed.file, tmp_path)
    assert (status, wrong.count("\n")) == (2, 1)
    assert "is not empty" in wrong
    assert [path.name for path in tmp_path.iterdir()] == ["something"]


def test_a_backup_is_never_overwritten_unasked(backed: Backed, start_server: Callable[..., Server], tmp_path: Path):
    server = start_server()
    file = tmp_path / "b"
    file.write_bytes(b"precious")
    done = server.command("backup", str(file))
    assert (done.returncode, file.read_bytes()) == (2, b"precious")
    server.must("backup", str(file), "--replace")
    assert tarfile.is_tarfile(file)


def test_a_full_disk_leaves_nothing_behind(start_server: Callable[..., Server], small_disk: Path):
    server = start_server()
    fill(small_disk)
    done = server.command("backup", str(small_disk / "b"))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "No space left" in done.stderr or "full" in done.stderr
    assert [path.name for path in small_disk.iterdir()] == ["ballast"]


def test_no_server_starts_on_a_restore_that_did_not_end(backed: Backed, tmp_path: Path):
    data = tmp_path / "data"
    assert restore(backed.file, data)[0] == 0
    (data / "restoring").mkdir()
    done = run_packhouse("serve", "--upstream", "none", "--data", str(data), "--port", "0", extra=elsewhere(data))
    assert (done.returncode, "did not end" in done.stderr) == (2, True)


def test_fault_12_a_backup_of_a_damaged_house_says_so_and_keeps_the_rest(
    start_server: Callable[..., Server], tmp_path: Path
):
    server = start_server()
    token = server.make_token(server.make_user("ann"))
    for version in ("1.0", "2.0"):
        assert server.publish(token, *make_wheel("tapes", version))[0] == 200
    first, second, *_ = sorted((server.data / "blobs" / "sha256").glob("??/??/*"))
    first.unlink()
    second.write_bytes(b"x" * second.stat().st_size)
    done = server.command("backup", str(tmp_path / "b"))
    assert (done.returncode, "2 stored files are missing or damaged" in done.stderr) == (1, True)
    status, out, _ = restore(tmp_path / "b", tmp_path / "other")
    assert (status, out.count("FAIL  blob-missing")) == (1, 2)
