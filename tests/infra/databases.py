# SPDX-License-Identifier: Apache-2.0
"""The databases of a test run: two SQLite files, or two schemas of a PostgreSQL database, migrated once.

`PACKHOUSE_TEST_DATABASE=sqlite|postgresql` chooses; the same tests run on both. A run starts one PostgreSQL, in the
first process, whose folder the workers of pytest-xdist inherit through the environment.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from tests.infra import postgresql

ROOM = 1024**3
_CLUSTER_VARIABLE = "PACKHOUSE_TEST_CLUSTER"
_started: list[postgresql.Cluster] = []


def wanted() -> str:
    """The database this run uses."""
    choice = os.environ.get("PACKHOUSE_TEST_DATABASE", "sqlite")
    if choice not in {"sqlite", "postgresql"}:
        raise ValueError(f"PACKHOUSE_TEST_DATABASE is {choice!r}, expected sqlite or postgresql.")
    return choice


def cluster() -> postgresql.Cluster:
    """The run's PostgreSQL, started at the first call."""
    folder = os.environ.get(_CLUSTER_VARIABLE)
    if folder:
        return postgresql.Cluster(Path(folder), None)
    if not _started:
        _started.append(postgresql.start())
        os.environ[_CLUSTER_VARIABLE] = str(_started[0].folder)
    return _started[0]


def stop() -> None:
    """End the PostgreSQL that this process started, if any."""
    while _started:
        _started.pop().stop()
        os.environ.pop(_CLUSTER_VARIABLE, None)


def make_data_folder() -> Path:
    """A data folder for this process's tests: in memory where there is room, since each commit is made durable."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOM
    return Path(tempfile.mkdtemp(prefix="packhouse-test-", dir=memory if roomy else None))


def remove_data_folder(folder: Path) -> None:
    """Take it away again."""
    shutil.rmtree(folder, ignore_errors=True)
