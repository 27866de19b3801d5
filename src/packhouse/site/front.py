# SPDX-License-Identifier: Apache-2.0
"""An nginx of this machine before the workers: started, watched and stopped by the supervisor.

It inherits the listening socket, so that a taken port is noticed as always and nothing is refused while it starts
again. It lives in a session of its own, for TERM and INT may reach every process of our group, and ends with us.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from packhouse.config import Settings
from packhouse.edge.nginx import Front, Place, configuration
from packhouse.errors import Kind, refuse
from packhouse.site.listening import listen

_log = structlog.stdlib.get_logger("packhouse.front")

MEMORY = Path("/dev/shm")  # noqa: S108 - the folder in it has a name nobody can guess and its owner's rights alone
PREFIX = "packhouse-front-"
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(slots=True)
class Nginx:
    """One nginx: what it is run with, and the process while it runs."""

    command: list[str]
    listener: socket.socket
    edge_side: Front
    process: subprocess.Popen[bytes] | None = field(default=None)

    def start(self) -> None:
        """See `supervisor.Front.start`."""
        inherited = self.listener.fileno()
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env={"NGINX": f"{inherited};", "PATH": os.defpath},
            pass_fds=(inherited,),
            start_new_session=True,
            preexec_fn=_end_with_us,  # noqa: PLW1509 - the supervisor has no threads
        )

    def watch(self) -> None:
        """See `supervisor.Front.watch`."""
        if self.process is not None and self.process.poll() is not None:
            _log.warning("nginx ended; it is started again", status=self.process.returncode)
            self.start()

    def drain(self, seconds: float) -> None:
        """See `supervisor.Front.drain`."""
        self.listener.close()
        if self.process is None:
            return
        self.process.send_signal(signal.SIGQUIT)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.terminate()
            self.process.wait()
        self.process = None


def _most_connections() -> int:
    """Connections of one nginx worker: each may need two descriptors and a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536), hard))
        soft = min(hard, 65_536)
    return max(64, min(16_384, soft // 3))


def _end_with_us() -> None:
    """In the child before it becomes nginx: signals as usual, and TERM when its parent dies."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@contextmanager
def open_front(settings: Settings, listener: socket.socket) -> Iterator[tuple[Nginx, socket.socket]]:
    """Make ready an nginx that takes over `listener`, and the socket of the workers behind it; clears up afterwards.

    Raises PackhouseError when there is no nginx, when it refuses the configuration, or on PostgreSQL.
    """
    program = _program(settings)
    inner = listen("127.0.0.1", 0)
    with _folders(settings) as (folder, cache):
        secret = secrets.token_urlsafe(24)
        place = Place(
            folder=folder,
            cache=cache,
            marks=folder / "marks",
            blobs=settings.blobs_folder.absolute(),
            listen=_spelled(listener),
            inner=_spelled(inner),
            secret=secret,
            workers=settings.workers,
            trusted=settings.trusted_proxies,
            connections=_most_connections(),
            as_root=os.geteuid() == 0,
        )
        file = folder / "nginx.conf"
        file.write_text(configuration(place), encoding="utf-8")
        command = [program, "-p", str(folder), "-c", str(file), "-e", "stderr"]
        _check(command)
        nginx = Nginx(command, listener, Front(secret, settings.blobs_folder.absolute()))
        try:
            yield nginx, inner
        finally:
            nginx.drain(0)


def _program(settings: Settings) -> str:
    if settings.on_postgresql:
        raise refuse(
            Kind.INVALID,
            "edge-nginx-postgresql",
            "--edge nginx is for a server on its own database files; with PostgreSQL use --edge embedded.",
            "edge",
        )
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise refuse(
            Kind.MISSING,
            "nginx-missing",
            "--edge nginx found no nginx on this machine; install it (Debian: nginx-light), or use --edge embedded.",
            "edge",
        )
    return found


def _check(command: list[str]) -> None:
    """Have nginx read its configuration."""
    tried = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    if tried.returncode:
        why = (tried.stderr.strip().splitlines() or ["it said nothing"])[0]
        raise refuse(
            Kind.INVALID, "nginx-refused", f"nginx refuses the configuration ({why}); use --edge embedded.", "edge"
        )


def _spelled(listener: socket.socket) -> str:
    """The address of a socket as nginx's `listen` and `server` take it."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if listener.family == socket.AF_INET6 else f"{host}:{port}"


@contextmanager
def _folders(settings: Settings) -> Iterator[tuple[Path, Path]]:
    """A folder in memory that the data folder's `front` points to, and an empty one for the cache."""
    link, cache = settings.data / "front", settings.data / "front-cache"
    _forget(link)
    shutil.rmtree(cache, ignore_errors=True)
    cache.mkdir(mode=0o700)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=MEMORY if os.access(MEMORY, os.W_OK) else None))
    try:
        (folder / "marks").mkdir()
        link.symlink_to(folder)
        yield folder, cache.absolute()
    finally:
        _forget(link)
        shutil.rmtree(folder, ignore_errors=True)


def _forget(link: Path) -> None:
    """Remove the folder of an earlier server, one that was killed among them, and what points to it."""
    with contextlib.suppress(OSError):
        old = link.readlink()
        link.unlink()
        if old.name.startswith(PREFIX):
            shutil.rmtree(old, ignore_errors=True)
