# SPDX-License-Identifier: Apache-2.0
"""A real server for tests: `packhouse serve` as a process of its own, on a free port and a temporary folder.

`live` is one per test session, for tests that make names of their own (its longer name is taken by pytest-django);
`start_server` starts one with the options a test wants. Both stop it afterwards and check that it ended well and left
nothing behind.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import pytest

from tests.infra import databases

SOURCE = Path(__file__).resolve().parents[2] / "src"
START_SECONDS = 60.0
STOP_SECONDS = 90.0
GONE_SECONDS = 30.0


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a Packhouse process under test: this one's without PACKHOUSE_*, with our sources."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PACKHOUSE_")}
    return kept | {"PYTHONPATH": str(SOURCE), "PYTHONUNBUFFERED": "1"} | dict(extra or {})


def run_packhouse(
    *arguments: str, stdin: str = "", extra: Mapping[str, str] | None = None, seconds: float = 240
) -> subprocess.CompletedProcess[str]:
    """Run `python -m packhouse ...` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "packhouse", *arguments],
        input=stdin,
        env=environment(extra),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def multipart(filename: str, data: bytes) -> tuple[str, bytes]:
    """An upload form with the fewest fields: its content type and its bytes."""
    boundary = secrets.token_hex(16)
    name, version = filename.removesuffix(".tar.gz").split("-")[:2]
    wheel = filename.endswith(".whl")
    fields = {
        ":action": "file_upload",
        "protocol_version": "1",
        "metadata_version": "2.4",
        "name": name,
        "version": version,
        "filetype": "bdist_wheel" if wheel else "sdist",
        "pyversion": "py3" if wheel else "source",
        "sha256_digest": hashlib.sha256(data).hexdigest(),
    }
    lines = [f'--{boundary}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()]
    lines.append(f'--{boundary}\r\nContent-Disposition: form-data; name="content"; filename="{filename}"\r\n\r\n')
    body = "".join(lines).encode() + data + f"\r\n--{boundary}--\r\n".encode()
    return f"multipart/form-data; boundary={boundary}", body


@dataclass(frozen=True)
class Person:
    """An account made for a test; its e-mail address counts as verified."""

    name: str
    email: str
    password: str


@dataclass
class Server:
    """A running server. `url` has no slash at the end."""

    data: Path
    process: subprocess.Popen[str]
    log: Path
    url: str = ""
    extra: dict[str, str] = field(default_factory=dict)

    def command(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run another command on this server's folder."""
        return run_packhouse(*arguments, "--data", str(self.data), stdin=stdin, extra=self.extra)

    def must(self, *arguments: str, stdin: str = "") -> str:
        """Run another command that has to succeed; its output without the last line break."""
        done = self.command(*arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout.rstrip("\n")

    def make_user(self, name: str = "", *, admin: bool = False) -> Person:
        """Make an account; without a name, one that no other test has."""
        name = name or f"user-{secrets.token_hex(4)}"
        person = Person(name, f"{name}@example.org", f"correct horse {secrets.token_hex(6)}")
        options = ["--admin"] if admin else []
        self.must(
            "user", "create", name, "--email", person.email, *options, "--password-stdin", stdin=person.password + "\n"
        )
        return person

    def make_token(self, user: str | Person, *options: str) -> str:
        """Make a token (`options` as of `packhouse token create`) and return it."""
        name = user if isinstance(user, str) else user.name
        return self.must("token", "create", name, "--name", f"test {secrets.token_hex(4)}", *options)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
        """GET a path: status, headers (lower-case names), body."""
        request = urllib.request.Request(self.url + path, headers=dict(headers or {}))
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return reply.status, {k.lower(): v for k, v in reply.headers.items()}, reply.read()
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, {k.lower(): v for k, v in refusal.headers.items()}, refusal.read()

    def publish(self, token: str, filename: str, data: bytes, path: str = "/legacy/") -> tuple[int, str]:
        """Upload a file as twine does, with the fewest fields: status, body."""
        kind, body = multipart(filename, data)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": kind}
        request = urllib.request.Request(self.url + path, data=body, headers=headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.read().decode()

    def output(self) -> str:
        """What it has printed so far, both streams."""
        return self.log.read_text(encoding="utf-8")

    def wait(self, path: str = "/readyz") -> None:
        """Wait until a path answers 200."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            found = re.findall(r"listening +(http://[^\s/]+)", self.output())
            if found:
                self.url = found[-1]  # the log may begin with an earlier server of the same folder
                with contextlib.suppress(OSError):
                    if self.get(path)[0] == 200:
                        return
            time.sleep(0.02)
        raise AssertionError(f"the server did not start:\n{self.output()}")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end, wait, and return its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS)

    def left_behind(self) -> list[str]:
        """What should not be there after the end: processes of its group, temporary files."""
        found = [str(file) for file in (self.data / "blobs" / "tmp").glob("*")]
        deadline = time.monotonic() + GONE_SECONDS  # a child that was told to end may take a moment to be gone
        with contextlib.suppress(ProcessLookupError):
            while time.monotonic() < deadline:
                os.killpg(self.process.pid, 0)
                time.sleep(0.02)
            os.killpg(self.process.pid, signal.SIGKILL)
            found.append(f"a process of group {self.process.pid}")
        return found


@lru_cache(maxsize=1)
def _migrated() -> Path:
    """A data folder that was started once and holds nothing: copying it is quicker than migrating a new one."""
    folder = Path(tempfile.mkdtemp(prefix="packhouse-migrated-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    code = "from packhouse import bootstrap, config; bootstrap.connect(config.load(), make=True)"
    extra = {"PACKHOUSE_DATA": str(folder / "data")}
    subprocess.run([sys.executable, "-c", code], env=environment(extra), check=True, timeout=240)
    return folder / "data"


def _database(data: Path, fresh: bool) -> str:
    """The PostgreSQL database of a data folder: made when it is new, found again when it was there before."""
    name = "served_" + hashlib.sha256(str(data).encode()).hexdigest()[:16]
    cluster = databases.cluster()
    if cluster.has(name):
        return cluster.url(name)
    return cluster.create(name) if fresh else cluster.create(name, _migrated_database())


@lru_cache(maxsize=1)
def _migrated_database() -> str:
    """The name of a database with all tables and nothing in them, for others to be copied from."""
    name = f"migrated_{os.getpid()}"
    with tempfile.TemporaryDirectory() as folder:
        extra = {"PACKHOUSE_DATA": folder + "/data", "PACKHOUSE_DATABASE": databases.cluster().create(name)}
        code = "from packhouse import bootstrap, config; bootstrap.connect(config.load(), make=True)"
        subprocess.run([sys.executable, "-c", code], env=environment(extra), check=True, timeout=240)
    return name


def start(
    data: Path, *options: str, extra: Mapping[str, str] | None = None, ready: bool = True, fresh: bool = False
) -> Server:
    """Start a server in a process group of its own and, unless told otherwise, wait until it is ready.

    A new folder begins as a copy of a migrated one, unless it is to be `fresh`. In a run on PostgreSQL the server has
    a database there, unless `extra` names another.
    """
    data.parent.mkdir(parents=True, exist_ok=True)
    extra = dict(extra or {})
    if databases.wanted() == "postgresql" and "PACKHOUSE_DATABASE" not in extra:
        extra["PACKHOUSE_DATABASE"] = _database(data, fresh)
    if not data.exists() and not fresh and "PACKHOUSE_DATABASE" not in extra:
        shutil.copytree(_migrated(), data)
    log = data.with_name(data.name + ".log")
    defaults = ["--port", "0", "--data", str(data), "--upstream", "none"]
    with log.open("a", encoding="utf-8") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "packhouse", "serve", *defaults, *options],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment(extra),
            start_new_session=True,
        )
    server = Server(data, process, log, extra=extra)
    if ready:
        try:
            server.wait()
        except BaseException:
            server.left_behind()
            process.wait(10)
            raise
    return server


def start_node(origin: Server, *options: str, ready: bool = True) -> Server:
    """Start a reading node of a server, on its folder."""
    log = origin.data.with_name(f"{origin.data.name}.node.log")
    command = ["--role", "edge", "--origin", origin.url, "--port", "0", "--data", str(origin.data), *options]
    with log.open("a", encoding="utf-8") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "packhouse", "serve", *command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment(origin.extra),
            start_new_session=True,
        )
    node = Server(origin.data, process, log, extra=origin.extra)
    if ready:
        try:
            node.wait()
        except BaseException:
            node.left_behind()
            process.wait(10)
            raise
    return node


def finish(server: Server) -> None:
    """Stop a server and demand a clean end."""
    try:
        status = server.stop()
    finally:
        left = server.left_behind()
    assert status == 0, f"exit status {status}\n{server.output()}"
    assert left == []


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the whole session; make your own names on it."""
    server = start(tmp_path_factory.mktemp("live") / "data")
    yield server
    finish(server)


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start servers on folders below this test's own; all of them are stopped and checked afterwards."""
    started: list[Server] = []

    def run(*options: str, data: Path | None = None, **rest: object) -> Server:
        server = start(data or tmp_path / "data", *options, **rest)  # type: ignore[arg-type]
        started.append(server)
        return server

    yield run
    for server in started:
        if server.process.poll() is None:
            finish(server)
