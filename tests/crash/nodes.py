# SPDX-License-Identifier: Apache-2.0
"""Three servers on one PostgreSQL and one bucket behind a load balancer, and what may fail of it.

The bucket, and the database as one of the servers reaches it, stand behind proxies that can be told to fail.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.corpus import make_wheel
from tests.crash.checker import Checker, Findings
from tests.crash.client import Client, GoneError
from tests.crash.ledger import Ledger, Sent
from tests.crash.trial import kill, port_of
from tests.infra import postgresql, server
from tests.infra.balancer import balancer
from tests.infra.buckets import BucketServer, bucket_server
from tests.infra.fault_proxy import FaultProxy, fault_proxy
from tests.infra.nginx import free_port
from tests.infra.server import Server

BACK_SECONDS = 120.0
"""How long all may take to be well again before we give up."""
STILL_SECONDS = 0.1


@dataclass
class Company:
    """Three nodes, what they share and what stands between; the ledger of what was acknowledged."""

    database: postgresql.Cluster
    between: FaultProxy
    """Between node a and the database; the others reach it without."""
    bucket: BucketServer
    before: FaultProxy
    """Between all nodes and the bucket."""
    nodes: dict[str, Server] = field(default_factory=dict)
    balancer: int = 0
    token: str = ""
    password: str = ""
    cookies: dict[str, str] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)

    def client(self, name: str = "") -> Client:
        """A client of a node, or of the balancer, signed in."""
        port = port_of(self.nodes[name]) if name else self.balancer
        return Client(port, dict(self.cookies))

    def restart(self, name: str) -> None:
        """Start a node again on its folder and port; it may not be ready yet when this returns."""
        old = self.nodes[name]
        old.log.unlink()
        again = server.start(old.data, "--port", str(port_of(old)), extra=old.extra, ready=False)
        again.url = old.url
        self.nodes[name] = again

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to all processes of a node."""
        os.killpg(self.nodes[name].process.pid, number)

    def await_well(self) -> None:
        """Until every node says that it is ready, and an upload through the balancer is answered 200."""
        deadline = time.monotonic() + BACK_SECONDS
        for name in self.nodes:
            while not self._is_ready(name):
                assert time.monotonic() < deadline, f"node {name} is not well:\n{self.nodes[name].output()[-3000:]}"
                time.sleep(STILL_SECONDS)
        filename, data = make_wheel(f"well-{secrets.token_hex(6)}", "1.0")
        while not self._takes(filename, data):
            assert time.monotonic() < deadline, "the balancer takes no upload"
            time.sleep(STILL_SECONDS)

    def _is_ready(self, name: str) -> bool:
        try:
            return self.client(name).ask("/readyz").status == 200
        except GoneError:
            return False

    def _takes(self, filename: str, data: bytes) -> bool:
        try:
            return self.client().publish(self.token, filename, data).status == 200
        except GoneError:
            return False

    def check(self, name: str, files: list[Sent], *, search: bool = False) -> Findings:
        """What is wrong with what a node shows of these files, and of all tokens."""
        checker = Checker(self.client(name), self.ledger, self.token)
        checker.check(files)
        checker.check_tokens()
        if search:
            living = {f.project for f in self.ledger.settled() if f.acked and not f.deletion}
            checker.check_search(sorted(living)[-20:])
        return checker.findings


@contextlib.contextmanager
def company(folder: Path) -> Iterator[Company]:
    """Start all of it; everything is killed afterwards."""
    database = postgresql.start()
    key = folder / "key"
    key.write_text(secrets.token_urlsafe(48))
    with contextlib.ExitStack() as stack:
        bucket = stack.enter_context(bucket_server())
        before = stack.enter_context(fault_proxy(bucket.port))
        between = stack.enter_context(fault_proxy(f"{database.folder}/.s.PGSQL.5432"))
        made = Company(database, between, bucket, before)
        stack.callback(_kill, made)
        url = database.create("company")
        shared = bucket.environment | {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{before.port}",
            "PACKHOUSE_STORAGE": bucket.fresh(),
            "PACKHOUSE_SECRET_KEY_FILE": str(key),
        }
        for name in ("a", "b", "c"):
            own = f"postgresql://packhouse@127.0.0.1:{between.port}/company" if name == "a" else url
            made.nodes[name] = server.start(
                folder / name,
                "--port",
                str(free_port()),
                extra=shared | {"PACKHOUSE_DATABASE": own},
                ready=name == "a",  # the first makes the tables; the others start side by side
                fresh=True,
            )
        for node in made.nodes.values():
            node.wait()
        made.balancer = stack.enter_context(balancer([port_of(node) for node in made.nodes.values()]))
        _sign_in(made)
        yield made


def _kill(made: Company) -> None:
    for node in made.nodes.values():
        kill(node)
    made.database.stop()


def _sign_in(made: Company) -> None:
    person = made.nodes["b"].make_user("crash")
    made.token, made.password = made.nodes["b"].make_token(person), person.password
    client = made.client()
    client.page("/account/login/")
    answer = client.submit("/account/login/", login=person.name, password=person.password)
    assert answer.status == 302, answer.text[:500]
    made.cookies = client.cookies
