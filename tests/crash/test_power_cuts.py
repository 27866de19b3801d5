# SPDX-License-Identifier: Apache-2.0
"""A power cut loses nothing that was answered (fault table, rows 2 and 3), and the test would notice if it did."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash.disk import Disk, Record, in_order, pack_mark, read_log
from tests.crash.powercut import Recording, build, compiler, record, replay
from tests.infra.server import environment

pytestmark = [
    pytest.mark.crash,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(compiler() is None, reason="there is no C compiler for the shim that records what is written"),
]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return record(tmp_path_factory.mktemp("power"), 1.0, seed=3)


def end(recording: Recording) -> list[int]:
    """The moment after the last answer."""
    return [len(recording.records)]


def test_faults_2_3_after_a_power_cut_everything_answered_is_there(recording: Recording, tmp_path: Path):
    chance = random.Random(11)
    outcome = replay(recording, [*recording.cuts(4, chance), *end(recording)], tmp_path, chance)
    assert outcome.wrong == []
    assert (outcome.cuts, outcome.answers > 0) == (5, True)


WITHOUT: dict[str, Callable[[str], bool]] = {
    "of the folders of blobs": lambda path: "/blobs/sha256" in path,
    "of files": lambda path: "/blobs/tmp/" in path,
}


@pytest.mark.parametrize("without", WITHOUT)
def test_faults_2_without_an_fsync_something_would_be_lost(recording: Recording, tmp_path: Path, without: str):
    """The negative control: the same log, as if the server had not asked for these."""
    outcome = replay(recording, end(recording), tmp_path, random.Random(1), WITHOUT[without])
    assert [sentence for sentence in outcome.wrong if "is gone" in sentence or "half visible" in sentence]


COMMITS = """
import os, sys
from packhouse.catalogue.sqlite.base import PRAGMAS
from packhouse.storage.sqlite import library
connection = library.connect(sys.argv[1], isolation_level=None)
for pragma in PRAGMAS:
    connection.execute(pragma).fetchall()
connection.execute(f"PRAGMA synchronous = {sys.argv[2]}")
connection.execute("CREATE TABLE rows (number INTEGER)")
for number in range(1, 21):
    connection.execute("INSERT INTO rows VALUES (?)", [number])
    print(number, flush=True)
    sys.stdin.readline()
os._exit(0)
"""


def survivors(folder: Path, synchronous: str) -> int:
    """Of 20 committed rows, those there after a power cut."""
    root, log = folder / "disk", folder / "log"
    root.mkdir()
    shim = {"LD_PRELOAD": str(build(folder)), "PACKHOUSE_SHIM_ROOT": str(root), "PACKHOUSE_SHIM_LOG": str(log)}
    writer = subprocess.Popen(
        [sys.executable, "-c", COMMITS, str(root / "x.db"), synchronous],
        env=environment(shim),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdin is not None
    assert writer.stdout is not None
    for _ in range(20):
        writer.stdout.readline()
        writer.stdin.write("\n")
        writer.stdin.flush()
    writer.communicate(timeout=60)
    disk = Disk(root)
    for entry in read_log(log):
        disk.take(entry)
    disk.leave(folder / "left")
    code = (
        "import sys; from packhouse.storage.sqlite import library as l; c = l.connect(sys.argv[1]);"
        "print(c.execute('SELECT count(*) FROM rows').fetchone()[0]"
        " if c.execute('SELECT 1 FROM sqlite_schema').fetchone() else 0)"
    )
    command = [sys.executable, "-c", code, str(folder / "left" / "x.db")]
    return int(subprocess.check_output(command, env=environment(), text=True))


def test_faults_2_commits_survive_because_synchronous_is_full(tmp_path: Path):
    from packhouse.catalogue.sqlite.base import PRAGMAS

    assert "PRAGMA synchronous = FULL" in PRAGMAS
    for mode in ("FULL", "NORMAL"):
        (tmp_path / mode).mkdir()
    assert survivors(tmp_path / "FULL", "FULL") == 20
    assert survivors(tmp_path / "NORMAL", "NORMAL") < 20


def test_the_disk_keeps_what_was_synced_and_drops_the_rest(tmp_path: Path):
    """What the model of a disk promises, on plain files."""
    root, log = tmp_path / "disk", tmp_path / "log"
    root.mkdir()
    code = """
import os, sys
def put(name, sync, folder):
    fd = os.open(name, os.O_WRONLY | os.O_CREAT)
    os.write(fd, b"one")
    if sync:
        os.fsync(fd)
    os.write(fd, b" two")
    os.close(fd)
    if folder:
        at = os.open(os.path.dirname(name), os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(at)
        os.close(at)
os.chdir(sys.argv[1])
root = os.getcwd()
put(root + "/kept", True, True)
put("nameless", True, False)
put(root + "/empty", False, True)
os.link("kept", "linked")
os.rename("kept", "renamed")
"""
    shim = {"LD_PRELOAD": str(build(tmp_path)), "PACKHOUSE_SHIM_ROOT": str(root), "PACKHOUSE_SHIM_LOG": str(log)}
    subprocess.run([sys.executable, "-c", code, str(root)], env=environment(shim), check=True)
    with log.open("ab") as out:
        out.write(pack_mark("an answer"))
    disk = Disk(root)
    for entry in read_log(log):
        disk.take(entry)
    disk.leave(tmp_path / "left")
    left = {file.name: file.read_bytes() for file in (tmp_path / "left").iterdir()}
    assert left == {"kept": b"one", "nameless": b"one", "empty": b""}


def test_a_folder_that_was_written_down_late_comes_before_what_is_in_it():
    made = {name: Record("D", number, 0, name, b"") for number, name in enumerate([b"/r/a", b"/r/a/b", b"/r/c"], 1)}
    file = Record("L", 9, 0, b"/r/tmp", b"/r/a/b/file")
    assert in_order([made[b"/r/c"], file, made[b"/r/a/b"], made[b"/r/a"]]) == [*_ordered(made), file]
    assert in_order([*_ordered(made), file]) == [*_ordered(made), file]


def _ordered(made: dict[bytes, Record]) -> list[Record]:
    return [made[b"/r/c"], made[b"/r/a"], made[b"/r/a/b"]]
