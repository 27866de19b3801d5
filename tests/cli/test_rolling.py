# SPDX-License-Identifier: Apache-2.0
"""An upgrade with two versions at once on PostgreSQL: reads go on while it migrates, programs know what they bear."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from tests.corpus import make_wheel
from tests.infra.postgresql import Cluster
from tests.infra.server import Server, environment, finish, run_packhouse, start

from packhouse.errors import PackhouseError
from packhouse.storage.pages_postgresql import PostgresqlPages

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

DEADLINE = 60.0
OLD = {"catalogue": "0009", "activity": "0006"}
MAKE_OLD = f"""
from packhouse import bootstrap, config
settings = config.load()
bootstrap.configure(settings)
from django.core.management import call_command
from packhouse.catalogue.migrating import make_schemas
make_schemas(settings)
for alias, app in (("default", "catalogue"), ("activity", "activity")):
    call_command("migrate", app, {OLD!r}[app], database=alias, verbosity=0, skip_checks=True)
"""
ROWS = """
INSERT INTO catalogue.catalogue_page
    (index_name, project, kind, serial, modified, etag, audience, valid_until, body)
SELECT 'main', 'p' || n, 'html', n, n, n::text, '', NULL, decode(repeat('ab', 500), 'hex')
FROM generate_series(1, 3000) AS n;
INSERT INTO catalogue.catalogue_journalentry
    (serial, at, kind, index_name, project, version, filename, actor, via, detail)
SELECT n, now(), 'file added', 'main', 'p' || n, '1.0', 'f' || n, 'alice', 'web', '{}'
FROM generate_series(1, 20000) AS n;
UPDATE catalogue.catalogue_counter SET value = 20000 WHERE name = 'serial';
"""


class Reads:
    """Somebody who reads pages all the time, as the edge of a server does, and notes what fails."""

    def __init__(self, url: str) -> None:
        self._reader = PostgresqlPages(url)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.count, self.longest = 0, 0.0
        self.failed: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(DEADLINE)
        self._reader.close()

    def _run(self) -> None:
        while not self._over.is_set():
            project, began = f"p{self.count % 3000 + 1}", time.monotonic()
            try:
                self._reader.moved()
                if self._reader.page("main", project, "html") is None:
                    self.failed.append(f"{project} is gone")
            except PackhouseError as error:
                self.failed.append(str(error))
            self.longest = max(self.longest, time.monotonic() - began)
            self.count += 1


def test_reads_go_on_while_a_database_with_rows_is_brought_from_an_older_version_to_this(
    postgresql: Cluster, tmp_path: Path
):
    extra = {"PACKHOUSE_DATABASE": postgresql.create("rolling"), "PACKHOUSE_DATA": str(tmp_path / "data")}
    subprocess.run([sys.executable, "-c", MAKE_OLD], env=environment(extra), check=True, timeout=60)
    with postgresql.connect("rolling") as connection:
        connection.execute(ROWS)
    plan = run_packhouse("migrate", "--plan", extra=extra)
    assert plan.returncode == 1
    assert "catalogue 0010_completed_upstream_files" in plan.stdout.splitlines()
    with Reads(extra["PACKHOUSE_DATABASE"]) as first, Reads(extra["PACKHOUSE_DATABASE"]) as second:
        done = run_packhouse("migrate", extra=extra)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "The databases are of this version now.")
    assert first.failed == second.failed == []
    assert min(first.count, second.count) > 0
    assert run_packhouse("migrate", extra=extra).stdout == "The databases are of this version.\n"


def test_a_migration_lets_others_by_while_it_waits_for_a_long_read(postgresql: Cluster, tmp_path: Path):
    extra = {"PACKHOUSE_DATABASE": postgresql.create("rolling"), "PACKHOUSE_DATA": str(tmp_path / "data")}
    subprocess.run([sys.executable, "-c", MAKE_OLD], env=environment(extra), check=True, timeout=60)
    with postgresql.connect("rolling") as connection:
        connection.execute(ROWS)
    with postgresql.connect("rolling") as long_read, Reads(extra["PACKHOUSE_DATABASE"]) as reads:
        long_read.autocommit = False
        long_read.execute("SELECT count(*) FROM catalogue.catalogue_upstreamfile")
        log = (tmp_path / "log").open("w+")
        migrating = subprocess.Popen(
            [sys.executable, "-m", "packhouse", "migrate"], env=environment(extra), stdout=log, stderr=log, text=True
        )
        try:
            eventually(lambda: "a migration waits for a table" in (tmp_path / "log").read_text())
            assert migrating.poll() is None
            long_read.rollback()
            assert migrating.wait(DEADLINE) == 0
        finally:
            migrating.kill()
            migrating.wait(DEADLINE)
            log.close()
    assert reads.failed == []


def eventually(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def running(postgresql: Cluster, tmp_path: Path) -> Iterator[Server]:
    server = start(tmp_path / "data", extra={"PACKHOUSE_DATABASE": postgresql.create("handshake")}, fresh=True)
    yield server
    if server.process.poll() is None:
        finish(server)


def apply(connection: Any, name: str, *statements: str) -> None:
    """What a newer version's migration does to the database."""
    for statement in statements:
        connection.execute(statement)
    connection.execute(
        "INSERT INTO catalogue.django_migrations (app, name, applied) VALUES ('catalogue', %s, now())", [name]
    )


