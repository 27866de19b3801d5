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
from dataclasses import dataclass, fields, replace
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
_RULES = [field.name for field in fields(Profile) if field.name != "prohibited_names"]  # what a file is judged by
_LARGEST_KEPT = 1024 * 1024  # bytes of a file whose judge may stay for the next
_MOST_KEPT = 2  # processes that stay for their senders, of each that asks
_BOOT = "import sys; sys.path[:] = sys.argv[3:]; from packhouse.services.judge_process import main; main(3, 4)"


class Judge(Protocol):
    """Whoever judges an uploaded file."""

    def judge(self, path: Path, filename: str, profile: Profile, sender: str = "") -> Judgement:
        """Judge the file at `path`, uploaded as `filename` by `sender`, by the rules of `profile`."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What looking into one file may need, beyond what grows with its size."""

    memory: int = 384 * 1024 * 1024  # bytes
    cpu_seconds: float = 10.0
    wall_seconds: float = 30.0
    bytes_per_second: int = 10 * 1024 * 1024  # of the file: a second more of each time for so many bytes
    patience: float = 60.0  # seconds a request may wait for its turn
    kept_seconds: float = 20.0  # how long a process may stay for the files of one sender
    idle_seconds: float = 2.0  # how long it waits for the next of them

    def for_size(self, size: int) -> dict[str, float]:
        """The limits for a file of so many bytes."""
        more = size / self.bytes_per_second
        return {
            "memory": self.memory,
            "cpu_seconds": int(self.cpu_seconds + more) + 1,
            "wall_seconds": self.wall_seconds + 3 * more,
        }


class SandboxedJudge:
    """Judges files in processes that judge nothing else, or nothing but small files of one sender.

    Make it before the server forks; threads and forks may share it.
    """

    def __init__(self, limits: Limits | None = None, hook: Hook = no_hook) -> None:
        """Nothing is started before `start` or the first file."""
        self._hook = hook
        self._limits = limits or Limits()
        self._requests, self._control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = os.memfd_create("packhouse-judge", os.MFD_CLOEXEC)
        self._spawning = threading.Lock()
        self._spawned_at = 0.0
        self._children: dict[int, int] = {}  # processes started here -> by which process
        self._kept = _Kept()

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
        self._kept.close()
        self._requests.close()
        self._control.close()
        os.close(self._lock)
        self._lock = -1
        self._reap(0)

    def __del__(self) -> None:
        self.close()

    def judge(self, path: Path, filename: str, profile: Profile, sender: str = "") -> Judgement:
        """Judge the file at `path`, uploaded as `filename` by `sender`, by the rules of `profile`.

        Small files that one sender sends within seconds may be judged by the same process, which then can lie about
        these files, should one of them have taken it over. So name as a sender who may say of all of them what they
        please: one token that uploads to one project. Without a sender a file is judged alone.

        A file whose judgement dies gets the fault `archive-judgement-died`. Raises UNAVAILABLE (`judge-unavailable`)
        when no process could be started in time.
        """
        with path.open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            rules = {name: getattr(profile, name) for name in _RULES}
            limits = self._limits.for_size(size)
            if size > _LARGEST_KEPT:
                sender = ""
            stay = (self._limits.kept_seconds, self._limits.idle_seconds) if sender else None
            request: dict[str, Any] = {"filename": filename, "profile": rules, "stay": stay, **limits}
            seconds = limits["wall_seconds"] + 10
            frames = self._ask_kept(file.fileno(), request, sender, seconds)
            if frames is not None:
                return frames.judgement(profile)
            for _ in range(_MOST_TRIES):
                answer = self._ask(file.fileno(), request)
                self._hook("s5")
                frames = _Frames(answer, self)
                frames.read(self._limits.patience, seconds)
                self._kept.put(sender, answer, frames)
                if frames.started:
                    return frames.judgement(profile)
        raise refuse(
            Kind.UNAVAILABLE,
            "judge-unavailable",
            "Files can't be judged at the moment; try again in a minute.",
            "content",
        )

    def _ask_kept(self, file: int, request: dict[str, Any], sender: str, seconds: float) -> _Frames | None:
        """Ask the process that stays for `sender`; None when there is none, or when it died: then a new one decides."""
        answer = self._kept.take(sender)
        if answer is None:
            return None
        data = orjson.dumps(request)
        frames = _Frames(answer, self)
        try:
            answer.settimeout(_TICK)
            socket.send_fds(answer, [b"Q" + len(data).to_bytes(4, "big") + data], [file])
        except OSError:
            answer.close()
            return None
        self._hook("s5")
        frames.read(seconds, seconds)
        self._kept.put(sender, answer, frames)
        return frames if frames.ended else None

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


