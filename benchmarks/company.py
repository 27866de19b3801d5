# SPDX-License-Identifier: Apache-2.0
"""What `benchmarks.nodes` measures: servers on one PostgreSQL and one bucket, and what each part spends."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.infra import postgresql, server
from tests.infra.buckets import BucketServer, bucket_server
from tests.infra.fault_proxy import FaultProxy, fault_proxy
from tests.infra.server import Server

from benchmarks.corpus import make_wheel
from benchmarks.processes import TICK, cpu_nanoseconds, tree
from benchmarks.publishing import Form, Publisher, form_of

PROJECTS = 200
FILE_BYTES = 1_000_000
DURABLE = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "shared_buffers": "256MB",
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.max": "10000",
}
"""What a company's database has on, and the counting of statements."""


@dataclass
class Setup:
    """The servers of one run. `counted` stands before the bucket and counts its requests."""

    database: postgresql.Cluster
    bucket: BucketServer
    counted: FaultProxy
    shared: dict[str, str]
    folder: Path
    stack: ExitStack
    nodes: list[Server] = field(default_factory=list)
    worker: Server | None = None
    token: str = ""
    files: dict[str, str] = field(default_factory=dict)
    """The addresses of files by project."""

    def start(self, *options: str, counting: bool = False, **extra: str) -> Server:
        """Start one more server; with `counting` it reaches the bucket through the counting proxy."""
        endpoint = self.counted.port if counting else self.bucket.port
        data = self.folder / secrets.token_hex(4)
        made = server.start(
            data,
            "--workers",
            "1",
            *options,
            extra=self.shared | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{endpoint}"} | extra,
            fresh=True,
        )
        self.stack.callback(_end, made)
        return made

    def components(self) -> dict[str, list[int]]:
        """The first processes of each part."""
        assert self.database.process is not None
        found = {
            "node": [node.process.pid for node in self.nodes],
            "database": [self.database.process.pid],
            "bucket": [self.bucket.process.pid],
        }
        return found if self.worker is None else found | {"worker": [self.worker.process.pid]}

    def spent(self) -> dict[str, float]:
        """Microseconds of processor time of each part so far, with children that have ended."""
        return {name: sum(map(_spent, first)) for name, first in self.components().items()}

    def statements(self) -> int:
        """Statements the database was asked so far, without those that begin and end transactions."""
        query = (
            "SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements"
            " WHERE query !~* '^(begin|commit|rollback|savepoint|release|set|listen|discard)'"
        )
        with self.database.connect("growth") as connection:
            row = connection.execute(query).fetchone()
        assert row is not None
        return int(str(row[0]))

    def publish(self, forms: list[Form], node: Server | None = None) -> None:
        """Upload forms one after another over one connection."""
        url = (node or self.nodes[0]).url
        with Publisher(f"{url}/legacy/", self.token) as publisher:
            for form in forms:
                publisher.publish(form)


def _spent(process: int) -> float:
    """Microseconds of a tree as the scheduler counts them, and in ticks of children that have ended."""
    ended = 0
    for one in tree(process):
        with suppress(OSError):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            ended += sum(map(int, fields[13:15]))
    return cpu_nanoseconds(process) / 1000 + ended * TICK


def _end(running: Server) -> None:
    running.process.kill()
    running.process.wait(60)
    running.left_behind()


@contextmanager
def set_up(folder: Path, projects: int = PROJECTS) -> Iterator[Setup]:
    """Start a database, a bucket, a worker and a first server, filled with small projects and one large file."""
    with ExitStack() as stack:
        database = postgresql.start(DURABLE)
        stack.callback(database.stop)
        bucket = stack.enter_context(bucket_server())
        counted = stack.enter_context(fault_proxy(bucket.port, counting=True))
        key = folder / "key"
        key.write_text(secrets.token_urlsafe(48))
        shared = bucket.environment | {
            "PACKHOUSE_DATABASE": database.create("growth"),
            "PACKHOUSE_STORAGE": bucket.fresh(),
            "PACKHOUSE_SECRET_KEY_FILE": str(key),
        }
        with database.connect("growth") as connection:
            connection.execute("CREATE EXTENSION pg_stat_statements")
        made = Setup(database, bucket, counted, shared, folder, stack)
        made.nodes.append(made.start("--role", "origin", counting=True))
        made.worker = made.start("--role", "worker")
        made.token = made.nodes[0].make_token(made.nodes[0].make_user(admin=True))
        made.publish([form_of(make_wheel(name_of(number), "1.0")) for number in range(projects)])
        made.publish([form_of(make_wheel("large", "1.0", extra=FILE_BYTES))])
        yield made


def name_of(number: int) -> str:
    """The name of one of the small projects."""
    return f"growing-{number:04d}"
