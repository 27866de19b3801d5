# SPDX-License-Identifier: Apache-2.0
"""Trials of three nodes: people at work through the balancer, one thing fails and comes back, then all is compared.

The company lives through all trials, as the folder does through kill trials of one machine.
"""

from __future__ import annotations

import random
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.checker import Findings
from tests.crash.nodes import Company, company
from tests.crash.steady import SteadyLoad
from tests.crash.trial import kill
from tests.infra.fault_proxy import Mode

SAMPLE = 5
"""Older files that are looked at in each trial; all of them are at the end."""


@dataclass(frozen=True)
class Pace:
    """Seconds of work before a fault (at most), of the fault itself (at most), and of work after it."""

    before: float = 2.0
    during: float = 4.0
    after: float = 1.5


SHORT = Pace(0.6, 1.0, 0.4)
"""For the run of all tests."""

PATIENCE = 4.0
"""How much longer a fault may last that shows only when patience ends: the balancer's does after 10 s."""

Act = Callable[[Company, random.Random, float], None]
"""Makes a fault, lets it last for so many seconds, and takes it back."""


def kill_node(made: Company, chance: random.Random, seconds: float) -> None:
    """A node is killed and started again."""
    name = chance.choice(sorted(made.nodes))
    kill(made.nodes[name])
    time.sleep(seconds)
    made.restart(name)


def stop_node(made: Company, chance: random.Random, seconds: float) -> None:
    """A node stands still, its connections open, and goes on."""
    name = chance.choice(sorted(made.nodes))
    made.signal(name, signal.SIGSTOP)
    time.sleep(seconds)
    made.signal(name, signal.SIGCONT)


def crash_database(made: Company, _chance: random.Random, seconds: float) -> None:
    """The database is killed as by a power cut, and started again after a while."""
    made.database = made.database.crash(seconds)


def part_node(mode: Mode) -> Act:
    """One node can't reach the database."""

    def act(made: Company, _chance: random.Random, seconds: float) -> None:
        made.between.set(mode)
        time.sleep(seconds)
        made.between.set("well")

    return act


def fail_bucket(mode: Mode) -> Act:
    """The bucket fails for all."""

    def act(made: Company, _chance: random.Random, seconds: float) -> None:
        made.before.set(mode)
        time.sleep(seconds)
        made.before.set("well")

    return act


def long(act: Act) -> Act:
    """The same for longer."""
    return lambda made, chance, seconds: act(made, chance, PATIENCE * seconds)


FAULTS: dict[str, Act] = {
    "a node is killed (-9) and started again": kill_node,
    "a node stands still (SIGSTOP) and goes on": long(stop_node),
    "the database is killed and started again": crash_database,
    "a node's connections to the database break": part_node("away"),
    "a node's connections to the database are silent": long(part_node("silent")),
    "the bucket refuses connections": fail_bucket("away"),
    "the bucket is silent": long(fail_bucket("silent")),
    "the bucket answers everything by 500": fail_bucket("failing"),
    "the bucket is slow (0.25 s for each piece)": fail_bucket("slow"),
}


@dataclass
class NodeFigures:
    """What the trials of one fault showed; `longest` is in seconds, from the end of the fault until all is well."""

    trials: int = 0
    answers: int = 0
    lost: list[str] = field(default_factory=list)
    half: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    again: int = 0
    reads: int = 0
    unread: int = 0
    longest: float = 0.0

    def faults(self) -> list[str]:
        """Every sentence about something wrong."""
        return [*self.lost, *self.half, *self.wrong]

    def add(self, found: Findings) -> None:
        """What a check found."""
        self.lost += found.lost
        self.half += found.half
        self.wrong += [*found.undone, *found.other]


def run_trial(made: Company, fault: str, chance: random.Random, figures: NodeFigures, pace: Pace) -> None:
    """One fault while people work; then what a node shows is compared with what was acknowledged."""
    before = made.ledger.acknowledged
    load = SteadyLoad(made.ledger, made.client(), made.token, made.password, chance.getrandbits(32))
    load.start()
    time.sleep(chance.uniform(0.3, pace.before))
    FAULTS[fault](made, chance, chance.uniform(pace.during / 4, pace.during))
    began = time.monotonic()
    made.await_well()
    figures.longest = max(figures.longest, time.monotonic() - began)
    time.sleep(pace.after)
    load.join(120.0)
    made.await_well()
    figures.trials += 1
    figures.answers += made.ledger.acknowledged - before
    figures.again += load.again
    figures.reads += load.reads
    figures.unread += load.unread
    figures.lost += load.stale
    figures.wrong += load.refused
    settled = made.ledger.settled()
    old = [*settled[-4:], *chance.sample(settled, min(SAMPLE, len(settled)))]
    files = {file.filename: file for file in [*made.ledger.unsettled(), *old]}
    figures.add(made.check(chance.choice(sorted(made.nodes)), list(files.values())))


def finish(made: Company) -> Findings:
    """Compare everything, on one node, search too; and let `packhouse verify` look."""
    found = made.check("c", list(made.ledger.files.values()), search=True)
    verified = made.nodes["b"].command("verify")
    if verified.returncode:
        found.other.append(f"packhouse verify says {verified.stdout[-600:]}{verified.stderr[-300:]}")
    return found


def run_nodes(count: int, seed: int, until: float, pace: Pace = Pace()) -> dict[str, NodeFigures]:
    """So many trials, the faults in turns, none begun after `until` (monotonic seconds); figures by fault.

    What the last comparison of everything finds counts for the last fault.
    """
    figures = {name: NodeFigures() for name in FAULTS}
    if not count:
        return figures
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="packhouse-nodes-") as folder, company(Path(folder)) as made:
        name = next(iter(FAULTS))
        for number in range(count):
            if time.monotonic() > until:
                break
            name = list(FAULTS)[number % len(FAULTS)]
            run_trial(made, name, chance, figures[name], pace)
        figures[name].add(finish(made))
    return figures
