# SPDX-License-Identifier: Apache-2.0
"""Asking about leaked passwords: only five digits go out, whatever comes back is borne."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest
from tests.infra.breach_host import BreachHost, breach_host

from packhouse.upstream.breaches import is_breached
from packhouse.upstream.errors import UnreachableError, UnusableError

LEAKED = "seven quiet otters"


@pytest.fixture
def host() -> Iterator[BreachHost]:
    with breach_host() as running:
        running.leaked = {LEAKED}
        yield running


def test_a_leaked_password_is_found_and_another_is_not(host: BreachHost):
    assert is_breached(host.url, LEAKED)
    assert not is_breached(host.url, "nine loud badgers")


def test_only_five_digits_of_the_hash_go_out_and_padding_is_asked_for(host: BreachHost):
    is_breached(host.url, LEAKED)
    [(path, headers)] = host.asked
    digest = hashlib.sha1(LEAKED.encode(), usedforsecurity=False).hexdigest().upper()
    assert path == f"/range/{digest[:5]}"
    assert headers["add-padding"] == "true"
    assert not {"cookie", "authorization", "referer"} & set(headers)


def test_padding_is_no_password(host: BreachHost):
    digest = hashlib.sha1(b"nine loud badgers", usedforsecurity=False).hexdigest().upper()
    host.padding = digest[5:]
    assert not is_breached(host.url, "nine loud badgers")


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("fails", UnreachableError),
        ("hangs", UnreachableError),
        ("is a page", UnusableError),
        ("is endless", UnusableError),
        ("leads away", UnusableError),
    ],
)
def test_hostile_217_218_what_is_no_answer(host: BreachHost, fault: str, error: type[Exception]):
    host.fault = fault
    with pytest.raises(error):
        is_breached(host.url, LEAKED, seconds=0.5 if fault == "hangs" else 30.0)


def test_a_service_that_is_not_there():
    with pytest.raises(UnreachableError):
        is_breached("http://127.0.0.1:1/range/", LEAKED)
