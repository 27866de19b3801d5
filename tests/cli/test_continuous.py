# SPDX-License-Identifier: Apache-2.0
"""A continuous backup, restores of it to a moment, and the drill."""

from __future__ import annotations

import hashlib
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.corpus import make_wheel
from tests.infra import databases, houses
from tests.infra.buckets import BucketServer
from tests.infra.server import Server, environment, finish, run_packhouse, start

from packhouse.storage.depots import depot_at
from packhouse.storage.states import states

pytestmark = pytest.mark.slow

WAIT = 60.0
OTHERWISE = {"catalogue_counter", "catalogue_journalentry"}
"""Tables to which a restore itself adds."""


@dataclass
class Kept:
    """A house of which every moment is kept; what its rows were at some of them."""

    server: Server
    token: str
    place: str
    moments: list[tuple[int, str, houses.Dump]] = field(default_factory=list)

    def publish(self, name: str, version: str) -> None:
        status, told = self.server.publish(self.token, *make_wheel(name, version))
        assert status == 200, told

    def serial(self) -> int:
        return int(self.server.get("/simple/")[1]["x-pypi-last-serial"])

    def remember(self) -> None:
        """Write down the rows of now, once they are kept."""
        rows = houses.dump(self.server.data, self.server.extra)
        serial = max(int(row[0]) for row in rows["catalogue_journalentry"][:-1])
        await_kept(self.place, serial)
        self.moments.append((serial, datetime.now(UTC).isoformat(), rows))


def await_kept(place: str, serial: int) -> None:
    """Until a backup holds a state of that serial."""
    deadline = time.monotonic() + WAIT
    while not any(state.serial >= serial for state in states(depot_at(place))):
        assert time.monotonic() < deadline, states(depot_at(place))
        time.sleep(0.1)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """A house with a past of three moments, that has ended."""
    folder = tmp_path_factory.mktemp("kept")
    place = f"file://{folder}/depot"
    server = start(folder / "data", extra={"PACKHOUSE_BACKUP": place})
    house = Kept(server, server.make_token(server.make_user("ann", admin=True)), place)
    house.publish("tapes", "1.0")
    house.publish("tapes", "2.0")
    house.remember()
    server.must("yank", "tapes==1.0", "--reason", "broken")
    server.must("delete", "tapes==2.0", "--yes")
    house.remember()
    house.publish("reels", "1.0")
    house.remember()
    assert "the continuous backup has everything up to serial" in server.must("doctor")
    finish(server)
    return house


def elsewhere(name: str) -> dict[str, str]:
    """The environment of a restore: another database when this run is on PostgreSQL."""
    if databases.wanted() != "postgresql":
        return {}
    return {"PACKHOUSE_DATABASE": databases.cluster().create(f"recovered_{name}")}


def recovered(kept: Kept, data: Path, at: str, extra: dict[str, str]) -> houses.Dump:
    options = ["--at", at] if at else []
    done = run_packhouse("restore", kept.place, *options, "--skip", "0", "--data", str(data), extra=extra)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return houses.dump(data, extra)


def facts(dump: houses.Dump) -> houses.Dump:
    """What a restore must give back exactly: everything but sessions, search, and what goes on around the facts."""
    return {name: rows for name, rows in dump.items() if not name.startswith("activity_") and name not in OTHERWISE}


def entries(dump: houses.Dump) -> list[list[str]]:
    """The journal but for the entry that a restore writes."""
    return [row for row in dump["catalogue_journalentry"][:-1] if row[2] != "server restored"]


@pytest.mark.parametrize(
    ("moment", "by"),
    [
        (0, "serial"),
        (1, "time"),
        *(pytest.param(*pair, marks=pytest.mark.full) for pair in [(0, "time"), (1, "serial")]),
    ],
)
def test_a_past_moment_comes_back_exactly(kept: Kept, tmp_path: Path, moment: int, by: str):
    serial, at, rows = kept.moments[moment]
    extra = elsewhere(f"{by}{moment}")
    back = recovered(kept, tmp_path / "data", f"serial-{serial}" if by == "serial" else at, extra)
    assert houses.differing(facts(rows), facts(back)) == []
    assert entries(back) == entries(rows)


