# SPDX-License-Identifier: Apache-2.0
"""The chapter "Backup and restore", word by word: its commands, in order, beside a server, and its settings."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.corpus import make_wheel
from tests.infra import databases
from tests.infra.server import Server, run_packhouse

from packhouse.config import Settings

pytestmark = pytest.mark.slow

CHAPTER = (Path(__file__).resolve().parents[2] / "docs" / "backup-and-restore.md").read_text(encoding="utf-8")
LINES = re.findall(r"^    packhouse (.*)$", CHAPTER, re.MULTILINE)


def test_every_setting_of_the_chapter_is_one():
    named = {
        name
        for block in re.findall(r"^```toml\n(.*?)^```", CHAPTER, re.MULTILINE | re.DOTALL)
        for name in tomllib.loads(block)
    }
    named |= {name.lower() for name in re.findall(r"PACKHOUSE_([A-Z_]+[A-Z])", CHAPTER)}
    assert {"backup", "backup_days", "database"} <= named <= set(Settings.__dataclass_fields__)


def test_the_chapter_can_be_typed_as_it_stands(start_server: Callable[..., Server], tmp_path: Path):
    server = start_server(data=tmp_path / "srv" / "packhouse")
    token = server.make_token(server.make_user("ann"))
    assert server.publish(token, *make_wheel("tapes", "1.0"))[0] == 200
    serial = server.get("/simple/")[1]["x-pypi-last-serial"]
    (tmp_path / "backups").mkdir()
    typed: list[str] = []
    for line in LINES:
        words = [re.sub(r"^(file://)?/(?=backups/|srv/)", rf"\1{tmp_path}/", word) for word in shlex.split(line)]
        ours = {"2026-11-25T10:00:00Z": datetime.now(UTC).isoformat(), "serial-4711": f"serial-{serial}"}
        extra = server.extra
        if words[0] == "restore" and databases.wanted() == "postgresql":
            extra = {"PACKHOUSE_DATABASE": databases.cluster().create(f"typed_{len(typed)}")}
        done = run_packhouse(*(ours.get(word, word) for word in words), extra=extra)
        typed.append(words[0])
        if words[0] == "drill" and "file://" not in line and databases.wanted() == "postgresql":
            assert (done.returncode, "made from PostgreSQL" in done.stderr) == (2, True)  # as the chapter says
            continue
        assert (done.returncode, done.stderr) == (0, ""), (line, done.stdout)
        if words[0] == "restore":
            assert f"at serial {serial} " in done.stdout
        if words[0] == "drill":
            assert done.stdout.endswith("The backup can be relied on.\n")
    assert typed == ["backup", "restore", "backup", "restore", "restore", "restore", "drill", "drill"]
