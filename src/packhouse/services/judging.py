# SPDX-License-Identifier: Apache-2.0
"""Judging uploaded files in processes that may die of them.

Why a socket pair that every process inherits, and no address: whoever can connect could ask, an address must be kept
secret and cleaned up, and a socket pair needs neither. A request is one datagram with the file's descriptor and a
socket for the answer, so any number of threads of any number of processes ask at once, and requests wait in the
socket while the process that forks the children (`judge_process`) is dead: whoever notices starts a new one.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import sys
import threading
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import orjson

from packhouse.domain.judgement import Judgement
from packhouse.domain.policy import Profile
from packhouse.errors import Fault, Kind, refuse
from packhouse.storage.incoming import Hook, no_hook

__all__ = ["Judge", "Judgement", "Limits", "SandboxedJudge"]

DIED = Fault(
    "archive-judgement-died",
    "The file needs more time or memory to look into than is allowed; build it again, smaller or simpler.",
    "content",
)
_NOT_RENDERED = Fault(
    "description-not-rendered",
    "The description failed to render, so it is shown as plain text; check it with 'twine check --strict'.",
    "description",
)
_CONTROL, _LOCK = 3, 4  # descriptors of the process that forks the children
_TICK = 0.25  # seconds between looks at whether that process lives
_SIGNALS = (signal.SIGALRM, signal.SIGCHLD, signal.SIGPIPE, signal.SIGXCPU, signal.SIGXFSZ)  # as at the start
_LARGEST_ANSWER = 64 * 1024 * 1024  # bytes
_SPAWN_AGAIN = 3.0  # seconds a new process has to show itself
_MOST_TRIES = 3
_BOOT = "import sys; sys.path[:] = sys.argv[3:]; from packhouse.services.judge_process import main; main(3, 4)"


class Judge(Protocol):
    """Whoever judges an uploaded file."""

    def judge(self, path: Path, filename: str, profile: Profile) -> Judgement:
        """Judge the file at `path`, uploaded as `filename`, by the rules of `profile`."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What looking into one file may need, beyond what grows with its size."""

    memory: int = 384 * 1024 * 1024  # bytes
    cpu_seconds: float = 10.0
    wall_seconds: float = 30.0
    bytes_per_second: int = 10 * 1024 * 1024  # of the file: a second more of each time for so many bytes
    patience: float = 60.0  # seconds a request may wait for its turn

    def for_size(self, size: int) -> dict[str, float]:
        """The limits for a file of so many bytes."""
        more = size / self.bytes_per_second
        return {
            "memory": self.memory,
            "cpu_seconds": int(self.cpu_seconds + more) + 1,
            "wall_seconds": self.wall_seconds + 3 * more,
        }