def test_the_last_moment_comes_back_and_goes_on(kept: Kept, tmp_path: Path, start_server: Callable[..., Server]):
    extra = elsewhere("last")
    back = recovered(kept, tmp_path / "data", "", extra)
    assert houses.differing(facts(kept.moments[-1][2]), facts(back)) == []
    server = start_server(data=tmp_path / "data", extra=extra | {"PACKHOUSE_BACKUP": kept.place + "-2"})
    files = houses.files(server, "/simple/reels/")
    assert files == dict([make_wheel("reels", "1.0")])
    assert 'data-yanked="broken"' in server.get("/simple/tapes/", {"Accept": "text/html"})[2].decode()
    assert server.publish(kept.token, *make_wheel("tapes", "3.0"))[0] == 200
    assert server.publish(kept.token, *make_wheel("tapes", "2.0", files={"tapes/x.py": b"x"}))[0] == 400
    done = server.command("verify")
    assert done.returncode == 0, done.stdout


@pytest.mark.postgres
def test_it_comes_back_on_the_other_kind_of_database(kept: Kept, tmp_path: Path):
    extra = {"PACKHOUSE_DATABASE": databases.cluster().create("recovered_other")}
    if databases.wanted() == "postgresql":
        extra = {}  # files in the data folder
    back = recovered(kept, tmp_path / "data", "", extra)
    assert houses.differing(facts(kept.moments[-1][2]), facts(back)) == []


def test_too_early_is_one_sentence_that_says_how_early_is_kept(kept: Kept, tmp_path: Path):
    done = run_packhouse("restore", kept.place, "--at", "2001-01-01", "--data", str(tmp_path / "data"))
    assert done.returncode == 2
    assert "The oldest state kept is of 20" in done.stderr
    assert not (tmp_path / "data").exists()


def test_the_drill_says_how_long_and_how_late(kept: Kept, tmp_path: Path):
    done = run_packhouse("drill", kept.place, "--data", str(kept.server.data), "--within", str(tmp_path))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert re.match(r"recovery point  \d+\.\d s before the drill began, serial \d+\n", done.stdout)
    assert re.search(r"asked for       2 projects and 2 files;", done.stdout)
    assert done.stdout.endswith("The backup can be relied on.\n")
    assert list(tmp_path.iterdir()) == []
    doctor = run_packhouse("doctor", "--data", str(kept.server.data), extra=kept.server.extra)
    assert re.search(r"ok    the restore drill of .* had all back after", doctor.stdout)


