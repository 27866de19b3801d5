# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL of our own: a fresh cluster in a temporary folder, reached by a unix socket alone.

PostgreSQL won't run as root, so root starts it as the user `postgres` that Debian's package makes. The server ends
with the process that started it, even when that one is killed.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

SETTINGS = {
    "fsync": "off",  # a test's cluster needs not survive a power cut
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "timezone": "UTC",
}


def programs() -> Path | None:
    """The folder of initdb and postgres of the newest PostgreSQL here; None without one."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda file: int(file.parts[-3]))
    if debian:
        return debian[-1].parent
    found = shutil.which("postgres")
    return Path(found).resolve().parent if found else None


def _unprivileged() -> list[str]:
    """What to put before a command so that it doesn't run as root, and ends with us."""
    end = ["setpriv", "--pdeathsig", "TERM"]
    if os.geteuid() != 0:
        return end
    return [*end, "--reuid=postgres", "--regid=postgres", "--clear-groups"]


@dataclass(frozen=True)
class Cluster:
    """A running cluster; `folder` holds the data, the socket and the log."""

    folder: Path
    process: subprocess.Popen[bytes] | None  # None in a process that was only told of it

    def url(self, database: str) -> str:
        """The address of one of its databases, as PACKHOUSE_DATABASE takes it."""
        return f"postgresql://packhouse@/{database}?host={self.folder}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        """A connection in autocommit mode."""
        return psycopg.connect(self.url(database), autocommit=True)

    def has(self, database: str) -> bool:
        """Whether there is a database of this name."""
        with self.connect() as connection:
            return connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone() is not None

    def create(self, database: str, template: str = "template0") -> str:
        """Make a database anew, as a copy of another; returns its address."""
        name, source = sql.Identifier(database), sql.Identifier(template)
        with self.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(name, source))
        return self.url(database)

    def crash(self, seconds: float = 0.0) -> Cluster:
        """Kill the server as a power cut would, and after so many seconds start it again on its folder."""
        assert self.process is not None
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(60)
        time.sleep(seconds)
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                self.process.args, stdout=log, stderr=log, cwd=self.folder, start_new_session=True
            )
        again = Cluster(self.folder, process)
        _await(again)
        return again

    def stop(self) -> None:
        """End the server and remove its folder."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(60)
        shutil.rmtree(self.folder, ignore_errors=True)


def start(settings: Mapping[str, str] | None = None) -> Cluster:
    """Make and start a cluster, with other settings than `SETTINGS` if there are any.

    Raises RuntimeError with its log when it doesn't come up within 30 seconds.
    """
    binaries = programs()
    if binaries is None:
        raise RuntimeError("PostgreSQL is not installed; `make test` installs it.")
    folder = Path(tempfile.mkdtemp(prefix="packhouse-pg-"))
    if os.geteuid() == 0:
        owner = pwd.getpwnam("postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    data = folder / "data"
    initdb = [
        str(binaries / "initdb"),
        "-D",
        str(data),
        "-U",
        "packhouse",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C.UTF-8",
        "-N",
    ]
    subprocess.run([*_unprivileged(), *initdb], check=True, stdout=subprocess.DEVNULL, cwd=folder)
    options = [part for key, value in (SETTINGS | dict(settings or {})).items() for part in ("-c", f"{key}={value}")]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*_unprivileged(), binaries / "postgres", "-D", data, "-k", folder, *options],
            stdout=log,
            stderr=log,
            cwd=folder,
            start_new_session=True,
        )
    cluster = Cluster(folder, process)
    _await(cluster)
    return cluster


def _await(cluster: Cluster) -> None:
    for _ in range(300):
        try:
            cluster.connect().close()
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return
    log = (cluster.folder / "log").read_text(errors="replace")
    cluster.stop()
    raise RuntimeError(f"PostgreSQL did not start:\n{log}")
