# SPDX-License-Identifier: Apache-2.0
"""A server that stands still in the middle of a transaction holds up the others for a moment only."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.corpus import make_wheel
from tests.infra.postgresql import Cluster
from tests.infra.server import Server

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.postgres, pytest.mark.full]

STILL = 25
"""Seconds: more than the database lets a transaction stand still."""


def test_N5_a_server_that_stands_still_in_a_transaction_does_not_hold_up_the_others(
    tmp_path: Path, postgresql: Cluster, start_server: Callable[..., Server]
):
    key, arm = tmp_path / "key", tmp_path / "fault"
    key.write_text("frozen " * 10)
    shared = {"PACKHOUSE_DATABASE": postgresql.create("frozen"), "PACKHOUSE_SECRET_KEY_FILE": str(key)}
    shared["PACKHOUSE_STORAGE"] = f"file://{tmp_path}/blobs"
    still = start_server(data=tmp_path / "still", extra=shared | {"PACKHOUSE_FAULT": f"@{arm}"}, fresh=True)
    other = start_server(data=tmp_path / "other", extra=shared)
    token = other.make_token(other.make_user())
    arm.write_text(f"s12:stall={STILL}")
    answers: list[tuple[int, str]] = []
    filename, data = make_wheel("still", "1.0")
    uploading = threading.Thread(target=lambda: answers.append(still.publish(token, filename, data)))
    uploading.start()
    with postgresql.connect("frozen") as connection:
        holding = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = 'frozen'"
        deadline = time.monotonic() + 60
        while connection.execute(holding).fetchone() == (0,):
            assert time.monotonic() < deadline, "the upload does not come to the step"
            time.sleep(0.05)
    status, told = other.publish(token, *make_wheel("moving", "1.0"))
    assert status == 200, told
    assert answers == []  # that one stands still yet
    uploading.join(120)
    assert answers[0][0] == 503, answers
    assert other.get("/simple/still/")[0] == 404
    arm.unlink()
    assert still.publish(token, filename, data)[0] == 200
    assert filename in other.get("/simple/still/")[2].decode()
