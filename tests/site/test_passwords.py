# SPDX-License-Identifier: Apache-2.0
"""Argon2, a few at a time; what leaked elsewhere is refused."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from tests.infra.breach_host import BreachHost, breach_host

from packhouse.errors import Kind, PackhouseError
from packhouse.site import passwords
from packhouse.site.passwords import Argon2, too_long


def test_argon2id_with_the_cost_we_say():
    encoded = str(Argon2().encode("seven quiet otters", "salt salt salt"))
    assert encoded.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")
    assert Argon2().verify("seven quiet otters", encoded)
    assert not Argon2().verify("seven quiet otter", encoded)


def test_no_truncation_and_nothing_stripped():
    encoded = str(Argon2().encode("x" * 1024, "salt salt salt"))
    assert not Argon2().verify("x" * 1023, encoded)
    assert not Argon2().verify("x" * 1024 + " ", encoded)


def test_hostile_188_a_flood_is_turned_away_so_that_threads_stay_free():
    places = passwords._RUNNING + passwords._WAITING
    entered, release = threading.Semaphore(0), threading.Event()

    def hash_slowly() -> None:
        with passwords._turn():
            entered.release()
            release.wait(5)

    with ThreadPoolExecutor(places) as pool:
        running = [pool.submit(hash_slowly) for _ in range(passwords._RUNNING)]
        for _ in range(passwords._RUNNING):
            assert entered.acquire(timeout=5)
        waiting = [pool.submit(hash_slowly) for _ in range(passwords._WAITING)]
        while passwords._admitted._value:
            threading.Event().wait(0.001)
        with pytest.raises(PackhouseError) as refusal, passwords._turn():
            pass
        release.set()
        for job in [*running, *waiting]:
            job.result(10)
    assert refusal.value.kind is Kind.UNAVAILABLE
    assert refusal.value.retry_after
    with passwords._turn():
        pass  # all places are free again


@pytest.mark.parametrize(
    ("text", "long"), [("x" * 1024, False), ("x" * 1025, True), ("é" * 512, False), ("é" * 513, True)]
)
def test_the_limit_counts_bytes(text: str, long: bool):
    assert too_long(text) is long


@pytest.fixture
def leaks(settings: Any) -> Iterator[BreachHost]:
    with breach_host() as host:
        host.leaked = {"seven quiet otters"}
        settings.PACKHOUSE = replace(settings.PACKHOUSE, breached_passwords=host.url)
        yield host


def test_a_password_that_leaked_elsewhere_is_refused(leaks: BreachHost):
    with pytest.raises(ValidationError) as refused:
        validate_password("seven quiet otters")
    assert refused.value.error_list[0].code == "password_breached"
    validate_password("nine loud badgers")


@pytest.mark.parametrize("fault", ["fails", "is a page"])
def test_a_service_that_fails_keeps_nobody_from_a_password(leaks: BreachHost, fault: str):
    leaks.fault = fault
    validate_password("seven quiet otters")
    assert len(leaks.asked) == 1
    with pytest.raises(ValidationError):
        validate_password("password1234")  # the bundled list needs nobody


def test_nobody_is_asked_unless_a_service_is_named(settings: Any):
    with breach_host() as host:
        validate_password("seven quiet otters")
    assert host.asked == []
