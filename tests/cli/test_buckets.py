# SPDX-License-Identifier: Apache-2.0
"""A server whose files are in a bucket, and the commands beside it."""

from __future__ import annotations

import hashlib
import os
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.corpus import make_wheel
from tests.infra.buckets import SECRET, BucketServer, bucket_server
from tests.infra.postgresql import Cluster
from tests.infra.server import Server, finish, run_packhouse, start_node

pytestmark = pytest.mark.slow

StartServer = Callable[..., Server]
PAYLOAD = {"data.bin": os.urandom(600_000)}


def with_bucket(s3: BucketServer, **more: str) -> dict[str, str]:
    return s3.environment | {"PACKHOUSE_STORAGE": s3.fresh()} | more


def published(server: Server, name: str, **options: Any) -> tuple[str, bytes, str]:
    token = server.make_token(server.make_user())
    filename, data = make_wheel(name, "1.0", **options)
    status, told = server.publish(token, filename, data)
    assert status == 200, told
    return filename, data, f"/files/{hashlib.sha256(data).hexdigest()}/{filename}"


def forget_copies(server: Server) -> None:
    """What another machine, or a day's eviction, would leave: no copy at all."""
    for path in (server.data / "blobs" / "sha256").rglob("*"):
        if path.is_file():
            path.unlink(missing_ok=True)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def ask(url: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    opener = urllib.request.build_opener(NoRedirect)
    try:
        with opener.open(urllib.request.Request(url, method=method), timeout=60) as reply:
            return reply.status, {k.lower(): v for k, v in reply.headers.items()}, reply.read()
    except urllib.error.HTTPError as told:
        with told:
            return told.code, {k.lower(): v for k, v in told.headers.items()}, told.read()


@pytest.mark.parametrize("edge", ["embedded", "none", "nginx"])
def test_files_come_again_when_their_copies_are_gone(start_server: StartServer, s3: BucketServer, edge: str):
    server = start_server("--edge", edge, "--workers", "2", extra=with_bucket(s3))
    small, large = published(server, "small"), published(server, "large", files=PAYLOAD)
    for _ in range(2):
        forget_copies(server)
        for filename, data, path in (small, large):
            assert server.get(path)[::2] == (200, data), filename
            assert server.get(f"{path}.metadata")[0] == 200
            assert server.get(path, {"Range": "bytes=10-19"})[::2] == (206, data[10:20])
    forget_copies(server)
    status, headers, body = ask(server.url + large[2], "HEAD")
    assert (status, headers["content-length"], body) == (200, str(len(large[1])), b"")
    assert not list((server.data / "blobs" / "sha256").rglob("large*"))


def test_a_damaged_small_copy_is_fetched_again(start_server: StartServer, s3: BucketServer):
    server = start_server(extra=with_bucket(s3))
    filename, data, path = published(server, "rotten")
    (copy,) = (f for f in (server.data / "blobs" / "sha256").rglob("*") if f.name == hashlib.sha256(data).hexdigest())
    copy.chmod(0o600)
    copy.write_bytes(b"x" * len(data))
    assert server.get(path)[::2] == (200, data), filename
    assert copy.read_bytes() == data


def test_files_come_while_their_copies_are_removed(start_server: StartServer, s3: BucketServer):
    """Whatever moment an old copy goes at: the file comes again from the bucket, and nobody is told of damage."""
    server = start_server(extra=with_bucket(s3))
    files = [published(server, "small"), published(server, "large", files=PAYLOAD)]
    copies = [server.data.joinpath("blobs", "sha256", *_parts(data)) for _, data, _ in files]
    over = threading.Event()

    def forget() -> None:
        """As what keeps the copies within their bound does: what is young stays."""
        while not over.is_set():
            for copy in copies:
                with suppress(FileNotFoundError):
                    if copy.stat().st_mtime < time.time() - 60:
                        copy.unlink()

    def aged(path: str) -> tuple[int, dict[str, str], bytes]:
        """Ask for a file whose copy is old."""
        for copy in copies:
            with suppress(FileNotFoundError):
                os.utime(copy, (1, 1))
        return server.get(path)

    forgetting = threading.Thread(target=forget)
    forgetting.start()
    try:
        wrong = [
            (filename, status)
            for _ in range(30)
            for filename, data, path in files
            for status, _, body in [aged(path)]
            if (status, body) != (200, data)
        ]
    finally:
        over.set()
        forgetting.join(60)
    assert wrong == []


@pytest.mark.postgres
@pytest.mark.parametrize("redirect", ["0", pytest.param("60", marks=pytest.mark.full)])
def test_a_reading_node_on_another_machine_gives_every_file(
    start_server: StartServer, s3: BucketServer, postgresql: Cluster, tmp_path: Path, redirect: str
):
    """It has another folder and shares the database: pages are its own, files come from the origin or the bucket."""
    key = tmp_path / "key"
    key.write_text("elsewhere " * 10)
    database = postgresql.create("elsewhere")
    more = {
        "PACKHOUSE_DATABASE": database,
        "PACKHOUSE_SECRET_KEY_FILE": str(key),
        "PACKHOUSE_STORAGE_REDIRECT": redirect,
    }
    origin = start_server(extra=with_bucket(s3, **more), fresh=True)
    files = [published(origin, "small"), published(origin, "large", files=PAYLOAD)]
    node = start_node(origin, "--data", str(tmp_path / "elsewhere"))
    try:
        for _ in range(2):
            assert files[0][0] in node.get("/simple/small/")[2].decode()
            for filename, data, path in files:
                assert node.get(path)[::2] == (200, data), filename
                assert node.get(f"{path}.metadata")[0] == 200
            assert redirect != "0" or node.get(files[1][2], {"Range": "bytes=10-19"})[::2] == (206, files[1][1][10:20])
            forget_copies(origin)
        added = published(origin, "later")
        assert node.get(added[2])[::2] == (200, added[1])
    finally:
        finish(node)


def test_a_file_may_be_had_from_the_bucket_itself(start_server: StartServer, s3: BucketServer):
    server = start_server(extra=with_bucket(s3, PACKHOUSE_STORAGE_REDIRECT="60"))
    filename, data, path = published(server, "redirected", files=PAYLOAD)
    status, headers, body = ask(server.url + path)
    assert (status, body) == (302, b"")
    assert headers["location"].startswith(s3.endpoint)
    assert headers["cache-control"] == "no-store"
    assert SECRET not in headers["location"]
    with urllib.request.urlopen(headers["location"], timeout=60) as reply:
        assert reply.read() == data
    status, headers, _ = ask(server.url + path, "HEAD")
    assert (status, headers["content-length"]) == (200, str(len(data)))
    page = server.get("/simple/redirected/", {"Accept": "text/html"})[2].decode()
    assert filename in page
    assert "?" not in page
    assert ask(f"{server.url}{path}.metadata")[0] == 200


def test_a_bucket_that_is_gone_fails_what_needs_it_and_nothing_else(start_server: StartServer, tmp_path: Path):
    with bucket_server() as s3:
        server = start_server(extra=with_bucket(s3))
        token = server.make_token(server.make_user())
        near, gone = published(server, "near", files=PAYLOAD), published(server, "gone", files=PAYLOAD)
        (server.data / "blobs" / "sha256").joinpath(*_parts(gone[1])).unlink()
    assert server.get("/simple/near/")[0] == 200
    assert server.get(near[2])[::2] == (200, near[1])
    status, _, body = server.get(gone[2])
    assert status == 503
    assert b"bucket" in body
    filename, data = make_wheel("refused", "1.0")
    status, told = server.publish(token, filename, data)
    assert status == 503, told
    assert server.get("/simple/refused/")[0] == 404
    assert SECRET not in server.output()


def _parts(data: bytes) -> tuple[str, str, str]:
    digest = hashlib.sha256(data).hexdigest()
    return digest[:2], digest[2:4], digest


def test_an_unusable_bucket_is_one_sentence_at_start(tmp_path: Path, s3: BucketServer):
    extra = with_bucket(s3, AWS_ACCESS_KEY_ID="a-stranger")
    done = run_packhouse("serve", "--port", "0", "--data", str(tmp_path / "data"), "--upstream", "none", extra=extra)
    assert done.returncode != 0
    assert "can't be used: writing failed" in done.stderr
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stderr


def test_commands_beside_a_server_with_a_bucket(start_server: StartServer, s3: BucketServer, tmp_path: Path):
    """Verify, doctor, gc, backup; and the backup restored into another bucket and into a folder."""
    server = start_server(extra=with_bucket(s3))
    filename, data, path = published(server, "moved", files=PAYLOAD)
    assert "All is right." in server.must("verify")
    assert "it writes, reads" in server.must("doctor")
    server.must("gc")
    backup = tmp_path / "backup.tar"
    server.must("backup", str(backup))
    for number, extra in enumerate((with_bucket(s3), {})):
        target = tmp_path / f"restored-{number}"
        done = run_packhouse("restore", str(backup), "--data", str(target), extra=extra)
        assert done.returncode == 0, done.stderr
        again = start_server(data=target, extra=extra)
        assert again.get(path)[::2] == (200, data), filename


def test_verify_finds_what_the_bucket_has_lost(
    start_server: StartServer, s3: BucketServer, monkeypatch: pytest.MonkeyPatch
):
    extra = with_bucket(s3)
    server = start_server(extra=extra)
    _, data, _ = published(server, "lost", files=PAYLOAD)
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    from obstore import delete

    from packhouse.storage.blobs import Bucket

    delete(Bucket(extra["PACKHOUSE_STORAGE"]).store, "sha256/" + "/".join(_parts(data)))
    done = server.command("verify")
    assert done.returncode != 0
    assert hashlib.sha256(data).hexdigest() in done.stdout + done.stderr
