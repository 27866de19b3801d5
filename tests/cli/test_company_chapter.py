# SPDX-License-Identifier: Apache-2.0
"""The chapter "Running Packhouse for a company", word by word: its settings, its commands, its roles."""

from __future__ import annotations

import re
import shlex
import subprocess
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.corpus import make_wheel
from tests.infra.buckets import BucketServer
from tests.infra.postgresql import Cluster
from tests.infra.server import Server, run_packhouse

from packhouse.config import Settings

pytestmark = [pytest.mark.slow, pytest.mark.postgres]

CHAPTER = (Path(__file__).resolve().parents[2] / "docs" / "running-for-a-company.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```toml\n(.*?)^```", CHAPTER, re.MULTILINE | re.DOTALL)
COMMANDS = sorted(
    {
        line
        for line in re.findall(r"`packhouse ([^`]+)`", CHAPTER)
        + re.findall(r"^    packhouse (.*)$", CHAPTER, re.MULTILINE)
        if "<" not in line
    }
)
DEADLINE = 60.0


def test_every_setting_of_the_chapter_is_one_and_every_block_is_toml():
    assert len(BLOCKS) >= 2
    named = {name for block in BLOCKS for name in tomllib.loads(block)}
    named |= {name.lower() for name in re.findall(r"PACKHOUSE_([A-Z_]+[A-Z])", CHAPTER)}
    assert {"database", "storage", "secret_key_file", "base_url", "trusted_proxies"} <= named
    assert named <= set(Settings.__dataclass_fields__)


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_of_the_chapter_knows_its_options(line: str):
    words = shlex.split(line)
    done = run_packhouse(words[0], "--help")
    assert done.returncode == 0, done.stderr
    for option in (word.partition("=")[0] for word in words[1:] if word.startswith("--")):
        assert option in done.stdout, f"packhouse {words[0]} has no {option}"


def test_the_servers_of_the_chapter_start_with_its_settings_and_share_all(
    postgresql: Cluster, s3: BucketServer, tmp_path: Path, start_server: Callable[..., Server]
):
    """Its block as it stands, but for the four values; the first server alone, then another, and a worker."""
    database, key = postgresql.create("chapter"), tmp_path / "secret-key"
    made = re.search(r"# (openssl rand [^;]*); mode 0600", BLOCKS[1])
    assert made
    key.write_bytes(subprocess.run(shlex.split(made[1]), capture_output=True, check=True).stdout)
    key.chmod(0o600)
    block = BLOCKS[1]
    for told, ours in (
        ("postgresql://packhouse:secret@db.example.org/packhouse", database),
        ("s3://packhouse-files/production", s3.fresh()),
        ("/etc/packhouse/secret-key", str(key)),
    ):
        assert block.count(told) == 1
        block = block.replace(told, ours)

    def server(name: str, role: str) -> Server:
        folder = tmp_path / name
        folder.mkdir(mode=0o700)
        (folder / "packhouse.toml").write_text(block, encoding="utf-8")
        return start_server("--role", role, data=folder, extra=s3.environment, fresh=True)

    first = server("first", "origin")
    second, worker = server("second", "origin"), server("worker", "worker")
    for one in (first, second, worker):
        assert one.get("/readyz")[0] == 200
    person = first.make_user("ann", admin=True)
    token = second.make_token(person)
    filename, data = make_wheel("chapter", "1.0")
    assert first.publish(token, filename, data)[0] == 200
    assert filename.encode() in second.get("/simple/chapter/")[2]
    deadline = time.monotonic() + DEADLINE
    while b"/project/chapter/" not in second.get("/search/?q=chapter")[2]:
        assert time.monotonic() < deadline, "no worker follows"
        time.sleep(0.1)
    assert second.must("migrate", "--plan")
    second.must("migrate")
    assert "it writes, reads" in second.must("doctor")
    second.must("gc")
    second.must("token", "revoke", token)
    assert first.publish(token, *make_wheel("chapter", "2.0"))[0] == 401
    assert not list(tmp_path.rglob("catalogue.db"))
