# SPDX-License-Identifier: Apache-2.0
"""The processes that look into uploaded files: one that keeps others ready, and one for each file.

`main` runs in an interpreter of its own that never held a secret: it was started with an empty environment, and gets
only a socket of requests. It forks children ahead of need. A child takes one request from the socket (JSON, and two
descriptors: the file, opened for reading, and where to answer), gives up all rights, judges, answers and ends. Answers
are frames: a letter, the size in 4 bytes, the bytes. `S` started; `V` the judgement; `H` the description as HTML; `E`
that the child stays for a while, for more files of the same sender: these come where it answers, a frame `Q` each.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import io
import mmap
import os
import select
import signal
import socket
import struct
import sys
import time
import zipfile
from pathlib import Path
from typing import Any, NoReturn

import orjson

from packhouse.domain.judgement import judge_file
from packhouse.domain.metadata import read_metadata
from packhouse.domain.policy import PRIVATE, STRICT, Profile
from packhouse.domain.readme import render_description
from packhouse.services import sandbox

LARGEST_REQUEST = 64 * 1024  # bytes
RENDER_SECONDS = 2.0
IDLE_CHILDREN = 2
MOST_CHILDREN = 16
_ORPHANED = 77  # exit status of a child that found nobody left to work for
_BUSY = struct.Struct("=if")  # process, and the seconds it may take
MOST_FILES = 64  # that one child looks into
_GRACE = 2.0  # seconds after which a child that should have died by itself is killed


def main(control: int, lock: int) -> None:
    """Keep children ready until all who could ask have closed their end of the socket `control`.

    `lock` is a file that is locked while this process lives; when another one holds it, this one ends at once.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _close_others({0, 1, 2, control, lock})
    held = os.open(f"/proc/self/fd/{lock}", os.O_RDWR)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    os.chdir("/")
    sandbox.leave_network()
    sample = _warm_up()
    nursery = Nursery(control, (held, lock), sample)
    sandbox.see_only(_folders_of_modules())
    nursery.run()


def _folders_of_modules() -> set[str]:
    """The folders that modules were loaded from, for more may be wanted: the libraries, never the data folder."""
    files = [str(getattr(module, "__file__", None) or "") for module in list(sys.modules.values())]
    return {folder for folder in sys.path if any(file.startswith(f"{folder}/") for file in files)}


def _close_others(kept: set[int]) -> None:
    """Close what was inherited by mistake: a descriptor that some library did not mark as private."""
    for descriptor in [int(link.name) for link in Path("/proc/self/fd").iterdir()]:
        if descriptor not in kept:
            with contextlib.suppress(OSError):
                os.close(descriptor)


def _warm_up() -> bytes:
    """Do once what every child would do first, so that all share its memory; returns a wheel to try."""
    render_description("# a\n\n```python\nx = 1\n```\n", "text/markdown")
    render_description("a\n=\n\n.. code:: python\n\n   x = 1\n\n.. image:: https://a.example/b.png\n", "text/x-rst")
    for header, values in _USUAL.items():
        for value in values:
            read_metadata(f"Metadata-Version: 2.4\nName: a\nVersion: 1\n{header}: {value}\n".encode(), PRIVATE)
    sample = _make_sample()
    for _ in range(8):  # the interpreter adapts its code after so many runs, which each child would do again
        _judge_sample(sample)
    _judge_sample(sample, STRICT)
    judge_file(io.BytesIO(sample), "a-1.0.tar.gz", PRIVATE)
    gc.collect()
    gc.freeze()
    sandbox.use_up_gaps()
    return sample


_USUAL = {
    "Requires-Python": [f"{sign}3.{minor}" for sign in (">=", ">= ", "~=") for minor in range(6, 16)],
    "License-Expression": ["MIT", "Apache-2.0", "BSD-3-Clause", "BSD-2-Clause", "MPL-2.0", "ISC", "PSF-2.0"],
    "Description-Content-Type": [
        *("text/markdown", "text/x-rst", "text/plain", "text/markdown; charset=UTF-8"),
        *("text/markdown; charset=UTF-8; variant=GFM", "text/x-rst; charset=UTF-8"),
    ],
}
"""Values that many files have: judged once, then remembered."""


