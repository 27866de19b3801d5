# SPDX-License-Identifier: Apache-2.0
"""What was acknowledged survives a process that is killed, and the database stays whole."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.infra.server import environment

from packhouse.storage import sqlite

pytestmark = [pytest.mark.crash, pytest.mark.slow]

WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from packhouse import bootstrap
from packhouse.config import Settings
settings = Settings(data=Path(sys.argv[1]))
bootstrap.configure(settings)
from packhouse.catalogue.migrating import migrate
from packhouse.services import journal
migrate(settings)
print("ready", flush=True)
while True:
    with journal.write():
        moment = journal.take(2, lambda: datetime.now(UTC))
        facts = journal.Fact.FILE_ADDED, journal.Fact.FILE_YANKED
        journal.record(moment, journal.COMMAND, [journal.Entry(fact) for fact in facts])
    print(moment.last, flush=True)
"""


def start_writer(data: Path) -> subprocess.Popen[str]:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, data], stdout=subprocess.PIPE, text=True, env=environment()
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == "ready\n"
    return writer


def acknowledged(writer: subprocess.Popen[str], seconds: float) -> int:
    """Kill the writer after a while; the last serial it said it had committed."""
    timer = threading.Timer(seconds, writer.kill)
    timer.start()
    assert writer.stdout is not None
    with writer.stdout:
        serials = [int(line) for line in writer.stdout if line.endswith("\n")]
    writer.wait()
    timer.join()
    return max(serials, default=0)


def test_I6_after_a_kill_the_journal_holds_all_that_was_acknowledged_without_a_gap(tmp_path: Path):
    for seconds in (0.5, 0.9, 1.3):
        writers = [start_writer(tmp_path), start_writer(tmp_path)]
        last = max(acknowledged(writer, seconds) for writer in writers)
        connection = sqlite.connect_read_only(tmp_path / "catalogue.db")
        serials = [row[0] for row in connection.execute("SELECT serial FROM catalogue_journalentry ORDER BY serial")]
        counter = connection.execute("SELECT value FROM catalogue_counter WHERE name = 'serial'").fetchone()[0]
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()
        assert serials == list(range(1, counter + 1))
        assert counter >= last > 0
