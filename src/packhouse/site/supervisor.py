# SPDX-License-Identifier: Apache-2.0
"""The first process of a server: forks the workers, replaces those that die, drains them at the end.

It has imported everything and holds no thread, no connection and no lock when it forks, so that workers share its
memory and start in milliseconds. Signals are blocked and fetched one by one: there are no handlers to race with.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from packhouse.site.worker import DRAIN, LEAVE, Place

DRAIN_SECONDS = 30.0
"""How long transfers in flight may go on after a stop was asked for."""

QUEUE_SECONDS = 0.2
"""How long workers that were told to stop answer those who had connected already, and are not yet heard."""

IMPATIENCE_SECONDS = 2.0
"""A Ctrl-C later than this after the first stop asks to stop at once."""

YOUNG_SECONDS = 5.0
MAX_YOUNG_DEATHS = 3

SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD}

_log = structlog.stdlib.get_logger("packhouse.supervisor")

Work = Callable[[Place], None]


class Front(Protocol):
    """A program that stands before the workers and is started, watched and stopped with them."""

    def start(self) -> None:
        """Start it."""

    def watch(self) -> None:
        """Start it again when it has ended."""

    def drain(self, seconds: float) -> None:
        """Let its transfers finish, for so long at most, and end it."""


def hold_signals() -> None:
    """Keep signals for the supervisor's loop; from the first moment of a start, so that an early stop is clean too."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


@dataclass(slots=True)
class Child:
    """A living worker: its number, the writing end of its pipe, when it was born (monotonic seconds)."""

    number: int
    pipe: int
    born: float


@dataclass(slots=True)
class Supervisor:
    """Runs `work` in `count` processes on one listening descriptor until a signal says stop."""

    work: Work
    listener: int
    count: int
    front: Front | None = None
    notice: float = 0.0
    """Seconds before a stop for which `/readyz` tells load balancers of it, and all else goes on."""
    children: dict[int, Child] = field(default_factory=dict)
    young_deaths: int = 0

    def run(self) -> int:
        """Serve; returns the exit status: 0 after a stop, 1 when workers keep dying."""
        hold_signals()
        gc.collect()
        gc.freeze()
        for number in range(self.count):
            self._fork(number)
        if self.front is not None:
            self.front.start()
        status = self._watch()
        if status == 0 and self.notice:
            self._give_notice()
        begun = time.monotonic()
        if self.front is not None:
            self.front.drain(DRAIN_SECONDS)
        self._drain(begun)
        return status

    def _fork(self, number: int) -> None:
        reading, writing = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        process = os.fork()
        if process == 0:
            os.close(writing)
            self._become_worker(Place(number, self.listener, reading))
        os.close(reading)
        self.children[process] = Child(number, writing, time.monotonic())

    def _become_worker(self, place: Place) -> None:
        status = 1
        try:
            for child in self.children.values():
                os.close(child.pipe)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            self.work(place)
            status = 0
        except BaseException:  # noqa: BLE001 - the process ends here, whatever it is
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def _watch(self) -> int:
        stops = {signal.SIGTERM, signal.SIGINT}
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup(1) has it ignored
            stops.add(signal.SIGHUP)
        while True:
            number = signal.sigwait(SIGNALS)
            if number in stops:
                return 0
            if number == signal.SIGCHLD:
                if self.front is not None:
                    self.front.watch()
                for child in self._reap():
                    _log.warning("a worker ended; another takes its place", worker=child.number)
                    self.young_deaths += time.monotonic() - child.born < YOUNG_SECONDS
                    if self.young_deaths > MAX_YOUNG_DEATHS:
                        return 1
                    self._fork(child.number)

    def _reap(self) -> list[Child]:
        """The workers that ended since we looked last."""
        ended = []
        for process in list(self.children):
            if os.waitpid(process, os.WNOHANG)[0]:
                child = self.children.pop(process)
                os.close(child.pipe)
                ended.append(child)
        return ended

    def _give_notice(self) -> None:
        """Have load balancers send nobody any more; a second signal to stop ends the wait."""
        _log.info("stopping soon; load balancers are told", seconds=self.notice)
        for child in self.children.values():
            _tell(child.pipe, LEAVE)
        begun = time.monotonic()
        while self.children and (left := begun + self.notice - time.monotonic()) > 0:
            caught = signal.sigtimedwait(SIGNALS, left)
            if caught and caught.si_signo != signal.SIGCHLD and time.monotonic() - begun > IMPATIENCE_SECONDS:
                return
            self._reap()

    def _drain(self, begun: float) -> None:
        _log.info("stopping; transfers under way may take a while", seconds=DRAIN_SECONDS)
        for child in self.children.values():
            _tell(child.pipe, DRAIN)
        time.sleep(QUEUE_SECONDS)
        _shut(self.listener)
        while self.children and (left := begun + DRAIN_SECONDS - time.monotonic()) > 0:
            caught = signal.sigtimedwait(SIGNALS, left)
            if caught and caught.si_signo == signal.SIGINT and time.monotonic() - begun > IMPATIENCE_SECONDS:
                break
            self._reap()
        for process in self.children:
            _log.warning("a worker did not end in time", worker=self.children[process].number)
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)


def _shut(listener: int) -> None:
    """Have the kernel refuse new connections: to workers that live on, those would be a queue nobody looks at."""
    with socket.socket(fileno=listener) as ours, contextlib.suppress(OSError):
        ours.shutdown(socket.SHUT_RDWR)


def _tell(pipe: int, word: bytes) -> None:
    try:
        os.write(pipe, word)
    except BrokenPipeError:
        return  # it has just ended