def test_a_program_works_on_beside_a_newer_one_that_only_added_and_stops_before_one_that_removed(
    running: Server, postgresql: Cluster
):
    token = running.make_token(running.make_user())
    assert running.publish(token, *make_wheel("before", "1.0"))[0] == 200
    with postgresql.connect("handshake") as connection:
        apply(
            connection,
            "9001_shelves",
            "ALTER TABLE catalogue.catalogue_file ADD COLUMN shelf integer NULL",
            "ALTER TABLE catalogue.catalogue_project ADD COLUMN weight integer NOT NULL DEFAULT 0",
            "CREATE TABLE catalogue.catalogue_shelf (id bigint PRIMARY KEY)",
        )
        assert running.get("/readyz")[0] == 200
        assert running.publish(token, *make_wheel("after", "1.0"))[0] == 200
        assert running.get("/simple/after/")[0] == 200
        assert running.command("token", "list", "--help").returncode == 0
        assert running.command("yank", "after==1.0").returncode == 0
        assert running.stop() == 0
        again = start(running.data, extra=running.extra)
        try:
            assert again.get("/simple/before/")[0] == 200
            apply(connection, "9002_contract_shelves")
            assert again.get("/readyz")[0] == 503
        finally:
            finish(again)
    refused = run_packhouse("serve", "--data", str(running.data), "--upstream", "none", extra=running.extra)
    assert refused.returncode == 2
    assert "newer version of Packhouse (it knows the migration catalogue 9002_contract_shelves" in refused.stderr


@pytest.mark.full
def test_servers_that_start_at_once_on_an_empty_database_migrate_it_once(postgresql: Cluster, tmp_path: Path):
    extra = {"PACKHOUSE_DATABASE": postgresql.create("handshake")}
    both = [start(tmp_path / name, extra=extra, fresh=True, ready=False) for name in ("a", "b")]
    try:
        for server in both:
            server.wait()
    finally:
        for server in both:
            finish(server)


@pytest.mark.full
def test_on_files_it_migrates_beside_no_running_server(tmp_path: Path, start_server: Callable[..., Server]):
    extra = {"PACKHOUSE_DATABASE": f"sqlite:///{tmp_path}/data/catalogue.db"}
    server = start_server(extra=extra)
    assert server.command("migrate", "--plan").stdout == "The databases are of this version.\n"
    assert "already runs on the data folder" in server.command("migrate").stderr
    assert server.stop() == 0
    assert server.command("migrate").stdout == "The databases are of this version.\n"