class _Kept:
    """Processes that stay for their senders' next files: where to ask them. Threads may share it, forks may not."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._of: dict[str, socket.socket] = {}
        self._owner = 0

    def take(self, sender: str) -> socket.socket | None:
        """The one that stays for `sender`, for this thread alone."""
        with self._guard:
            return self._of.pop(sender, None) if self._owner == os.getpid() else None

    def put(self, sender: str, answer: socket.socket, frames: _Frames) -> None:
        """Keep the one that answered, if it stays; else, and where there are too many, its end is closed."""
        with self._guard:
            if self._owner != os.getpid():
                self._owner, self._of = os.getpid(), {}
            gone = [answer]
            if sender and frames.stays:
                gone = [self._of.pop(sender)] if sender in self._of else []
                if len(self._of) >= _MOST_KEPT:
                    gone.append(self._of.pop(next(iter(self._of))))
                self._of[sender] = answer
        for one in gone:
            one.close()

    def close(self) -> None:
        """Let all of them go."""
        with self._guard:
            kept, self._of = self._of, {}
        for answer in kept.values():
            answer.close()


class _Frames:
    """What a child has answered so far."""

    def __init__(self, answer: socket.socket, judge: SandboxedJudge) -> None:
        self._answer = answer
        self._judge = judge
        self._data = bytearray()
        self._frames: dict[bytes, bytes] = {}
        self.ended = False
        """Whether the child has said all it had to say, and closed its end or stays."""

    @property
    def started(self) -> bool:
        """Whether a child has taken the request."""
        return bool(self._frames or self._data)

    @property
    def stays(self) -> bool:
        """Whether the child waits for the sender's next file."""
        return b"E" in self._frames and not self._data

    def read(self, patience: float, wall_seconds: float) -> None:
        """Read until the child closes its end or stays, or for so many seconds before and after it has started."""
        self._answer.settimeout(_TICK)
        end, size = time.monotonic() + patience, 0
        while time.monotonic() < end and size < _LARGEST_ANSWER:
            try:
                piece = self._answer.recv(256 * 1024)
            except TimeoutError:
                self._judge.start()
                continue
            except ConnectionError:
                return
            if not piece:
                self.ended = b"V" in self._frames
                return
            if not size:
                end = time.monotonic() + wall_seconds
            size += len(piece)
            self._data += piece
            self._split()
            if b"E" in self._frames:
                self.ended = True
                return

    def judgement(self, profile: Profile) -> Judgement:
        """The judgement in the frames; that it died, when it is not there or makes no sense."""
        frames = self._frames
        try:
            said = frames[b"V"]
            size = 4 + int.from_bytes(said[:4], "big")
            judgement = Judgement.from_dict(orjson.loads(said[4:size]), said[size:])
        except (KeyError, TypeError, ValueError):
            return Judgement(None, faults=(DIED,))
        if judgement.core is None or not judgement.core.description:
            return judgement
        return _with_description(judgement, frames.get(b"H", b""), profile)

    def _split(self) -> None:
        """Take whole frames out of the bytes that came."""
        while len(self._data) >= 5:
            size = 5 + int.from_bytes(self._data[1:5], "big")
            if size > len(self._data):
                break
            self._frames[bytes(self._data[:1])] = bytes(self._data[5:size])
            del self._data[:size]


def _with_description(judgement: Judgement, html: bytes, profile: Profile) -> Judgement:
    """D16: a description that did not render is a fault or a warning."""
    if html:
        return replace(judgement, description_html=html.decode("utf-8", "replace"))
    if judgement.core is not None and judgement.core.description_content_type.startswith("text/plain"):
        return judgement
    if profile.allow_broken_descriptions:
        return judgement.warned(_NOT_RENDERED)
    return judgement.refused(_NOT_RENDERED)