_SAMPLE = {
    "METADATA": "Metadata-Version: 2.4\nName: a\nVersion: 1.0\nRequires-Dist: b>=1; extra == 'c'\nProvides-Extra: c\n"
    "License-Expression: MIT\nRequires-Python: >=3\nDescription-Content-Type: text/markdown\nDynamic: License-File\n"
    "Classifier: Programming Language :: Python\nAuthor-Email: a@example.org\nProject-URL: A, https://example.org\n",
    "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "entry_points.txt": "[console_scripts]\na = a:a\n",
    "RECORD": "a-1.0.dist-info/METADATA,sha256=x,1\n",
}
_DESCRIPTION = "# a\n\nA [link](https://a.example), `code` and\n\n* a list.\n"


def _make_sample() -> bytes:
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in _SAMPLE.items():
            archive.writestr(f"a-1.0.dist-info/{name}", text)
    return wheel.getvalue()


def _judge_sample(wheel: bytes, profile: Profile = PRIVATE) -> None:
    """Judge a small wheel, so that whatever is done at the first time only is done."""
    orjson.dumps(judge_file(io.BytesIO(wheel), "a-1.0-py3-none-any.whl", profile).as_dict())
    render_description(_DESCRIPTION, "text/markdown")


class Nursery:
    """Children that wait, children at work, and their ends."""

    def __init__(self, control: int, private: tuple[int, ...], sample: bytes) -> None:
        """Children take requests from the socket `control`, close the descriptors `private`, and first try `sample`."""
        self._control = control
        self._private = private
        self._sample = sample
        self._filter = sandbox.make_filter()
        self._in_use = sandbox.address_space()
        self._null = os.open(os.devnull, os.O_RDWR)
        self._idle: set[int] = set()
        self._busy: dict[int, float] = {}  # process -> when it must have ended
        self._told, self._tell = os.pipe()
        self._woken, self._wake = os.pipe()
        for descriptor in (self._told, self._woken, self._wake):
            os.set_blocking(descriptor, False)

    def run(self) -> None:
        """Until nobody is left to work for."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        wanted = True
        while wanted:
            self._fill()
            select.select([self._told, self._woken], [], [], 0.5 if self._busy or not self._idle else None)
            self._note_busy()
            wanted = self._reap()
            self._kill_overdue()
        for process in (*self._idle, *self._busy):
            os.kill(process, signal.SIGKILL)

    def _fill(self) -> None:
        """Make children ready: one while others are at work, whom it would keep from their processor, else more."""
        wanted = 1 if self._busy else IDLE_CHILDREN
        while len(self._idle) < wanted and len(self._idle) + len(self._busy) < MOST_CHILDREN:
            try:
                process = sandbox.fork()
            except OSError:
                return  # no memory or no process left: tried again in half a second
            if process == 0:
                self._become_child()
            self._idle.add(process)

    def _become_child(self) -> NoReturn:
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for descriptor in (*self._private, self._told, self._woken, self._wake):
                os.close(descriptor)
            status = self._work()
        finally:
            os._exit(status)

    def _work(self) -> int:
        """Be a child: give up all rights, wait for one request, and answer it; returns the exit status.

        What costs time without a request is done before one comes: the filter, and touching the shared memory.
        """
        for descriptor in range(3):
            os.dup2(self._null, descriptor)  # whatever is printed from now on is lost
        gc.disable()
        sandbox.forbid(self._filter)
        _judge_sample(self._sample)
        return work(self._control, self._tell, self._in_use)

    def _note_busy(self) -> None:
        _read_all(self._woken)
        for process, seconds in _BUSY.iter_unpack(_read_all(self._told)):
            if process in self._idle:
                self._idle.remove(process)
                self._busy[process] = time.monotonic() + seconds + _GRACE

    def _reap(self) -> bool:
        """Take leave of those that ended; False when one found nobody to work for."""
        wanted = True
        while self._idle or self._busy:
            process, status = os.waitpid(-1, os.WNOHANG)
            if process == 0:
                break
            if process in self._idle and status:
                wanted = wanted and os.waitstatus_to_exitcode(status) != _ORPHANED
                time.sleep(0.01)  # children that die at once must not keep a processor busy
            self._idle.discard(process)
            self._busy.pop(process, None)
        return wanted

    def _kill_overdue(self) -> None:
        now = time.monotonic()
        for process, end in self._busy.items():
            if now > end:
                os.kill(process, signal.SIGKILL)


def _read_all(pipe: int) -> bytes:
    """What is in a pipe now, or the first part of it."""
    with contextlib.suppress(BlockingIOError):
        return os.read(pipe, 64 * _BUSY.size)
    return b""


def work(control: int, tell: int, in_use: int) -> int:
    """Take one request and answer it, within its limits, and those that follow from its sender; returns the status."""
    with socket.socket(fileno=control) as requests:
        data, descriptors, _, _ = socket.recv_fds(requests, LARGEST_REQUEST, 2)
    if not data:
        return _ORPHANED
    file, answer = descriptors
    request = orjson.loads(data)
    seconds, idle = request["stay"] or (0.0, 0.0)
    until = time.monotonic() + seconds
    os.write(tell, _BUSY.pack(os.getpid(), seconds + idle + request["wall_seconds"] + RENDER_SECONDS))
    os.close(tell)
    memory = in_use + int(request["memory"])
    for _ in range(MOST_FILES):
        _send(answer, b"S")
        sandbox.limit(
            memory=memory,
            cpu_seconds=request["cpu_seconds"],
            wall_seconds=request["wall_seconds"],
            more_cpu_seconds=_KEPT_CPU_SECONDS if seconds else 0,
        )
        _judge(file, answer, request)
        if not (request["stay"] and _may_stay(until)):
            break
        _send(answer, b"E")
        sandbox.end_after(idle)
        file, request = _next_request(answer)
    return 0


_KEPT_CPU_SECONDS = 10  # that a child which stays may use on all its files together


def _may_stay(until: float) -> bool:
    """Whether a child has enough left of its time and memory that the next file gets what a new child would give it."""
    if time.monotonic() > until or time.process_time() > _KEPT_CPU_SECONDS / 2:
        return False
    try:
        mmap.mmap(-1, _NEXT_MEMORY, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    except OSError:
        return False
    return True


_NEXT_MEMORY = 256 * 1024 * 1024
"""Bytes that must be left for a next file, which is small; should it need more, a new child judges it again."""


def _next_request(answer: int) -> tuple[int, dict[str, Any]]:
    """The next request of the same sender; ends this process when none comes."""
    with socket.socket(fileno=os.dup(answer)) as peer:
        data, descriptors, _, _ = socket.recv_fds(peer, LARGEST_REQUEST + 5, 1)
        if not data:
            os._exit(0)
        size = 5 + int.from_bytes(data[1:5], "big")
        while len(data) < size:
            piece = peer.recv(size - len(data))
            if not piece:
                os._exit(0)
            data += piece
    return descriptors[0], orjson.loads(data[5:])


def _judge(file: int, answer: int, request: dict[str, Any]) -> None:
    profile = Profile.from_dict(request["profile"])
    with io.BufferedReader(io.FileIO(file, "rb"), 64 * 1024) as archive:
        judgement = judge_file(archive, request["filename"], profile)
    plain = orjson.dumps(judgement.as_dict())
    _send(answer, b"V", len(plain).to_bytes(4, "big") + plain + judgement.metadata)
    core = judgement.core
    if core is not None and core.description:
        sandbox.end_after(RENDER_SECONDS)
        html = render_description(core.description, core.description_content_type)
        _send(answer, b"H", (html or "").encode())


def _send(answer: int, kind: bytes, data: bytes = b"") -> None:
    left = memoryview(kind + len(data).to_bytes(4, "big") + data)
    while left:
        left = left[os.write(answer, left) :]


if __name__ == "__main__":  # pragma: no cover
    main(int(sys.argv[1]), int(sys.argv[2]))
