# SPDX-License-Identifier: Apache-2.0
"""The benchmarks run and write their document; how fast anything is, no test asks."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Self

import pytest
from benchmarks.corpus import choose_names, corpus, make_wheel, write_wheel
from benchmarks.document import MARK
from benchmarks.findings import BUDGETS
from benchmarks.nodes_document import COSTS, TOGETHER
from benchmarks.nodes_document import MARK as NODES_MARK
from benchmarks.peers import fill
from benchmarks.publishing import Form
from benchmarks.reading import CASES
from benchmarks.scene import TWO
from benchmarks.sizes import TINY
from tests.infra.server import environment

from packhouse.domain.filenames import WheelFilename, parse_filename

ROOT = Path(__file__).resolve().parents[2]
REPEATED = {*(case.name for case in CASES), "install", "install-ten", "upload-small", "fresh", "memory-load"}
"""The cases that are measured with two workers, too."""


def run(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--tiny", *arguments],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_tiny_run_measures_everything_and_keeps_what_was_written_by_hand(tmp_path: Path):
    parts = [
        "start",
        "install",
        "upload",
        "fresh",
        "pull",
        *(["read", "load", "large", "two"] if shutil.which("wrk") else []),
    ]
    document = tmp_path / "performance.md"
    document.write_text(f"old\n{MARK}\n\n## Where the time goes\n", encoding="utf-8")
    run("--scratch", str(tmp_path / "run"), "--document", str(document), *(f"--part={part}" for part in parts))
    records = [json.loads(line) for line in (tmp_path / "run" / "results.jsonl").read_text().splitlines()]
    measured = {record["case"] for record in records}
    with_two = {record["case"] for record in records if record["server"] == TWO}
    text = document.read_text(encoding="utf-8")
    for budget in BUDGETS:
        assert budget.case in measured or "read" not in parts
        assert "read" not in parts or budget.case in with_two or budget.case not in REPEATED
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


def test_a_wheel_that_is_never_in_memory_is_a_sound_one(tmp_path: Path):
    wheel, file, sha256 = write_wheel(tmp_path, "huge-wheel", "1.0", 2_500_000)
    assert (file.name, sha256) == (wheel.filename, hashlib.sha256(file.read_bytes()).hexdigest())
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        record = archive.read("huge_wheel-1.0.dist-info/RECORD").decode().splitlines()
        data = archive.read("huge_wheel/data.bin")
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    assert f"huge_wheel/data.bin,sha256={digest},{len(data)}" in record
    assert 2_500_000 <= len(data) < 2_600_000


def test_a_peer_is_filled_for_as_long_as_there_is_time():
    """What it lacks is not asked of it."""
    sent: list[str] = []

    class Slow:
        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None: ...

        def publish(self, form: Form) -> None:
            sent.append(form.filename)

    wheels = [make_wheel("name", f"1.{number}") for number in range(3)]
    assert fill(Slow, wheels) == 3  # type: ignore[arg-type]
    assert fill(Slow, wheels, seconds=-1) == 0  # type: ignore[arg-type]
    assert sent == [wheel.filename for wheel in wheels]


@pytest.mark.slow
@pytest.mark.full
@pytest.mark.skipif(shutil.which("wrk") is None, reason="`make bench` installs wrk")
def test_a_tiny_run_of_three_servers_measures_every_part_and_writes_its_page(tmp_path: Path):
    document = tmp_path / "growth-nodes.md"
    document.write_text(f"old\n{NODES_MARK}\n\n## By hand\n", encoding="utf-8")
    sizes = ["--seconds", "1", "--rounds", "1", "--count", "4"]
    command = [
        sys.executable,
        "-m",
        "benchmarks.nodes",
        *sizes,
        "--scratch",
        str(tmp_path),
        "--document",
        str(document),
    ]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    text = document.read_text(encoding="utf-8")
    for case in (*COSTS, *TOGETHER.values()):
        assert f"| {case} |" in text
    assert text.endswith(f"{NODES_MARK}\n\n## By hand\n")
    assert "old" not in text
    assert (tmp_path / "growth-nodes.svg").read_text(encoding="utf-8").startswith("<svg ")
