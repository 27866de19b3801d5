# SPDX-License-Identifier: Apache-2.0
"""Kill trials on one data folder that lives through all of them.

A trial: start, compare with the ledger, set clients to work, kill the whole process group at a step or at a random
moment. The next start is the recovery that is timed and checked.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from packhouse.storage import sqlite
from tests.crash.checker import Checker, Findings
from tests.crash.client import Client
from tests.crash.ledger import Ledger, make_file
from tests.crash.load import Load
from tests.infra import server
from tests.infra.server import Server, environment

POINTS = tuple(f"s{number}" for number in range(1, 16))
"""Steps at which the server is killed while clients work; at `s15` garbage collection dies, and then the server."""
READY_SECONDS = 10.0
"""I7: a server is ready so soon after it was started, whatever ended the one before."""

REACH_SECONDS = 30.0
"""How long the clients may take to bring the server to a step; after that it is killed all the same."""

MIGRATION_STEPS = 120
"""So many times, about, a first start comes by `s16`: twice for each migration."""

SAMPLE = 3
"""Older files that are looked at in each trial; all of them are at the end."""


@dataclass
class Figures:
    """What the trials showed: by point how many there were and how many were not reached in time (and killed there),
    acknowledged answers, unanswered uploads that had happened or not, the longest recovery in seconds."""

    trials: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    appeared: int = 0
    absent: int = 0
    longest: float = 0.0
    late: int = 0
    lost: list[str] = field(default_factory=list)
    half: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def add(self, found: Findings, at: str) -> None:
        """Add what a check found after a kill at a point."""
        self.appeared += found.appeared
        self.absent += found.absent
        self.lost += [f"after {at}: {sentence}" for sentence in found.lost]
        self.half += [f"after {at}: {sentence}" for sentence in found.half]
        self.wrong += [f"after {at}: {sentence}" for sentence in (*found.undone, *found.other)]

    def join(self, other: Figures) -> None:
        """Add those of trials elsewhere."""
        for name in ("trials", "missed"):
            getattr(self, name).update(getattr(other, name))
        for name in ("acknowledged", "appeared", "absent", "late", "lost", "half", "wrong"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.longest = max(self.longest, other.longest)

    def faults(self) -> list[str]:
        """Every sentence about something wrong."""
        return [*self.lost, *self.half, *self.wrong]


class Trials:
    """Runs trials in a folder. `seed` makes the same choices again, as far as threads let it."""

    def __init__(self, folder: Path, seed: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._data = folder / "data"
        self._arm = folder / "fault"
        self._random = random.Random(seed)
        self._log = (folder / "ledger.jsonl").open("a", encoding="utf-8")
        self.ledger = Ledger(lambda line: print(line, file=self._log, flush=True))
        self._after = "nothing"
        self.figures = Figures()
        self._prepare()

    def _prepare(self) -> None:
        """An account that is signed in, and a token."""
        running = self._start()
        person = running.make_user("crash")
        self._token = running.make_token(person)
        self._password = person.password
        self._client = Client(port_of(running))
        self._client.page("/account/login/")
        signed_in = self._client.submit("/account/login/", login=person.name, password=person.password)
        assert signed_in.status == 302, signed_in.text[:500]
        kill(running)

    def _start(self) -> Server:
        self._data.with_name("data.log").unlink(missing_ok=True)  # it would be searched for its address again and again
        return server.start(self._data, extra={"PACKHOUSE_FAULT": f"@{self._arm}"})

    def run(self, points: list[str], until: float = float("inf")) -> Figures:
        """One trial for each of these points, none begun after `until` (monotonic seconds); then all is compared."""
        for point in points:
            if time.monotonic() > until:
                break
            self._trial(point)
        self._finish()
        return self.figures

    def _trial(self, point: str) -> None:
        if point == "s16":
            self._die_migrating()
            return
        running = self._recovered()
        self.figures.trials[point] += 1
        if point == "start":
            kill(running)
            self._die_starting()
        else:
            self._die_working(running, point)
        self._after = point

    def _recovered(self) -> Server:
        """Start, time it, and compare with the ledger."""
        self._arm.unlink(missing_ok=True)
        began = time.monotonic()
        running = self._start()
        took = time.monotonic() - began
        self.figures.longest = max(self.figures.longest, took)
        self.figures.late += took > READY_SECONDS
        self._client.port = port_of(running)
        settled = self.ledger.settled()
        old = self._random.sample(settled, min(SAMPLE, len(settled)))
        self._check([*self.ledger.unsettled(), *settled[-4:], *old])
        return running

    def _check(self, files: list[object]) -> None:
        checker = Checker(self._client, self.ledger, self._token)
        checker.check({id(file): file for file in files}.values())  # type: ignore[arg-type]
        checker.check_tokens()
        self._forget_old_tokens()
        self.figures.add(checker.findings, self._after)
        self.figures.wrong += [f"after {self._after}: {sentence}" for sentence in self._beside()]

    def _forget_old_tokens(self) -> None:
        for token in list(self.ledger.tokens)[:-2]:
            del self.ledger.tokens[token]

    def _beside(self) -> list[str]:
        """What can't be seen by HTTP: temporary files (I5), gaps in the journal (I6)."""
        wrong = [f"I5: {file.name} is left in tmp" for file in (self._data / "blobs/tmp").glob("*")]
        connection = sqlite.connect_read_only(self._data / "catalogue.db")
        with contextlib.closing(connection):
            query = "SELECT count(*), coalesce(min(serial), 1), coalesce(max(serial), 0) FROM catalogue_journalentry"
            count, first, last = connection.execute(query).fetchone()
            (serial,) = connection.execute("SELECT value FROM catalogue_counter WHERE name = 'serial'").fetchone()
        if (count, first) != (serial, 1) or last != serial:
            wrong.append(f"I6: {count} journal entries from {first} to {last}, and the counter says {serial}")
        return wrong

    def _die_starting(self) -> None:
        """Kill a server at some moment of its start."""
        command = [sys.executable, "-m", "packhouse", "serve", "--port", "0", "--upstream", "none"]
        process = subprocess.Popen(
            [*command, "--data", str(self._data)],
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(self._random.uniform(0.05, 0.9))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)

    def _die_migrating(self) -> None:
        """Kill the first start of a new folder between migrations; the next start has to finish them."""
        self.figures.trials["s16"] += 1
        with tempfile.TemporaryDirectory(dir=self._data.parent) as folder:
            extra = {"PACKHOUSE_FAULT": f"s16:kill@{self._random.randint(1, MIGRATION_STEPS)}"}
            dying = server.start(Path(folder, "new"), fresh=True, ready=False, extra=extra)
            try:
                dying.process.wait(60)
            except subprocess.TimeoutExpired:
                self.figures.missed["s16"] += 1
                kill(dying)
            again = server.start(Path(folder, "new"), fresh=True)
            token = again.make_token(again.make_user())
            filename, data = make_file("first", "1.0", True, 1, 100)
            answer = Client(port_of(again)).publish(token, filename, data)
            if answer.status != 200:
                self.figures.wrong.append(f"after s16: an upload is answered {answer.status}: {answer.text[:200]}")
            kill(again)

    def _die_working(self, running: Server, point: str) -> None:
        load = Load(self.ledger, self._client, self._token, self._password, self._random.getrandbits(32))
        before = self.ledger.acknowledged
        if point in POINTS and point != "s15":
            self._arm_at(point)
        load.start()
        if point == "random":
            time.sleep(self._random.uniform(0.0, 0.7))
        elif point == "s15":
            self._collect()
        else:
            self._await_end(running, point)
        kill(running)
        load.join()
        self.figures.acknowledged += self.ledger.acknowledged - before
        self.figures.wrong += [f"before {point}: {sentence}" for sentence in load.refused]

    def _arm_at(self, point: str) -> None:
        often = {"s3": 25, "s14": 3}.get(point, 8)
        count = self._random.randint(2 if point == "s14" else 1, often)
        partial = self._arm.with_suffix(".new")
        partial.write_text(f"{point}:kill@{count}")
        partial.replace(self._arm)

    def _await_end(self, running: Server, point: str) -> None:
        try:
            running.process.wait(REACH_SECONDS)
        except subprocess.TimeoutExpired:
            self.figures.missed[point] += 1

    def _collect(self) -> None:
        """Age all blobs by two days, leave some that nobody names, and have garbage collection die at work."""
        for seed in range(3):
            _orphan(self._data, self._random.randbytes(100 + seed))
        for blob in (self._data / "blobs/sha256").glob("??/??/*"):
            with contextlib.suppress(FileNotFoundError):
                os.utime(blob, (time.time() - 2 * 86400,) * 2)
        when = self._random.randint(1, 3)
        done = subprocess.run(
            [sys.executable, "-m", "packhouse", "gc", "--data", str(self._data)],
            env=environment({"PACKHOUSE_FAULT": f"s15:kill@{when}"}),
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
            start_new_session=True,
        )
        if done.returncode == 0:
            self.figures.missed["s15"] += 1
        elif done.returncode != -signal.SIGKILL:
            self.figures.wrong.append(f"gc ended with {done.returncode}: {done.stderr[-300:]}")

    def _finish(self) -> None:
        """Compare everything, search too, and end well."""
        running = self._recovered()
        self._check(list(self.ledger.files.values()))
        checker = Checker(self._client, self.ledger, self._token)
        living = {f.project for f in self.ledger.settled() if f.acked and not f.deletion}
        checker.check_search(sorted(living)[-40:])
        self.figures.add(checker.findings, "all")
        verified = running.command("verify")
        if verified.returncode:
            self.figures.wrong.append(f"I6: packhouse verify says {verified.stdout[-600:]}{verified.stderr[-300:]}")
        status = running.stop()
        if status:
            self.figures.wrong.append(f"the last server ended with {status}")
        self.figures.wrong += [f"at the end: {sentence}" for sentence in running.left_behind()]
        self._log.close()


def port_of(running: Server) -> int:
    return int(running.url.rpartition(":")[2])


def kill(running: Server) -> None:
    """Kill the whole group, and wait until it is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(running.process.pid, signal.SIGKILL)
    running.process.wait(10)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.killpg(running.process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.002)
    raise AssertionError("the killed group does not go")


def _orphan(data: Path, content: bytes) -> None:
    """A blob that no row names, as an upload that died leaves one."""
    from packhouse.storage.local_blobs import LocalBlobs

    LocalBlobs(data / "blobs").put(content)


def choose(count: int, seed: int) -> list[str]:
    """Points for so many trials: every step once in a turn, and a random moment about every third time."""
    chooser = random.Random(seed)
    points: list[str] = []
    while len(points) < count:
        turn = [*POINTS, "s16", *["random"] * 7, "start"]
        chooser.shuffle(turn)
        points += turn
    return points[:count]


def run_job(folder: str, count: int, seed: int, seconds: float) -> Figures:
    """The trials of one process, in a folder of their own."""
    return Trials(Path(folder), seed).run(choose(count, seed), time.monotonic() + seconds)
