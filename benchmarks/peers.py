# SPDX-License-Identifier: Apache-2.0
"""Other indexes, each in an environment of its own, filled with the same wheels and started as its documents say."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.infra.clients import ROOT, environment_of
from tests.infra.nginx import free_port

from benchmarks.corpus import Wheel
from benchmarks.fetching import fetch
from benchmarks.processes import SERVER_CPU, pinned
from benchmarks.publishing import Publisher, plain_form_of

SECRET = "benchmark-secret-of-no-use-elsewhere"
START_SECONDS = 180.0
STOP_SECONDS = 20.0
FILL_SECONDS = 240.0
"""How long a peer is filled; what it does not have by then is not asked of it."""


@dataclass(frozen=True)
class Setting:
    """What a peer is started in: its programs, an empty folder, a free port, and a simple index to mirror."""

    programs: Path
    folder: Path
    port: int
    index: str

    @property
    def address(self) -> str:
        """Where it will be, without a slash."""
        return f"http://127.0.0.1:{self.port}"


@dataclass(frozen=True)
class Peer:
    """One other index: how it is made ready, started and filled; `simple` is the path of its simple index."""

    name: str
    command: Callable[[Setting], Sequence[str | Path]]
    simple: str
    upload: str | None = None
    user: str = "__token__"
    prepare: Callable[[Setting, Sequence[Wheel]], None] = lambda _setting, _wheels: None
    begin: Callable[[Setting], str] = lambda _setting: SECRET
    """Called when it runs; returns the password to upload with."""
    extra: Callable[[Setting], dict[str, str]] = lambda _setting: {}


@dataclass
class Running:
    """A peer that runs: the root of its simple index without a slash, and its first process."""

    name: str
    root: str
    process: int
    publisher: Callable[[], Publisher] | None = field(default=None)
    lacking: set[str] = field(default_factory=set)
    """Projects that there was no time for."""


def _devpi_prepare(setting: Setting, _wheels: Sequence[Wheel]) -> None:
    subprocess.run(
        [setting.programs / "devpi-init", "--serverdir", setting.folder, "--no-root-pypi", "--root-passwd", SECRET],
        check=True,
        capture_output=True,
    )


def _devpi_begin(setting: Setting) -> str:
    """Make an index, and sign in: the password of a session is what its own client uploads with."""
    token = _ask(f"{setting.address}/+login", "POST", {"user": "root", "password": SECRET})["result"]["password"]
    credentials = base64.b64encode(f"root:{token}".encode()).decode()
    wanted = {"type": "stage", "bases": [], "volatile": True}
    _ask(f"{setting.address}/root/bench", "PUT", wanted, {"X-Devpi-Auth": credentials})
    return str(token)


def _ask(url: str, method: str, body: object, headers: dict[str, str] | None = None) -> dict[str, dict[str, str]]:
    sent = {"Content-Type": "application/json", "Accept": "application/json", **(headers or {})}
    request = urllib.request.Request(url, json.dumps(body).encode(), sent, method=method)
    with urllib.request.urlopen(request, timeout=60) as reply:
        answer: dict[str, dict[str, str]] = json.load(reply)
        return answer


def _write_flat(setting: Setting, wheels: Sequence[Wheel]) -> None:
    for wheel in wheels:
        (setting.folder / wheel.filename).write_bytes(wheel.data)


def _write_by_project(setting: Setting, wheels: Sequence[Wheel]) -> None:
    for wheel in wheels:
        place = setting.folder / wheel.project
        place.mkdir(exist_ok=True)
        (place / wheel.filename).write_bytes(wheel.data)


def _peryx_prepare(setting: Setting, _wheels: Sequence[Wheel]) -> None:
    (setting.folder / "peryx.toml").write_text(
        f'data_dir = "{setting.folder}/data"\nport = {setting.port}\n'
        '[[index]]\nname = "bench"\nroute = "bench"\nhosted = true\n'
        f'[[index.access_token]]\nname = "bench"\nsecret = "{SECRET}"\nactions = ["read", "write"]\n'
    )


PEERS = (
    Peer(
        "pypiron",
        lambda s: [
            *(s.programs / "pypiron", "serve", "--data-dir", s.folder, "--bind-addr", f"127.0.0.1:{s.port}"),
            *("--uploader-user", "bench", "--uploader-pass", SECRET),
            *("--advisory-feed", "", "--malware-block", "false"),
        ],
        "/simple",
        "/legacy/",
        "bench",
    ),
    Peer(
        "peryx",
        lambda s: [s.programs / "peryx", "serve", "--offline", "--config", s.folder / "peryx.toml"],
        "/bench/simple",
        "/bench/",
        prepare=_peryx_prepare,
        extra=lambda _s: {"RUST_LOG": "error"},
    ),
    Peer(
        "devpi",
        lambda s: [
            *(s.programs / "devpi-server", "--serverdir", s.folder, "--host", "127.0.0.1", "--port", str(s.port)),
            "--offline-mode",
        ],
        "/root/bench/+simple",
        "/root/bench/",
        "root",
        prepare=_devpi_prepare,
        begin=_devpi_begin,
    ),
    Peer(
        "pypiserver",
        lambda s: [
            *(s.programs / "pypi-server", "run", "-i", "127.0.0.1", "-p", str(s.port), "-P", ".", "-a", "."),
            *("--disable-fallback", "--hash-algo", "sha256", "--backend", "cached-dir", "--server", "auto"),
            s.folder,
        ],
        "/simple",
        "/",
        "bench",
        prepare=_write_flat,
    ),
    Peer(
        "simple-repository-server",
        lambda s: [s.programs / "simple-repository-server", "--host", "127.0.0.1", "--port", str(s.port), s.folder],
        "/simple",
        prepare=_write_by_project,
    ),
    Peer(
        "proxpi",
        lambda s: [
            *(s.programs / "gunicorn", "--bind", f"127.0.0.1:{s.port}", "--workers", "1", "--threads", "8"),
            "proxpi.server:app",
        ],
        "/index",
        extra=lambda s: {"PROXPI_INDEX_URL": f"{s.index}/", "PROXPI_INDEX_TTL": "86400"},
    ),
)
PINS = {"simple-repository-server": "simple-repository"}
FILLED_BY_FOLDER = ("pypiserver", "simple-repository-server", "proxpi")


@contextmanager
def run_peer(peer: Peer, folder: Path, wheels: Sequence[Wheel], index: str) -> Iterator[Running]:
    """Start a peer on the servers' processor and fill it; `index` is the simple index a proxy mirrors."""
    pinned_file = ROOT / "requirements" / "peers" / f"{PINS.get(peer.name, peer.name)}.txt"
    setting = Setting(environment_of(pinned_file), folder / peer.name, free_port(), index)
    setting.folder.mkdir(parents=True)
    peer.prepare(setting, wheels)
    log = folder / f"{peer.name}.log"
    with log.open("w") as out, pinned(SERVER_CPU):
        process = subprocess.Popen(
            list(map(str, peer.command(setting))),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env={**os.environ, **peer.extra(setting)},
            start_new_session=True,
        )
    try:
        _await(setting, peer, process, log)
        password = peer.begin(setting)
        running = Running(peer.name, f"{setting.address}{peer.simple}", process.pid)
        if peer.upload is not None:
            address, user = f"{setting.address}{peer.upload}", peer.user
            running.publisher = lambda: Publisher(address, password, user)
        if running.publisher is not None and peer.name not in FILLED_BY_FOLDER:
            taken = fill(running.publisher, wheels)
            running.lacking = {wheel.project for wheel in wheels[taken:]}
            _await_shown(running, wheels[:taken])
        yield running
    finally:
        _stop(process)
        shutil.rmtree(setting.folder, ignore_errors=True)


def fill(open_publisher: Callable[[], Publisher], wheels: Sequence[Wheel], seconds: float = FILL_SECONDS) -> int:
    """Upload in order for as long as there is time; returns how many it was."""
    until = time.monotonic() + seconds
    with open_publisher() as publisher:
        for number, wheel in enumerate(wheels):
            if time.monotonic() > until:
                return number
            publisher.publish(plain_form_of(wheel))
    return len(wheels)


def _await(setting: Setting, peer: Peer, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with suppress(OSError):
            fetch(f"{setting.address}{peer.simple}/")
            return
        time.sleep(0.1)
    raise RuntimeError(f"{peer.name} did not start:\n{log.read_text()[-2000:]}")


def _await_shown(running: Running, wheels: Sequence[Wheel]) -> None:
    """Until the last file of each project is on its page: some answer before it is."""
    until = time.monotonic() + START_SECONDS
    for wheel in {wheel.project: wheel for wheel in wheels}.values():
        while wheel.filename.encode() not in fetch(f"{running.root}/{wheel.project}/").body:
            if time.monotonic() > until:
                raise RuntimeError(f"{running.name} does not show {wheel.filename}.")
            time.sleep(0.2)


def _stop(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, 15)
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, 9)
    process.wait()
