# SPDX-License-Identifier: Apache-2.0
"""Faults on purpose at the steps of an upload, for tests and drills; left out of the wheel.

`PACKHOUSE_FAULT` holds rules `STEP:FAULT[@WHEN]`, separated by commas or blanks: `s8:kill`, `s3:enospc@2-5`,
`s6:eio@3-`, `s12:stall=30`. WHEN counts how often a process came by the step: a number (1 by default), a range, or
from a number on. `PACKHOUSE_FAULT=@FILE` reads the rules from a file, whenever it appears or changes, and counts anew
from then on. docs/durability.md names the steps.
"""

from __future__ import annotations

import errno
import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from packhouse.errors import Kind, refuse
from packhouse.storage.incoming import Hook

STEPS = {
    "s1": "the credentials in the headers are judged",
    "s2": "the temporary file is made",
    "s3": "a piece of the body is about to be written",
    "s4": "the body has ended; nothing is judged yet",
    "s5": "the judging child has its work",
    "s6": "before the fsync of the temporary file",
    "s7": "after it",
    "s8": "the blob is linked into its place",
    "s9": "after the fsync of its folder",
    "s10": "the transaction has begun",
    "s11": "rows and journal entries are written",
    "s12": "pages are written; before the commit",
    "s13": "after the commit, before the answer",
    "s14": "the answer is on its way; before search and other jobs follow the journal",
    "s15": "garbage collection is about to delete a blob",
    "s16": "before and after each migration",
    "m1": "a move: the target is ours, the source is watched",
    "m2": "a move: the target has its tables",
    "m3": "a move: the files are there that the next rows name",
    "m4": "a move: rows are written; before the commit",
    "m5": "a move: rows are committed; before the source forgets what changed",
    "m6": "a move: rows and files were compared; before nobody may write any more",
    "m7": "a move: nobody writes any more; before the last rows",
    "m8": "a move: all is there and compared; before the target is let go",
    "b1": "a backup: a blob is in it, or half a state",
    "b2": "a continuous backup: a state is kept; before the database forgets what changed",
}
IN_DATABASE = frozenset({"s10", "s11", "s12"})
"""Steps at which it is the database that meets a failing disk, so that its words are used."""

STALL_SECONDS = 30.0
_RULE = re.compile(r"([smb]\d+):(kill|exception|enospc|eio|erofs|stall(?:=\d+(?:\.\d+)?)?)(?:@(\d+)(-\d*)?)?")


class InjectedError(RuntimeError):
    """What the fault `exception` raises."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One fault: at which step, what, and from which to which coming by."""

    step: str
    fault: str
    first: int
    last: int


class Faults:
    """The hook that makes them. Counts in each process for itself; safe for threads."""

    def __init__(self, rules: list[Rule]) -> None:
        self._rules = rules
        self._seen: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, step: str) -> None:
        """Come by a step."""
        with self._lock:
            self._seen[step] += 1
            count = self._seen[step]
        for rule in self._rules:
            if rule.step == step and rule.first <= count <= rule.last:
                _make(rule.fault, step)


class FaultsOfFile:
    """The faults a file asks for, as long as it is there."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read = ("", Faults([]))
        self._lock = threading.Lock()

    def __call__(self, step: str) -> None:
        """Come by a step."""
        try:
            text = self._file.read_text(encoding="utf-8")
        except FileNotFoundError:
            text = ""
        with self._lock:
            if text != self._read[0]:
                self._read = (text, Faults(_rules(text)))
            faults = self._read[1]
        faults(step)


@lru_cache(maxsize=1)
def hook(text: str) -> Hook:
    """The hook for these rules, one for a whole process; refuses (INVALID) rules that can't be understood."""
    return FaultsOfFile(Path(text[1:])) if text.startswith("@") else Faults(_rules(text))


def _rules(text: str) -> list[Rule]:
    return [_parse(part) for part in text.replace(",", " ").split()]


def _parse(text: str) -> Rule:
    found = _RULE.fullmatch(text)
    if found is None or found[1] not in STEPS:
        sentence = (
            f"PACKHOUSE_FAULT holds {text[:60]!r}, expected s1 to s16, m1 to m8, b1 or b2 with kill, exception, enospc,"
            " eio, erofs or stall=SECONDS, such as s8:kill@2; correct or unset it."
        )
        raise refuse(Kind.INVALID, "fault-unreadable", sentence, "PACKHOUSE_FAULT")
    first = int(found[3] or 1)
    last = first if not found[4] else int(found[4][1:] or 10**9)
    return Rule(found[1], found[2], first, last)


def _make(fault: str, step: str) -> None:
    name, _, value = fault.partition("=")
    makers: dict[str, Callable[[], None]] = {
        "kill": lambda: os.killpg(0, signal.SIGKILL),
        "exception": lambda: _fail(InjectedError(f"a fault on purpose at {step}")),
        "stall": lambda: time.sleep(float(value or STALL_SECONDS)),
        "enospc": lambda: _fail(_disk_error(step, errno.ENOSPC, "database or disk is full")),
        "eio": lambda: _fail(_disk_error(step, errno.EIO, "disk I/O error")),
        "erofs": lambda: _fail(_disk_error(step, errno.EROFS, "attempt to write a readonly database")),
    }
    makers[name]()


def _disk_error(step: str, number: int, words: str) -> Exception:
    """What the step would see: an error of the system, or SQLite's words for it."""
    from django.db import OperationalError

    return OperationalError(words) if step in IN_DATABASE else OSError(number, os.strerror(number))


def _fail(error: Exception) -> None:
    raise error
