# SPDX-License-Identifier: Apache-2.0
"""`packhouse move`: everything to another database and other storage, while the server goes on."""

from __future__ import annotations

import hashlib
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import psycopg
import pytest
from tests.corpus import make_wheel
from tests.crash.checker import Checker
from tests.crash.client import Client
from tests.crash.ledger import Ledger, make_file
from tests.crash.trial import port_of
from tests.infra import databases, houses
from tests.infra.buckets import BucketServer
from tests.infra.server import Person, Server, environment, finish, run_packhouse, start
from tests.infra.upstreams import UpFile, Upstream, upstream

pytestmark = [pytest.mark.slow, pytest.mark.postgres]

StartServer = Callable[..., Server]
WAIT = 120.0


def fresh_database() -> str:
    return databases.cluster().create(f"moved_{secrets.token_hex(6)}")


def elsewhere(s3: BucketServer) -> dict[str, str]:
    """An empty PostgreSQL and an empty bucket."""
    return s3.environment | {"PACKHOUSE_DATABASE": fresh_database(), "PACKHOUSE_STORAGE": s3.fresh()}


def embedded(folder: Path) -> dict[str, str]:
    """A folder of its own, named by settings."""
    return {"PACKHOUSE_DATABASE": f"sqlite://{folder}/catalogue.db", "PACKHOUSE_STORAGE": f"file://{folder}/blobs"}


def to(target: dict[str, str], *more: str) -> list[str]:
    return ["move", "--to", target["PACKHOUSE_DATABASE"], "--storage", target["PACKHOUSE_STORAGE"], *more]


@dataclass
class House:
    """A server with something of everything in it."""

    server: Server
    person: Person
    token: str
    serial: int = 0
    files: dict[str, str] = field(default_factory=dict)

    def publish(self, name: str, version: str, path: str = "/legacy/") -> None:
        filename, data = make_wheel(name, version)
        status, told = self.server.publish(self.token, filename, data, path)
        assert status == 200, told
        self.files[filename] = hashlib.sha256(data).hexdigest()


PATHS = (
    "/simple/", "/simple/tapes/", "/simple/reels/", "/simple/pulled/", "/index/closed/simple/tapes/",
    "/index/staging/simple/", "/index/staging/simple/tapes/",
)  # fmt: skip


@pytest.fixture(scope="module")
def host() -> Iterator[Upstream]:
    with upstream() as running:
        running.add("pulled", UpFile("pulled-1.0.tar.gz", b"pulled bytes"), UpFile("pulled-2.0.tar.gz", b"others"))
        yield running


def make_house(server: Server) -> House:
    person = server.make_user("ann", admin=True)
    house = House(server, person, server.make_token(person))
    server.must("index", "create", "staging")
    for version in ("1.0", "2.0", "3.0"):
        house.publish("tapes", version)
        house.publish("reels", version, "/index/staging/legacy/")
    house.serial = int(server.get("/simple/tapes/")[1]["x-pypi-last-serial"])
    server.must("yank", "tapes==1.0", "--reason", "broken")
    server.must("delete", "tapes==3.0", "--yes")
    server.must("token", "revoke", server.make_token(person))
    server.must("snapshot", "create", "before", "--index", "main")
    server.must("organization", "create", "acme", "--owner", "ann")
    assert len(houses.files(server, "/simple/pulled/")) == 2
    assert len(houses.files(server, "/simple/tapes/")) == 2
    return house


def signed_in(server: Server, person: Person) -> Client:
    client = Client(port_of(server), {})
    client.page("/account/login/")
    answer = client.submit("/account/login/", login=person.name, password=person.password)
    assert answer.status == 302, answer.text[:500]
    return client


def states(house: House) -> list[str]:
    """The paths of now and of a past state."""
    return [*PATHS, *(f"/@serial-{house.serial}{path}" for path in ("/simple/", "/simple/tapes/", "/simple/pulled/"))]


