# SPDX-License-Identifier: Apache-2.0
"""Power cuts without cutting power: a server's writes are recorded, and the folder is rebuilt as it could be after a
cut at any moment. Then a server starts on it and the checker compares (fault table, rows 2 and 3)."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.checker import Checker
from tests.crash.client import Client
from tests.crash.disk import Disk, Record, in_order, pack_mark, read_log
from tests.crash.ledger import Event, Ledger
from tests.crash.load import Load
from tests.infra import server
from tests.infra.server import Server

SOURCE = Path(__file__).with_name("shim.c")
ANSWERED = frozenset({"acked", "yanked", "deleted", "revoked"})


def compiler() -> str | None:
    """The C compiler, if there is one."""
    return shutil.which("gcc") or shutil.which("cc")


def build(folder: Path) -> Path:
    """Compile the shim into a folder."""
    made = folder / "shim.so"
    command = [compiler() or "cc", "-O1", "-shared", "-fPIC", "-o", str(made), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True, capture_output=True)
    return made


@dataclass
class Recording:
    """A log, and the account and token that the events in it are about."""

    root: Path
    records: list[Record]
    token: str

    def cuts(self, count: int, chance: random.Random) -> list[int]:
        """Moments to cut at, as numbers of records: half right after an answer, half anywhere."""
        answers = [n + 1 for n, record in enumerate(self.records) if _answer(record)]
        after = [chance.choice(answers) for _ in range(count // 2)]
        return sorted([*after, *(chance.randint(1, len(self.records)) for _ in range(count - len(after)))])

    def events(self, cut: int) -> list[Event]:
        """What had been asked and answered before a cut."""
        return [json.loads(record.first) for record in self.records[:cut] if record.kind == "M"]


def _answer(record: Record) -> bool:
    return record.kind == "M" and json.loads(record.first)["kind"] in ANSWERED


def record(folder: Path, seconds: float, seed: int) -> Recording:
    """Start a server on a new disk, let clients work on it for a while, kill it."""
    root, log = folder / "disk", folder / "log"
    root.mkdir(parents=True)
    shim = {"LD_PRELOAD": str(build(folder)), "PACKHOUSE_SHIM_ROOT": str(root), "PACKHOUSE_SHIM_LOG": str(log)}
    running = server.start(root / "data", fresh=True, extra=shim)
    marks = os.open(log, os.O_WRONLY | os.O_APPEND)

    def mark(line: str) -> None:
        os.write(marks, pack_mark(line))

    ledger = Ledger(mark)
    try:
        token = _work(running, ledger, seconds, seed)
    finally:
        os.killpg(running.process.pid, signal.SIGKILL)
        running.process.wait(10)
        os.close(marks)
    return Recording(root, in_order(list(read_log(log))), token)


def _work(running: Server, ledger: Ledger, seconds: float, seed: int) -> str:
    person = running.make_user("power")
    token = running.make_token(person)
    client = Client(int(running.url.rpartition(":")[2]))
    client.page("/account/login/")
    assert client.submit("/account/login/", login=person.name, password=person.password).status == 302
    load = Load(ledger, client, token, person.password, seed)
    load.start()
    deadline = time.monotonic() + 60
    time.sleep(seconds)
    while ledger.acknowledged < 12 and time.monotonic() < deadline:
        time.sleep(0.1)
    load.join()
    assert load.refused == []
    return token


@dataclass
class Outcome:
    """What servers found after cuts: how many, the answers that were looked for, and what was wrong."""

    cuts: int = 0
    answers: int = 0
    wrong: list[str] = field(default_factory=list)


def replay(
    recording: Recording,
    cuts: list[int],
    folder: Path,
    chance: random.Random,
    ignored: Callable[[str], bool] = lambda _path: False,
) -> Outcome:
    """Rebuild the folder at each of the cuts and check it: every second one as the strictest disk leaves it."""
    outcome, disk, done = Outcome(), Disk(recording.root, ignored), 0
    for number, cut in enumerate(cuts):
        for entry in recording.records[done:cut]:
            disk.take(entry)
        done = cut
        target = folder / f"cut-{number}"
        disk.leave(target, chance if number % 2 else None)
        _check(recording, cut, target, outcome)
        shutil.rmtree(target)
    return outcome


def _check(recording: Recording, cut: int, target: Path, outcome: Outcome) -> None:
    """Start on what was left and compare with what had been answered."""
    ledger = Ledger.of(recording.events(cut))
    outcome.cuts += 1
    outcome.answers += ledger.acknowledged
    try:
        running = server.start(target / "data", fresh=True)
    except AssertionError as error:
        outcome.wrong.append(f"cut {cut}: the server did not start: ...{str(error)[-600:]}")
        return
    try:
        if ledger.files:  # before the first of them there is no token yet
            checker = Checker(Client(int(running.url.rpartition(":")[2])), ledger, recording.token)
            checker.check(list(ledger.files.values()))
            checker.check_tokens()
            outcome.wrong += [f"cut {cut}: {sentence}" for sentence in checker.findings.all()]
    finally:
        os.killpg(running.process.pid, signal.SIGKILL)
        running.process.wait(10)
