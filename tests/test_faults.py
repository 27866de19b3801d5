# SPDX-License-Identifier: Apache-2.0
"""Faults on purpose: the rules of `PACKHOUSE_FAULT`."""

from __future__ import annotations

import errno
import time
from pathlib import Path

import pytest
from django.db import OperationalError

from packhouse.errors import PackhouseError
from packhouse.faults import STEPS, InjectedError, hook
from packhouse.storage.incoming import Hook


def failures(faults: Hook, step: str, times: int) -> list[int]:
    """Which of so many comings by a step failed, counted from 1."""
    failed = []
    for count in range(1, times + 1):
        try:
            faults(step)
        except InjectedError:
            failed.append(count)
    return failed


@pytest.mark.parametrize(
    ("when", "failed"), [("", [1]), ("@3", [3]), ("@2-4", [2, 3, 4]), ("@4-", [4, 5, 6]), ("@9", [])]
)
def test_a_rule_says_when(when: str, failed: list[int]):
    assert failures(hook(f"s8:exception{when}"), "s8", 6) == failed


def test_other_steps_pass():
    faults = hook("s8:exception@1-, s9:exception@2")
    assert [failures(faults, step, 2) for step in ("s1", "s7", "s8", "s9", "s10")] == [[], [], [1, 2], [2], []]


def test_the_disk_fails_with_the_systems_number():
    with pytest.raises(OSError, match="No space left") as caught:
        hook("s3:enospc")("s3")
    assert caught.value.errno == errno.ENOSPC
    with pytest.raises(OSError, match="Input/output") as caught:
        hook("s6:eio")("s6")
    assert caught.value.errno == errno.EIO


@pytest.mark.parametrize("step", ["s10", "s11", "s12"])
def test_in_the_transaction_it_fails_with_the_databases_words(step: str):
    with pytest.raises(OperationalError, match="disk is full"):
        hook(f"{step}:enospc")(step)


def test_a_stall_passes_after_its_time():
    began = time.monotonic()
    hook("s4:stall=0.05")("s4")
    assert time.monotonic() - began >= 0.05


@pytest.mark.parametrize("text", ["s17:kill", "s8", "s8:burn", "kill", "s8:kill@x", "s8:kill@-3"])
def test_rules_that_make_no_sense_are_refused(text: str):
    with pytest.raises(PackhouseError) as caught:
        hook(text)
    assert caught.value.code == "fault-unreadable"
    assert repr(text) in caught.value.message


def test_steps_are_named_without_gaps():
    kinds = {"s": 16, "m": 8, "b": 2}
    assert list(STEPS) == [f"{kind}{number}" for kind, most in kinds.items() for number in range(1, most + 1)]


def test_a_file_says_what_holds_from_now_on(tmp_path: Path):
    file = tmp_path / "fault"
    faults = hook(f"@{file}")
    seen = [failures(faults, "s3", 2)]
    for rules in ("s3:exception", "s3:exception@2", "s4:exception"):
        file.write_text(rules)
        seen.append(failures(faults, "s3", 2))
    file.unlink()
    assert [*seen, failures(faults, "s4", 2)] == [[], [1], [2], [], []]
