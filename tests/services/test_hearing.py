# SPDX-License-Identifier: Apache-2.0
"""Who committed to PostgreSQL answers when all who listen have heard of it, or can't rely on what they know."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from django.db import connection, connections
from tests.infra import databases
from tests.infra.clock import TickingClock
from tests.services.conftest import make_user

from packhouse.catalogue.rows import fetch_one, run
from packhouse.services.indexes import ensure_main
from packhouse.services.journal import COMMAND, Entry, Fact, bump_access, record, take, write
from packhouse.storage.commits import COUNTERS, LEASE, Commits

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "activity"]),
    pytest.mark.skipif(databases.wanted() != "postgresql", reason="on SQLite all see a commit in shared memory"),
]
DEADLINE = 60.0
IN_TIME = "SELECT bool_and(seen >= (%s) OR at < clock_timestamp() - make_interval(secs => {lease})) FROM {table}"
HEARD = IN_TIME.replace("%s", COUNTERS).format(lease=LEASE, table="activity.activity_listener")


@pytest.fixture
def listening(clock: TickingClock) -> Iterator[Commits]:
    ensure_main(clock)
    settings = connections["default"].settings_dict
    commits = Commits(f"postgresql://{settings['USER']}@/{settings['NAME']}?host={settings['HOST']}")
    commits.start()
    deadline = time.monotonic() + DEADLINE
    while commits.known() is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    yield commits
    commits.stop()


def test_what_moves_a_counter_is_answered_when_it_was_heard(listening: Commits, clock: TickingClock) -> None:
    for number in range(20):
        with write():
            if number % 2:
                bump_access()
            else:
                record(take(1, clock), COMMAND, [Entry(Fact.FLAG_SET)])
        assert fetch_one(HEARD) == (True,)
    make_user("alice", clock)
    assert fetch_one(HEARD) == (True,)


def test_one_that_is_gone_is_waited_for_no_longer_than_it_can_believe_to_know(
    listening: Commits, clock: TickingClock
) -> None:
    run("INSERT INTO activity.activity_listener VALUES ('gone', 0, clock_timestamp())")
    with write():
        bump_access()
    assert fetch_one(HEARD) == (True,)
    row = fetch_one(
        "SELECT clock_timestamp() - at > make_interval(secs => %s) FROM activity.activity_listener WHERE name = 'gone'",
        LEASE,
    )
    assert row == (True,)


def test_one_that_does_not_hear_holds_up_nobody_for_long(listening: Commits) -> None:
    """It says that it lives, and never that it has heard."""
    over = threading.Event()

    def deaf() -> None:
        while not over.wait(0.02):
            run(
                "INSERT INTO activity.activity_listener VALUES ('deaf', 0, clock_timestamp())"
                " ON CONFLICT (name) DO UPDATE SET at = excluded.at"
            )
        connections.close_all()

    thread = threading.Thread(target=deaf)
    thread.start()
    try:
        with write():
            bump_access()
    finally:
        over.set()
        thread.join(DEADLINE)
    assert fetch_one("SELECT seen FROM activity.activity_listener WHERE name = 'deaf'") in {(0,), None}


def _fail_after_moving() -> None:
    bump_access()
    raise ZeroDivisionError


def test_what_is_rolled_back_or_moves_nothing_waits_for_nobody(listening: Commits) -> None:
    with pytest.raises(ZeroDivisionError), write():
        _fail_after_moving()
    assert not connection.run_on_commit
    with write():
        run("UPDATE catalogue_index SET names_serial = names_serial")
        assert not connection.run_on_commit