def test_there_and_back_with_every_row_page_and_past_state(
    start_server: StartServer, s3: BucketServer, host: Upstream, tmp_path: Path
):
    server = start_server("--upstream", host.url, extra=s3.environment)
    house = make_house(server)
    client = signed_in(server, house.person)
    assert house.person.name in client.page("/manage/account/").text
    target = elsewhere(s3)
    planned = server.must(*to(target, "--dry-run"))
    assert "begins" in planned
    assert "moved_" in planned
    with psycopg.connect(target["PACKHOUSE_DATABASE"]) as nothing:
        assert nothing.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'catalogue'").fetchone() == (0,)
    before = houses.pages(server, states(house))
    out = server.must(*to(target))
    assert out.splitlines()[-1] == (
        "Now set PACKHOUSE_DATABASE to the address given with --to and PACKHOUSE_STORAGE to"
        f" {target['PACKHOUSE_STORAGE']}, and start the server again."
    )
    # reading goes on, writing is refused with a time to come again
    assert houses.pages(server, states(house)) == before
    assert house.person.name in client.page("/manage/account/").text
    status, told = server.publish(house.token, *make_wheel("tapes", "9.0"))
    assert (status, "on its way" in told) == (503, True)
    assert server.command("yank", "tapes==2.0").returncode == 2
    assert (
        houses.differing(houses.dump(server.data, server.extra), houses.dump(server.data, server.extra | target)) == []
    )
    assert server.stop() == 0
    moved = start_server("--upstream", host.url, data=server.data, extra=s3.environment | target)
    assert houses.pages(moved, states(house)) == before
    assert house.person.name in Client(port_of(moved), dict(client.cookies)).page("/manage/account/").text
    assert moved.stop() == 0
    # and back, into a folder of its own
    home = embedded(tmp_path / "home")
    done = run_packhouse(*to(home), "--data", str(server.data), extra=server.extra | target)
    assert done.returncode == 0, done.stderr
    again = houses.dump(tmp_path / "home", {})
    assert houses.differing(houses.dump(server.data, server.extra | target), again) == []
    back = start_server("--upstream", host.url, data=tmp_path / "home")
    assert houses.pages(back, states(house)) == before
    assert house.person.name in Client(port_of(back), dict(client.cookies)).page("/manage/account/").text
    house.server = back
    house.publish("tapes", "4.0")
    assert back.command("verify").returncode == 0
    assert "blocked" not in back.output()


def killed(server: Server, target: dict[str, str], step: str) -> None:
    """Run a move that dies at a step, as a whole process group."""
    name, at, number = step.partition("@")
    when = at + number
    told = environment({**server.extra, "PACKHOUSE_FAULT": f"{name}:kill{when}"})
    command = [sys.executable, "-m", "packhouse", *to(target), "--data", str(server.data)]
    done = subprocess.run(
        command, env=told, capture_output=True, text=True, timeout=WAIT, start_new_session=True, check=False
    )
    assert done.returncode == -9, (step, done.stdout, done.stderr)


MOST_FILES = 40
"""That somebody uploads while a house moves: more would only make the comparison long."""


class Publisher:
    """Somebody who uploads files until told to stop, or refused since the house takes no writes any more."""

    def __init__(self, client: Client, token: str) -> None:
        self.ledger = Ledger()
        self.refused: list[str] = []
        self._client, self._token, self._stop = client, token, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(WAIT)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        for number in range(MOST_FILES):
            project, version, size = f"moving-{number % 7}", f"1.{number}", 200_000 if number % 9 == 0 else 300
            filename, data = make_file(project, version, True, number, size)
            told = {"project": project, "version": version, "seed": number, "payload": size}
            self.ledger.note("sent", filename=filename, sha256=hashlib.sha256(data).hexdigest(), **told)
            answer = self._client.publish(self._token, filename, data)
            if answer.status == 200:
                self.ledger.note("acked", filename=filename)
            else:
                self.refused.append(f"{answer.status} {answer.text}")
            if self._stop.wait(0.2):
                return


def kill_while_somebody_uploads(server: Server, target: dict[str, str], steps: tuple[str, ...]) -> None:
    """Moves that die at each of these steps, and one that ends; then all that was acknowledged is at the new place."""
    person = server.make_user("crash")
    token = server.make_token(person)
    client = Client(port_of(server), {})
    with Publisher(client, token) as publisher:
        for step in steps:
            killed(server, target, step)
        done = server.command(*to(target))
        assert done.returncode == 0, done.stdout + done.stderr
    ledger = publisher.ledger
    assert [told for told in publisher.refused if not told.startswith("503") or "on its way" not in told] == []
    assert ledger.acknowledged > 0
    rows = [houses.dump(server.data, extra) for extra in (server.extra, server.extra | target)]
    assert houses.differing(*rows) == []
    finish(server)
    moved = start(server.data, extra=server.extra | target)
    try:
        checker = Checker(Client(port_of(moved), {}), ledger, token)
        checker.check(list(ledger.files.values()))
        assert checker.findings.all() == []
        done = moved.command("verify")
        assert done.returncode == 0, done.stdout
    finally:
        finish(moved)


def test_a_move_that_is_killed_goes_on_and_no_upload_is_lost(s3: BucketServer, tmp_path: Path):
    server = start(tmp_path / "data", extra=s3.environment)
    kill_while_somebody_uploads(server, elsewhere(s3), ("m4@30", "m7"))


@pytest.mark.full
@pytest.mark.parametrize("back", [False, True], ids=["to PostgreSQL and a bucket", "to SQLite and a folder"])
def test_a_move_is_killed_at_each_of_its_steps(s3: BucketServer, tmp_path: Path, back: bool):
    steps = ("m1", "m2", "m3", "m4", "m4@9", "m5", "m5@7", "m6", "m7", "m8")
    here, there = s3.environment, elsewhere(s3)
    if back:
        here, there = there, s3.environment | embedded(tmp_path / "home")
    server = start(tmp_path / "data", extra=here)
    kill_while_somebody_uploads(server, there, steps)
