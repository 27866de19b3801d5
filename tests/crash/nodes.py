# SPDX-License-Identifier: Apache-2.0
"""Three servers on one PostgreSQL and one bucket, and faults under load; looked at by the checker of kill trials.

Two nodes have clients at work, the third is asked what is there. The faults: a node is killed, the database dies and
comes again, the bucket stops answering and comes again.
"""

from __future__ import annotations

import contextlib
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.checker import Checker
from tests.crash.client import Client, GoneError
from tests.crash.ledger import Ledger
from tests.crash.load import Load
from tests.crash.trial import kill, port_of
from tests.infra import postgresql, server
from tests.infra.buckets import BucketServer, bucket_server
from tests.infra.server import Server

AT_WORK = ("a", "b")
WORK_SECONDS = 3.0
"""How long clients work before a fault, and after it."""
BACK_SECONDS = 60.0
"""How long all may take to be well again."""


@dataclass
class Company:
    """Three nodes, what they share, and the ledgers of what they acknowledged."""

    database: postgresql.Cluster
    bucket: BucketServer
    nodes: dict[str, Server]
    token: str
    password: str
    cookies: dict[str, str]
    ledgers: dict[str, Ledger] = field(default_factory=lambda: {name: Ledger() for name in AT_WORK})

    def client(self, name: str) -> Client:
        """A client of a node, signed in."""
        return Client(port_of(self.nodes[name]), dict(self.cookies))

    def load(self, name: str) -> Load:
        """People at work on a node."""
        return Load(self.ledgers[name], self.client(name), self.token, self.password, secrets.randbits(32))

    def restart(self, name: str) -> None:
        """Start a node again on its folder."""
        old = self.nodes[name]
        old.log.unlink()
        self.nodes[name] = server.start(old.data, extra=old.extra)

    @property
    def acknowledged(self) -> int:
        """How much was, on all nodes."""
        return sum(ledger.acknowledged for ledger in self.ledgers.values())

    def check(self, name: str) -> list[str]:
        """What is wrong with what a node shows, compared with what any of them acknowledged."""
        wrong = []
        for ledger in self.ledgers.values():
            checker = Checker(self.client(name), ledger, self.token)
            checker.check(list(ledger.files.values()))
            checker.check_tokens()
            living = {f.project for f in ledger.settled() if f.acked and not f.deletion}
            checker.check_search(sorted(living)[-20:])
            wrong += checker.findings.all()
        return wrong

    def await_well(self, name: str) -> None:
        """Until a node takes an upload again."""
        deadline = time.monotonic() + BACK_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(GoneError):
                if self.client(name).ask("/readyz").status == 200:
                    return
            time.sleep(0.1)
        raise AssertionError(f"node {name} is not well again:\n{self.nodes[name].output()[-3000:]}")


@contextlib.contextmanager
def company(folder: Path) -> Iterator[Company]:
    """Start all of it; everything is killed afterwards."""
    database = postgresql.start()
    key = folder / "key"
    key.write_text(secrets.token_urlsafe(48))
    nodes: dict[str, Server] = {}
    with bucket_server() as bucket:
        extra = bucket.environment | {
            "PACKHOUSE_DATABASE": database.create("company"),
            "PACKHOUSE_STORAGE": bucket.fresh(),
            "PACKHOUSE_SECRET_KEY_FILE": str(key),
        }
        made = Company(database, bucket, nodes, "", "", {})
        try:
            for name in ("a", "b", "c"):
                nodes[name] = server.start(folder / name, extra=extra, fresh=True)
            _sign_in(made)
            yield made
        finally:
            for node in nodes.values():
                kill(node)
            made.database.stop()


def _sign_in(made: Company) -> None:
    person = made.nodes["a"].make_user("crash")
    made.token, made.password = made.nodes["a"].make_token(person), person.password
    client = made.client("a")
    client.page("/account/login/")
    answer = client.submit("/account/login/", login=person.name, password=person.password)
    assert answer.status == 302, answer.text[:500]
    made.cookies = client.cookies


def kill_node(made: Company) -> None:
    """A node dies at work."""
    kill(made.nodes["a"])


def crash_database(made: Company) -> None:
    """The database dies and comes again."""
    made.database = made.database.crash()


def stop_bucket(made: Company) -> None:
    """The bucket does not answer for a while."""
    made.bucket.process.send_signal(signal.SIGSTOP)
    time.sleep(WORK_SECONDS)
    made.bucket.process.send_signal(signal.SIGCONT)


def under_load(made: Company, fault: Callable[[Company], None]) -> tuple[int, list[str]]:
    """Let clients work on two nodes while something fails; how much was acknowledged, and what was refused."""
    before = made.acknowledged
    loads = [made.load(name) for name in AT_WORK]
    for load in loads:
        load.start()
    time.sleep(WORK_SECONDS)
    fault(made)
    time.sleep(WORK_SECONDS)
    for load in loads:
        load.join(120.0)
    return made.acknowledged - before, [sentence for load in loads for sentence in load.refused]
