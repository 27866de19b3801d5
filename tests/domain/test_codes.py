# SPDX-License-Identifier: Apache-2.0
"""Codes: ordered, documented with cause and cure, and every one that a judge gives is known."""

from __future__ import annotations

import re
from pathlib import Path

from packhouse.domain.codes import PRECEDENCE, in_order
from packhouse.errors import Fault

ROOT = Path(__file__).parents[2]
JUDGES = [
    "archive_limits",
    "archives",
    "filenames",
    "gzips",
    "metadata",
    "metadata_policy",
    "metadata_text",
    "records",
    "sdists",
    "tars",
    "wheel_file",
    "wheels",
    "zips",
    "names",
    "versions",
]
MAKERS = r"\b(?:fault|warn|_report|BadArchive|_refuse|_judge_by_packaging|refuse)"
CALLS = re.compile(MAKERS + r"\(\s*(?:Kind\.INVALID,\s*)?\"([a-z0-9-]+)\"")


def test_each_code_stands_once() -> None:
    assert len(set(PRECEDENCE)) == len(PRECEDENCE)


def test_each_code_is_documented() -> None:
    text = (ROOT / "docs/upload-errors.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `([a-z0-9-]+)` \|", text, re.MULTILINE))
    assert not set(PRECEDENCE) - documented


def test_each_code_that_a_judge_gives_has_its_place() -> None:
    given: set[str] = set()
    for name in JUDGES:
        source = (ROOT / f"src/packhouse/domain/{name}.py").read_text(encoding="utf-8")
        given |= set(CALLS.findall(source))
    assert len(given) > 60
    assert sorted(given - set(PRECEDENCE)) == []


def test_faults_are_put_in_order_and_said_once() -> None:
    first, second, last = Fault("name-invalid", "x"), Fault("zip-crc", "x"), Fault("unheard-of", "x")
    assert in_order([last, second, first, second]) == (first, second, last)
