# SPDX-License-Identifier: Apache-2.0
"""The benchmarks run and write their document; how fast anything is, no test asks."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.corpus import choose_names, corpus, make_wheel
from benchmarks.document import MARK
from benchmarks.findings import BUDGETS
from benchmarks.sizes import TINY
from tests.infra.server import environment

from packhouse.domain.filenames import WheelFilename, parse_filename

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--tiny", *arguments],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_tiny_run_measures_everything_and_keeps_what_was_written_by_hand(tmp_path: Path):
    parts = ["start", "install", "upload", *(["read"] if shutil.which("wrk") else [])]
    document = tmp_path / "performance.md"
    document.write_text(f"old\n{MARK}\n\n## Where the time goes\n", encoding="utf-8")
    run("--scratch", str(tmp_path / "run"), "--document", str(document), *(f"--part={part}" for part in parts))
    records = [json.loads(line) for line in (tmp_path / "run" / "results.jsonl").read_text().splitlines()]
    measured = {record["case"] for record in records}
    text = document.read_text(encoding="utf-8")
    for budget in BUDGETS:
        assert budget.case in measured or "read" not in parts
        assert (budget.label in text) == (budget.case in measured)
    assert text.endswith(f"{MARK}\n\n## Where the time goes\n")
    assert "old" not in text.split("\n", 1)[0]
    assert (tmp_path / "performance.svg").read_text(encoding="utf-8").startswith("<svg ")


def test_the_corpus_is_the_same_on_every_run_and_its_filenames_are_right():
    names = choose_names(TINY)
    wheels = list(corpus(names, TINY))
    assert wheels == list(corpus(names, TINY))
    assert len({wheel.filename for wheel in wheels}) == len(wheels)
    for wheel in wheels:
        parsed = parse_filename(wheel.filename)
        assert isinstance(parsed, WheelFilename)
        assert (parsed.name, str(parsed.version)) == (wheel.project, wheel.version)


def test_names_come_from_a_table(tmp_path: Path):
    table = tmp_path / "names.tsv"
    table.write_text("name\tdownloads\n" + "".join(f"name-{n}\t{n}\n" for n in range(7)), encoding="utf-8")
    assert choose_names(TINY, table).tree == ("name-4", "name-5", "name-6")
    table.write_text("name\nonly-one\n", encoding="utf-8")
    with pytest.raises(ValueError, match="has 1 names, 7 are needed"):
        choose_names(TINY, table)


def test_a_wheel_is_as_large_as_asked_for():
    assert 50_000 < len(make_wheel("name", "1.0", extra=50_000).data) < 55_000
