# SPDX-License-Identifier: Apache-2.0
"""A Varnish of our own with the configuration we give away, unprivileged, on a free port of the loopback."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.infra.nginx import free_port
from tests.infra.server import Server

CONFIGURATION = Path(__file__).resolve().parents[2] / "deploy" / "varnish" / "packhouse.vcl"
SECONDS = 60.0
LARGE = 1_500_000
"""Bytes up to which a file is kept in tests."""
_SMALL = ("thread_pools=1", "thread_pool_min=10", "thread_pool_max=200", "vsl_space=8M")
WANTED = ("http_gzip_support=off", "pipe_timeout=600")
"""The parameters that the configuration says it needs."""


def program(name: str = "varnishd") -> str | None:
    """Where a program of Varnish is (Debian's is not on a plain user's path); None without one."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


@dataclass(frozen=True)
class Varnish:
    """One that runs: its base address without a slash, and its folder."""

    url: str
    folder: Path

    def count(self, counter: str) -> int:
        """The value of a counter, such as `MAIN.n_object`."""
        found = program("varnishstat")
        assert found
        done = subprocess.run(
            [found, "-n", str(self.folder), "-1", "-f", counter], capture_output=True, text=True, check=True
        )
        return int(done.stdout.split()[1])


def configuration(backend: int) -> str:
    """The configuration as it is given away, with another port behind it, and small files too large to keep."""
    text = CONFIGURATION.read_text(encoding="utf-8")
    for given, ours in (('.port = "8000";', f'.port = "{backend}";'), ("> 67108864)", f"> {LARGE})")):
        assert text.count(given) == 1
        text = text.replace(given, ours)
    return text


@contextmanager
def varnish(backend: int, port: int = 0) -> Iterator[Varnish]:
    """Serve before a port of this machine; whether anybody listens there is not asked.

    Raises RuntimeError with what Varnish said when it doesn't come up within a minute.
    """
    found = program()
    if found is None:
        raise RuntimeError("Varnish is not installed; `make test` installs it.")
    port = port or free_port()
    folder = Path(tempfile.mkdtemp(prefix="packhouse-varnish-"))
    file, log = folder / "packhouse.vcl", folder / "log"
    file.write_text(configuration(backend), encoding="utf-8")
    options = [option for parameter in (*WANTED, *_SMALL) for option in ("-p", parameter)]
    place = ["-n", str(folder / "work"), "-a", f"127.0.0.1:{port}", "-f", str(file), "-s", "malloc,64M"]
    with log.open("w") as out:
        process = subprocess.Popen([found, "-F", "-j", "none", *place, *options], stdout=out, stderr=out)
    try:
        _await(process, port, log)
        yield Varnish(f"http://127.0.0.1:{port}", folder / "work")
    finally:
        process.terminate()
        process.wait(SECONDS)
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Front:
    """What stands before a server: what the server is started with, and where it is asked then ("": itself)."""

    options: tuple[str, ...] = ()
    extra: dict[str, str] = field(default_factory=dict)
    url: str = ""
    varnish: Varnish | None = None

    def stand_before(self, server: Server) -> None:
        """From now on the server is asked through this, its commands purge it, too."""
        if not self.url:
            return
        told = "".join(f"{name.removeprefix('PACKHOUSE_').lower()} = {value!r}\n" for name, value in self.extra.items())
        (server.data / "packhouse.toml").write_text(told, encoding="utf-8")
        server.url = self.url
        deadline = time.monotonic() + SECONDS
        while server.get("/readyz")[0] != 200:
            assert time.monotonic() < deadline, "Varnish does not find the server well"
            time.sleep(0.02)


@contextmanager
def behind_varnish(*, purge: bool = True, cdn_max_age: int = 3600) -> Iterator[Front]:
    """A Varnish for a server that is not there yet; without `purge` its purges get lost."""
    port = free_port()
    with varnish(port) as running:
        told = running.url if purge else f"http://127.0.0.1:{free_port()}"
        extra = {"PACKHOUSE_PURGE": told, "PACKHOUSE_CDN_MAX_AGE": str(cdn_max_age)}
        yield Front(("--port", str(port)), extra, running.url, running)


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    process.terminate()
    raise RuntimeError(f"Varnish did not start:\n{log.read_text()}")
