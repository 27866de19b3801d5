# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.infra.server import Server, run_packhouse

pytestmark = pytest.mark.slow


def findings(folder: Path) -> tuple[int, list[str]]:
    done = run_packhouse("doctor", "--data", str(folder))
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def test_healthy_beside_a_server(live: Server):
    status, lines = findings(live.data)
    assert status == 0, lines
    text = "\n".join(lines)
    for words in (
        f"a server runs (process {live.process.pid})",
        "has the fix for the WAL-reset corruption",
        "catalogue.db is whole",
        "activity.db is whole",
        "the databases are of this version",
        "and no gap",
        "a small durable write takes",
        "GiB free for",
    ):
        assert words in text
    assert re.search(r"\d+ projects?, \d+ files?, \d+ accounts?, \d+ tokens?$", text, re.MULTILINE)


def test_finds_what_is_wrong(start_server: Callable[..., Server]):
    server = start_server()
    server.stop()
    (server.data / "catalogue.db").chmod(0o644)
    with sqlite3.connect(server.data / "catalogue.db") as catalogue:
        catalogue.execute("DELETE FROM catalogue_journalentry")
        catalogue.execute("DELETE FROM django_migrations WHERE app = 'catalogue' AND name LIKE '0002%'")
    status, lines = findings(server.data)
    assert status == 1
    assert any(line.startswith("warn") and "may be read by others (mode 644)" in line for line in lines)
    assert any(line.startswith("FAIL") and "is of an older version" in line for line in lines)
    assert any(line.startswith("FAIL") and "the journal has 0 entries" in line for line in lines)


def test_survives_a_damaged_database(start_server: Callable[..., Server]):
    server = start_server()
    server.stop()
    file = server.data / "catalogue.db"
    os.truncate(file, file.stat().st_size // 2 // 4096 * 4096)
    status, lines = findings(server.data)
    assert status == 1
    assert any(line.startswith("FAIL") for line in lines)


def test_no_folder(tmp_path: Path):
    done = run_packhouse("doctor", "--data", str(tmp_path / "absent"))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
