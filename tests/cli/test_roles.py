# SPDX-License-Identifier: Apache-2.0
"""`serve --role origin|worker`: several servers on one PostgreSQL share the work as they were told to."""

from __future__ import annotations

import os
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.corpus import make_wheel
from tests.infra.balancer import balancer
from tests.infra.postgresql import Cluster
from tests.infra.server import Server, finish, run_packhouse, start

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

DATABASE = "roles"
DEADLINE = 60.0


@pytest.fixture
def begin(postgresql: Cluster, tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start servers of one company, each on a folder of its own."""
    key = tmp_path / "key"
    key.write_text(secrets.token_urlsafe(48))
    shared = {
        "PACKHOUSE_DATABASE": postgresql.create(DATABASE),
        "PACKHOUSE_STORAGE": f"file://{tmp_path}/files",
        "PACKHOUSE_SECRET_KEY_FILE": str(key),
    }
    running: list[Server] = []

    def server(name: str, *options: str) -> Server:
        running.append(start(tmp_path / name, *options, extra=shared, fresh=True))
        return running[-1]

    yield server
    for one in running:
        if one.process.poll() is None:
            finish(one)


def searched(cluster: Cluster) -> int:
    """The serial up to which search has followed the journal by itself."""
    with cluster.connect(DATABASE) as connection:
        row = connection.execute("SELECT serial FROM activity.activity_jobposition WHERE name = 'search'").fetchone()
    return 0 if row is None else int(str(row[0]))


def serial(cluster: Cluster) -> int:
    with cluster.connect(DATABASE) as connection:
        row = connection.execute("SELECT value FROM catalogue.catalogue_counter WHERE name = 'serial'").fetchone()
    assert row is not None
    return int(str(row[0]))


def await_followed(cluster: Cluster) -> None:
    """Until search has followed the journal to its end, though nobody searches."""
    deadline, wanted = time.monotonic() + DEADLINE, serial(cluster)
    while searched(cluster) < wanted:
        assert time.monotonic() < deadline, "nobody follows the journal"
        time.sleep(0.05)


def test_an_origin_leaves_the_jobs_to_workers_of_which_one_takes_over_when_another_dies(
    begin: Callable[..., Server], postgresql: Cluster
):
    origin = begin("origin", "--role", "origin")
    token = origin.make_token(origin.make_user())
    assert origin.publish(token, *make_wheel("first", "1.0"))[0] == 200
    assert searched(postgresql) == 0
    worker = begin("worker", "--role", "worker")
    await_followed(postgresql)
    second = begin("second", "--role", "worker")
    assert origin.publish(token, *make_wheel("second", "1.0"))[0] == 200
    await_followed(postgresql)
    os.killpg(worker.process.pid, signal.SIGKILL)
    worker.process.wait(DEADLINE)
    assert origin.publish(token, *make_wheel("third", "1.0"))[0] == 200
    await_followed(postgresql)
    assert b"third" in origin.get("/search/?q=third")[2]
    assert second.get("/readyz")[0] == 200


PAIRS = 25


def test_what_one_server_acknowledged_every_process_of_another_shows(begin: Callable[..., Server]):
    writer, reader = begin("a", "--role", "origin"), begin("b", "--role", "origin", "--workers", "2")
    token = writer.make_token(writer.make_user())
    stale, newest = [], {"Cache-Control": "no-cache"}
    for number in range(PAIRS):
        filename, data = make_wheel("pair", f"1.{number}")
        assert writer.publish(token, filename, data)[0] == 200
        for server, headers in ((reader, newest), (reader, {}), (reader, {}), (writer, {})):
            if filename.encode() not in server.get("/simple/pair/", headers)[2]:
                stale.append((filename, server.url, headers))
    assert stale == []
    writer.must("index", "read", "main", "closed")
    assert [reader.get("/simple/pair/")[0] for _ in range(4)] == [401] * 4
    administrator = writer.make_token(writer.make_user(admin=True))
    credentials = {"Authorization": f"Bearer {administrator}"}
    assert [reader.get("/simple/pair/", credentials)[0] for _ in range(4)] == [200] * 4
    writer.must("token", "revoke", administrator)
    assert [reader.get("/simple/pair/", credentials)[0] for _ in range(4)] == [401] * 4


def test_a_worker_says_how_it_is_and_nothing_else(begin: Callable[..., Server]):
    worker = begin("worker", "--role", "worker")
    assert worker.get("/healthz")[0] == 200
    assert worker.get("/readyz")[0] == 200
    status, _, body = worker.get("/metrics")
    assert status == 200
    assert b"packhouse_" in body
    for path in ("/", "/simple/", "/account/login/", "/admin/", "/legacy/", "/readyz/x"):
        assert worker.get(path)[0] == 404, path
    assert "role       worker" in worker.output()
    assert "admin/claim" not in worker.output()


@pytest.mark.parametrize("role", ["origin", "worker"])
def test_work_is_not_divided_on_files(tmp_path: Path, role: str):
    done = run_packhouse("serve", "--role", role, "--data", str(tmp_path / "data"), "--upstream", "none")
    assert done.returncode == 2
    assert f"--role {role} is for several servers on one PostgreSQL" in done.stderr


@pytest.mark.parametrize("edge", ["nginx", "none"])
def test_a_worker_has_no_use_for_an_edge(tmp_path: Path, edge: str):
    extra = {"PACKHOUSE_DATABASE": "postgresql://nobody@/nothing"}
    done = run_packhouse("serve", "--role", "worker", "--edge", edge, "--data", str(tmp_path / "data"), extra=extra)
    assert done.returncode == 2
    assert f"--edge {edge} is for --role all and --role origin" in done.stderr


def test_behind_the_balancer_of_the_docs_a_server_that_dies_is_not_noticed(begin: Callable[..., Server]):
    both = [begin(name, "--role", "origin") for name in ("a", "b")]
    with balancer([int(server.url.rpartition(":")[2]) for server in both]) as port:
        front = Server(both[0].data, both[0].process, both[0].log, f"http://127.0.0.1:{port}", both[0].extra)
        token = front.make_token(front.make_user())
        for number in range(4):
            assert front.publish(token, *make_wheel("balanced", f"1.{number}"))[0] == 200
            assert f"balanced-1.{number}".encode() in front.get("/simple/balanced/")[2]
        os.killpg(both[0].process.pid, signal.SIGKILL)
        both[0].process.wait(DEADLINE)
        assert [front.get("/simple/balanced/")[0] for _ in range(20)] == [200] * 20
        assert front.publish(token, *make_wheel("balanced", "2.0"))[0] == 200
        assert b"balanced-2.0" in front.get("/simple/balanced/")[2]
