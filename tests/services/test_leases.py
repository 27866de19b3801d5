# SPDX-License-Identifier: Apache-2.0
"""Leases: on PostgreSQL one has it at a time, until it ends or nobody renews it; on SQLite each is given at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from packhouse.services import leases
from packhouse.services.leases import Lease, Told

pytestmark = pytest.mark.usefixtures("transactional_db")

DEADLINE = 60.0


@pytest.fixture
def shared() -> None:
    if not leases.is_shared():
        pytest.skip("one machine, one database file")


def given(lease: Lease | Told | None) -> Lease:
    assert isinstance(lease, Lease)
    return lease


def in_a_thread(key: str, is_needed: Callable[[], bool] = lambda: True) -> tuple[threading.Thread, list[object]]:
    """Wait for a turn that another has; what was given is in the list afterwards."""
    found: list[object] = []

    def wait() -> None:
        from django.db import connections

        found.append(leases.turn(key, is_needed, DEADLINE))
        connections.close_all()

    thread = threading.Thread(target=wait)
    thread.start()
    until = time.monotonic() + DEADLINE
    while not leases._keeper._watches:
        assert time.monotonic() < until
        time.sleep(0.01)
    return thread, found


def test_on_one_machine_every_lease_is_given_at_once():
    if leases.is_shared():
        pytest.skip("several machines")
    with given(leases.take("one")) as first, given(leases.take("one")) as second:
        assert (first.is_shared, second.is_shared) == (False, False)


@pytest.mark.usefixtures("shared")
def test_one_has_it_until_it_ends():
    with given(leases.take("one")):
        assert leases.take("one") is None
        with given(leases.take("another")):
            pass
    with given(leases.take("one")):
        pass


@pytest.mark.usefixtures("shared")
def test_it_is_renewed_for_as_long_as_it_is_held():
    with given(leases.take("one")):
        time.sleep(leases.SECONDS + 1.0)
        assert leases.take("one") is None


@pytest.mark.usefixtures("shared")
def test_that_of_a_dead_holder_ends_by_itself():
    leases._run(leases._TAKE, "one", "dead", leases.SECONDS)
    begun = time.monotonic()
    with given(leases.turn("one", lambda: True, DEADLINE)) as lease:
        assert lease.is_shared
    assert time.monotonic() - begun < DEADLINE


@pytest.mark.usefixtures("shared")
def test_those_who_wait_are_told_and_those_who_come_later_have_their_turn():
    with given(leases.take("one")) as lease:
        thread, found = in_a_thread("one")
        lease.tell(30.0, failed="so it was")
    thread.join(DEADLINE)
    assert found == [Told({"failed": "so it was"})]
    with given(leases.turn("one", lambda: True, 1.0)) as next_one:
        assert next_one.is_shared


@pytest.mark.usefixtures("shared")
def test_what_lasts_is_told_to_those_who_come_later_too():
    with given(leases.take("one")) as lease:
        lease.tell(30.0, absent=1.0, lasts=True)
    assert leases.turn("one", lambda: True, DEADLINE) == Told({"absent": 1.0, "lasts": True})


@pytest.mark.usefixtures("shared")
def test_what_is_not_needed_any_more_is_given_to_nobody():
    needed = [True]
    with given(leases.take("one")):
        thread, found = in_a_thread("one", lambda: needed[0])
        needed[0] = False
    thread.join(DEADLINE)
    assert found == [None]


@pytest.mark.usefixtures("shared")
def test_who_waits_for_too_long_has_it_all_the_same():
    with given(leases.take("one")):
        assert not given(leases.turn("one", lambda: True, 0.5)).is_shared


@pytest.mark.usefixtures("shared")
def test_a_holder_hears_that_it_is_waited_for_and_says_how_far_it_is():
    with given(leases.take("one")) as lease, leases.watch("one", wants=True) as watching:
        assert lease.wanted.wait(DEADLINE)
        lease.say(parts=3)
        until = time.monotonic() + DEADLINE
        while (standing := watching.look()) is None or not standing.said:
            assert time.monotonic() < until
        assert (standing.held, standing.said) == (True, {"parts": 3})


@pytest.mark.usefixtures("shared")
def test_rows_of_the_dead_are_swept():
    leases._run(leases._TAKE, "one", "dead", -120.0)
    leases._run(leases._TAKE, "two", "alive", 30.0)
    leases.sweep()
    assert leases._run("SELECT key FROM activity_lease") == [("two",)]