def damaged_copy(kept: Kept, tmp_path: Path, which: str) -> str:
    """A copy of the depot with a byte of a file changed, or a file gone."""
    source, target = kept.place.removeprefix("file://"), tmp_path / "damaged"
    subprocess.run(["cp", "-r", source, str(target)], check=True)
    if which == "blob":
        digest = hashlib.sha256(make_wheel("reels", "1.0")[1]).hexdigest()
        file = target / "blobs" / "sha256" / digest[:2] / digest[2:4] / digest
        file.write_bytes(file.read_bytes()[:-1] + b"?")
        return f"file://{target}"
    changes = sorted((target / "changes").iterdir())
    if which == "gone":
        changes[0].unlink()
    else:
        data = bytearray(changes[0].read_bytes())
        data[len(data) // 2] ^= 0xFF
        changes[0].write_bytes(data)
    return f"file://{target}"


@pytest.mark.parametrize("which", ["blob", "gone", pytest.param("byte", marks=pytest.mark.full)])
def test_the_drill_finds_what_is_wrong_with_a_backup(kept: Kept, tmp_path: Path, which: str):
    place = damaged_copy(kept, tmp_path, which)
    done = run_packhouse("drill", place, "--data", str(tmp_path / "none"))
    assert done.returncode == 1
    assert "FAIL" in done.stdout
    assert "Traceback" not in done.stderr


def kill_at(server: Server, step: str, *command: str) -> None:
    told = environment({**server.extra, "PACKHOUSE_FAULT": f"{step}:kill"})
    words = [sys.executable, "-m", "packhouse", *command, "--data", str(server.data)]
    done = subprocess.run(
        words, env=told, capture_output=True, text=True, timeout=4 * WAIT, start_new_session=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, (done.stdout, done.stderr)


def follow(place: str, data: Path, extra: dict[str, str]) -> tuple[int, bool]:
    """Have a house bring a place up to date: exit status, whether it was told that the place is not its own."""
    done = run_packhouse("backup", "--continuous", "--once", place, "--data", str(data), extra=extra)
    return done.returncode, "is the backup of another house, or of a copy of this one" in done.stderr


def test_of_two_houses_with_one_past_one_alone_goes_on_in_a_depot(kept: Kept, tmp_path: Path):
    """A house that was restored, and copies of a data folder: the states of two are never mixed."""
    place = f"file://{tmp_path}/depot"
    subprocess.run(["cp", "-r", kept.place.removeprefix("file://"), str(tmp_path / "depot")], check=True)
    extra = elsewhere("twin")
    recovered(kept, tmp_path / "restored", "", extra)
    before = states(depot_at(place))
    assert follow(place, tmp_path / "restored", extra) == (2, True)
    assert states(depot_at(place)) == before
    assert follow(f"file://{tmp_path}/other", tmp_path / "restored", extra) == (0, False)
    if databases.wanted() == "postgresql":
        return
    for name in ("first", "second"):
        subprocess.run(["cp", "-r", str(kept.server.data), str(tmp_path / name)], check=True)
        done = run_packhouse("user", "create", name, "--email", f"{name}@example.org", "--password-stdin",
                             "--data", str(tmp_path / name), stdin="a quiet otter swims")  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert follow(place, tmp_path / "first", {}) == (0, False)
    after = states(depot_at(place))
    assert len(after) == len(before) + 1
    assert follow(place, tmp_path / "second", {}) == (2, True)
    assert follow(place, tmp_path / "first", {}) == (0, False)
    assert states(depot_at(place)) == after


@pytest.mark.full
@pytest.mark.crash
def test_killed_in_the_middle_of_a_backup_file_nothing_half_is_taken_for_one(
    start_server: Callable[..., Server], tmp_path: Path
):
    server = start_server()
    token = server.make_token(server.make_user("ann"))
    assert server.publish(token, *make_wheel("tapes", "1.0"))[0] == 200
    kill_at(server, "b1", "backup", str(tmp_path / "house.backup"))
    assert not (tmp_path / "house.backup").exists()
    (half,) = tmp_path.glob(".house.backup.partial")
    done = run_packhouse("restore", str(half), "--data", str(tmp_path / "half"), extra=elsewhere("half"))
    assert (done.returncode, "no whole backup" in done.stderr) == (2, True)
    server.must("backup", str(tmp_path / "house.backup"))


@pytest.mark.crash
def test_killed_in_a_continuous_backup_the_next_one_has_everything(start_server: Callable[..., Server], tmp_path: Path):
    """In its first base, and when a base or a change is kept but not known to be."""
    server = start_server()
    token = server.make_token(server.make_user("ann"))
    assert server.publish(token, *make_wheel("tapes", "1.0"))[0] == 200
    place = f"file://{tmp_path}/depot"
    for step, version in (("b1", "2.0"), ("b2", "3.0"), ("b2", "4.0")):
        assert server.publish(token, *make_wheel("tapes", version))[0] == 200
        kill_at(server, step, "backup", "--continuous", "--once", place)
    server.must("backup", "--continuous", "--once", place)
    house = Kept(server, token, place)
    back = recovered(house, tmp_path / "back", "", elsewhere("killed"))
    assert houses.differing(facts(houses.dump(server.data, server.extra)), facts(back)) == []
    assert {state.number for state in states(depot_at(place))} == set(range(1, len(states(depot_at(place))) + 1))


def test_one_bucket_keeps_one_house_and_one_process_at_a_time(
    start_server: Callable[..., Server], s3: BucketServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    place = s3.fresh()
    server = start_server(extra=s3.environment | {"PACKHOUSE_BACKUP": place})
    token = server.make_token(server.make_user("ann"))
    assert server.publish(token, *make_wheel("tapes", "1.0"))[0] == 200
    house = Kept(server, token, place)
    await_kept(place, house.serial())
    done = server.command("backup", "--continuous", "--once", place)
    assert (done.returncode, "Another process" in done.stderr) == (2, True)
    stranger = start_server(data=tmp_path / "stranger")
    done = run_packhouse("backup", "--continuous", "--once", place, "--data", str(stranger.data), extra=s3.environment)
    assert (done.returncode, "another house" in done.stderr) == (2, True)
    done = run_packhouse("drill", place, "--data", str(tmp_path / "none"), extra=s3.environment)
    assert done.returncode == 0, done.stdout + done.stderr