class SandboxedJudge:
    """Judges each file in a process of its own. Make it before the server forks; threads and forks may share it."""

    def __init__(self, limits: Limits | None = None, hook: Hook = no_hook) -> None:
        """Nothing is started before `start` or the first file."""
        self._hook = hook
        self._limits = limits or Limits()
        self._requests, self._control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = os.memfd_create("packhouse-judge", os.MFD_CLOEXEC)
        self._spawning = threading.Lock()
        self._spawned_at = 0.0
        self._children: dict[int, int] = {}  # processes started here -> by which process

    def start(self) -> None:
        """Start the process that forks the children, unless one is there."""
        if self.is_alive():
            return
        with self._spawning:
            if time.monotonic() - self._spawned_at > _SPAWN_AGAIN:
                self._reap(os.WNOHANG)
                self._children[self._spawn()] = os.getpid()
                self._spawned_at = time.monotonic()

    def is_alive(self) -> bool:
        """Whether a process that forks children runs: it holds the lock as long as it lives."""
        probe = os.open(f"/proc/self/fd/{self._lock}", os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(probe, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(probe)
        return False

    def close(self) -> None:
        """Close our end; when every process has done so, the others end."""
        if self._lock < 0:
            return
        self._requests.close()
        self._control.close()
        os.close(self._lock)
        self._lock = -1
        self._reap(0)

    def __del__(self) -> None:
        self.close()

    def judge(self, path: Path, filename: str, profile: Profile) -> Judgement:
        """Judge the file at `path`, uploaded as `filename`, by the rules of `profile`.

        A file whose judgement dies gets the fault `archive-judgement-died`. Raises UNAVAILABLE (`judge-unavailable`)
        when no process could be started in time.
        """
        with path.open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            rules = asdict(replace(profile, prohibited_names=()))
            limits = self._limits.for_size(size)
            request: dict[str, Any] = {"filename": filename, "profile": rules, **limits}
            for _ in range(_MOST_TRIES):
                with self._ask(file.fileno(), request) as answer:
                    self._hook("s5")
                    frames = _Frames(answer, self)
                    frames.read(self._limits.patience, limits["wall_seconds"] + 10)
                if frames.started:
                    return frames.judgement(profile)
        raise refuse(
            Kind.UNAVAILABLE,
            "judge-unavailable",
            "Files can't be judged at the moment; try again in a minute.",
            "content",
        )

    def _ask(self, file: int, request: dict[str, Any]) -> socket.socket:
        """Send a request; returns where the answer will come."""
        self.start()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            socket.send_fds(self._requests, [orjson.dumps(request)], [file, theirs.fileno()])
        return ours

    def _spawn(self) -> int:
        """Start a new interpreter with nothing of ours but two descriptors; not forked, for we may have threads."""
        search = [path for path in sys.path if path and Path(path).is_absolute()]
        search += [str(Path(path).resolve()) for path in sys.path if not path or not Path(path).is_absolute()]
        actions = [(os.POSIX_SPAWN_DUP2, self._control.fileno(), 200), (os.POSIX_SPAWN_DUP2, self._lock, 201)]
        actions += [(os.POSIX_SPAWN_DUP2, 200, _CONTROL), (os.POSIX_SPAWN_DUP2, 201, _LOCK)]
        actions += [(os.POSIX_SPAWN_CLOSE, 200), (os.POSIX_SPAWN_CLOSE, 201)]  # type: ignore[list-item]
        arguments = [sys.executable, "-I", "-S", "-c", _BOOT, str(_CONTROL), str(_LOCK), *search]
        return os.posix_spawn(
            sys.executable, arguments, {"LANG": "C.UTF-8"}, file_actions=actions, setsigmask=(), setsigdef=_SIGNALS
        )

    def _reap(self, options: int) -> None:
        """Take leave of processes started by this one."""
        for process, parent in list(self._children.items()):
            if parent == os.getpid():
                try:
                    ended, _ = os.waitpid(process, options)
                except ChildProcessError:
                    ended = process
                if ended:
                    del self._children[process]


class _Frames:
    """What a child has answered so far."""

    def __init__(self, answer: socket.socket, judge: SandboxedJudge) -> None:
        self._answer = answer
        self._judge = judge
        self._data = bytearray()

    @property
    def started(self) -> bool:
        """Whether a child has taken the request."""
        return bool(self._data)

    def read(self, patience: float, wall_seconds: float) -> None:
        """Read until the child closes its end, or for so many seconds before and after it has started."""
        self._answer.settimeout(_TICK)
        end = time.monotonic() + patience
        while time.monotonic() < end and len(self._data) < _LARGEST_ANSWER:
            try:
                piece = self._answer.recv(256 * 1024)
            except TimeoutError:
                self._judge.start()
                continue
            except ConnectionError:
                return
            if not piece:
                return
            if not self._data:
                end = time.monotonic() + wall_seconds
            self._data += piece

    def judgement(self, profile: Profile) -> Judgement:
        """The judgement in the frames; that it died, when it is not there or makes no sense."""
        frames = self._split()
        try:
            said = frames[b"V"]
            size = 4 + int.from_bytes(said[:4], "big")
            judgement = Judgement.from_dict(orjson.loads(said[4:size]), said[size:])
        except (KeyError, TypeError, ValueError):
            return Judgement(None, faults=(DIED,))
        if judgement.core is None or not judgement.core.description:
            return judgement
        return _with_description(judgement, frames.get(b"H", b""), profile)

    def _split(self) -> dict[bytes, bytes]:
        """Whole frames by their letter."""
        frames: dict[bytes, bytes] = {}
        data, at = bytes(self._data), 0
        while len(data) - at >= 5:
            size = int.from_bytes(data[at + 1 : at + 5], "big")
            if at + 5 + size > len(data):
                break
            frames[data[at : at + 1]] = data[at + 5 : at + 5 + size]
            at += 5 + size
        return frames


def _with_description(judgement: Judgement, html: bytes, profile: Profile) -> Judgement:
    """D16: a description that did not render is a fault or a warning."""
    if html:
        return replace(judgement, description_html=html.decode("utf-8", "replace"))
    if judgement.core is not None and judgement.core.description_content_type.startswith("text/plain"):
        return judgement
    if profile.allow_broken_descriptions:
        return judgement.warned(_NOT_RENDERED)
    return judgement.refused(_NOT_RENDERED)
